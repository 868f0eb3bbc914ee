"""pandas objects are aligned by their index everywhere, and labels are read where it is certain."""

import decimal

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import polarnet as pn
from polarnet import evaluation as ev
from polarnet.anatomy import SEGMENTS, in_segment_order
from polarnet.labels import aligned, read_labels, read_numbers, read_patients
from polarnet.plotting import plot_difference_map
from polarnet.plotting.performance import roc_band

N = 60
RNG = np.random.default_rng(4)
IDS = [f"S{k:02d}" for k in range(N)]
Y = pd.Series(RNG.permutation(np.arange(N) % 2).astype(float), IDS)
P = (0.3 * Y + 0.7 * pd.Series(RNG.random(N), IDS)).rename("p")
Q = (0.1 * Y + 0.9 * pd.Series(RNG.random(N), IDS)).rename("q")
FOLDS = pd.Series(np.arange(N) % 3, IDS)
PATIENTS = pd.Series([f"P{k // 2}" for k in range(N)], IDS)
GROUPS = pd.Series(np.where(np.arange(N) < 30, "women", "men"), IDS)
AGE = pd.DataFrame({"age": RNG.normal(60, 9, N)}, IDS)
SHARES = pd.DataFrame(RNG.dirichlet(np.ones(17), N), IDS, range(1, 18))
SEEDS = pd.DataFrame([P, Q])


def drawn(ax):
    """Lines and bars of an axes as numbers."""
    bars = [[bar.get_height(), 0] for bar in ax.patches] or [[0, 0]]
    return np.concatenate([*(line.get_xydata() for line in ax.lines), bars])


def new_ax():
    return Figure().subplots()


# Function -> its arguments that have an index, in the order in which they are given.
FUNCTIONS = {
    "auroc": (pn.auroc, Y, P),
    "delong_test": (pn.delong_test, Y, P, Q),
    "unpaired_delong_test": (lambda y, p: ev.unpaired_delong_test(y, p, 1 - Y, Q), Y, P),
    "bootstrap_auroc": (lambda *a: ev.bootstrap_auroc(*a, seed=1, n_resamples=1000), Y, P),
    "cluster_bootstrap_auroc": (
        lambda *a: ev.cluster_bootstrap_auroc(*a, seed=1, n_resamples=1000), Y, P, PATIENTS),
    "seeds_and_patients_auroc": (
        lambda y, s: ev.seeds_and_patients_auroc(y, s.T, seed=1, n_resamples=1000), Y, SEEDS.T),
    "seeds in a list": (
        lambda *a: ev.seeds_and_patients_auroc(a[0], a[1:], seed=1, n_resamples=1000), Y, P, Q),
    "cross_validated_auroc": (ev.cross_validated_auroc, Y, P, FOLDS),
    "measure_calibration": (ev.measure_calibration, Y, P),
    "smooth_calibration": (lambda *a: ev.smooth_calibration(*a, seed=1, n_resamples=5), Y, P),
    "fit_recalibration": (ev.fit_recalibration, Y, P),
    "choose_thresholds": (ev.choose_thresholds, Y, P),
    "classify": (lambda *a: ev.classify(*a, 0.5), Y, P),
    "net_benefit": (lambda *a: ev.net_benefit(*a, [0.3], seed=1, n_resamples=5), Y, P),
    "evaluate_subgroups": (ev.evaluate_subgroups, Y, P, GROUPS),
    "adjusted_association": (ev.adjusted_association, Y, P, AGE),
    "evaluate": (lambda y, p, who: pn.evaluate(p.to_frame("sex"), y.to_frame("sex"), who),
                 Y, P, PATIENTS.rename("patient") + Y.index),
    "compare_groups": (
        lambda s, y, who: pn.explain.compare_groups(s, y, patients=who, permutations=999),
        SHARES, Y, PATIENTS),
    "plot_roc": (lambda *a: drawn(pn.plot_roc(*a, new_ax())), Y, P),
    "plot_calibration": (lambda *a: drawn(pn.plotting.plot_calibration(*a, new_ax())), Y, P),
    "roc_band": (lambda *a: roc_band(*a, seed=1), Y, P),
}  # fmt: skip
BY_INDEX_ALONE = ("evaluate", "evaluate_subgroups", "unpaired_delong_test")


def same(one, other):
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    else:
        assert repr(one) == repr(other)
        assert one == other


@pytest.mark.parametrize("name", FUNCTIONS)
def test_another_order_of_the_same_studies_changes_nothing(name):
    function, first, *others = FUNCTIONS[name]
    straight = function(first, *others)
    for k in range(len(others)):
        moved = [v.sample(frac=1, random_state=9) if i == k else v for i, v in enumerate(others)]
        same(function(first, *moved), straight)
    if name not in BY_INDEX_ALONE:
        plain = [v.to_numpy() for v in (first, *others)]
        if name == "adjusted_association":
            plain[-1] = AGE.reset_index(drop=True)
        if name == "seeds_and_patients_auroc":
            plain[-1] = SEEDS.to_numpy().T
        same(function(*plain), straight)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_other_or_repeated_studies_are_named(name):
    function, first, *others = FUNCTIONS[name]
    renamed = others[0].rename(index={"S07": "X1"})
    with pytest.raises(ValueError, match="X1"):
        function(first, renamed, *others[1:])
    twice = pd.concat([others[0], others[0].loc[["S07"]]])
    with pytest.raises(ValueError, match="S07 come twice"):
        function(first, twice, *others[1:])


def test_an_array_beside_series_in_different_orders_is_ambiguous():
    with pytest.raises(ValueError, match="different orders, and the array beside them"):
        ev.cross_validated_auroc(Y, P[::-1], FOLDS.to_numpy())
    by_position = ev.cross_validated_auroc(Y, P.to_numpy(), FOLDS.to_list())
    same(by_position, ev.cross_validated_auroc(Y, P, FOLDS))


def test_ids_that_are_written_differently_are_the_same_studies():
    labels = pd.Series([1, 0, 1, 1], [1, 2, 3, "\u00e9"])
    scores = pd.Series([0.3, 0.2, 0.1, 0.4], ["3", "2.0", " 1 ", "e\u0301"])
    assert aligned(labels, scores)[1].tolist() == [0.1, 0.2, 0.3, 0.4]


# === Labels of other types ======================================================================

AS_OTHERS = {
    "text": lambda y: y.astype(int).astype(str),
    "text of floats": lambda y: y.map({0.0: "0.0", 1.0: "1.0"}),
    "bool": lambda y: y.astype(bool),
    "objects": lambda y: y.map({0.0: False, 1.0: 1}).astype(object),
    "text of truth values": lambda y: y.map({0.0: "FALSE", 1.0: "True"}),
    "Int64": lambda y: y.astype("Int64"),
    "boolean": lambda y: y.astype("boolean"),
    "string": lambda y: y.astype(int).astype("string"),
    "categorical of numbers": lambda y: y.astype(int).astype("category"),
    "categorical of text": lambda y: y.astype(int).astype(str).astype("category"),
    "uint8": lambda y: y.to_numpy(np.uint8),
    "list of text": lambda y: y.astype(int).astype(str).to_list(),
    "decimals": lambda y: [decimal.Decimal(int(v)) for v in y],
}


@pytest.mark.parametrize("kind", AS_OTHERS)
def test_labels_that_can_only_mean_0_and_1_are_read(kind):
    labels = AS_OTHERS[kind](Y)
    same(pn.auroc(labels, P), pn.auroc(Y, P))
    same(pn.evaluation.measure_calibration(labels, P), pn.evaluation.measure_calibration(Y, P))
    table = pn.evaluate(P.to_frame("sex"), pd.DataFrame({"sex": labels}, index=IDS))
    same(table, pn.evaluate(P.to_frame("sex"), Y.to_frame("sex")))
    assert table["n_pos"].item() == 30


@pytest.mark.parametrize(
    ("zero", "one", "found"),
    [("no", "yes", r"'no' \(30\)"), (1, 2, r"'2' \(30\)"), ("f", "m", r"'m' \(30\)"),
     (-1, 1, r"'-1' \(30\)"), (0, 0.5, r"'0\.5' \(30\)"), (0.0, np.inf, r"'inf' \(30\)")],
)  # fmt: skip
def test_labels_that_could_mean_either_are_refused_with_what_was_found(zero, one, found):
    labels = Y.astype(object).map({0.0: zero, 1.0: one})
    for function, first, *others in FUNCTIONS.values():
        given = [labels if value is Y else value for value in (first, *others)]
        with pytest.raises(ValueError, match=f"must be 0 or 1, but there are .*{found}.* Code 1"):
            function(*given)


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA, pd.NaT, "", "nan"])
def test_a_missing_label_is_not_recorded_where_that_is_legal_and_said_elsewhere(missing):
    labels = Y.astype(object)
    labels.iloc[:3] = missing
    assert np.isnan(read_labels(labels)).sum() == 3
    table = pn.evaluate(P.to_frame("sex"), labels.to_frame("sex"))
    assert (table["n_pos"] + table["n_neg"]).item() == N - 3
    with pytest.raises(ValueError, match=r"drop patients whose label was not recorded \(3 of 60\)"):
        pn.auroc(labels, P)


def test_masked_labels_and_scores_are_missing():
    hidden = np.ma.masked_array([0, 1, 1], mask=[False, True, False])
    assert np.isnan(read_labels(hidden)).tolist() == [False, True, False]
    assert np.isnan(read_numbers(hidden)).tolist() == [False, True, False]


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA])
def test_a_missing_probability_is_refused_and_a_recalibrated_series_keeps_its_index(missing):
    scores = P.astype("Float64" if missing is pd.NA else object).where(P.index != "S03", missing)
    line = pn.evaluation.Recalibration(intercept=0.0, slope=1.0)
    with pytest.raises(ValueError, match="drop patients without a score"):
        line.apply(scores)
    with pytest.raises(ValueError, match="1 scores are not finite"):
        pn.auroc(Y, scores)
    pd.testing.assert_series_equal(line.apply(P.astype("Float64")), P)


# === Patients ===================================================================================


@pytest.mark.parametrize("missing", [np.nan, None, "", "  ", pd.NA])
def test_studies_without_a_patient_are_named_and_never_one_patient(missing):
    patients = PATIENTS.astype(object)
    patients.iloc[:2] = [missing, missing]
    scores, labels = P.to_frame("sex"), Y.to_frame("sex")
    with pytest.raises(ValueError, match=r"60 studies need a patient each.*: S00, S01 have none"):
        pn.evaluate(scores, labels, patients)
    with pytest.raises(ValueError, match="S00, S01 have none"):
        pn.evaluation.cluster_bootstrap_auroc(Y, P, patients, seed=1, n_resamples=1000)
    with pytest.raises(ValueError, match="S02 have none"):
        pn.evaluate(scores, labels, PATIENTS.drop("S02"))


def test_patients_as_an_array_follow_the_labels_and_1_is_1_point_0():
    scores, labels = P.to_frame("sex").iloc[::-1], Y.to_frame("sex")
    same(pn.evaluate(scores, labels, PATIENTS.to_list()), pn.evaluate(scores, labels, PATIENTS))
    assert read_patients([1, 1.0, "1", "2"], 4).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("given", ["P" * 60, "patient_id", 7, PATIENTS.to_frame()])
def test_patients_that_are_no_list_are_refused(given):
    """Text of 60 letters would be 60 patients, and one word the same patient 60 times."""
    with pytest.raises(ValueError, match=r"60 studies need a patient each, but a .* was given"):
        pn.evaluate(P.to_frame("sex"), Y.to_frame("sex"), given)


# === Segments ===================================================================================

VALUES = np.arange(17) / 4


@pytest.mark.parametrize(
    "names",
    [range(1, 18), [str(k) for k in range(1, 18)], [f"segment_{k}" for k in range(1, 18)],
     [float(k) for k in range(1, 18)], SEGMENTS, range(17)],
)  # fmt: skip
def test_a_bullseye_puts_named_segments_into_their_order(names):
    named = pd.Series(VALUES, list(names)).sample(frac=1, random_state=2)
    table, plain = pd.DataFrame([named, 2 * named]), np.stack([VALUES, 2 * VALUES])
    np.testing.assert_array_equal(in_segment_order(named), VALUES)
    np.testing.assert_array_equal(in_segment_order(table), plain)
    colours = [pn.plot_bullseye(v, new_ax()).collections[0].get_array() for v in (named, VALUES)]
    np.testing.assert_array_equal(*colours)
    shares = map(pn.explain.territory_shares, (table, plain))
    np.testing.assert_array_equal(*shares)


@pytest.mark.parametrize("names", [[f"P{k}" for k in range(17)], [1] * 17, range(2, 19)])
def test_a_bullseye_of_what_are_no_segments_is_refused(names):
    with pytest.raises(ValueError, match="must be named 1 to 17"):
        pn.plot_bullseye(pd.Series(VALUES, list(names)), new_ax())


def test_figures_read_segments_and_labels_as_text_and_refuse_other_labels():
    table = pn.explain.compare_groups(SHARES, Y, permutations=999)
    text = table.assign(segment=table["segment"].astype(str)).iloc[::-1]
    figures = map(pn.plotting.plot_group_bullseyes, (table, text))
    straight, other = (figure.axes[0].collections[0].get_array() for figure in figures)
    np.testing.assert_array_equal(straight, other)
    heat = np.ones((4, 16, 16), np.float32)
    titles = [ax.get_title() for ax in plot_difference_map(heat, ["0", "1", "1", ""]).axes[:2]]
    assert [title.splitlines()[-1] for title in titles] == ["n = 2", "n = 1"]
    with pytest.raises(ValueError, match="must be 0 or 1"):
        plot_difference_map(heat, [1, 2, 1, 2])
