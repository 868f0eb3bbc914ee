"""How far an explanation can be believed: its checks, and randomised layers."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polarnet.explain.checks import Check, Level
from polarnet.plotting.style import (
    COLOURS,
    GREY,
    SMALL,
    TINY,
    TWO_COLUMNS,
    check_columns,
    new_axes,
    tidy,
)

OUTCOMES: Final = {True: "passed", False: "FAILED", None: "not judged"}
"""How the result of a check is written."""

_MARKS: Final = {True: ("o", COLOURS[1]), False: ("X", COLOURS[2]), None: ("D", "w")}
"""Marker and fill: they differ in shape too, for print without colour."""


def failed_first(checks: Sequence[Check]) -> list[Check]:
    """Checks in the order in which they must be read: failed, not judged, passed."""
    return sorted(checks, key=lambda check: (False, None, True).index(check.is_passed))


def reason(check: Check) -> str:
    """The verdict without its first words, which say the outcome."""
    return check.verdict.partition(": ")[2] or check.verdict


def plot_checks(checks: Sequence[Check], *, method: str) -> Figure:
    """Draw one row per check: its value with interval, what it is held against, and the result.

    Failed checks stand on top. Each row has a scale of its own, as checks have different units.

    Parameters
    ----------
    checks
        Results of the functions `check_...`.
    method
        The attribution method that was checked, for the title.

    Raises
    ------
    ValueError: there is no check.
    """
    if not checks:
        raise ValueError("There is no check to draw. Run at least one of the functions check_... .")
    ordered = failed_first(checks)
    figure = Figure(figsize=(TWO_COLUMNS, 0.6 + 0.7 * len(ordered)), layout="constrained")
    axes = figure.subplots(len(ordered), 3, squeeze=False, width_ratios=(1.7, 2, 2.9))
    n_failed = sum(check.is_passed is False for check in ordered)
    figure.suptitle(f"{method}: {n_failed} of {len(ordered)} checks failed", fontsize=SMALL + 1)
    figure.supxlabel("line: 95 % interval; dashed: what it is held against", fontsize=TINY)
    for (name, strip, text), check in zip(axes, ordered, strict=True):
        for ax in (name, text):
            ax.axis("off")
        name.text(1, 0.5, fill(check.name, 28), fontsize=SMALL, ha="right", va="center")
        weight = "bold" if check.is_passed is False else "normal"
        text.text(0, 1, OUTCOMES[check.is_passed], fontsize=SMALL, va="top", weight=weight)
        text.text(0, 0.66, fill(reason(check), 56), fontsize=TINY, color="0.3", va="top")
        _draw_strip(strip, check)
    return figure


def _draw_strip(ax: Axes, check: Check) -> None:
    """Value, interval and reference of one check on a scale of their own."""
    if not np.isfinite(check.value):
        ax.axis("off")
        ax.text(0.5, 0.5, "no value", fontsize=TINY, color="0.45", ha="center", va="center")
        return
    known = [x for x in (check.value, check.low, check.high, check.reference) if np.isfinite(x)]
    low, high = min(0.0, *known), max(0.0, *known)
    room = 0.08 * (high - low) or 0.1
    marker, colour = _MARKS[check.is_passed]
    ax.plot([check.reference] * 2, [-1, 1], color="0.3", lw=1, ls="--", gid="reference")
    ax.plot([check.low, check.high], [0, 0], color="k", lw=1.2, gid="interval")
    ax.plot(check.value, 0, marker, ms=6, mfc=colour, mec="k", mew=0.6, gid="value")
    ax.set(xlim=(low - room, high + room), ylim=(-1.2, 1.2), yticks=[])
    ax.locator_params(axis="x", nbins=4, steps=(1, 2, 5, 10))
    tidy(ax).spines["left"].set_visible(False)


def plot_cascade(
    table: pd.DataFrame, ax: Axes | None = None, *, level: Level | None = None
) -> Axes:
    """Draw how attribution changes as the network's layers are randomised from the top.

    Parameters
    ----------
    table
        One row per step, in order: layer (the last one randomised), value (median rank correlation
        with the trained network's attribution), low, high (95 % interval).
    ax
        Axes to draw on. Default: new ones of one column's width.
    level
        Agreement between different patients: median, low, high. A map that depends on what was
        learnt falls to it.

    Raises
    ------
    ValueError: a column is missing, or there is no row.

    References
    ----------
    Adebayo et al., NeurIPS 2018, arXiv:1810.03292 (cascading randomisation).
    Arun et al., Radiol Artif Intell 2021;3:e200267 (level of random pairs).
    """
    check_columns(table, "layer", "value", "low", "high")
    ax = ax or new_axes(2.8)
    steps = np.arange(len(table))
    if level is not None:
        ax.axhspan(level.low, level.high, color=GREY, alpha=0.3, lw=0, gid="level")
        ax.axhline(level.median, color=GREY, lw=0.8, ls="--", label="maps of two patients")
    ax.fill_between(steps, table["low"], table["high"], color=COLOURS[1], alpha=0.25, lw=0)
    look: dict[str, Any] = {"color": COLOURS[1], "lw": 1.2, "ms": 3.5, "mew": 0, "gid": "value"}
    ax.plot(steps, table["value"], "o-", label="trained and randomised network", **look)
    ax.set_xticks(steps, table["layer"], rotation=40, ha="right", rotation_mode="anchor")
    ax.set_ylim(min(-0.05, np.nanmin(table[["value", "low"]].to_numpy(float)) - 0.05), 1.02)
    tidy(ax, "randomised from the top down to this layer", "rank correlation [95 % interval]")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=TINY, frameon=False)
    return ax
