import numpy as np
import pandas as pd
import pytest

import polarnet as pn


@pytest.fixture(scope="module")
def large():
    return pn.make_phantom_cohort(4000, seed=1, size=32)


def test_flow_without_risk_factors_is_that_of_opstal(large):
    """Opstal 2018: rest 1.02 (SD 0.22), stress 2.54 (0.41), MFR 2.60 (0.61)."""
    risks = large.traits[["diabetes", "hypertension", "dyslipidemia"]].fillna(1).any(axis=1)
    reference = ~risks & (large.truth[["lad", "rca", "lcx"]].sum(axis=1) == 0)
    flow = pd.DataFrame({m: large.global_means(m) for m in ("rest", "stress")})
    flow["mfr"] = large.global_mfr()
    flow = flow[reference]
    assert flow.mean().tolist() == pytest.approx([1.02, 2.54, 2.60], rel=0.04)
    assert flow.std().tolist() == pytest.approx([0.22, 0.41, 0.61], rel=0.12)


def test_women_have_more_flow_at_rest_and_stress(large):
    """After Brown: 1.15 at rest, 1.09 at stress (ratio of means, this cohort's own noise)."""
    sex = large.traits["sex"]
    for map_type, ratio in (("rest", 1.15), ("stress", 1.09)):
        flow = large.global_means(map_type)
        assert flow[sex == 1].mean() / flow[sex == 0].mean() == pytest.approx(ratio, abs=0.03)


def test_a_planted_defect_lies_in_its_territory(large):
    single = large.truth[["lad", "rca", "lcx"]]
    segments = large.segment_means("stress")
    healthy = segments[(single.sum(axis=1) == 0).to_numpy()].mean(axis=0)
    for column, vessel in (("lad", "LAD"), ("rca", "RCA"), ("lcx", "LCx")):
        only = ((single[column] > 0) & ((single > 0).sum(axis=1) == 1)).to_numpy()
        ratio = segments[only].mean(axis=0) / healthy
        lowest = set(np.argsort(ratio)[:3] + 1)
        assert lowest <= set(pn.anatomy.TERRITORIES[vessel])


def test_labels_follow_the_maps_and_some_are_not_recorded(large):
    assert ((large.global_mfr() < 2) == (large.traits["impaired_mfr"] == 1)).all()
    missing = large.traits.isna().mean()
    assert missing["smoking"] == pytest.approx(0.08, abs=0.02)
    assert missing["sex"] == 0


def test_same_seed_same_bytes():
    first, again = (pn.make_phantom_cohort(30, seed=9, size=16) for _ in range(2))
    assert first.maps["stress"].tobytes() == again.maps["stress"].tobytes()
    assert first.traits.equals(again.traits)


def test_another_size_has_the_same_patients():
    small, large = (pn.make_phantom_cohort(30, seed=9, size=size) for size in (16, 64))
    assert small.traits.drop(columns="impaired_mfr").equals(
        large.traits.drop(columns="impaired_mfr")
    )


def test_too_small_a_phantom_is_refused():
    with pytest.raises(ValueError, match="n_patients >= 1"):
        pn.make_phantom_cohort(0, seed=1)
