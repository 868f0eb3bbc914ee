"""Results of a repeated cross-validation: AUROC, paired differences, calibration, thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import t
from statsmodels.stats.proportion import proportion_confint

from polarnet.clinical import CLINICAL_ALONE, MAPS_ALONE
from polarnet.config import ExperimentConfig
from polarnet.display import Result, ResultTable, interval_text, trait_name
from polarnet.evaluation.baselines import BASELINES
from polarnet.evaluation.calibration import measure_calibration
from polarnet.evaluation.comparison import NETWORK, PHANTOM_LABEL
from polarnet.evaluation.roc import LEVEL, NOT_ESTIMABLE, Interval, auroc, checked_scores
from polarnet.evaluation.table import size_note
from polarnet.evaluation.thresholds import choose_thresholds
from polarnet.files import read_csv, read_json

FACTS_FILE: Final = "cross_validation.json"
SCORES_FILE: Final = "scores.csv"
FOLD_LABELS_FILE: Final = "labels.csv"

OVER_REPEATS: Final = "mean over folds and repeats, corrected t on the logit scale, 95 %"
DIFFERENCE_OVER_REPEATS: Final = "mean over folds and repeats, corrected t, 95 %"


@dataclass(frozen=True, repr=False)
class CrossValidation(Result):
    """A finished cross-validation.

    Attributes
    ----------
    folder, config
        Where it lies, and the settings of its networks.
    scores
        Out-of-fold probabilities: columns repeat, fold, model, study_id and one per trait.
    labels
        Index study_id, one column per trait: the first study of each patient.
    metrics
        One row per trait and model: n_pos, n_neg, auroc with ci_low and ci_high, `p_chance` (that
        it is one half or less, one-sided), and the paired `difference` (network minus model) with
        its interval.
    calibration, thresholds
        Of the network's out-of-fold scores, one row per trait, or per trait and threshold.
    """

    folder: Path
    config: ExperimentConfig
    scores: pd.DataFrame
    labels: pd.DataFrame
    metrics: pd.DataFrame
    calibration: pd.DataFrame
    thresholds: pd.DataFrame

    @property
    def summary(self) -> pd.Series:
        """AUROC of the network for each trait."""
        of_network = self.metrics[self.metrics["model"] == NETWORK]
        rows = {
            trait_name(row.trait): interval_text(row.auroc, row.ci_low, row.ci_high)
            for row in of_network.itertuples()
        }
        kind = f" ({PHANTOM_LABEL})" if (of_network["data"] == PHANTOM_LABEL).any() else ""
        return pd.Series(rows, name=f"Cross-validation {self.folder}{kind}")


def load_cross_validation(folder: str | Path) -> CrossValidation:
    """The finished cross-validation of a folder.

    Raises
    ------
    FileNotFoundError: the folder holds none, or an unfinished one.
    """
    folder = Path(folder)
    for name in (FACTS_FILE, "metrics.csv", SCORES_FILE, FOLD_LABELS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} is no finished cross-validation: {name} is missing. Run the same "
                "`polarnet cross-validate` again to finish it."
            )
    config = ExperimentConfig.load(folder / "config.yaml")
    labels = read_csv(folder / FOLD_LABELS_FILE).set_index("study_id")
    return summarise(
        folder,
        config,
        read_fold_scores(folder / SCORES_FILE),
        labels,
        read_json(folder / FACTS_FILE),
    )


def summarise(
    folder: Path,
    config: ExperimentConfig,
    scores: pd.DataFrame,
    labels: pd.DataFrame,
    facts: Mapping[str, Any],
) -> CrossValidation:
    """The tables of a cross-validation from its out-of-fold scores and labels."""
    known = (NETWORK, MAPS_ALONE, CLINICAL_ALONE, *BASELINES)
    models = [m for m in known if m in set(scores["model"])]
    metrics, calibration, thresholds = [], [], []
    fold_of = scores[scores["model"] == NETWORK].pivot(index="repeat", columns="study_id")["fold"]
    for trait in config.traits:
        known = labels[trait].dropna()
        by_model = {
            model: rows.pivot(index="repeat", columns="study_id", values=trait)[known.index]
            for model, rows in scores.groupby("model")
        }
        folds = fold_of[known.index].to_numpy()
        of_network = by_model[NETWORK].to_numpy()
        for model in models:
            area = repeated_auroc(known.array, by_model[model].to_numpy(), folds)
            row = {
                "data": facts["kind"], "map_type": config.map_type, "trait": trait, "model": model,
                "n_pos": int((known == 1).sum()), "n_neg": int((known == 0).sum()),
                "auroc": area.value, "ci_low": area.low, "ci_high": area.high,
                "p_chance": chance_p_value(known.array, by_model[model].to_numpy(), folds),
                "difference": np.nan, "difference_low": np.nan, "difference_high": np.nan,
                "is_circular": trait in facts["is_circular"], "method": area.method,
            }  # fmt: skip
            row["note"] = size_note(row["n_pos"], row["n_neg"])
            if model != NETWORK:
                found = repeated_auroc_difference(
                    known.array, of_network, by_model[model].to_numpy(), folds
                )
                row |= {"difference": found.value, "difference_low": found.low,
                        "difference_high": found.high}  # fmt: skip
            metrics.append(row)
        calibration.append({"trait": trait} | _calibration(known, of_network.mean(axis=0)))
        thresholds += _thresholds(trait, known, of_network, folds)
    return CrossValidation(
        folder, config, scores, labels, ResultTable(metrics), pd.DataFrame(calibration),
        pd.DataFrame(thresholds),
    )  # fmt: skip


def read_fold_scores(path: Path) -> pd.DataFrame:
    return read_csv(path, text=("model", "study_id"))


def _calibration(labels: pd.Series, scores: np.ndarray) -> dict[str, Any]:
    """Agreement of the scores, mean over repeats, with the labels."""
    found = measure_calibration(labels.array, scores)
    row: dict[str, Any] = {}
    for name in ("intercept", "slope"):
        value = getattr(found, name)
        row |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    return row | {"brier": found.brier, "scaled_brier": found.scaled_brier}


def _thresholds(
    trait: str, labels: pd.Series, scores: np.ndarray, folds: np.ndarray
) -> list[dict[str, Any]]:
    """Sensitivity and specificity where each fold is judged by a threshold that the others chose.

    Shares are means over repeats; Wilson intervals, with n the patients.
    """
    is_positive = labels.to_numpy() == 1
    called = {name: np.zeros(scores.shape, bool) for name in ("youden", "sensitive")}
    values: dict[str, list[float]] = {name: [] for name in called}
    for r, (values_of, which) in enumerate(zip(scores, folds, strict=True)):
        for fold in np.unique(which):
            here = which == fold
            for name, threshold in choose_thresholds(is_positive[~here], values_of[~here]).items():
                called[name][r, here] = values_of[here] >= threshold
                values[name].append(threshold)
    rows = []
    for name, is_called in called.items():
        share = is_called.mean(axis=0)
        row: dict[str, Any] = {
            "trait": trait, "threshold": name, "median": float(np.median(values[name])),
        }  # fmt: skip
        for what, right in (("sensitivity", share[is_positive]),
                            ("specificity", 1 - share[~is_positive])):  # fmt: skip
            low, high = proportion_confint(right.sum(), len(right), method="wilson")
            row |= {
                what: right.mean(),
                f"{what}_low": low,
                f"{what}_high": high,
                f"n_{what}": len(right),
            }
        rows.append(row | {"method": "Wilson, 95 %"})
    return rows


def repeated_auroc(labels: ArrayLike, scores: ArrayLike, folds: ArrayLike) -> Interval:
    """Mean AUROC over the folds of all repeats, with the corrected resampled t interval.

    Scores of different folds come from different models and are never compared with one another.

    Parameters
    ----------
    labels
        0 and 1, shape (n,), one entry per patient.
    scores
        Shape (r, n): out-of-fold scores of r repeats; higher means more likely 1.
    folds
        Shape (r, n): in which fold each patient was held out. Both classes are in every fold.

    Returns
    -------
    Interval for the AUROC expected of a model that is trained in the same way on as many patients
    as in a training part. The variance over folds is enlarged by the correction of Nadeau and
    Bengio, because training parts overlap. Where all folds agree the ends are NaN.

    Raises
    ------
    ValueError: shapes differ, a fold lacks a class, or as for `auroc`.

    References
    ----------
    Nadeau & Bengio, Machine Learning 2003;52:239-281. The logit scale is our choice.
    """
    mean, error, df = _mean_auroc(labels, scores, folds)
    if np.isnan(error):
        return Interval(mean, np.nan, np.nan, NOT_ESTIMABLE)
    half = t.ppf(0.5 + LEVEL / 2, df) * error
    low, high = expit(logit(mean) + np.array([-half, half]))
    return Interval(mean, float(low), float(high), OVER_REPEATS)


def chance_p_value(labels: ArrayLike, scores: ArrayLike, folds: ArrayLike) -> float:
    """One-sided p-value of the hypothesis that the AUROC of `repeated_auroc` is one half or less.

    Parameters are those of `repeated_auroc`, and so are the statistic, the errors and the source.
    NaN where the interval is not estimable. Of 500 simulated cohorts of 160 without any signal, 7 %
    had a p-value below 0.05 (experiments/statistics/cross_validated_coverage.py).
    """
    mean, error, df = _mean_auroc(labels, scores, folds)
    return np.nan if np.isnan(error) else float(t.sf(logit(mean) / error, df))


def repeated_auroc_difference(
    labels: ArrayLike, scores: ArrayLike, others: ArrayLike, folds: ArrayLike
) -> Interval:
    """Mean over folds and repeats of AUROC(scores) - AUROC(others), with its corrected t interval.

    Parameters are those of `repeated_auroc`; `others` are scores of another model, trained in the
    same folds. ValueError: as there.
    """
    first, share = _areas_of_folds(labels, scores, folds)
    differences = first - _areas_of_folds(labels, others, folds)[0]
    mean = float(differences.mean())
    half = float(t.ppf(0.5 + LEVEL / 2, len(differences) - 1) * _error(differences, share))
    return Interval(mean, mean - half, mean + half, DIFFERENCE_OVER_REPEATS)


def _mean_auroc(labels: ArrayLike, scores: ArrayLike, folds: ArrayLike) -> tuple[float, float, int]:
    """Mean over folds, its standard error on the logit scale (NaN: none), degrees of freedom."""
    areas, share = _areas_of_folds(labels, scores, folds)
    mean, error = float(areas.mean()), _error(areas, share)
    is_estimable = 0 < mean < 1 and error > 0
    return mean, error / (mean * (1 - mean)) if is_estimable else np.nan, len(areas) - 1


def _error(values: np.ndarray, share: float) -> float:
    """Standard error of a mean over folds, whose training parts overlap."""
    return float(np.sqrt((1 / len(values) + share) * values.var(ddof=1)))


def _areas_of_folds(
    labels: ArrayLike, scores: ArrayLike, folds: ArrayLike
) -> tuple[np.ndarray, float]:
    """AUROC of every fold, and how many patients are held out for one that is trained on."""
    scores, folds = np.atleast_2d(np.asarray(scores, float)), np.atleast_2d(np.asarray(folds))
    is_positive, rows = checked_scores(labels, *scores)
    if folds.shape != rows.shape:
        raise ValueError(f"Scores of shape {rows.shape} need as many folds, not {folds.shape}.")
    areas, k = [], 0
    for values, which in zip(rows, folds, strict=True):
        names = np.unique(which)
        k = max(k, len(names))
        for name in names:
            here = which == name
            if is_positive[here].all() or not is_positive[here].any():
                raise ValueError(
                    f"Fold {name} holds one class only ({here.sum()} patients). Take fewer folds, "
                    "or drop the trait."
                )
            areas.append(auroc(is_positive[here], values[here]).value)
    if k < 2:
        raise ValueError("Cross-validation needs two folds or more.")
    return np.array(areas), 1 / (k - 1)
