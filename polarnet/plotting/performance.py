"""How good scores are: ROC, calibration, decision and learning curves, and the forest plot."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from matplotlib.transforms import ScaledTranslation, blended_transform_factory
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from sklearn.metrics import roc_curve

from polarnet.display import NOT_REPORTED, trait_name
from polarnet.evaluation import auroc
from polarnet.evaluation.roc import checked_scores
from polarnet.evaluation.table import SUPPRESSED_BELOW, short_note
from polarnet.labels import aligned, read_labels, read_numbers
from polarnet.plotting.style import (
    COLOURS,
    GREY,
    MARKERS,
    ONE_COLUMN,
    SMALL,
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


def plot_roc(
    labels: ArrayLike,
    scores: ArrayLike,
    ax: Axes | None = None,
    *,
    name: str = "",
    color: str | None = None,
    band_seed: int | None = None,
) -> Axes:
    """Draw the ROC curve of one score, its AUROC with interval in the legend.

    Parameters
    ----------
    labels, scores
        As for `auroc`: 0/1 and finite numbers, one entry per patient.
    ax
        Axes to draw on. Default: the current ones.
    name
        What was scored.
    color
        Of the curve. Default: the next one of the axes.
    band_seed
        Seed of the bootstrap that gives a 95 % band (see `roc_band`). None: no band.
    """
    is_positive, (values,) = checked_scores(labels, scores)
    ax = ax or plt.gca()
    false_rate, true_rate, _ = roc_curve(is_positive, values)
    (line,) = ax.plot(false_rate, true_rate, lw=1.6, color=color, gid="curve",
                      label=f"{name} {auroc(is_positive, values)!r}".strip())  # fmt: skip
    if band_seed is not None:
        band = roc_band(is_positive, values, seed=band_seed)
        ax.fill_between(band["false_rate"], band["low"], band["high"], step="post", lw=0,
                        alpha=0.25, color=line.get_color(), gid="band")  # fmt: skip
    if not any(line.get_gid() == "chance" for line in ax.lines):
        ax.plot([0, 1], [0, 1], color="0.7", lw=0.8, zorder=0, gid="chance")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set_xlabel("1 - specificity")
    ax.set_ylabel("sensitivity")
    ax.legend(loc="lower right", fontsize=SMALL, frameon=False, title="AUROC [95 % interval]",
              title_fontsize=SMALL)  # fmt: skip
    return ax


def roc_band(labels: ArrayLike, scores: ArrayLike, *, seed: int) -> pd.DataFrame:
    """The ROC curve with pointwise 95 % limits of its sensitivity.

    Parameters
    ----------
    labels, scores
        0/1 and finite numbers, shape (n,), one entry per patient.
    seed
        Of the bootstrap: patients of each class are drawn with replacement, 500 times, and the
        2.5 and 97.5 % percentiles taken.

    Returns
    -------
    false_rate (0 to 1 in steps of 0.01), true_rate, low, high.

    References
    ----------
    Fawcett, Pattern Recognit Lett 2006;27:861-874 (vertical averaging).
    """
    is_positive, (values,) = checked_scores(labels, scores)
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(is_positive), np.flatnonzero(~is_positive)]
    drawn = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([rng.choice(some, len(some)) for some in classes])
        drawn.append(_sensitivity(is_positive[rows], values[rows]))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return pd.DataFrame({"false_rate": _RATES, "true_rate": _sensitivity(is_positive, values),
                         "low": low, "high": high})  # fmt: skip


def _sensitivity(is_positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The largest sensitivity at each rate of false positives."""
    false_rate, true_rate, _ = roc_curve(is_positive, scores, drop_intermediate=False)
    return true_rate[np.searchsorted(false_rate, _RATES + 1e-12, side="right") - 1]


def plot_roc_bands(
    labels: Mapping[str, pd.Series], scores: pd.DataFrame, *, title: str, seed: int = 0
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

    Returns
    -------
    None where no trait has ten patients in its smaller class.
    """
    shown = {
        trait: recorded
        for trait, recorded in labels.items()
        if trait in scores and recorded.eq(1).sum() >= SUPPRESSED_BELOW <= recorded.eq(0).sum()
    }
    if not shown:
        return None
    columns = 4 if len(shown) % 4 == 0 else 3  # no place is left empty by a fourth
    figure, axes = new_panels(
        len(shown), columns, width=TWO_COLUMNS, height=7.8 / columns, title=0.4
    )
    figure.suptitle(title, fontsize=SMALL + 1)
    for ax, (trait, recorded) in zip(axes, shown.items(), strict=True):
        plot_roc(recorded, scores.loc[recorded.index, trait], ax, color=COLOURS[1], band_seed=seed)
        n_pos, n_neg = recorded.eq(1).sum(), recorded.eq(0).sum()
        ax.set_title(f"{trait_name(trait)}, n {n_pos} / {n_neg}", fontsize=SMALL)
        ax.legend(loc="lower right", fontsize=TINY, frameon=False, handlelength=1)
        tidy(ax)
    return figure


def plot_calibration(
    curve: pd.DataFrame,
    ax: Axes | None = None,
    *,
    probabilities: ArrayLike,
    labels: ArrayLike,
    name: str = "",
    line: tuple[float, float] | None = None,
) -> Axes:
    """Draw the observed share over the predicted probability.

    Parameters
    ----------
    curve
        Smooth curve with its 95 % band: predicted, observed, low, high, all in 0-1. Grey where
        there are fewer than 100 positives.
    ax
        Axes to draw on. Default: new ones of one column's width.
    probabilities, labels
        Shape (n,), in 0-1, and 0/1; their histograms stand at the bottom (without the trait) and
        hang from the top (with it), as shares of their class on one scale. Series are aligned.
    name
        What was predicted.
    line
        Intercept and slope of the logistic regression of the label on logit(probability), fitted
        together. Dashed, or the main curve where there are fewer than 100 positives.

    Raises
    ------
    ValueError: a column of `curve` is missing, the lengths differ, a label is not 0 or 1, or a
        probability is outside 0-1.
    """
    check_columns(curve, "predicted", "observed", "low", "high")
    labels, probabilities = aligned(labels, probabilities)
    probabilities, labels = read_numbers(probabilities, "Probabilities"), read_labels(labels)
    if probabilities.shape != labels.shape or probabilities.ndim != 1 or not len(labels):
        raise ValueError(f"{labels.shape} labels do not fit {probabilities.shape} probabilities.")
    if np.isnan(labels).any():
        raise ValueError("Labels must be 0 or 1; drop patients whose label was not recorded.")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("Probabilities must lie between 0 and 1.")
    ax = ax or new_axes(ONE_COLUMN, 3.9)
    is_small = labels.sum() < SMOOTH_FROM
    ax.plot([0, 1], [0, 1], color=GREY, lw=0.6, ls=":", zorder=0, gid="ideal")
    ax.fill_between(curve["predicted"], curve["low"], curve["high"], color=GREY, alpha=0.3, lw=0)
    ax.plot(curve["predicted"], curve["observed"], color=GREY if is_small else COLOURS[0],
            lw=1 if is_small else 1.6, label="smooth, 95 % band", gid="smooth")  # fmt: skip
    if line is not None:
        # Only over what was predicted: nothing is extrapolated.
        x = np.linspace(probabilities.min(), probabilities.max(), 200).clip(1e-6, 1 - 1e-6)
        ax.plot(x, expit(line[0] + line[1] * logit(x)), color=COLOURS[1], gid="line",
                lw=1.6 if is_small else 1, ls="-" if is_small else "--",
                label="logistic recalibration")  # fmt: skip
    _draw_histograms(ax, probabilities, labels == 1)
    ticks = np.linspace(0, 1, 6)
    ax.set(xlim=(-0.02, 1.02), ylim=(-_BAND[1] - 0.02, 1 + _BAND[1] + 0.02))
    ax.set(xticks=ticks, yticks=ticks, aspect="equal")
    ax.set_xlabel("predicted probability")
    ax.set_ylabel("observed share")
    ax.set_title(name, loc="left", fontsize=SMALL)
    ax.legend(loc="lower right", bbox_to_anchor=(1.02, 0), bbox_transform=ax.transData,
              fontsize=TINY, frameon=False, handlelength=1.2, borderpad=0.2)  # fmt: skip
    return tidy(ax)


def _draw_histograms(ax: Axes, probabilities: np.ndarray, is_positive: np.ndarray) -> None:
    """One class at the bottom, the other at the top, outside 0-1, with their counts."""
    counts = [np.histogram(probabilities[c], _BINS)[0] for c in (~is_positive, is_positive)]
    shares = [count / max(count.sum(), 1) for count in counts]
    height = (_BAND[1] - _BAND[0]) / max(share.max() for share in shares)
    place = blended_transform_factory(ax.transAxes, ax.transData)
    for share, count, foot, sign, word in zip(
        shares, counts, (-_BAND[1], 1 + _BAND[1]), (1, -1), ("without", "with"), strict=True
    ):
        ax.bar(_BINS[:-1], sign * share * height, np.diff(_BINS), bottom=foot, align="edge",
               color="0.45", lw=0, gid=word)  # fmt: skip
        ax.text(1.02, foot + sign * 0.07, f"{word}\nn = {count.sum()}", transform=place,
                fontsize=TINY, va="center", color="0.35", linespacing=1)  # fmt: skip


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
    ax = ax or new_axes(ONE_COLUMN, 2.6)
    x = table["threshold"]
    ax.fill_between(x, table["low"], table["high"], color=GREY, alpha=0.3, lw=0)
    ax.plot(x, table["treat_none"], color=GREY, lw=0.8, label="treat none")
    ax.plot(x, table["treat_all"], color=GREY, lw=1, ls="--", label="treat all")
    ax.plot(x, table["model"], color=COLOURS[0], lw=1.6, label="model")
    top = float(np.nanmax(table[["model", "high", "treat_all", "treat_none"]].to_numpy(float)))
    # Treating all falls without end where thresholds are high; the model would be flattened.
    ax.set(xlim=(x.min(), x.max()), ylim=(-0.25 * max(top, 0.02), 1.08 * max(top, 0.02)))
    ax.set_xlabel("threshold probability")
    ax.set_ylabel("net benefit")
    ax.legend(loc="upper right", fontsize=TINY, frameon=False, reverse=True)
    return tidy(ax)


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
    ax = ax or new_axes(ONE_COLUMN, 2.6)
    groups = list(table.groupby("model", sort=False))
    for k, (model, group) in enumerate(groups):
        rows = group.sort_values("n_train")
        # Moved by points on paper, so that intervals stand side by side and the data stay true.
        aside = ScaledTranslation(
            (k - (len(groups) - 1) / 2) * 3 / 72, 0, ax.figure.dpi_scale_trans
        )
        lengths = [rows["auroc"] - rows["low"], rows["high"] - rows["auroc"]]
        ax.errorbar(rows["n_train"], rows["auroc"], lengths, transform=ax.transData + aside,
                    color=COLOURS[k], marker=MARKERS[k], ms=3.5, mew=0, lw=1, elinewidth=0.6,
                    label=model)  # fmt: skip
    sizes = np.unique(table["n_train"])
    margin = 0.06 * (sizes[-1] - sizes[0]) or 1
    ends = table[["auroc", "low", "high"]].to_numpy(float)
    ax.axhline(0.5, color=GREY, lw=0.6, zorder=0, gid="chance")
    ax.set(xlim=(sizes[0] - margin, sizes[-1] + margin), xticks=sizes)
    ax.set_ylim(min(0.48, np.nanmin(ends) - 0.02), min(1.02, np.nanmax(ends) + 0.02))
    ax.set_xlabel("patients trained on")
    ax.set_ylabel("AUROC [95 % interval]")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=TINY, frameon=False)
    return tidy(ax)


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
    check_columns(table, "map_type", "trait", "series", "auroc", "ci_low", "ci_high", "n_pos",
                  "n_neg", "is_circular", "note")  # fmt: skip
    if (again := table.duplicated(["map_type", "trait", "series"])).any():
        first = table.loc[again, ["map_type", "trait", "series"]].iloc[0]
        raise ValueError(f"{', '.join(map(str, first))} is there twice; give each series a name.")
    published = published or {}
    names = list(dict.fromkeys(table["series"]))
    _check_few(len(names), "series")
    height = max(len(names) + bool(published) + 0.8, 2.0)
    cells = {key: some for key, some in table.groupby(["map_type", "trait"], sort=False)}
    groups = list(dict.fromkeys(map_type for map_type, _ in cells))
    rows = [(m, t) for m in groups for t in (None, *(t for g, t in cells if g == m))]
    heights = np.array([height if trait else 2.0 for _, trait in rows])
    middles = heights.cumsum() - heights / 2
    ax = ax or new_axes(ONE_COLUMN, 0.9 + _LINE * heights.sum())
    ax.axvline(0.5, color=GREY, lw=0.6, zorder=0, gid="chance")
    ax.set_ylim(heights.sum(), 0)
    for y, key in zip(middles, rows, strict=True):
        if key in cells:
            _draw_cell(ax, cells[key], names, y - (len(names) - 1) / 2)
            if key in published:
                _draw_mark(ax, published[key], y + (len(names) + 1) / 2, "published")
    _label_rows(ax, rows, middles, cells)
    for name, colour, marker in zip(names, COLOURS, MARKERS, strict=False):
        ax.plot([], [], marker, color=colour, ms=3.5, mew=0, label=name)
    if published:
        ax.plot([], [], "D", ms=3.5, mfc="w", mec="0.3", mew=0.7, label="published")
    low = min(0.4, np.floor(np.nanmin(np.concatenate([x.get_xdata() for x in ax.lines])) * 10) / 10)
    ax.set_xlim(low, 1.02)
    ax.xaxis.set_major_locator(MultipleLocator(0.1 if low > 0.25 else 0.2))
    sign = f"\n{CIRCULAR_SIGN} label derived from the flow shown"
    ax.set_xlabel("AUROC [95 % interval]" + (sign if table["is_circular"].any() else ""))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, fontsize=TINY, frameon=False,
              handletextpad=0.2, columnspacing=1)  # fmt: skip
    return ax


def _check_few(n: int, what: str) -> None:
    if n > len(MARKERS):
        raise ValueError(f"At most {len(MARKERS)} {what} can be told apart, not {n}.")


def _draw_cell(ax: Axes, cell: pd.DataFrame, names: list[str], top: float) -> None:
    """Mark and interval of every series; the note where there is no number."""
    written: set[str] = set()
    for row in cell.itertuples():
        k = names.index(row.series)
        if not np.isnan(row.auroc):
            ends = row.auroc, row.ci_low, row.ci_high
            _draw_mark(ax, ends, top + k, "value", MARKERS[k],
                       GREY if row.is_circular else COLOURS[k])  # fmt: skip
        elif (note := short_note(row.note) or NOT_REPORTED) not in written:
            place = blended_transform_factory(ax.transAxes, ax.transData)
            is_whole = cell["auroc"].isna().all() and cell["note"].nunique() == 1
            ax.text(0.02, top + ((len(names) - 1) / 2 if is_whole else k), note, transform=place,
                    fontsize=TINY - 0.5, color="0.45", style="italic", va="center",
                    bbox={"fc": "w", "ec": "none", "pad": 0.5})  # fmt: skip
            written.add(note)


def _draw_mark(
    ax: Axes, ends: tuple[float, float, float], y: float, gid: str, marker: str = "D",
    color: str | None = None,
) -> None:  # fmt: skip
    """A value with its interval; hollow and thin without a colour."""
    looks: dict[str, Any] = (
        {"color": color, "mew": 0} if color else {"mfc": "w", "mec": "0.3", "mew": 0.7}
    )
    ax.plot(ends[1:], [y, y], color=color or "0.3", lw=1 if color else 0.5,
            gid="interval" if color else gid)  # fmt: skip
    ax.plot(ends[0], y, marker, ms=3.5, gid=gid, **looks)


def _label_rows(
    ax: Axes,
    rows: list[tuple[str, str | None]],
    middles: np.ndarray,
    cells: Mapping[tuple[str, str | None], pd.DataFrame],
) -> None:
    """Names of map types and traits on the left, counts on the right."""
    labels = []
    place = blended_transform_factory(ax.transAxes, ax.transData)
    look: dict[str, Any] = {"transform": place, "fontsize": TINY, "va": "center", "linespacing": 1}
    for y, (map_type, trait) in zip(middles, rows, strict=True):
        if trait is None:
            labels.append(f"{map_type} maps")
            continue
        cell = cells[map_type, trait]
        sign = CIRCULAR_SIGN if cell["is_circular"].any() else ""
        labels.append(trait_name(trait) + sign)
        counts = dict.fromkeys(zip(cell["n_pos"], cell["n_neg"], strict=True))
        ax.text(1.03, y, "\n".join(f"{n_pos:.0f} / {n_neg:.0f}" for n_pos, n_neg in counts), **look)
    ax.text(1.03, middles[0], "n with /\nwithout", color="0.35", **look)
    ax.set_yticks(middles, labels)
    tidy(ax).spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0, labelsize=SMALL)
    for label, (_, trait) in zip(ax.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if trait is None else "normal")
