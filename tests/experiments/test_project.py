"""The plan, the split, what a project is made of, and leaks."""

import dataclasses
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import polarnet as pn
from leaks import refuse_leaks
from plan import Plan, load_plan, plan_as_text
from project import assign_split, open_project, read_scores, write_scores

# === The plan ===================================================================================


def test_a_plan_survives_its_file_and_its_proxies_stand_beside_the_built_in_ones(tmp_path):
    plan = Plan(
        seeds=(4,), proxies={"sex": ("height",)}, primaries=[("rest", "finetuned", "smoking")]
    )  # fmt: skip
    (tmp_path / "study.yaml").write_text(plan_as_text(plan), encoding="utf-8")
    assert load_plan(tmp_path / "study.yaml") == plan
    assert "height" in plan.all_proxies["sex"]
    assert any("hba1c" in pattern for pattern in plan.all_proxies["diabetes"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sedes: [1]", "unknown setting 'sedes'; did you mean 'seeds'"),
        ("primaries: [[stress, sex]]", "each be .map type, mode, trait. of this plan"),
        ("primaries: [[stress, frozen, gender]]", "each be .map type, mode, trait. of this plan"),
        ("primaries: [[stress, frozen, sex], [stress, frozen, sex]]", "named once, not"),
        ("primaries: [stress]", "each be .map type, mode, trait. of this plan"),
        ("seeds: [1, 1]", "each once"),
        ("shares: [1.5]", "between 0 and 1"),
        ("folds: 1", "at least 2"),
        ("proxies: {sex: height}", "a list of patterns for each trait"),
        ("decision_range: [0.5, 0.1]", "two rising numbers between 0 and 1"),
        ("modes: [frozen, finetund]", "mode must be one of"),
        ("map_types: [stress, rset]", "map_type must be one of"),
        ("full: 1", "true or false"),
        ("input_size: 50", "multiple of 16"),
        ("[1]", "must hold lines like"),
        ("seeds: [", "is not YAML"),
    ],
)
def test_a_wrong_plan_says_what_is_wrong(tmp_path, text, message):
    (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_plan(tmp_path / "plan.yaml")


def test_the_plan_with_every_setting_states_the_defaults():
    path = Path(__file__).parents[2] / "experiments" / "configs" / "study.yaml"
    assert load_plan(path) == Plan()
    assert set(yaml.safe_load(path.read_text(encoding="utf-8"))) == set(vars(Plan())) - {
        "weights", "full",
    }  # fmt: skip


# === Opening again ==============================================================================


def test_opening_again_gives_the_same_split_and_takes_no_other_plan(project, cohort_folder, plan):
    again = open_project(cohort_folder, project.folder, plan)
    assert again.split_digest == project.split_digest
    assert (project.part.groupby(project.cohort.patients).nunique() == 1).all()
    with pytest.raises(ValueError, match=r"another plan \(epochs: 50 there, 7 here\).*--out"):
        open_project(cohort_folder, project.folder, dataclasses.replace(plan, epochs=7))


@pytest.fixture
def opened(tmp_path):
    """Opens one project folder on a cohort whose parts were changed."""
    cohort = pn.make_phantom_cohort(60, seed=11, size=16)
    plan = Plan(weights=None, input_size=32, seeds=(1,), val=0.2, test=0.25)

    def open_on(cohort=cohort, **changes):
        folder = tmp_path / f"cohort {len(list(tmp_path.iterdir()))}"
        dataclasses.replace(cohort, **changes).save(folder)
        return open_project(folder, tmp_path / "study", plan)

    open_on.cohort = cohort
    return open_on


def other_pixel(cohort):
    rest = np.array(cohort.maps["rest"])
    rest[5, 8, 8] += 0.001
    return {"maps": {"rest": rest, "stress": np.array(cohort.maps["stress"])}}


def other_cell(part, column, row, value):
    """One cell of a table of the cohort is another."""

    def change(cohort):
        table = getattr(cohort, part).copy()
        table.iloc[(row, table.columns.get_loc(column)) if column else row] = value
        return {part: table}

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [(other_cell("traits", "sex", 3, np.nan), "labels of sex"), (other_pixel, "rest maps"),
     (other_cell("clinical", "age", 0, 99), "clinical column age"),
     (other_cell("patients", None, 1, "someone else"), "studies or their patients"),
     (lambda _: {"tracer": "another"}, "tracer")],
    ids=["label", "pixel", "clinical", "patient", "tracer"],
)  # fmt: skip
def test_a_project_folder_of_other_data_is_refused(opened, change, named):
    opened()
    opened()  # the same data again
    with pytest.raises(ValueError, match=rf"made from other data: different {named}.*--out"):
        opened(**change(opened.cohort))


def test_a_folder_that_is_of_another_cohort_or_does_not_say_of_which_is_refused(opened):
    project = opened()
    with pytest.raises(ValueError, match="of another cohort"):
        opened(pn.make_phantom_cohort(30, seed=12, size=16))
    (project.folder / "split.csv").unlink()  # networks of the old labels may be there
    with pytest.raises(ValueError, match="made from other data: different labels of sex"):
        opened(**other_cell("traits", "sex", 3, np.nan)(opened.cohort))
    assert opened().split_digest == project.split_digest
    (project.folder / "data.json").unlink()
    with pytest.raises(ValueError, match="made from other data: different studies"):
        opened()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace(",train", ",test", 1), "different split"),
        (lambda text: text.replace(",train", ",trian", 1), "different split"),
        (lambda text: text + text.splitlines()[3] + "\n", "another cohort"),
        (lambda text: text.replace("part", "role", 1), "cannot be read"),
        (lambda text: text[: len(text) // 2].rpartition(",")[0], "cannot be read|another cohort"),
        (lambda _: "", "cannot be read"),
    ],
    ids=["moved", "misspelt", "twice", "renamed", "cut", "empty"],
)
def test_an_edited_split_is_refused(opened, change, told):
    """A study of the training could become a result, or nobody's."""
    path = opened().folder / "split.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(change(text), encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        opened()
    path.write_text(text, encoding="utf-8")
    opened()


def test_ids_survive_the_files_of_a_project_and_are_no_formulas_there(tmp_path):
    """NA is an id, and a spreadsheet program must not compute one that begins with =."""
    scores = pd.DataFrame({"sex": [0.25, 0.5]}, index=pd.Index(["NA", "=1+1"], name="study_id"))
    write_scores(scores, tmp_path / "scores.csv")
    assert "'=1+1" in (tmp_path / "scores.csv").read_text(encoding="utf-8")
    pd.testing.assert_frame_equal(read_scores(tmp_path / "scores.csv"), scores)


def test_a_trait_that_the_cohort_lacks_is_named(cohort_folder, tmp_path, plan):
    other = dataclasses.replace(plan, traits=(*plan.traits, "gender"))
    with pytest.raises(ValueError, match=r"No trait gender in .*; it has .*sex"):
        open_project(cohort_folder, tmp_path / "out", other)


# === Splits by date and by site =================================================================


def test_a_split_by_date_tests_the_latest_patients_and_one_by_site_that_site(project, plan):
    whole = project.cohort
    dates = pd.Series(pd.date_range("2015-01-01", periods=len(whole)), index=whole.patients.index)
    sites = np.where(whole.patients.str[-1] == "7", "Nord", "Süd")
    clinical = whole.clinical.assign(scanned=dates.dt.strftime("%Y-%m-%d"), site=sites)
    whole = dataclasses.replace(whole, clinical=clinical)

    def parts(**changes):
        return assign_split(whole, dataclasses.replace(plan, **changes)).clinical["split"]

    testing = set(whole.patients[parts(split_by="scanned") == "test"])
    first = dates.groupby(whole.patients).min()
    assert len(testing) == round(plan.test * whole.patients.nunique())
    assert first[list(testing)].min() > first[~first.index.isin(testing)].max()
    part = parts(split_by="site", test_site="Nord")
    assert ((part == "test") == (sites == "Nord")).all()
    with pytest.raises(ValueError, match="No study has 'West'"):
        parts(split_by="site", test_site="West")
    with pytest.raises(ValueError, match="No column 'West'"):
        parts(split_by="West")


# === Leaks ======================================================================================


def twin(whole, project):
    """A study again under another patient, with a hair more flow: not a pixel is the same."""
    a, b = (int(np.flatnonzero(project.part == part)[0]) for part in ("train", "test"))
    maps = {m: np.array(whole.maps[m][:]) for m in ("rest", "stress")}
    for stack in maps.values():
        stack[b] = 1.01 * stack[a]
    return {"maps": maps, "clinical": whole.clinical.assign(split=project.part)}


def column(whole, project):
    noise = np.random.default_rng(0).normal(0, 0.1, len(whole))
    return {"clinical": whole.clinical.assign(marker=whole.traits["smoking"] + noise)}


def mark(whole, project):
    maps = {m: np.array(whole.maps[m][:]) for m in ("rest", "stress")}
    maps["stress"][whole.traits["diabetes"].to_numpy() == 1, 20, 9] = 9.0
    return {"maps": maps}


@pytest.mark.parametrize(
    ("leak", "told"),
    [(twin, "the maps of S.* and S.* are all but the same"),
     (column, r"'marker' alone tells smoking.*proxies"),
     (mark, "row 20, column 9 of stress maps alone tells diabetes")],
)  # fmt: skip
def test_a_leak_is_refused_and_a_column_may_be_named_a_proxy(project, tmp_path, plan, leak, told):
    whole = project.cohort
    dataclasses.replace(whole, **leak(whole, project)).save(tmp_path / "changed")
    with pytest.raises(ValueError, match=told):
        open_project(tmp_path / "changed", tmp_path / "out", plan)
    assert not (tmp_path / "out").exists()
    if leak is column:
        named = dataclasses.replace(plan, proxies={"smoking": ("marker",)})
        assert open_project(tmp_path / "changed", tmp_path / "out", named)


def test_a_twin_among_8_000_studies_is_found_in_little_memory():
    """All pairs at once are 8,000 x 8,000 numbers, 512 MB."""
    n, rng = 8_000, np.random.default_rng(0)
    maps = rng.uniform(1, 3, (n, 8, 8)).astype(np.float32) * pn.anatomy.disc_mask(8)
    maps[7_003] = 1.01 * maps[41]
    index = pd.Index([f"S{k}" for k in range(n)], name="study_id")
    many = pn.Cohort(
        maps={"stress": maps}, traits=pd.DataFrame({"sex": rng.integers(0, 2, n) * 1.0}, index),
        patients=pd.Series([f"P{k}" for k in range(n)], index), unit="mL/min/g",
        clinical=pd.DataFrame(index=index), truth=pd.DataFrame(index=index),
    )  # fmt: skip
    part = pd.Series(np.repeat(["train", "val", "test"], (5_000, 1_500, 1_500)), index)
    tracemalloc.start()
    with pytest.raises(ValueError, match="maps of S41 and S7003 are all but the same"):
        refuse_leaks(many, part, Plan(traits=("sex",), primaries=(), map_types=("stress",)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6
