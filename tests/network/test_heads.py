"""Share of the trunk and penalty of each head: chosen inside training, by patient."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

import polarnet as pn
from polarnet.grid import run_experiment
from polarnet.network import heads
from polarnet.network.model import CLINICAL, DEEP, WIDE, below, standards_of_features
from polarnet.network.pipeline import input_maps


@pytest.fixture
def made():
    """Features and labels by hand: `of_deep` is how much the label follows the deep features."""

    def make(n=150, of_wide=0.0, of_deep=0.0, seed=0):
        rng = np.random.default_rng(seed)
        groups = {WIDE: rng.normal(size=(n, 6)), DEEP: rng.normal(size=(n, 12))}
        logit = of_wide * groups[WIDE][:, 0] + of_deep * groups[DEEP][:, 0]
        labels = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
        return groups, pd.DataFrame({"sign": labels}), [f"P{k}" for k in range(n)]

    return make


def by_scikit_learn(groups, labels, patients, share, penalty, seed):
    """Log-loss of each study when its fold is held out; z-scores over the root of their number."""
    losses = np.empty(len(labels))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for seen, held in folds.split(labels, labels, patients):
        both = []
        for name, weight in ((WIDE, 1.0), (DEEP, share)):
            rows = groups[name]
            z = (rows - rows[seen].mean(axis=0)) / rows[seen].std(axis=0)
            both.append(weight * z / np.sqrt(rows.shape[1]))
        both = np.hstack(both)
        fitted = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=1000)
        odds = fitted.fit(both[seen], labels[seen]).predict_proba(both[held])[:, 1]
        losses[held] = -np.where(labels[held] == 1, np.log(odds), np.log(1 - odds))
    return losses


def test_penalty_share_and_losses_are_those_of_scikit_learn(made):
    groups, traits, patients = made(of_wide=1.0, of_deep=1.0)
    labels = traits["sign"].to_numpy()
    losses = {
        share: {penalty: by_scikit_learn(groups, labels, patients, share, penalty, seed=3)
                for penalty in heads.PENALTIES}
        for share in heads.SHARES
    }  # fmt: skip
    best = {share: min(of, key=lambda p: of[p].mean()) for share, of in losses.items()}
    lowest = min(best, key=lambda share: losses[share][best[share]].mean())
    excess = {s: losses[s][best[s]] - losses[lowest][best[lowest]] for s in heads.SHARES}
    within = [s for s, e in excess.items() if e.mean() <= e.std(ddof=1) / np.sqrt(len(e))]
    found = heads.choose_heads(groups, traits, patients, seed=3).loc["sign"]
    assert found["share"] == within[0]
    assert found["penalty"] == best[found["share"]]
    expected = losses[found["share"]][found["penalty"]].mean()
    assert found["log_loss"] == pytest.approx(expected, abs=1e-5)
    assert found["log_loss_bullseye"] == pytest.approx(losses[0.0][best[0.0]].mean(), abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_only_what_the_trunk_alone_can_see_gives_it_a_share(made, seed):
    for of_wide in (0.0, 2.0):
        groups, traits, patients = made(of_wide=of_wide, seed=seed)
        assert heads.choose_heads(groups, traits, patients, seed=seed)["share"].item() == 0
    groups, traits, patients = made(of_deep=3.0, seed=seed)
    found = heads.choose_heads(groups, traits, patients, seed=seed).loc["sign"]
    assert found["share"] > 0
    assert found["log_loss"] < found["log_loss_bullseye"] - 0.05
    assert found["log_loss_bullseye"] < 0.71  # that of a coin is ln 2


def test_each_trait_has_a_share_of_its_own_and_labels_that_lack_are_left_out(made):
    groups, traits, patients = made(of_deep=3.0)
    noise = np.random.default_rng(1).integers(0, 2, len(traits)).astype(float)
    is_known = np.arange(150) % 3 > 0
    both = traits.where(is_known[:, None]).assign(noise=noise)
    found = heads.choose_heads(groups, both, patients, seed=0)
    assert found.loc["sign", "share"] > 0
    assert found.loc["noise", "share"] == 0
    few = {name: rows[is_known] for name, rows in groups.items()}
    alone = heads.choose_heads(few, traits[is_known], np.array(patients)[is_known], seed=0)
    pd.testing.assert_frame_equal(found.loc[["sign"]], alone)
    assert alone["n"].item() == 100


def test_no_patient_is_in_two_folds(made, monkeypatch):
    groups, traits, _ = made()
    patients = np.repeat([f"P{k}" for k in range(50)], 3)
    folds, gram = [], heads._gram

    def spy(name, values, seen, held):
        folds.append((seen, held))
        return gram(name, values, seen, held)

    monkeypatch.setattr(heads, "_gram", spy)
    heads.choose_heads(groups, traits, patients, seed=0)
    for seen, held in folds:
        assert not set(patients[seen]) & set(patients[held])
    held_of_wide = np.concatenate([held for _, held in folds[::2]])
    assert sorted(held_of_wide) == list(range(150))


def test_the_unit_of_features_does_not_matter(made):
    groups, traits, patients = made(of_wide=1.0, of_deep=1.0)
    other = {name: 100 * rows + 7 for name, rows in groups.items()}
    found = [heads.choose_heads(given, traits, patients, seed=0) for given in (groups, other)]
    pd.testing.assert_frame_equal(*found, atol=1e-5)


def test_a_given_share_leaves_the_penalty_to_be_chosen(made):
    groups, traits, patients = made(of_wide=1.0)
    found = heads.choose_heads(groups, traits, patients, seed=0, share=0.7).loc["sign"]
    assert found["share"] == 0.7
    assert found["penalty"] in heads.PENALTIES
    assert np.isnan(found["log_loss_bullseye"])


def test_one_patient_of_a_class_cannot_choose(made):
    """Three studies of one patient are one patient."""
    groups, traits, patients = made()
    traits["sign"] = (np.arange(150) < 3).astype(float)
    patients[:3] = ["P0"] * 3
    found = heads.choose_heads(groups, traits, patients, seed=0).loc["sign"]
    assert (found["share"], found["penalty"]) == heads.UNTUNED
    assert np.isnan(found["log_loss"])


def test_of_many_studies_a_part_chooses_and_what_it_lacks_is_not_solved(made, monkeypatch):
    groups, traits, patients = made(of_wide=1.0)
    monkeypatch.setattr(heads, "MOST", 90)
    found = [heads.choose_heads(groups, traits, patients, seed=s) for s in (0, 0, 1)]
    assert found[0]["n"].item() == 90
    pd.testing.assert_frame_equal(found[0], found[1])
    assert not found[0].equals(found[2])
    rare = traits.assign(rare=0.0)
    rare.loc[np.setdiff1d(np.arange(150), heads._known(rare["sign"], 0))[0], "rare"] = 1.0
    chosen = heads.choose_heads(groups, rare, patients, seed=0)
    standards = standards_of_features(groups)
    assert list(heads.fitted_heads(groups, standards, rare, chosen, seed=0)) == ["sign"]


def test_the_exact_solution_is_that_of_scikit_learn(made):
    groups, traits, _ = made(of_wide=1.0, of_deep=1.0)
    both = np.hstack([groups[WIDE], 0.3 * groups[DEEP]])
    fitted = LogisticRegression(C=1 / 0.5, tol=1e-10, max_iter=1000).fit(both, traits["sign"])
    weights, bias = heads.fitted_head(groups, traits["sign"].to_numpy(), share=0.3, penalty=0.5)
    np.testing.assert_allclose(weights, fitted.coef_[0], atol=1e-4)
    assert bias == pytest.approx(fitted.intercept_[0], abs=1e-4)


def test_clinical_columns_are_weighed_as_scikit_learn_would(made):
    """By hand in each fold: z-scores over what was recorded, 0 and a mark where nothing was. The
    label follows the first column, of which a third is missing and whose unit is a million."""
    groups, traits, patients = made()
    rng, labels = np.random.default_rng(4), traits["sign"].to_numpy()
    values = np.c_[1e6 * (2 * labels + rng.normal(size=150)), rng.normal(size=150)]
    values[::3, 0] = np.nan
    groups[CLINICAL] = values.astype(np.float32)
    losses = {}
    for seen, held in StratifiedGroupKFold(5, shuffle=True, random_state=3).split(
        labels, labels, patients
    ):
        z = (values - np.nanmean(values[seen], axis=0)) / np.nanstd(values[seen], axis=0)
        clinical = np.hstack([np.where(np.isnan(z), 0, z), np.isnan(z)])
        wide = (groups[WIDE] - groups[WIDE][seen].mean(axis=0)) / groups[WIDE][seen].std(axis=0)
        for weight in heads.CLINICAL_WEIGHTS:
            both = np.hstack([wide / np.sqrt(6), weight * clinical])
            for penalty in heads.PENALTIES:
                fitted = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=1000)
                odds = fitted.fit(both[seen], labels[seen]).predict_proba(both[held])
                loss = losses.setdefault((weight, penalty), np.empty(150))
                loss[held] = -np.log(odds[np.arange(len(held)), labels[held].astype(int)])
    best = min(losses, key=lambda pair: losses[pair].mean())
    found = heads.choose_heads(groups, traits, patients, seed=3, share=0.0).loc["sign"]
    assert (found["clinical_weight"], found["penalty"]) == best
    assert found["log_loss"] == pytest.approx(losses[best].mean(), abs=1e-5)
    assert found["log_loss"] < 0.55  # that of a coin is ln 2
    standards = standards_of_features(groups)
    encoded = standards.apply(CLINICAL, values)
    assert np.abs(encoded[:, 1].std() - 1) < 1e-6
    assert encoded[:, 2].tolist() == (np.arange(150) % 3 == 0).tolist()
    assert not encoded[::3, 0].any()
    assert np.isfinite(encoded).all()
    assert not encoded[:, 3].any()


def test_a_gain_counts_that_is_larger_than_its_standard_error():
    """By hand: 1, 2, 3 have mean 2 and standard error 1 / sqrt 3; -1, 1 have mean 0; 0, 0, 3 have
    mean 1 and standard error sqrt 3 / sqrt 3 = 1, which is not exceeded."""
    assert heads.is_gain(np.array([1.0, 2.0, 3.0]))
    for gain in ([-1.0, 1.0], [0.0, 0.0, 3.0], [-1.0, -2.0, -3.0], [0.0, 0.0], [1.0]):
        assert not heads.is_gain(np.array(gain))


# === In a training ==============================================================================


def features(run, cohort, ending=""):
    """What the layers of a run's model give for a cohort, by group."""
    maps = input_maps(cohort, run.config)[:]
    return {name: below(run.model, name + ending)(maps).numpy() for name in (WIDE, DEEP)}


def test_a_training_asks_its_training_patients_and_says_what_it_trusts(
    phantom, tiny, cache, tmp_path
):
    """Other labels of the validation patients change nothing."""
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    config = dataclasses.replace(tiny, share=None, epochs=1)
    flipped = dataclasses.replace(val, traits=1 - val.traits)
    runs = [
        pn.train(train, of_val, config, tmp_path / str(k), cache=cache, show_progress=False)
        for k, of_val in enumerate((val, flipped))
    ]
    traits = train.traits[list(config.traits)]
    expected = heads.choose_heads(features(runs[0], train), traits, train.patients, seed=5)
    written, beside = (tmp_path / k / "heads.csv" for k in "01")
    found = pd.read_csv(written, index_col="trait")
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-4)
    assert written.read_bytes() == beside.read_bytes()
    told = [f"{trait} {share:g}" for trait, share in expected["share"].items()]
    assert pn.load_run(tmp_path / "0").trust.startswith(f"share of the trunk: {told[0]}")
    assert told[1] in str(runs[0])


def test_the_test_studies_choose_nothing(finished_run, tiny, cache, tmp_path):
    run, (train, val, test) = finished_run
    other = dataclasses.replace(test, traits=1 - test.traits).select(np.arange(12))
    again = run_experiment(
        train, val, other, tiny, tmp_path / "run", cache=cache, show_progress=False
    )
    for file in ("heads.csv", "history.csv", "scores_val.csv"):
        assert (run.folder / file).read_bytes() == (again.folder / file).read_bytes()
    for one, two in zip(run.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("share", "penalty"), [(0.0, 1.0), (0.3, 0.01)])
def test_training_comes_close_to_the_exact_solution(
    phantom, tiny, cache, tmp_path, monkeypatch, share, penalty
):
    """With the epochs that a user has, 84 patients, and penalties down to the weakest. Logits of
    validation studies."""
    monkeypatch.setattr(heads, "PENALTIES", (penalty,))
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    config = dataclasses.replace(tiny, share=share, epochs=pn.ExperimentConfig().epochs)
    run = pn.train(train, val, config, tmp_path / "run", cache=cache, show_progress=False)
    scores = pn.predict(run, val)
    seen, fresh = (features(run, cohort, "_standardised") for cohort in (train, val))
    for trait in config.traits:
        known = train.traits[trait].notna().to_numpy()
        weights, bias = heads.fitted_head(
            {name: rows[known].astype(float) for name, rows in seen.items()},
            train.traits[trait].to_numpy()[known], share, penalty,
        )  # fmt: skip
        logits = np.hstack([fresh[WIDE], share * fresh[DEEP]]) @ weights + bias
        found = np.log(scores[trait] / (1 - scores[trait]))
        assert np.abs(logits - logits.mean()).max() > 0.2
        np.testing.assert_allclose(found, logits, atol=0.02)


def test_a_planted_clinical_signal_is_found_and_takes_its_part_of_the_logit(
    phantom, tiny, cache, tmp_path
):
    """Age is set to follow diabetes. Parts of the logit: covariances by hand, with NumPy."""
    rng, label = np.random.default_rng(0), phantom.traits["diabetes"].fillna(0)
    clinical = phantom.clinical.assign(age=60 + 10 * label + 5 * rng.normal(size=len(label)))
    train, val, test = pn.split_by_patient(dataclasses.replace(phantom, clinical=clinical), seed=5)
    config = dataclasses.replace(tiny, clinical=("age",), share=0.3)
    run = pn.train(train, val, config, tmp_path / "run", cache=cache, show_progress=False)
    parts = run.heads[["logit_bullseye", "logit_trunk", "logit_clinical"]]
    assert parts.loc["diabetes", "logit_clinical"] > 0.6 > parts.loc["sex", "logit_clinical"]
    known = test.traits["diabetes"].notna()
    scores = pn.predict(run, test)["diabetes"]
    assert pn.auroc(test.traits["diabetes"][known], scores[known]).value > 0.8
    seen = features(run, train, "_standardised")
    ages = train.clinical["age"].to_numpy()
    z = (ages - ages.mean()) / ages.std()
    groups = [
        seen[WIDE],
        0.3 * seen[DEEP],
        run.heads.loc["diabetes", "clinical_weight"] * z[:, None],
    ]
    kernel = run.model.get_layer("diabetes").get_weights()[0][:-1, 0]
    added = [g @ k for g, k in zip(groups, np.split(kernel, [20, len(kernel) - 1]), strict=True)]
    expected = [np.cov(one, sum(added))[0, 1] / np.var(sum(added), ddof=1) for one in added]
    np.testing.assert_allclose(parts.loc["diabetes"], expected, atol=1e-4)
    assert "diabetes: bullseye " in run.trust
