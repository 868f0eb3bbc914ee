"""The network beside its baselines, and p-values adjusted for their number."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import polarnet as pn
from polarnet.evaluation import adjust_p_values, baselines, compare_with_baselines, is_circular
from polarnet.evaluation.baselines import QUICK, baseline_scores
from polarnet.evaluation.comparison import read_metrics


@pytest.fixture(scope="module")
def compared(phantom):
    """The comparison of baselines fitted once to reserve maps, called scores of `map_type`."""
    train, val, test = pn.split_by_patient(phantom, val=0.3, test=0.4, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "STRENGTHS", np.array([0.01, 1.0, 100.0]))
        patch.setattr(baselines, "ROUNDS", (5, 30))
        fitted = baseline_scores(
            train, (val, test), map_type="reserve", traits=["impaired_mfr", "sex"], seed=0,
            models=(*QUICK, "clinical"),
        )  # fmt: skip
    scores = {name: tuple(tables) for name, tables in fitted.items()}
    scores["network"] = scores["global mean"]
    return lambda map_type, **options: compare_with_baselines(
        scores, val, test, map_type, **options
    )


def test_the_comparator_is_chosen_among_the_candidates(compared):
    table = compared("reserve", candidates=["clinical"])
    assert set(table.loc[table["is_comparator"], "model"]) == {"clinical"}
    table = compared("reserve")
    of_mfr = table[(table["trait"] == "impaired_mfr") & table["is_comparator"]]
    assert len(of_mfr) == 1
    assert of_mfr["model"].iloc[0] in QUICK


@pytest.mark.parametrize("name", ["network", "pattern"])
def test_what_was_not_scored_or_is_the_network_is_no_candidate(compared, name):
    with pytest.raises(ValueError, match=f"{name} cannot be the comparator; scored baselines are"):
        compared("rest", candidates=[name])


def test_the_table_says_what_is_circular(compared):
    for map_type in ("stress", "reserve"):
        table = compared(map_type).set_index("trait")
        assert table.loc["impaired_mfr", "is_circular"].eq(map_type == "reserve").all()
        assert not table.loc["sex", "is_circular"].any()


@pytest.mark.parametrize(
    ("sources", "is_derived"),
    [(["mfr number"], True), (["maps"], True), (["column", "mfr number"], True),
     (["column"], False), ([""], False)],
)  # fmt: skip
def test_a_label_of_the_flow_of_the_same_study_is_circular(phantom, sources, is_derived):
    column = np.resize(np.array(sources, object), len(phantom))
    stated = dataclasses.replace(
        phantom, clinical=phantom.clinical.assign(impaired_mfr_source=column)
    )
    for map_type in ("reserve", "combined"):
        assert is_circular(stated, map_type, "impaired_mfr") == is_derived
        assert not is_circular(stated, map_type, "sex")
    for map_type in ("rest", "stress"):
        assert not is_circular(stated, map_type, "impaired_mfr")


def test_a_column_of_the_users_own_is_circular_where_it_equals_the_mfr_number(phantom):
    labels = phantom.traits["impaired_mfr"]
    clinical = phantom.clinical.drop(columns="impaired_mfr_source")
    clinical["mfr"] = labels.map({1.0: 1.7, 0.0: 2.0})
    for named in (clinical.copy(), clinical.assign(impaired_mfr_source="column")):
        same = dataclasses.replace(phantom, clinical=named)
        assert is_circular(same, "reserve", "impaired_mfr")
        named.loc[labels.index[labels == 1][0], "mfr"] = 2.4  # another reader, another opinion
        differs = dataclasses.replace(phantom, clinical=named)
        assert not is_circular(differs, "reserve", "impaired_mfr")


def test_the_table_states_the_areas_of_scikit_learn(phantom):
    rng, index = np.random.default_rng(2), phantom.patients.index
    scores = {
        name: pd.DataFrame(rng.random((len(index), 2)), index, ["sex", "diabetes"])
        for name in ("network", "17 segments")
    }
    shuffled = {
        name: (table, table.sample(frac=1, random_state=1)) for name, table in scores.items()
    }
    table = compare_with_baselines(shuffled, phantom, phantom, "stress").set_index(
        ["trait", "model"]
    )
    first = phantom.patients.drop_duplicates().index
    assert len(first) < len(index)
    for trait, model in table.index:
        labels = phantom.traits.loc[first, trait].dropna()
        area = roc_auc_score(labels, scores[model].loc[labels.index, trait])
        assert table.loc[(trait, model), "auroc"] == pytest.approx(area)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("auroc", "auc"), "lacks the columns auroc"),
        (lambda text: text.replace(",0.", ",x."), "metrics.csv has text in the columns"),
        (lambda text: text.replace("False", "no"), "metrics.csv has text in .*is_circular"),
    ],
    ids=["renamed", "text", "words"],
)
def test_a_damaged_table_of_results_is_refused_in_one_line(compared, tmp_path, change, told):
    table = compared("reserve")
    table.to_csv(tmp_path / "metrics.csv", sep=";", index=False)  # as a spreadsheet may save it
    assert read_metrics(tmp_path)["auroc"].tolist() == pytest.approx(table["auroc"].tolist())
    text = table.to_csv(index=False)
    (tmp_path / "metrics.csv").write_text(change(text), encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        read_metrics(tmp_path)


# === Many cells =================================================================================

CELLS = [(m, t) for m in ("stress", "rest") for t in ("sex", "diabetes", "smoking", "mfr", "age")]
PRIMARIES = [("stress", "sex"), ("rest", "mfr"), ("stress", "mfr"), ("rest", "age")]
# Primaries .001 .04 .03 .005; all others .02 .2 .01 .5 .04 .03.
P_VALUES = [.001, .02, .2, .03, .01, .5, .04, .03, .04, .005]  # fmt: skip


@pytest.fixture
def table():
    table = pd.DataFrame(CELLS, columns=["map_type", "trait"])
    return table.assign(auroc=0.6, p_value=P_VALUES)


def test_primaries_and_others_are_adjusted_apart_as_in_r(table):
    """R 4.2.2: p.adjust(c(.001, .04, .03, .005), "holm")
    0.004 0.060 0.060 0.015
    p.adjust(c(.02, .2, .01, .5, .04, .03), "BH")
    0.06 0.24 0.06 0.50 0.06 0.06
    """
    adjusted = adjust_p_values(table, PRIMARIES).set_index(["map_type", "trait"])
    primary = adjusted.loc[PRIMARIES]
    assert primary["p_adjusted"].tolist() == pytest.approx([0.004, 0.06, 0.06, 0.015])
    assert set(primary["family"]) == {"primary, Holm"}
    others = adjusted.drop(PRIMARIES)
    assert others["p_adjusted"].tolist() == pytest.approx([0.06, 0.24, 0.06, 0.5, 0.06, 0.06])
    assert set(others["family"]) == {"secondary, Benjamini-Hochberg"}


def test_other_columns_rows_and_the_table_itself_stay(table):
    table.index = [7] * len(table)
    before = table.copy()
    adjusted = adjust_p_values(table.assign(p_adjusted=0.9), [list(cell) for cell in PRIMARIES])
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(adjusted[list(before)], before)
    assert list(adjusted) == [*before, "p_adjusted", "family"]
    for primaries, family in (([], "secondary, Benjamini-Hochberg"), (CELLS, "primary, Holm")):
        assert set(adjust_p_values(table, primaries)["family"]) == {family}


def test_an_untested_cell_counts_in_no_family(table):
    """By hand: two primaries are left, Holm gives 2 x 0.001 and 0.03; five others are left, the
    smallest of Benjamini-Hochberg is min(.01 x 5 / 1, .02 x 5 / 2, .03 x 5 / 3, .04 x 5 / 4) = .05.
    """
    untested = [("rest", "mfr"), ("rest", "age"), ("rest", "sex")]
    is_untested = [cell in untested for cell in CELLS]
    table.loc[is_untested, "p_value"] = np.nan
    adjusted = adjust_p_values(table, PRIMARIES).set_index(["map_type", "trait"])
    assert adjusted.loc[untested, "p_adjusted"].isna().all()
    assert set(adjusted.loc[untested, "family"]) == {""}
    assert adjusted.loc[[("stress", "sex"), ("stress", "mfr")], "p_adjusted"].tolist() == [
        pytest.approx(0.002), pytest.approx(0.03),
    ]  # fmt: skip
    assert adjusted.loc[("stress", "age"), "p_adjusted"] == pytest.approx(0.05)


def test_primaries_of_two_modes_are_one_family():
    """By hand: Holm over .01 .02 .03 .04 gives .04 .06 .06 .06; over each mode apart, two by two,
    it would give .02 .02 and .06 .06."""
    modes, traits = ("frozen", "finetuned"), ("sex", "mfr")
    cells = [("stress", mode, trait) for mode in modes for trait in traits]
    table = pd.DataFrame(cells, columns=["map_type", "mode", "trait"])
    table["p_value"] = [0.01, 0.02, 0.03, 0.04]
    assert adjust_p_values(table, cells)["p_adjusted"].tolist() == pytest.approx(
        [0.04, 0.06, 0.06, 0.06]
    )
    mixed = adjust_p_values(table, [cells[0], cells[3]])
    assert mixed["family"].str.startswith("primary").tolist() == [True, False, False, True]
    with pytest.raises(
        ValueError, match=r"not in the table: stress, sex \(map_type, mode, trait\)"
    ):
        adjust_p_values(table, [("stress", "sex")])


def test_tables_that_cannot_be_adjusted_are_refused_with_their_cells(table):
    with pytest.raises(ValueError, match="not in the table: reserve, sex, rest, bmi"):
        adjust_p_values(table, [*PRIMARIES, ("reserve", "sex"), ("rest", "bmi")])
    for p_value in (-0.1, 1.2, np.inf):
        odd = table.assign(p_value=table["p_value"].where(table.index != 3, p_value))
        with pytest.raises(ValueError, match="between 0 and 1; see stress, mfr"):
            adjust_p_values(odd, PRIMARIES)
    with pytest.raises(ValueError, match="several of stress, sex"):
        adjust_p_values(pd.concat([table, table.iloc[[0]]]), PRIMARIES)
    with pytest.raises(ValueError, match="without map_type"):
        adjust_p_values(table.drop(columns="map_type"), PRIMARIES)
