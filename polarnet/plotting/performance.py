"""How good scores are: ROC, calibration, decision and learning curves, and the forest plot."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MultipleLocator
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike
from scipy.special import expit
from sklearn.metrics import roc_curve

from polarnet.display import NOT_REPORTED, trait_name
from polarnet.evaluation import auroc
from polarnet.evaluation.calibration import fit_recalibration, smooth_calibration
from polarnet.evaluation.roc import checked_pairs, checked_scores, clipped_logit
from polarnet.evaluation.table import is_reportable, short_note
from polarnet.plotting.style import (
    COLOURS,
    GREY,
    MARKERS,
    SMALL,
    STYLES,
    TINY,
    TWO_COLUMNS,
    check_columns,
    new_axes,
    new_panels,
    tidy,
)

RESAMPLES: Final = 500
"""Bootstrap samples behind the band of a ROC curve (our choice)."""

SMOOTH_FROM: Final = 100
"""With fewer positives a smooth calibration curve shows mostly noise, and the line is the main
curve (our choice; a flexible curve is said to need some 200 of each class: Van Calster et al., J
Clin Epidemiol 2016;74:167-176)."""

CIRCULAR_SIGN: Final = "\N{DAGGER}"
"""Beside a trait that was derived from the flow that the map shows."""

_RATES: Final = np.linspace(0, 1, 101)

_BINS: Final = np.linspace(0, 1, 26)

_BAND: Final = (0.03, 0.17)
"""Nearest and farthest end of the histograms outside 0 and 1, in units of the axis."""

_LINE: Final = 0.085
"""Inches from one series to the next, the unit of the vertical axis of a forest plot."""

_BEHIND: Final = {"fc": "w", "ec": "none", "pad": 0.5}
_MARK: Final[dict[str, Any]] = {"ms": 3.5, "mew": 0}
_HOLLOW: Final[dict[str, Any]] = {"ms": 3.5, "mfc": "w", "mec": "0.3", "mew": 0.7}
"""Text on lines, a value, and a value of others."""


def plot_roc(
    labels: ArrayLike,
    scores: ArrayLike,
    ax: Axes | None = None,
    *,
    name: str = "",
    color: str | None = None,
    band_seed: int | None = None,
) -> Axes:
    """Draw the ROC curve of one score, with AUROC, interval and numbers of patients in the legend.

    Parameters
    ----------
    labels, scores
        As for `auroc`: 0/1 and finite numbers, one entry per patient.
    ax
        Axes to draw on. Default: the current ones.
    name
        What was scored.
    color
        Of the curve. Default: the next of five that the colour-blind can tell, each with a line
        style of its own.
    band_seed
        Seed of the bootstrap that gives a 95 % band (see `roc_band`). None: no band.
    """
    is_positive, (values,) = checked_scores(labels, scores)
    ax = ax or plt.gca()
    false_rate, true_rate, _ = roc_curve(is_positive, values)
    k = sum(line.get_gid() == "curve" for line in ax.lines)
    n = f"n {is_positive.sum()} / {(~is_positive).sum()}"
    look: dict[str, Any] = {"lw": 1.6, "color": color or COLOURS[k % len(COLOURS)]}
    look |= {"ls": STYLES[k % len(STYLES)], "gid": "curve"}
    look |= {"label": f"{name} {auroc(is_positive, values)!r}, {n}".strip()}
    (line,) = ax.plot(false_rate, true_rate, **look)
    if band_seed is not None:
        band = roc_band(is_positive, values, seed=band_seed)
        ax.fill_between(band["false_rate"], band["low"], band["high"], step="post", lw=0,
                        alpha=0.25, color=line.get_color(), gid="band")  # fmt: skip
    if not any(line.get_gid() == "chance" for line in ax.lines):
        ax.plot([0, 1], [0, 1], color="0.7", lw=0.8, zorder=0, gid="chance")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set_xlabel("1 - specificity")
    ax.set_ylabel("sensitivity")
    look = {"loc": "lower right", "fontsize": SMALL, "frameon": False, "handlelength": 3}
    ax.legend(title="AUROC [95 % interval], n with / without", title_fontsize=SMALL, **look)
    return ax


def roc_band(labels: ArrayLike, scores: ArrayLike, *, seed: int) -> pd.DataFrame:
    """The ROC curve with pointwise 95 % limits of its sensitivity: false_rate (0 to 1 in steps of
    0.01), true_rate, low, high.

    Patients of each class are drawn with replacement, 500 times; the limits are the 2.5 and 97.5 %
    percentiles (vertical averaging: Fawcett, Pattern Recognit Lett 2006;27:861-874).
    """
    is_positive, (values,) = checked_scores(labels, scores)
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(is_positive), np.flatnonzero(~is_positive)]
    drawn = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([rng.choice(some, len(some)) for some in classes])
        drawn.append(_sensitivity(is_positive[rows], values[rows]))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    whole = _sensitivity(is_positive, values)
    return pd.DataFrame({"false_rate": _RATES, "true_rate": whole, "low": low, "high": high})


def _sensitivity(is_positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The largest sensitivity at each rate of false positives."""
    false_rate, true_rate, _ = roc_curve(is_positive, scores, drop_intermediate=False)
    return true_rate[np.searchsorted(false_rate, _RATES + 1e-12, side="right") - 1]


def plot_roc_bands(
    labels: Mapping[str, pd.Series],
    scores: pd.DataFrame,
    *,
    title: str,
    seed: int = 0,
    figure: Figure | SubFigure | None = None,
) -> Figure | None:
    """Draw one panel per trait: its ROC curve with band, AUROC with interval, and counts.

    Parameters
    ----------
    labels
        Trait -> recorded labels, index study_id, one row per patient.
    scores
        Index study_id, one column per trait.
    title
        Above all panels.
    seed
        Of the bands.
    figure
        Figure or SubFigure to draw in, with `layout="constrained"`. Default: a new one.

    Returns
    -------
    None where no trait has ten patients in its smaller class.
    """
    shown = {t: known for t, known in labels.items() if t in scores and is_reportable(known)}
    if not shown:
        return None
    columns = 4 if len(shown) % 4 == 0 else 3  # no place is left empty by a fourth
    height = 7.8 / columns
    drawn, axes = new_panels(
        len(shown), columns, width=TWO_COLUMNS, height=height, title=0.4, figure=figure
    )
    drawn.suptitle(title, fontsize=SMALL + 1)
    for ax, (trait, recorded) in zip(axes, shown.items(), strict=True):
        plot_roc(recorded, scores.loc[recorded.index, trait], ax, color=COLOURS[1], band_seed=seed)
        ax.set_title(trait_name(trait), fontsize=SMALL)
        ax.legend(loc="lower right", fontsize=TINY, frameon=False, handlelength=1)
        tidy(ax)
    return drawn


def plot_calibration(
    labels: ArrayLike, probabilities: ArrayLike, ax: Axes | None = None, *, name: str = ""
) -> Axes:
    """Draw the observed share over the predicted probability, smoothed, with a 95 % band, and the
    line of a logistic recalibration of these patients.

    Where fewer than 100 have the trait, the line is the main curve and the smooth one is grey.

    Parameters
    ----------
    labels, probabilities
        0/1 and numbers in 0-1, shape (n,), one entry per patient; Series are aligned. Histograms of
        the probabilities stand at the bottom (without the trait) and hang from the top (with it),
        as shares of their class on one scale.
    ax
        Axes to draw on. Default: new ones of one column's width.
    name
        What was predicted.

    Raises
    ------
    ValueError: a class is absent, a label is not 0 or 1, or a probability is outside 0-1.
    """
    is_positive, values = checked_pairs(labels, probabilities)
    curve = smooth_calibration(is_positive, values, seed=0)
    ax = ax or new_axes(3.9)
    is_small = is_positive.sum() < SMOOTH_FROM
    ax.plot([0, 1], [0, 1], color=GREY, lw=0.6, ls=":", zorder=0, gid="ideal")
    ax.fill_between(curve["predicted"], curve["low"], curve["high"], color=GREY, alpha=0.3, lw=0)
    look: dict[str, Any] = {"color": GREY, "lw": 1} if is_small else {"color": "k", "lw": 1.6}
    look |= {"label": "smooth, 95 % band", "gid": "smooth"}
    ax.plot(curve["predicted"], curve["observed"], **look)
    try:
        line = fit_recalibration(is_positive, values)
    except ValueError:
        line = None  # equal probabilities, or classes apart
    if line is not None:
        # Only over what was predicted: nothing is extrapolated.
        x = np.linspace(values.min(), values.max(), 200)
        y = expit(line.intercept + line.slope * clipped_logit(x))
        look = {"lw": 1.6, "ls": "-"} if is_small else {"lw": 1, "ls": "--"}
        ax.plot(x, y, color=COLOURS[1], gid="line", label="logistic recalibration", **look)
    _draw_histograms(ax, values, is_positive)
    ticks = np.linspace(0, 1, 6)
    ax.set(xlim=(-0.02, 1.02), ylim=(-_BAND[1] - 0.02, 1 + _BAND[1] + 0.02))
    ax.set(xticks=ticks, yticks=ticks, aspect="equal")
    ax.set_title(name, loc="left", fontsize=SMALL)
    place: dict[str, Any] = {"bbox_to_anchor": (1.02, 0), "bbox_transform": ax.transData}
    legend = {"loc": "lower right", "handlelength": 1.2, "borderpad": 0.2} | place
    return tidy(ax, "predicted probability", "observed share", **legend)


def _draw_histograms(ax: Axes, probabilities: np.ndarray, is_positive: np.ndarray) -> None:
    """One class at the bottom, the other at the top, outside 0-1, with their counts."""
    counts = [np.histogram(probabilities[c], _BINS)[0] for c in (~is_positive, is_positive)]
    shares = [count / count.sum() for count in counts]
    height = (_BAND[1] - _BAND[0]) / max(share.max() for share in shares)
    look: dict[str, Any] = {"fontsize": TINY, "va": "center", "color": "0.35", "linespacing": 1}
    sides = (("without", -_BAND[1], 1), ("with", 1 + _BAND[1], -1))
    for share, count, (word, foot, sign) in zip(shares, counts, sides, strict=True):
        bars: dict[str, Any] = {"bottom": foot, "align": "edge", "color": "0.45", "lw": 0}
        ax.bar(_BINS[:-1], sign * share * height, np.diff(_BINS), gid=word, **bars)
        text = f"{word}\nn = {count.sum()}"
        ax.text(1.02, foot + sign * 0.07, text, transform=ax.get_yaxis_transform(), **look)


def plot_net_benefit(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the decision curve: net benefit over the threshold probability.

    Parameters
    ----------
    table
        threshold (0-1), model with low and high (95 % band), treat_all, treat_none; net benefit
        in true positives per patient. NaN is left open.
    ax
        Axes to draw on. Default: new ones of one column's width.

    Raises
    ------
    ValueError: a column is missing.

    References
    ----------
    Vickers & Elkin, Med Decis Making 2006;26:565-574.
    """
    check_columns(table, "threshold", "model", "low", "high", "treat_all", "treat_none")
    ax = ax or new_axes(2.6)
    x = table["threshold"]
    ax.fill_between(x, table["low"], table["high"], color=GREY, alpha=0.3, lw=0)
    ax.plot(x, table["treat_none"], color=GREY, lw=0.8, label="treat none")
    ax.plot(x, table["treat_all"], color=GREY, lw=1, ls="--", label="treat all")
    ax.plot(x, table["model"], color=COLOURS[0], lw=1.6, label="model")
    top = float(np.nanmax(table[["model", "high", "treat_all", "treat_none"]].to_numpy(float)))
    # Treating all falls without end where thresholds are high; the model would be flattened.
    ax.set(xlim=(x.min(), x.max()), ylim=(-0.25 * max(top, 0.02), 1.08 * max(top, 0.02)))
    return tidy(ax, "threshold probability", "net benefit", loc="upper right", reverse=True)


def plot_learning_curve(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the AUROC over the number of training patients, one line per model.

    Parameters
    ----------
    table
        n_train (patients), model, auroc, low, high (95 % interval). Five models at most.
    ax
        Axes to draw on. Default: new ones of one column's width.

    Raises
    ------
    ValueError: a column is missing, or there are more than five models.
    """
    check_columns(table, "n_train", "model", "auroc", "low", "high")
    _check_few(table["model"].nunique(), "models")
    ax = ax or new_axes(2.6)
    groups = list(table.groupby("model", sort=False))
    for k, (model, group) in enumerate(groups):
        rows = group.sort_values("n_train")
        # Moved by points on paper, so that intervals stand side by side and the data stay true.
        points = (k - (len(groups) - 1) / 2) * 3
        place = ax.transData + ScaledTranslation(points / 72, 0, ax.figure.dpi_scale_trans)
        look: dict[str, Any] = {"color": COLOURS[k], "marker": MARKERS[k], "ms": 3.5, "mew": 0}
        look |= {"lw": 1, "elinewidth": 0.6, "label": model, "transform": place}
        lengths = [rows["auroc"] - rows["low"], rows["high"] - rows["auroc"]]
        ax.errorbar(rows["n_train"], rows["auroc"], lengths, **look)
    sizes = np.unique(table["n_train"])
    margin = 0.06 * (sizes[-1] - sizes[0]) or 1
    ends = table[["auroc", "low", "high"]].to_numpy(float)
    ax.axhline(0.5, color=GREY, lw=0.6, zorder=0, gid="chance")
    ax.set(xlim=(sizes[0] - margin, sizes[-1] + margin), xticks=sizes)
    ax.set_ylim(min(0.48, np.nanmin(ends) - 0.02), min(1.02, np.nanmax(ends) + 0.02))
    above: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 3}
    return tidy(ax, "patients trained on", "AUROC [95 % interval]", **above)


def plot_forest(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    published: Mapping[tuple[str, str], tuple[float, float, float]] | None = None,
) -> Axes:
    """Draw one row per trait, grouped by map type, the series below one another in it.

    Parameters
    ----------
    table
        One row per map type, trait and series, in the order to be drawn: map_type, trait, series
        (what was scored with), auroc, ci_low, ci_high, n_pos, n_neg, is_circular (the label was
        derived from the flow shown), note. Where auroc is NaN the note is written.
    ax
        Axes to draw on. Default: new ones of one column's width and the height it takes.
    published
        (map type, trait) -> value, low, high; drawn hollow. Keys without a row are left out.

    Returns
    -------
    The axes; one unit of y is one series, and the ticks stand in the middle of the rows.

    Raises
    ------
    ValueError: a column is missing, there is no row, a map type, trait and series is there twice,
        or there are more than five series.
    """
    key, ends = ["map_type", "trait", "series"], ["auroc", "ci_low", "ci_high"]
    check_columns(table, *key, *ends, "n_pos", "n_neg", "is_circular", "note")
    if (again := table.duplicated(key)).any():
        first = table.loc[again, key].iloc[0]
        raise ValueError(f"{', '.join(map(str, first))} is there twice; give each series a name.")
    published = published or {}
    names = list(dict.fromkeys(table["series"]))
    _check_few(len(names), "series")
    cells = {cell: some for cell, some in table.groupby(key[:2], sort=False)}
    groups = dict.fromkeys(map_type for map_type, _ in cells)
    rows = [(m, t) for m in groups for t in (None, *(t for g, t in cells if g == m))]
    height = max(len(names) + bool(published) + 0.8, 2.0)
    heights = np.array([height if trait else 2.0 for _, trait in rows])
    middles = heights.cumsum() - heights / 2
    ax = ax or new_axes(0.9 + _LINE * heights.sum())
    ax.axvline(0.5, color=GREY, lw=0.6, zorder=0, gid="chance")
    ax.set_ylim(heights.sum(), 0)
    beside: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "fontsize": TINY}
    beside |= {"va": "center", "linespacing": 1}
    ax.text(1.03, middles[0], "n with /\nwithout", color="0.35", **beside)
    labels = []
    for y, (map_type, trait) in zip(middles, rows, strict=True):
        if trait is None:
            labels.append(f"{map_type} maps")
            continue
        cell = cells[map_type, trait]
        sign = CIRCULAR_SIGN if cell["is_circular"].any() else ""
        labels.append(trait_name(trait) + sign)
        counts = dict.fromkeys(zip(cell["n_pos"], cell["n_neg"], strict=True))
        told = "\n".join(f"{n_pos:.0f} / {n_neg:.0f}" for n_pos, n_neg in counts)
        ax.text(1.03, y, told, **beside)
        first = y - (len(names) - 1) / 2
        lacking: dict[str, list[int]] = {}
        for _, row in cell.iterrows():
            k = names.index(row["series"])
            if np.isnan(row["auroc"]):
                lacking.setdefault(short_note(row["note"]) or NOT_REPORTED, []).append(k)
            else:
                colour = GREY if row["is_circular"] else COLOURS[k]
                ax.plot(row[ends[1:]], [first + k] * 2, color=colour, lw=1, gid="interval")
                ax.plot(row["auroc"], first + k, MARKERS[k], color=colour, gid="value", **_MARK)
        for note, lines in lacking.items():
            look = {"color": "0.45", "style": "italic", "bbox": _BEHIND, **beside}
            ax.text(0.02, first + np.mean(lines), note, **look)
        if (map_type, trait) in published:
            value, *interval = published[map_type, trait]
            ax.plot(interval, [first + len(names)] * 2, color="0.3", lw=0.5, gid="published")
            ax.plot(value, first + len(names), "D", gid="published", **_HOLLOW)
    for name, colour, marker in zip(names, COLOURS, MARKERS, strict=False):
        ax.plot([], [], marker, color=colour, label=name, **_MARK)
    if published:
        ax.plot([], [], "D", label="published", **_HOLLOW)
    low = min(0.4, np.floor(np.nanmin(np.concatenate([x.get_xdata() for x in ax.lines])) * 10) / 10)
    ax.set_xlim(low, 1.02)
    ax.xaxis.set_major_locator(MultipleLocator(0.1 if low > 0.25 else 0.2))
    sign = f"\n{CIRCULAR_SIGN} label derived from the flow shown"
    above: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1), "ncols": 2}
    above |= {"handletextpad": 0.2, "columnspacing": 1}
    tidy(ax, "AUROC [95 % interval]" + (sign if table["is_circular"].any() else ""), **above)
    ax.spines["left"].set_visible(False)
    ax.set_yticks(middles, labels)
    ax.tick_params(axis="y", length=0, labelsize=SMALL)
    for label, (_, trait) in zip(ax.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if trait is None else "normal")
    return ax


def _check_few(n: int, what: str) -> None:
    if n > len(MARKERS):
        raise ValueError(f"At most {len(MARKERS)} {what} can be told apart, not {n}.")
