"""Out-of-distribution maps are told from fresh ones, and marked where they are scored."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet import ood
from polarnet.network.training import write_scores


@pytest.fixture(scope="module")
def splits():
    return pn.split_by_patient(pn.make_phantom_cohort(500, seed=21, size=32), val=0.3, seed=1)


@pytest.fixture(scope="module")
def usual(splits):
    return pn.ood.fit_distribution(splits[0], splits[1], pn.ExperimentConfig(map_type="stress"))


@pytest.fixture(scope="module")
def fresh():
    return np.asarray(pn.make_phantom_cohort(200, seed=22, size=32).maps["stress"])


def outside(usual, maps):
    """Share of maps that are out of distribution."""
    return float((usual.distances({"stress": maps}) > usual.threshold).mean())


DISC = pn.anatomy.disc_mask(32)


@pytest.mark.parametrize(
    ("change", "low", "high"),
    [(lambda m: m, 0, 0.1), (lambda m: np.rot90(m, 1, (1, 2)), 0.85, 1),
     (lambda m: np.rot90(m, 2, (1, 2)), 0.85, 1), (lambda m: m[:, :, ::-1], 0.85, 1),
     (lambda m: m * 100, 1, 1), (lambda m: m / 100, 1, 1), (np.zeros_like, 1, 1),
     (lambda m: np.random.default_rng(0).uniform(0, 4, m.shape) * DISC, 1, 1)],
    ids=["fresh", "quarter", "half", "mirrored", "hundredfold", "hundredth", "no flow", "noise"],
)  # fmt: skip
def test_turned_scaled_and_foreign_maps_are_outside_and_fresh_ones_are_not(
    usual, fresh, change, low, high
):
    assert low <= outside(usual, change(fresh)) <= high
    assert np.isinf(usual.distances({"stress": np.where(DISC, np.nan, fresh[:2])})).all()


def test_what_is_turned_shows_in_the_map_that_the_network_does_not_read(splits, usual):
    """Rest and stress come from one export: both together tell more mirrored ones."""
    assert list(usual.of_type) == ["rest", "stress"]
    mirrored = {m: np.asarray(splits[2].maps[m][:])[:, :, ::-1] for m in usual.of_type}
    both, alone = usual.distances(mirrored), usual.distances({"stress": mirrored["stress"]})
    assert (both >= alone).all()
    assert (both > usual.threshold).sum() > (alone > usual.threshold).sum()


def test_the_threshold_is_the_conformal_quantile_of_validation_maps(splits, usual):
    """At most 3.5 % of n + 1 exchangeable studies lie beyond the k-th of n, k = .965 (n + 1)."""
    val = splits[1]
    distances = np.sort(usual.distances(val.maps))
    n_beyond = int((distances > usual.threshold).sum())
    assert (n_beyond + 1) / (len(val) + 1) <= 0.035 < (n_beyond + 2) / (len(val) + 1)
    assert usual.rate == pytest.approx((n_beyond + 1) / (len(val) + 1))
    few = val.select(np.arange(9))  # too few for a small rate: the largest of 9 is 1 of 10
    usual = pn.ood.fit_distribution(splits[0], few, pn.ExperimentConfig(map_type="stress"))
    assert usual.rate == pytest.approx(0.1)
    assert usual.threshold == usual.distances(few.maps).max()


def test_a_reserve_map_is_judged_with_the_flows_it_comes_from(splits):
    usual = pn.ood.fit_distribution(splits[0], splits[1], pn.ExperimentConfig(map_type="reserve"))
    assert list(usual.of_type) == ["rest", "stress", "reserve"]
    turned = {m: np.rot90(np.asarray(s[:]), 2, (1, 2)) for m, s in splits[2].maps.items()}
    assert (usual.distances(turned) > usual.threshold).mean() > 0.85


def test_many_studies_are_looked_at_in_part_and_batches_change_nothing(
    splits, usual, fresh, monkeypatch
):
    whole = usual.distances({"stress": fresh})
    monkeypatch.setattr(ood, "_BATCH", 7)
    np.testing.assert_allclose(usual.distances({"stress": fresh}), whole, rtol=1e-9)
    monkeypatch.setattr(ood, "_MOST", 50)
    part = pn.ood.fit_distribution(splits[0], splits[1], pn.ExperimentConfig(map_type="stress"))
    assert (part.n_train, part.n_val) == (50, 50)


def test_the_file_keeps_everything(usual, fresh, tmp_path):
    assert ood.read_distribution(tmp_path) is None
    ood.write_distribution(usual, tmp_path)
    again = ood.read_distribution(tmp_path)
    assert np.array_equal(again.distances({"stress": fresh}), usual.distances({"stress": fresh}))
    for name in ("size", "threshold", "n_train", "n_val", "rate"):
        assert getattr(again, name) == getattr(usual, name)


@pytest.mark.parametrize(
    "changes",
    [{"numbers": np.array([32, 5])}, {"numbers": np.array([np.inf, 1, 1])}, {"threshold": None},
     {"threshold": np.array([np.nan, 0.1])}, {"threshold": np.array(["a", "b"])},
     {"map_types": np.array(["../x"])}, {"map_types": np.array(5)}, {"map_types": np.array([])},
     {"numbers": np.array([0, 1, 1])}, {"map_types": np.array([{"a": 1}], dtype=object)},
     {"stress_scales": np.full(10, np.nan)}, {"stress_scales": np.zeros(10)},
     {"stress_patterns_precision": np.full((32, 32), np.inf)},
     {"stress_patterns_centre": np.array(["x"] * 32)}],
)  # fmt: skip
def test_a_changed_file_is_one_clear_line_and_nothing_is_unpickled(usual, tmp_path, changes):
    ood.write_distribution(usual, tmp_path)
    path = tmp_path / ood.FILE
    with np.load(path) as file:
        arrays = dict(file) | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    told = r"familiarity\.npz cannot be read: .* Copy the run again"
    with pytest.raises(ValueError, match=told) as caught:
        ood.read_distribution(tmp_path)
    assert "\n" not in str(caught.value)


def test_other_maps_than_those_of_the_training_are_refused(usual, fresh):
    for given in ({"reserve": fresh}, {"stress": fresh[:, :16, :16]}):
        with pytest.raises(ValueError, match=r"rest, stress maps of 32 x 32 pixels, but \w+ \(216"):
            usual.distances(given)


def test_flat_maps_of_a_handful_of_studies_do_no_harm(make_cohort):
    config = pn.ExperimentConfig(map_type="stress")
    assert pn.ood.fit_distribution(make_cohort(n=6), make_cohort(n=2), config) is None
    usual = pn.ood.fit_distribution(make_cohort(n=12), make_cohort(n=2), config)
    assert np.isfinite(usual.distances(make_cohort(n=12).maps)).all()


def test_predictions_and_their_file_mark_maps_that_are_outside(finished_run, tmp_path):
    run, (_, _, test) = finished_run
    turned = {m: np.asarray(test.maps[m][:]).copy() for m in ("rest", "stress")}
    turned["stress"][0] = 9 * pn.anatomy.disc_mask(32)
    other = dataclasses.replace(test, maps=turned)
    scores = pn.predict(run, other)
    shares = scores.attrs["ood"]
    expected = run.distribution.distances(other.maps) / run.distribution.threshold
    np.testing.assert_allclose(shares, expected)
    assert list(shares.index) == list(test.patients.index)
    write_scores(scores, tmp_path / "scores.csv")
    warning = pd.read_csv(tmp_path / "scores.csv", index_col="study_id")["warning"]
    told = "trained on a phantom, not on patients; out-of-distribution map ("
    assert warning.iloc[0].startswith(told)
    assert warning.iloc[0].endswith(" times the distance that validation maps keep)")
    assert (warning.str.contains("out-of-distribution") == (shares > 1)).all()


def test_a_run_without_the_file_scores_as_before(finished_run, tmp_path):
    run = dataclasses.replace(finished_run[0], distribution=None)
    scores = pn.predict(run, finished_run[1][2])
    assert "ood" not in scores.attrs
    scores.attrs["warning"] = ""
    write_scores(scores, tmp_path / "scores.csv")
    written = list(pd.read_csv(tmp_path / "scores.csv"))
    assert written == ["study_id", "sex", "diabetes", "part", "warning"]


def test_scores_of_two_cohorts_can_be_put_together(finished_run):
    """pandas compares the attrs of tables that it puts together, and wants one bool."""
    scores = pn.predict(finished_run[0], finished_run[1][2])
    first, second = scores.iloc[:5], scores.iloc[5:].copy()
    second.attrs["ood"] = scores.attrs["ood"] * 2
    assert len(pd.concat([first, second])) == len(scores)
