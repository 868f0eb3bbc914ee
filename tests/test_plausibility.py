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
    """Reads studies S0, S1, ... of (rest, stress); gives ids that are kept, and what is said."""

    def read(*pairs, unit="mL/min/g"):
        folder = tmp_path / "exports"
        folder.mkdir()
        for k, pair in enumerate(pairs):
            for name, values in zip(("rest", "stress"), pair, strict=True):
                if values is not None:
                    np.savetxt(folder / f"S{k}_{name}.csv", values, "%.5f", ",")
        said = []
        cohort = import_exports(
            folder, tmp_path / "out", unit=unit, keep_ids=True, tell=said.append
        )
        return list(cohort.patients.index), "\n".join(said)

    return read


def other(k):
    """A sound study unlike the others."""
    return (1 + 0.01 * k) * REST, (1 + 0.02 * k) * STRESS


def own_scale(values, top):
    """As a screen is drawn: each picture brought to the same highest number."""
    return values / values.max() * top


@pytest.mark.parametrize(
    ("is_lost", "told"),
    [
        (segment_map(SIDE) == 5, "its stress is exactly 0 in segment 5:"),
        (np.isin(segment_map(SIDE), (5, 9)), "its stress is exactly 0 in segments 5, 9:"),
        (np.arange(SIDE)[:, None] < 14, "its stress is exactly 0 in segments 1, "),
    ],
)
def test_flow_of_zero_in_a_segment_is_refused(imported, is_lost, told):
    kept, said = imported((REST, np.where(is_lost, 0, STRESS)), other(1))
    assert kept == ["S1"]
    assert told in said
    assert "Of 2 studies 1 refused, 0 warned of" in said


def test_a_sector_of_zero_is_refused_in_a_matrix_of_rings(tmp_path):
    """The third of six sectors has its middle at 90 + 2 x 60 degrees: segment 3, 180 to 240.

    Drawn smoothly, its 0 is the value of a few pixels only.
    """
    for name, level in (("rest", 1.0), ("stress", 2.5)):
        rings = level + 0.1 * np.arange(24).reshape(4, 6)
        rings[3, 2] = 0 if name == "stress" else rings[3, 2]
        np.savetxt(tmp_path / f"S1_{name}.csv", rings, "%.3f", ",")
    profile = tmp_path / "rings.yaml"
    profile.write_text(
        "name: ours\nlayout: rings\nrings: 4\nsectors: 6\nrings_are: rows\nfirst_ring: apex\n"
        "first_sector_deg: 90\ndirection: counterclockwise\n",
        encoding="utf-8",
    )
    with pytest.raises(ValueError, match="its stress is exactly 0 in segment 3"):
        pn.read_exports(tmp_path, unit="mL/min/g", profiles=[profile], keep_ids=True)


def test_zero_percent_in_a_segment_is_said_and_kept(imported):
    """Relative counts of a scar may fall to nothing."""
    lost = np.where(segment_map(SIDE) == 5, 0, own_scale(STRESS, 100))
    with_scar = (own_scale(REST, 90), lost)
    kept, said = imported(with_scar, (own_scale(REST, 91), own_scale(STRESS, 99)), unit="percent")
    assert kept == ["S0", "S1"]
    assert "Of 2 studies 0 refused, 1 warned of" in said


@pytest.mark.parametrize(
    ("ratio", "is_kept"), [(0.45, False), (0.69, False), (0.75, True), (0.95, True)]
)
def test_rest_above_stress_is_refused_where_no_heart_does_so(imported, ratio, is_kept):
    """1.0 less the coefficient of reproducibility of flow reserve, 0.29."""
    kept, said = imported((REST, ratio * REST + 1e-3 * STRESS), other(1))
    assert kept == (["S0", "S1"] if is_kept else ["S1"])
    assert "are rest and stress exchanged" in said


@pytest.mark.parametrize(("ratio", "is_kept"), [(5.0, True), (7.0, True), (9.0, False)])
def test_a_reserve_that_no_heart_has_is_refused(imported, ratio, is_kept):
    kept, said = imported((0.5 * REST, 0.5 * ratio * REST + 1e-3 * STRESS), other(1))
    assert ("S0" in kept) == is_kept
    assert ("are both in the same unit?" in said) == (ratio > 6)


@pytest.mark.parametrize(
    ("top", "unit"),
    [(255, "mL/min/100g"), (100, "mL/min/100g"), (1000, "mL/min/100g"), (1, "mL/min/g"),
     (2.55, "mL/min/g"), (4.095, "mL/min/g")],
)  # fmt: skip
def test_pictures_scaled_each_to_its_own_maximum_are_no_flow(imported, top, unit):
    """Means of rest and stress differ by their pattern alone then: a reserve of 1."""
    scale = 100 if unit.endswith("100g") else 1
    r, s = other(1)
    kept, said = imported(
        (own_scale(REST, top), own_scale(STRESS, top)), (scale * r, scale * s), unit=unit
    )
    assert kept == ["S1"]
    assert f"rest and stress both end at {top:g}: was each scaled to its own maximum?" in said


def test_stress_maps_that_all_end_at_255_are_no_flow(imported):
    pairs = [(None, own_scale(STRESS * (1 + k * REST), 255)) for k in range(3)]
    with pytest.raises(ValueError, match="3 of 3 stress maps end at 255"):
        imported(*pairs, unit="mL/min/100g")


def test_maps_that_are_cut_off_at_the_same_flow_are_said(imported):
    pairs = [other(k) for k in range(3)]
    kept, said = imported(*((r, np.minimum(s, 2.2)) for r, s in pairs))
    assert kept == ["S0", "S1", "S2"]
    assert "3 of 3 stress maps end at 2.2" in said
    assert "Of 3 studies 0 refused, 3 warned of" in said


def test_flow_of_a_whole_cohort_that_is_unlike_people_is_said(imported):
    """A quarter of the usual flow."""
    kept, said = imported(*((0.3 * r, 0.3 * s) for r, s in map(other, range(3))))
    assert len(kept) == 3
    assert "Median of mean rest flow is 0.3 mL/min/g" in said


def test_doubts_stand_in_the_report_of_the_import(imported, tmp_path):
    imported((REST, 0.9 * REST + 1e-3 * STRESS), other(1))
    report = pd.read_csv(tmp_path / "out" / "import_report.csv", keep_default_na=False)
    doubted = report[report["study_id"] == "S0"]
    assert (doubted["status"] == "warned").all()
    assert doubted["reason"].str.contains("its rest flow is above its stress flow").all()
    assert (report[report["study_id"] == "S1"]["status"] == "read").all()


def test_in_memory_doubts_are_warnings_where_nobody_listens(tmp_path):
    for name, values in (("rest", REST), ("stress", 0.9 * REST + 1e-3 * STRESS)):
        np.savetxt(tmp_path / f"S1_{name}.csv", values, "%.5f", ",")
    with pytest.warns(UserWarning, match="Of 1 studies 0 refused, 1 warned of"):
        pn.read_exports(tmp_path, unit="mL/min/g", keep_ids=True)


def test_the_phantom_is_plausible(imported):
    cohort = pn.make_phantom_cohort(20, seed=5, size=SIDE)
    kept, said = imported(*zip(cohort.maps["rest"], cohort.maps["stress"], strict=True))
    assert len(kept) == len(cohort)
    assert "Plausible" not in said


@pytest.mark.realdata
def test_a_real_scar_is_plausible(ottawa, tmp_path):
    """Rest 0.54 and 0.82, stress 1.26 and 1.42 mL/min/g (mitre/BayesGrad)."""
    for path in ottawa.glob("study*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    said = []
    cohort = pn.read_exports(tmp_path, unit="mL/min/g", profiles=["flowquant-48"], keep_ids=True,
                             tell=said.append)  # fmt: skip
    assert len(cohort) == 2
    assert not any("Plausible" in line for line in said)


def table_of(path, rest, stress):
    """A table of 17 segments at `path`."""
    lines = [f"{k},{r:.3f},{s:.3f}" for k, (r, s) in enumerate(zip(rest, stress, strict=True), 1)]
    path.write_text("\n".join(["Segment,Rest,Stress", *lines]), encoding="utf-8")


def test_little_flow_in_a_table_of_segments_is_not_called_zero(tmp_path):
    """Scars of 0.25 to 0.35 beside 2.0, where a smooth map touches 0 between them; then 0.01."""
    rest, stress = np.linspace(0.8, 0.9, 17), np.linspace(2, 2.2, 17)
    scar = [3, 4, 9, 10, 14]
    stress[scar], rest[scar] = (0.35, 0.3, 0.28, 0.33, 0.3), 0.26
    table_of(tmp_path / "S1.csv", rest, stress)
    stress[scar] = 0.01
    table_of(tmp_path / "S2.csv", rest * 1.1, stress * 1.1)
    said = []
    cohort = import_exports(
        tmp_path, tmp_path / "out", unit="mL/min/g", keep_ids=True, tell=said.append
    )
    assert list(cohort.patients.index) == ["S1", "S2"]
    told = "\n".join(said)
    assert "exactly 0" not in told
    assert "S1.csv" not in told
    assert "its stress is 0.011 mL/min/g in a segment" in told


@pytest.mark.parametrize("code", [99, 999])
def test_a_code_in_one_segment_is_not_called_a_wrong_unit(tmp_path, code):
    stress = np.linspace(2, 2.5, 17)
    stress[5] = code
    table_of(tmp_path / "S1.csv", np.linspace(0.7, 1, 17), stress)
    said = []
    import_exports(tmp_path, tmp_path / "out", unit="mL/min/g", keep_ids=True, tell=said.append)
    refused = next(line for line in said if "refused: S1.csv" in line)
    assert "a code for a missing one" in refused
    assert "100g" not in refused


@pytest.mark.parametrize("tops", [(254, 255), (255, 252), (254, 254)])
def test_lossy_pictures_end_near_255_and_are_no_flow(imported, tops):
    pair = [np.round(own_scale(v, top)) for v, top in zip((REST, STRESS), tops, strict=True)]
    kept, said = imported(pair, (100 * REST * 1.01, 100 * STRESS * 1.02), unit="mL/min/100g")
    assert kept == ["S1"]
    assert "scaled to its own maximum" in said


def test_a_key_and_ids_that_are_kept_exclude_each_other(tmp_path):
    table_of(tmp_path / "S1.csv", np.linspace(0.7, 1, 17), np.linspace(2, 2.5, 17))
    with pytest.raises(ValueError, match="leave out one of them"):
        pn.read_exports(tmp_path, unit="mL/min/g", keep_ids=True, key=tmp_path / "key.txt")
    assert not (tmp_path / "key.txt").exists()
