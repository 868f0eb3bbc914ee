"""The sentences of a page, for ten results that were worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from polarnet.report.sentences import findings, group_finding

NAN = float("nan")


def table(trait="sex", network=(0.91, 0.77, 0.96), baseline=(0.80, 0.11, 0.02, 0.20), n=(51, 53),
          data="cohort", map_type="stress", is_circular=False, model="17 segments"):  # fmt: skip
    """Rows of one trait: the network, and 17 segments with network minus baseline."""
    common = {"data": data, "map_type": map_type, "trait": trait, "n_pos": n[0], "n_neg": n[1],
              "is_circular": is_circular}  # fmt: skip
    area, difference, low, high = baseline
    empty = dict.fromkeys(("difference", "difference_low", "difference_high"), np.nan)
    return pd.DataFrame([
        common | {"model": "network", "auroc": network[0], "ci_low": network[1],
                  "ci_high": network[2], "is_comparator": False} | empty,
        common | {"model": model, "auroc": area, "ci_low": NAN, "ci_high": NAN,
                  "is_comparator": True, "difference": difference, "difference_low": low,
                  "difference_high": high},
    ])  # fmt: skip


RESULTS = {
    "with clinical columns": (
        {"model": "maps alone"},
        "Stress maps with clinical columns told women from men with an AUROC of 0.91 (0.77 to "
        "0.96; 51 and 53 test patients). Maps alone reached 0.80",
    ),
    "win": (
        {},
        "Stress maps told women from men with an AUROC of 0.91 (0.77 to 0.96; 51 and 53 test "
        "patients). The 17 segments reached 0.80: the network is better (difference +0.110, +0.020 "
        "to +0.200).",
    ),
    "tie": (
        {"baseline": (0.93, -0.02, -0.06, 0.02)},
        "The 17 segments reached 0.93: the network is not shown to be better (difference -0.020, "
        "-0.060 to +0.020).",
    ),
    "loss": (
        {"baseline": (0.97, -0.06, -0.09, -0.03)},
        "the network is worse (difference -0.060, -0.090 to -0.030).",
    ),
    "tiny class": (
        {"trait": "abnormal", "n": (51, 13)},
        "told abnormal from normal with an AUROC of 0.91 (0.77 to 0.96; 51 and 13 test patients)",
    ),
    "not estimable": (
        {"network": (1.0, NAN, NAN), "baseline": (1.0, 0.0, NAN, NAN)},
        "AUROC of 1.00 (interval not estimable; 51 and 53 test patients). The 17 segments reached "
        "1.00: the difference cannot be estimated.",
    ),
    "circular": (
        {"trait": "impaired_mfr", "map_type": "reserve", "is_circular": True},
        "Reserve maps told impaired from preserved flow reserve with an AUROC of 0.91 (0.77 to "
        "0.96; 51 and 53 test patients). The label is derived from the flow that these maps show, "
        "so this is arithmetic, not evidence.",
    ),
    "phantom": (
        {"data": "phantom, not patients"},
        "In a phantom, not in patients, stress maps told women from men",
    ),
    "recovered from colour": (
        {"data": "recovered-from-colour"},
        "The maps were read from the colours of screens, not exported as numbers.",
    ),
    "own trait": (
        {"trait": "known_CAD", "network": (0.55, 0.44, 0.66)},
        "told patients with known CAD from those without with an AUROC of 0.55 (0.44 to 0.66; 51 "
        "and 53 test patients). This is not shown to be better than chance.",
    ),
    "suppressed": (
        {"network": (NAN, NAN, NAN), "n": (60, 7), "baseline": (NAN, NAN, NAN, NAN)},
        "Stress maps gave no number for telling women from men: 60 and 7 test patients are too "
        "few.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_told_with_what_its_intervals_allow(name):
    changes, expected = RESULTS[name]
    (told,) = findings(table(**changes))
    assert expected in told
    assert ("exploratory" in told) == (name == "tiny class")
    assert told.count("the network is better") == (
        name not in ("tie", "loss", "not estimable", "suppressed")
    )


def test_the_maps_begin_a_sentence_with_a_capital_and_no_other_place():
    assert findings(table(map_type="combined"))[0].startswith("Rest, stress and reserve maps")
    told = findings(table(map_type="combined", data="phantom, not patients"))[0]
    assert told.startswith("In a phantom, not in patients, rest, stress and reserve maps together")


def test_without_a_chosen_comparator_the_best_baseline_is_named():
    rows = table(baseline=(0.80, 0.11, 0.02, 0.20)).drop(columns="is_comparator")
    best = rows.iloc[[1]].assign(model="wide", auroc=0.90, difference=0.01, difference_low=-0.03)
    (told,) = findings(pd.concat([rows, best]), counted="patients, out of fold")
    assert "51 and 53 patients, out of fold" in told
    assert "The 17 segments with their lowest, highest and mean reached 0.90" in told
    assert "the network is not shown to be better" in told


@pytest.mark.parametrize(
    ("p_max_t", "trait", "expected"),
    [
        ((0.6, 0.7, 0.05), "sex", "No segment is shown to differ between women and men (3 and 4 "
         "patients; corrected for all 17 segments)."),
        ((0.01, 0.7, 0.6), "abnormal", "One segment differs between abnormal and normal (3 and 4 "
         "patients; corrected for all 17 segments). Share of attribution in the first group "
         "higher: 1 basal anterior."),
        ((0.01, 0.7, 0.04), "known_CAD", "Two segments differ between patients with known CAD and "
         "those without (3 and 4 patients; corrected for all 17 segments). Share of attribution in "
         "the first group higher: 1 basal anterior; lower: 17 apex."),
        (None, "sex", "Whether attribution differs between women and men is not judged: too few."),
    ],
    ids=["none", "one", "two", "not judged"],
)  # fmt: skip
def test_an_explanation_names_the_segments_that_differ(p_max_t, trait, expected):
    groups = p_max_t and pd.DataFrame(
        {"segment": [1, 2, 17], "name": ["basal anterior", "basal anteroseptal", "apex"],
         "n_pos": 3, "n_neg": 4, "mean_pos": [0.2, 0.1, 0.1], "mean_neg": [0.1, 0.2, 0.2],
         "p_max_t": p_max_t}
    )  # fmt: skip
    assert group_finding(groups, trait, lacking="too few") == expected
