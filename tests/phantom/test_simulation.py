import ast
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.phantom import physiology, simulation

ROOT = Path(__file__).parents[2]
VESSELS = ["lad", "rca", "lcx"]
DROPS = [f"drop_{k}" for k in range(1, 18)]
ARTEFACTS = ["misregistration_rest", "motion_rest", "misregistration_stress", "motion_stress"]


@pytest.fixture(scope="module")
def large():
    return pn.make_phantom_cohort(4000, seed=1, size=16)


def test_every_published_quantity_is_met_within_its_tolerance(script):
    """The table of experiments/phantom/physiology.py; published values stand there."""
    table = script("phantom/physiology").physiology_table(6_000, 16)
    text = table.to_string(index=False, float_format=lambda x: f"{x:.3f}")
    sys.stdout.write(f"Phantom, not patients.\n{text}\n")
    assert len(table) == 54
    assert table["holds"].all(), text


def test_every_constant_says_where_it_comes_from():
    """A constant, or the last of a group, is followed by text with a source or "our choice"."""
    body = ast.parse(Path(physiology.__file__).read_text(encoding="utf-8")).body
    waiting = []
    for statement in body[1:]:
        if isinstance(statement, ast.AnnAssign):
            waiting.append(statement.target.id)
        elif isinstance(statement, ast.Expr):
            text = statement.value.value
            sourced = any(
                word in text for word in ("ur choice", "doi", "et al.", "BayesGrad", "ame maps")
            )
            assert sourced, (waiting, text)
            waiting = []
    assert not waiting


def test_every_diseased_vessel_has_a_defect_as_deep_as_it_says(large):
    """In studies with one diseased vessel the deepest segment loses the depth of the core."""
    drops = large.truth[DROPS].max(axis=1)
    depth = large.truth[VESSELS].max(axis=1)
    assert drops.tolist() == pytest.approx(depth.tolist(), abs=2e-4)
    assert 0.25 < (depth > 0).mean() < 0.30


def test_planted_drops_are_in_the_stress_maps_and_scars_at_rest(large):
    """RCA disease alone: segment 4 / anterior wall, relative to normals, against 1 - drop."""
    alone = ((large.truth[VESSELS] > 0) == [False, True, False]).all(axis=1).to_numpy()
    normal = (large.truth[VESSELS].sum(axis=1) == 0).to_numpy()
    drop = large.truth["drop_4"].to_numpy()
    for map_type, planted in (("stress", drop), ("rest", drop * large.truth["scar"].to_numpy())):
        segments = large.segment_means(map_type)
        kept = segments[:, 3] / segments[:, [0, 6, 12]].mean(axis=1)
        kept /= kept[normal].mean()
        slope, intercept = np.polyfit(1 - planted[alone], kept[alone], 1)
        assert slope == pytest.approx(1, abs=0.1)
        assert slope + intercept == pytest.approx(1, abs=0.05)


def test_noise_artefacts_gaps_and_order_are_the_same_whatever_the_traits(monkeypatch):
    """Every trait, and who is diseased, turned round: without the signal, the same bytes."""
    drawn = simulation.draw_patients

    def turned_round(rng, n):
        people = drawn(rng, n)
        binary = ["sex", "diabetes", "hypertension", "dyslipidemia", "smoking", "diseased"]
        return people.assign(**{trait: 1 - people[trait] for trait in binary})

    def simulate(**switches):
        return pn.make_phantom_cohort(60, seed=2, size=16, **switches)

    as_drawn, full = simulate(noise_only=True), simulate()
    monkeypatch.setattr(simulation, "draw_patients", turned_round)
    turned = simulate(noise_only=True)
    assert (as_drawn.traits["sex"] == 1 - turned.traits["sex"]).all()
    for map_type in ("rest", "stress"):
        assert np.array_equal(as_drawn.maps[map_type], turned.maps[map_type])
    for other in (as_drawn, turned):
        assert full.traits.isna().equals(other.traits.isna())
        assert full.truth[ARTEFACTS].equals(other.truth[ARTEFACTS])
        assert full.patients.equals(other.patients)


def test_noise_alone_tells_no_trait():
    """No trait correlates with any of the 34 segments of noise-only maps (|z| below 4.5)."""
    cohort = pn.make_phantom_cohort(2000, seed=5, size=16, noise_only=True)
    segments = np.concatenate([cohort.segment_means(m) for m in ("rest", "stress")], axis=1)
    for trait in pn.TRAITS[1:]:
        known = cohort.traits[trait].notna().to_numpy()
        table = np.column_stack([cohort.traits[trait][known], segments[known]])
        r = np.corrcoef(table.T)[0, 1:]
        assert np.abs(r).max() * np.sqrt(known.sum()) < 4.5


def test_no_trait_shows_in_how_much_rest_flow_varies(large):
    """Uncoupled patients vary as much as the others: SD of log rest flow, no disease, +-8 %."""
    normal = large.truth[VESSELS].sum(axis=1) == 0
    flow = np.log(large.global_means("rest"))[normal]
    for trait in ("diabetes", "smoking"):
        spread = flow.groupby(large.traits[trait]).std()
        assert spread[1] / spread[0] == pytest.approx(1, abs=0.08)


def test_misregistration_takes_lateral_flow(large):
    segments = large.segment_means("stress")
    lateral = segments[:, 10:12].mean(axis=1) / segments[:, 7:9].mean(axis=1)
    loss = large.truth["misregistration_stress"].to_numpy()
    assert 0.02 < (loss > 0).mean() < 0.06
    assert lateral[loss > 0].mean() / lateral[loss == 0].mean() < 0.9


def test_labels_follow_the_maps_and_second_studies_the_person(large):
    assert ((large.global_mfr() < 2) == (large.traits["impaired_mfr"] == 1)).all()
    missing = large.traits.isna().mean()
    assert missing["smoking"] == pytest.approx(0.08, abs=0.02)
    assert missing["sex"] == 0
    both = large.patients[large.patients.duplicated(keep=False)]
    age = large.clinical.loc[both.index, "age"].groupby(both)
    assert (age.last() > age.first()).all()
    assert (large.traits.loc[both.index, "sex"].groupby(both).nunique() == 1).all()


def test_same_seed_same_bytes_in_memory_and_on_disk(tmp_path):
    """Two blocks; a folder written twice, and the cohort made in memory."""
    arguments = {"n_patients": 520, "seed": 9, "size": 16}
    memory = pn.make_phantom_cohort(**arguments)
    folders = [tmp_path / "a", tmp_path / "b"]
    written = [pn.make_phantom_cohort(**arguments, out=folder) for folder in folders]
    for name in ("rest.npy", "stress.npy", "cohort.csv", "cohort.json"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    assert np.array_equal(memory.maps["stress"], np.asarray(written[0].maps["stress"]))
    pd.testing.assert_frame_equal(memory.traits, written[0].traits)
    pd.testing.assert_frame_equal(memory.truth, written[0].truth, check_dtype=False)
    assert list(written[0].clinical.columns) == list(memory.clinical.columns)


def test_a_larger_phantom_begins_with_the_smaller_one():
    small, large = (pn.make_phantom_cohort(n, seed=9, size=16) for n in (500, 510))
    assert np.array_equal(small.maps["rest"], large.maps["rest"][: len(small)])
    assert list(small.patients) == list(large.patients)[: len(small)]


def test_size_scale_and_tracer_change_what_they_name_alone():
    def make(**changes):
        return pn.make_phantom_cohort(**{"n_patients": 100, "seed": 9, "size": 16} | changes)

    def lateral_to_septal(cohort):
        mean = cohort.segment_means("rest").mean(axis=0)
        return mean[[10, 11]].mean() / mean[[7, 8]].mean()

    plain, larger, scaled, rubidium = make(), make(size=64), make(scale=1.25), make(tracer="Rb-82")
    assert larger.traits.iloc[:, 1:].equals(plain.traits.iloc[:, 1:])
    ratio = scaled.global_means("stress") / plain.global_means("stress")
    assert ratio.tolist() == pytest.approx([1.25] * len(plain), rel=1e-4)
    assert scaled.traits.equals(plain.traits)
    change = lateral_to_septal(plain) / lateral_to_septal(rubidium)
    assert change == pytest.approx(0.97, abs=0.005)
    assert make(n_patients=200, scale=2).maps["stress"].max() == 10  # what a cohort takes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_patients": 0}, "n_patients >= 1"),
        ({"size": 8}, "size >= 16"),
        ({"tracer": "Tc-99m"}, "No tracer 'Tc-99m'; use Rb-82 or N-13 ammonia"),
        ({"scale": 0}, "scale must lie between 0.5 and 2"),
        ({"scale": np.inf}, "scale must lie between 0.5 and 2"),
        ({"seed": None}, "seed must be a whole number"),
    ],
)
def test_what_cannot_be_simulated_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        pn.make_phantom_cohort(**{"n_patients": 5, "seed": 1} | arguments)


def test_an_existing_folder_is_refused_before_anything_is_simulated(tmp_path, monkeypatch):
    monkeypatch.setattr(simulation, "draw_patients", None)
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(FileExistsError):
        pn.make_phantom_cohort(5, seed=1, size=16, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
