"""Numbers that are no flow are refused study by study, doubtful ones are said."""

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.anatomy import disc_mask, segment_map
from polarnet.readers import import_exports

SIDE = 48
DISC = disc_mask(SIDE)
REST = np.where(DISC, 0.8 + 0.4 * np.random.default_rng(1).random((SIDE, SIDE)), 0)
STRESS = np.where(DISC, 2.0 + 0.8 * np.random.default_rng(2).random((SIDE, SIDE)), 0)


@pytest.fixture
def imported(tmp_path):
    """Reads studies S0, S1, ... of (rest, stress), or what is there; ids kept, and what is said."""

    def read(*pairs, unit="mL/min/g", **settings):
        folder = tmp_path / "exports"
        folder.mkdir(exist_ok=True)
        for k, pair in enumerate(pairs):
            for name, values in zip(("rest", "stress"), pair, strict=True):
                if values is not None:
                    np.savetxt(folder / f"S{k}_{name}.csv", values, "%.5f", ",")
        said = []
        cohort = import_exports(
            folder, tmp_path / "out", unit=unit, keep_ids=True, tell=said.append, **settings
        )
        return list(cohort.patients.index), "\n".join(said)

    return read


def other(k, scale=1):
    """A sound study unlike the others."""
    return scale * (1 + 0.01 * k) * REST, scale * (1 + 0.02 * k) * STRESS


def own_scale(values, top):
    """As a screen is drawn: each picture brought to the same highest number."""
    return values / values.max() * top


def zero(is_lost, values=STRESS):
    return np.where(is_lost, 0, values)


def share(ratio):
    """Stress as a share of rest, with a pattern of its own."""
    return ratio * REST + 1e-3 * STRESS


@pytest.mark.parametrize(
    ("pair", "is_kept", "told"),
    [
        ((REST, zero(segment_map(SIDE) == 5)), False, "stress is exactly 0 in segment 5:"),
        ((REST, zero(np.isin(segment_map(SIDE), (5, 9)))), False, "exactly 0 in segments 5, 9:"),
        ((REST, zero(np.arange(SIDE)[:, None] < 14)), False, "exactly 0 in segments 1, "),
        # 1.0 less the coefficient of reproducibility of flow reserve, 0.29.
        ((REST, share(0.45)), False, "are rest and stress exchanged"),
        ((REST, share(0.69)), False, "are rest and stress exchanged"),
        ((REST, share(0.75)), True, "are rest and stress exchanged"),
        ((REST, share(0.95)), True, "are rest and stress exchanged"),
        ((0.5 * REST, 0.5 * share(5)), True, ""),
        ((0.5 * REST, 0.5 * share(7)), True, "are both in the same unit?"),
        ((0.5 * REST, 0.5 * share(9)), False, "are both in the same unit?"),
        # Means of pictures on their own scales differ by their pattern alone: a reserve of 1.
        *(((own_scale(REST, top), own_scale(STRESS, top)), False,
           f"rest and stress both end at {top:g}: was each scaled to its own maximum?")
          for top in (1, 2.55, 4.095)),
    ],
)  # fmt: skip
def test_flow_that_no_heart_has_is_refused_and_what_few_have_is_said(imported, pair, is_kept, told):
    kept, said = imported(pair, other(1))
    assert kept == ["S0", "S1"][not is_kept :]
    assert told in said
    n_refused, n_warned = int(not is_kept), int(is_kept and bool(told))
    assert f"Of 2 studies {n_refused} refused, {n_warned} warned of" in said or not told


@pytest.mark.parametrize("tops", [(255, 255), (100, 100), (1000, 1000), (254, 255), (255, 252),
                                  (254, 254)])  # fmt: skip
def test_pictures_that_end_as_pictures_do_are_no_flow(imported, tops):
    """Lossy ones end near 255."""
    pair = [np.round(own_scale(v, top)) for v, top in zip((REST, STRESS), tops, strict=True)]
    kept, said = imported(pair, other(1, scale=100), unit="mL/min/100g")
    assert kept == ["S1"]
    assert "scaled to its own maximum" in said


def test_zero_percent_in_a_segment_is_said_and_kept(imported):
    """Relative counts of a scar may fall to nothing."""
    with_scar = (own_scale(REST, 90), zero(segment_map(SIDE) == 5, own_scale(STRESS, 100)))
    kept, said = imported(with_scar, (own_scale(REST, 91), own_scale(STRESS, 99)), unit="percent")
    assert kept == ["S0", "S1"]
    assert "Of 2 studies 0 refused, 1 warned of" in said


def test_a_sector_of_zero_is_refused_in_a_matrix_of_rings(tmp_path):
    """The third of six sectors has its middle at 90 + 2 x 60 degrees: segment 3, 180 to 240.

    Drawn smoothly, its 0 is the value of a few pixels only.
    """
    for name, level in (("rest", 1.0), ("stress", 2.5)):
        rings = level + 0.1 * np.arange(24).reshape(4, 6)
        rings[3, 2] = 0 if name == "stress" else rings[3, 2]
        np.savetxt(tmp_path / f"S1_{name}.csv", rings, "%.3f", ",")
    profile = tmp_path / "rings.yaml"
    profile.write_text("layout: rings\nrings: 4\nsectors: 6\nfirst_ring: apex\n", encoding="utf-8")
    with pytest.raises(ValueError, match="its stress is exactly 0 in segment 3"):
        pn.read_exports(tmp_path, unit="mL/min/g", profiles=[profile], keep_ids=True)


def test_maps_of_a_cohort_that_all_end_alike_are_refused_or_said(imported):
    pairs = [other(k) for k in range(3)]
    kept, said = imported(*((r, np.minimum(s, 2.2)) for r, s in pairs))
    assert kept == ["S0", "S1", "S2"]
    assert "3 of 3 stress maps end at 2.2" in said
    assert "Of 3 studies 0 refused, 3 warned of" in said


def test_stress_maps_that_all_end_at_255_are_no_flow(imported):
    pairs = [(None, own_scale(STRESS * (1 + k * REST), 255)) for k in range(3)]
    with pytest.raises(ValueError, match="3 of 3 stress maps end at 255"):
        imported(*pairs, unit="mL/min/100g")


def test_flow_of_a_whole_cohort_that_is_unlike_people_is_said(imported):
    """A quarter of the usual flow."""
    kept, said = imported(*(other(k, scale=0.3) for k in range(3)))
    assert len(kept) == 3
    assert "Median of mean rest flow is 0.3 mL/min/g" in said


def test_doubts_stand_in_the_report_and_are_warnings_where_nobody_listens(imported, tmp_path):
    imported((REST, share(0.9)), other(1))
    report = pd.read_csv(tmp_path / "out" / "import_report.csv", keep_default_na=False)
    doubted = report[report["study_id"] == "S0"]
    assert (doubted["status"] == "warned").all()
    assert doubted["reason"].str.contains("its rest flow is above its stress flow").all()
    assert (report[report["study_id"] == "S1"]["status"] == "read").all()
    with pytest.warns(UserWarning, match="Of 2 studies 0 refused, 1 warned of"):
        pn.read_exports(tmp_path / "exports", unit="mL/min/g", keep_ids=True)


def test_the_phantom_is_plausible(imported):
    cohort = pn.make_phantom_cohort(20, seed=5, size=SIDE)
    kept, said = imported(*zip(cohort.maps["rest"], cohort.maps["stress"], strict=True))
    assert len(kept) == len(cohort)
    assert "Plausible" not in said


def table_of(path, rest, stress):
    """A table of 17 segments at `path`."""
    lines = [f"{k},{r:.3f},{s:.3f}" for k, (r, s) in enumerate(zip(rest, stress, strict=True), 1)]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["Segment,Rest,Stress", *lines]), encoding="utf-8")


def test_little_flow_in_a_table_of_segments_is_not_called_zero(imported, tmp_path):
    """Scars of 0.25 to 0.35 beside 2.0, where a smooth map touches 0 between them; then 0.01."""
    rest, stress = np.linspace(0.8, 0.9, 17), np.linspace(2, 2.2, 17)
    scar = [3, 4, 9, 10, 14]
    stress[scar], rest[scar] = (0.35, 0.3, 0.28, 0.33, 0.3), 0.26
    table_of(tmp_path / "exports" / "S1.csv", rest, stress)
    stress[scar] = 0.01
    table_of(tmp_path / "exports" / "S2.csv", rest * 1.1, stress * 1.1)
    kept, told = imported()
    assert kept == ["S1", "S2"]
    assert "exactly 0" not in told
    assert "S1.csv" not in told
    assert "its stress is 0.011 mL/min/g in a segment" in told


@pytest.mark.parametrize("code", [99, 999])
def test_a_code_in_one_segment_is_not_called_a_wrong_unit(imported, tmp_path, code):
    stress = np.linspace(2, 2.5, 17)
    stress[5] = code
    table_of(tmp_path / "exports" / "S1.csv", np.linspace(0.7, 1, 17), stress)
    _, said = imported()
    refused = next(line for line in said.splitlines() if "refused: S1.csv" in line)
    assert "a code for a missing one" in refused
    assert "100g" not in refused
