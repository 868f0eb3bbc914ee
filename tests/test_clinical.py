"""Clinical columns in the network: what is refused, what stands beside it, what travels with it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.bundle import load_bundle, write_bundle
from polarnet.cli import main
from polarnet.clinical import check_predictors, clinical_values
from polarnet.crossvalidation import cross_validate
from polarnet.evaluation.comparison import read_metrics
from polarnet.explain import segment_occlusion


@pytest.fixture
def with_columns(make_cohort):
    """Six studies with columns that can and cannot be learnt from."""
    cohort = make_cohort()
    table = {
        "age": [50, 60, None, 70, 80, 55],
        "flat": 3.0,
        "empty": None,
        "words": ["a", "1", "2", "3", "4", "5"],
        "endless": [1, 2, np.inf, 4, 5, 6],
        "smoker": pd.array([True, False, None, True, False, True], dtype="boolean"),
    } | dict.fromkeys(["hba1c", "mfr", "study_year"], range(6))
    return dataclasses.replace(cohort, clinical=pd.DataFrame(table, index=cohort.patients.index))


def test_numbers_truth_values_and_other_traits_are_read_and_what_is_empty_is_nan(with_columns):
    found = clinical_values(with_columns, ("smoker", "sex", "age"))
    assert found.dtype == np.float32
    expected = [[1, 0, 50], [0, 1, 60], [np.nan, 0, np.nan], [1, 1, 70], [0, 0, 80], [1, 1, 55]]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("name", "told"),
    [("agee", "No clinical column agee in this cohort; did you mean 'age'?"),
     ("words", "words must hold numbers, but 'a' stands in S0."),
     ("endless", "endless must hold numbers, but 'inf' stands in S2."),
     ("flat", "flat is 3 in every training study"),
     ("empty", "empty is not recorded in any training study"),
     ("hba1c", "hba1c measures or treats diabetes, and would give the label away"),
     ("sex", "sex measures or treats sex"),
     ("mfr", "'mfr' cannot be a clinical column"),
     ("study_year", "'study_year' cannot be a clinical column")],
)  # fmt: skip
def test_a_column_that_cannot_be_learnt_from_is_refused_in_one_line(with_columns, name, told):
    with pytest.raises(ValueError, match=r"[cC]linical column") as caught:
        check_predictors(with_columns, ("age", name), ("sex", "diabetes"))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_the_setting_the_network_is_the_same_and_stands_beside_the_one_with_it(
    finished_run, clinical_run
):
    """What is called maps alone is a training without clinical columns, to the last digit."""
    (plain, _), (run, (_, _, test)) = finished_run, clinical_run
    here, there = (read_metrics(one.folder).set_index(["model", "trait"]) for one in (run, plain))
    columns = ["auroc", "ci_low", "ci_high", "p_value", "val_log_loss"]
    pd.testing.assert_frame_equal(
        here.loc["maps alone", columns], there.loc["network", columns], check_exact=True
    )
    assert set(here.index.get_level_values(0)) == {
        "network", "maps alone", "clinical columns alone", *pn.evaluation.QUICK
    }  # fmt: skip
    assert [given.name for given in plain.model.inputs] == ["stress"]
    assert not {"logit_clinical", "clinical_weight"} & set(plain.heads)
    assert run.summary["clinical"] == "age, bmi"
    parts = run.heads[["logit_bullseye", "logit_trunk", "logit_clinical"]]
    np.testing.assert_allclose(parts.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(pn.predict(pn.load_run(run.folder), test), pn.predict(run, test))


def test_a_cohort_to_score_needs_the_columns_and_far_values_are_told(clinical_run):
    run, (_, _, test) = clinical_run
    lacking = dataclasses.replace(test, clinical=test.clinical.drop(columns="bmi"))
    for use in (pn.predict, lambda *given: pn.attribution(*given, "sex")):
        with pytest.raises(ValueError, match="No clinical column bmi in this cohort"):
            use(run, lacking)
    run = dataclasses.replace(run, seen=None)  # so that these are no patients of its own
    days = test.clinical["age"].where(np.arange(len(test)) > 1, 365 * 60)
    with pytest.warns(UserWarning, match="more than 5 SD from the training mean"):
        scores = pn.predict(run, dataclasses.replace(test, clinical=test.clinical.assign(age=days)))
    assert scores.attrs["warning"].endswith("training mean: age (2)")
    unknown = dataclasses.replace(test, clinical=test.clinical.assign(age=np.nan, bmi=np.nan))
    assert pn.predict(run, unknown).notna().all(axis=None)


def test_the_map_is_explained_whatever_the_clinical_columns_say(clinical_run):
    """Held at a patient's own values they add a constant, which no segment gets."""
    run, (_, _, test) = clinical_run
    few = test[:3]
    older = dataclasses.replace(few, clinical=few.clinical.assign(age=few.clinical["age"] + 10))
    assert np.abs(pn.predict(run, few)["sex"] - pn.predict(run, older)["sex"]).min() > 1e-4
    for of in (segment_occlusion, lambda *given: pn.attribution(*given, method="gradient")):
        np.testing.assert_array_equal(of(run, few, "sex"), of(run, older, "sex"))


def test_a_bundle_and_a_cross_validation_read_the_columns(
    clinical_run, tiny, cache, phantom, tmp_path
):
    run, splits = clinical_run
    whole = pn.Cohort.concat(splits)
    bundle = load_bundle(write_bundle(run.folder, whole, tmp_path / "m.polarnet"))
    assert "clinical columns: age, bmi" in bundle.card
    np.testing.assert_array_equal(pn.predict(bundle, splits[2]), pn.predict(run, splits[2]))
    config = dataclasses.replace(tiny, clinical=("age",), traits=("sex",), epochs=1, trunk="block1")
    options = {"folds": 2, "repeats": 1, "cache": cache, "show_progress": False}
    found = cross_validate(phantom, config, tmp_path / "cv", **options).metrics
    assert list(found["model"][:3]) == ["network", "maps alone", "clinical columns alone"]
    assert found["difference"][1:].notna().all()
    assert main(["report", str(tmp_path / "cv"), "--out", str(tmp_path / "cv.html")]) == 0
    page = (tmp_path / "cv.html").read_text(encoding="utf-8")
    assert "stress maps with clinical columns told women from men" in page
    assert "stress maps with age" in page
    plain = dataclasses.replace(config, clinical=())
    beside = cross_validate(phantom, plain, tmp_path / "plain", **options).metrics
    assert found.loc[1, "auroc"] == beside.loc[0, "auroc"]


def test_the_command_names_columns_and_refuses_what_gives_a_trait_away(phantom, tmp_path, capsys):
    phantom.save(tmp_path / "cohort")
    line = ["train", str(tmp_path / "cohort"), "--out", str(tmp_path / "run"), "--clinical"]
    assert main([*line, "age,sbp_rest"]) == 2
    assert "sbp_rest measures or treats hypertension" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
