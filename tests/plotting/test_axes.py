"""Every figure can be drawn where the user wants it."""

import inspect

import numpy as np
import pandas as pd
import pytest
from matplotlib import figure as figures
from matplotlib.figure import Figure

from polarnet import plotting
from polarnet.explain.checks import Level

NAMES = [name for name in plotting.__all__ if name.startswith("plot_")]

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1], 20)
SCORES = np.clip(RNG.normal(0.4 + 0.2 * LABELS, 0.2), 0.01, 0.99)
MAPS = RNG.uniform(0.5, 3, (4, 48, 48))
BULLSEYE = np.linspace(0.5, 3, 17)
STEP = {"value": [0.9, 0.2], "low": [0.8, 0.1], "high": [0.95, 0.3]}
SEGMENTS = pd.DataFrame(
    {"segment": range(1, 18), "n_pos": 20, "n_neg": 20, "mean_pos": BULLSEYE, "mean_neg": 1.0,
     "p_max_t": 0.01, "p_bh": 0.01}
)  # fmt: skip
AREA = {"auroc": [0.8], "ci_low": [0.7], "ci_high": [0.9], "n_pos": [20], "n_neg": [20]}
CURVE = {"model": [0.2, 0.1], "low": [0.1, 0.0], "high": [0.3, 0.2]}
FLOW = {"map_type": "stress", "unit": "mL/min/g"}

INPUTS = {
    "plot_bullseye": ((BULLSEYE,), {}),
    "plot_polar_map": ((MAPS[0],), {}),
    "plot_studies": ((MAPS, list("abcd")), FLOW),
    "plot_contributions": (({"all": BULLSEYE, "some": -BULLSEYE},), {}),
    "plot_difference_map": ((MAPS, [0, 1, 0, 1]), {}),
    "plot_group_bullseyes": ((SEGMENTS,), {}),
    "plot_overlays": ((MAPS, MAPS), {"rows": [0], "titles": ["one"], **FLOW}),
    "plot_participants": (([[plotting.Box(("40 patients",), ("3 left out",))],
                           [plotting.Box(("37 patients",))]],), {}),
    "plot_calibration": ((LABELS, SCORES), {}),
    "plot_forest": ((pd.DataFrame({"map_type": ["rest"], "trait": ["sex"], "series": ["network"],
                                   "is_circular": [False], "note": [""], **AREA}),), {}),
    "plot_learning_curve": ((pd.DataFrame({"n_train": [50, 90], "auroc": [0.7, 0.8], **{
        **CURVE, "model": "a"}, "low": [0.6, 0.7], "high": [0.8, 0.9]}),), {}),
    "plot_net_benefit": ((pd.DataFrame({"threshold": [0.1, 0.2], "treat_all": [0.1, 0.0],
                                        "treat_none": 0.0, **CURVE}),), {}),
    "plot_roc": ((LABELS, SCORES), {}),
    "plot_roc_bands": (({"sex": pd.Series(LABELS)}, pd.DataFrame({"sex": SCORES})),
                       {"title": "rest"}),
    "plot_cascade": ((pd.DataFrame({"layer": ["b", "a"], **STEP}),),
                     {"level": Level(0.2, 0.1, 0.3)}),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_drawn_where_the_user_wants_it(name, monkeypatch):
    """On given axes, or in a given part of a figure where there are several panels."""
    draw = getattr(plotting, name)
    where = {"ax", "figure"} & set(inspect.signature(draw).parameters)
    assert len(where) == 1
    whole = Figure(figsize=(8, 5), layout="constrained")
    left, right = whole.subfigures(1, 2)
    place = right if where == {"figure"} else right.subplots()
    monkeypatch.delattr(figures.Figure, "__init__")  # a new figure would be an error
    args, options = INPUTS[name]
    assert draw(*args, **{where.pop(): place}, **options) is place
    assert right.axes
    assert not left.axes
    whole.draw_without_rendering()
