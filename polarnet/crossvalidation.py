"""Cross-validation of a network on one cohort, beside its baselines in the same folds."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from polarnet.cachefolder import USER_CACHE, kept_in
from polarnet.cohort import RECOVERED, Cohort
from polarnet.config import ExperimentConfig
from polarnet.display import Result, interval_text, trait_name
from polarnet.evaluation.baselines import BASELINES, baseline_scores
from polarnet.evaluation.calibration import measure_calibration
from polarnet.evaluation.comparison import NETWORK, PHANTOM_LABEL, is_circular
from polarnet.evaluation.crossvalidated import repeated_auroc, repeated_auroc_difference
from polarnet.evaluation.table import size_note
from polarnet.evaluation.thresholds import choose_thresholds
from polarnet.files import read_csv, read_json, write_csv, write_json
from polarnet.ids import listing
from polarnet.progressbar import progress_bar
from polarnet.rundata import data_facts, pixel_digests
from polarnet.suitability import check_training

FOLDS: Final = 5
REPEATS: Final = 5
FEWEST: Final = 10
"""Patients of the smaller class that a trait needs: two in each of five folds (our choice)."""

FACTS_FILE: Final = "cross_validation.json"
SCORES_FILE: Final = "scores.csv"
LABELS_FILE: Final = "labels.csv"
_PARTS: Final = "unfinished"
_VAL_FOLDS: Final = 6  # a sixth of the training patients of a fold validates (our choice)
_WHERE: Final = ["repeat", "fold", "model", "study_id"]


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
        One row per trait and model: n_pos, n_neg, auroc with ci_low and ci_high, and the paired
        `difference` (network minus model) with its interval.
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


def cross_validate(
    cohort: Cohort,
    config: ExperimentConfig,
    out: str | Path,
    *,
    folds: int = FOLDS,
    repeats: int = REPEATS,
    cache: str | Path | None = USER_CACHE,
    show_progress: bool = True,
) -> CrossValidation:
    """Train and score a network in every fold, with all that is chosen chosen inside the fold.

    The main way to judge a network on fewer than about 400 patients, where one test split holds too
    few of a class. Folds keep the studies of a patient together and are balanced on the traits. In
    each, the network is trained on five sixths of the other patients and validated on the last
    sixth; baselines learn from all of the other patients. Trunk features are kept and shared.

    Parameters
    ----------
    cohort, config
        Studies with the traits of the settings. Repeat r has the seed `config.seed` + r.
    out
        Folder to make. Where an earlier call was stopped, it is resumed; a finished one is read.
    folds, repeats
        Each 2 or more, or 1 or more. 5 x 5 folds of 160 studies take about two minutes.
    cache
        Folder of trunk features. Default: "user", the user's cache folder. None: kept nowhere.

    Returns
    -------
    CrossValidation. AUROCs are means over folds and repeats with the interval of `repeated_auroc`.
    Patients with several studies count with their first.

    Raises
    ------
    ValueError: a trait has fewer than 10 patients in a class, or as for `train`; or `out` holds the
        cross-validation of other settings or studies.
    FileExistsError: `out` holds something else.
    """
    if folds < 2 or repeats < 1:
        raise ValueError(f"Give 2 folds and 1 repeat or more, not {folds} and {repeats}.")
    cohort = cohort.with_traits(config.traits)
    firsts = ~cohort.patients.duplicated().to_numpy()
    pairs = [
        (repeat, fold, rest, held)
        for repeat in range(repeats)
        for fold, (rest, held) in enumerate(cohort.folds(folds, seed=config.seed + repeat))
    ]
    check_training(pairs[0][2], pairs[0][3], config)
    labels = cohort.traits.loc[firsts, list(config.traits)]
    _refuse_rare(labels, max(FEWEST, folds))
    out = Path(out)
    pixels = pixel_digests(cohort, config.map_types)
    facts = {
        "folds": folds,
        "repeats": repeats,
        "data": data_facts(cohort, pixels, config.traits),
        "settings": {k: str(v) for k, v in sorted(asdict(config).items())},
        "kind": _kind(cohort),
        "is_circular": [t for t in config.traits if is_circular(cohort, config.map_type, t)],
    }
    if _is_begun(out, facts) and (out / "metrics.csv").is_file():
        return load_cross_validation(out)
    parts = out / _PARTS
    parts.mkdir(parents=True, exist_ok=True)
    config.save(out / "config.yaml")
    write_json(out / FACTS_FILE, facts)
    with kept_in(cache) as kept:
        for repeat, fold, rest, held in progress_bar(
            pairs, desc="Cross-validation", unit="fold", disable=not show_progress
        ):
            path = parts / f"{repeat}-{fold}.csv"
            if not path.is_file():
                changed = replace(config, seed=config.seed + repeat)
                scores = _of_fold(rest, held, changed, kept)
                write_csv(
                    pd.concat(scores, names=["model", "study_id"])
                    .reset_index()
                    .assign(repeat=repeat, fold=fold),
                    path,
                    float_format="%.9g",
                )
    whole = pd.concat([_read_scores(path) for path in sorted(parts.glob("*.csv"))])
    whole = whole[[*_WHERE, *config.traits]].sort_values(_WHERE, kind="stable", ignore_index=True)
    write_csv(whole, out / SCORES_FILE, float_format="%.9g")
    write_csv(labels, out / LABELS_FILE, index_label="study_id", float_format="%g")
    result = summarise(out, config, whole, labels, facts)
    for name in ("calibration", "thresholds", "metrics"):  # the last file says that it is finished
        write_csv(getattr(result, name), out / f"{name}.csv", float_format="%.6g")
    shutil.rmtree(parts)
    return result


def load_cross_validation(folder: str | Path) -> CrossValidation:
    """The finished cross-validation of a folder.

    Raises
    ------
    FileNotFoundError: the folder holds none, or an unfinished one.
    """
    folder = Path(folder)
    for name in (FACTS_FILE, "metrics.csv", SCORES_FILE, LABELS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} is no finished cross-validation: {name} is missing. Run the same "
                "`polarnet cross-validate` again to finish it."
            )
    config = ExperimentConfig.load(folder / "config.yaml")
    labels = read_csv(folder / LABELS_FILE).set_index("study_id")
    return summarise(
        folder, config, _read_scores(folder / SCORES_FILE), labels, read_json(folder / FACTS_FILE)
    )


def summarise(
    folder: Path,
    config: ExperimentConfig,
    scores: pd.DataFrame,
    labels: pd.DataFrame,
    facts: Mapping[str, object],
) -> CrossValidation:
    """The tables of a cross-validation from its out-of-fold scores and labels."""
    models = [m for m in (NETWORK, *BASELINES) if m in set(scores["model"])]
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
        folder, config, scores, labels, pd.DataFrame(metrics), pd.DataFrame(calibration),
        pd.DataFrame(thresholds),
    )  # fmt: skip


def _of_fold(
    rest: Cohort, held: Cohort, config: ExperimentConfig, cache: Path
) -> dict[str, pd.DataFrame]:
    """Model -> scores of the held-out studies."""
    from polarnet.network import predict, train

    train_part, val = next(rest.folds(_VAL_FOLDS, seed=config.seed))
    with tempfile.TemporaryDirectory(prefix="polarnet_") as folder:
        run = train(train_part, val, config, Path(folder) / "run", cache=cache, show_progress=False)
        of_network = predict(run, held, cache=cache)
    of_network.attrs = {}
    baselines = baseline_scores(
        rest, [held], map_type=config.map_type, traits=config.traits, seed=config.seed
    )
    of_baselines = {name: tables[0] for name, tables in baselines.items()}
    for table in of_baselines.values():
        table.attrs = {}
    return {NETWORK: of_network} | of_baselines


def _read_scores(path: Path) -> pd.DataFrame:
    return read_csv(path, text=("model", "study_id"))


def _refuse_rare(labels: pd.DataFrame, fewest: int) -> None:
    """Raise ValueError for traits that folds cannot be balanced on."""
    smaller = {t: int(min((labels[t] == 1).sum(), (labels[t] == 0).sum())) for t in labels}
    if rare := [f"{t} ({n})" for t, n in smaller.items() if n < fewest]:
        raise ValueError(
            f"Too few patients in the smaller class of {listing(rare)}: cross-validation needs "
            f"{fewest}. Leave such traits out by --traits."
        )


def _is_begun(out: Path, facts: Mapping[str, object]) -> bool:
    """Whether a folder holds this cross-validation, finished or not."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    path = out / FACTS_FILE
    if not path.is_file():
        raise FileExistsError(
            f"{out} exists and is not empty; nothing was changed. Choose another --out."
        )
    if read_json(path) != facts:
        raise ValueError(
            f"{out} holds a cross-validation of other settings or studies; choose another --out."
        )
    return True


def _kind(cohort: Cohort) -> str:
    if cohort.is_phantom:
        return PHANTOM_LABEL
    return RECOVERED if cohort.is_recovered else "cohort"


def _calibration(labels: pd.Series, scores: np.ndarray) -> dict[str, object]:
    """Agreement of the scores, mean over repeats, with the labels."""
    found = measure_calibration(labels.array, scores)
    row: dict[str, object] = {}
    for name in ("intercept", "slope"):
        value = getattr(found, name)
        row |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    return row | {"brier": found.brier, "scaled_brier": found.scaled_brier}


def _thresholds(
    trait: str, labels: pd.Series, scores: np.ndarray, folds: np.ndarray
) -> list[dict[str, object]]:
    """Sensitivity and specificity where each fold is judged by a threshold that the others chose.

    Shares are means over repeats; Wilson intervals, with n the patients.
    """
    from statsmodels.stats.proportion import proportion_confint

    is_positive = labels.to_numpy() == 1
    called = {name: np.zeros(scores.shape, bool) for name in ("youden", "sensitive")}
    values: dict[str, list[float]] = {name: [] for name in called}
    for r, (row, which) in enumerate(zip(scores, folds, strict=True)):
        for fold in np.unique(which):
            here = which == fold
            for name, threshold in choose_thresholds(is_positive[~here], row[~here]).items():
                called[name][r, here] = row[here] >= threshold
                values[name].append(threshold)
    rows = []
    for name, is_called in called.items():
        share = is_called.mean(axis=0)
        row: dict[str, object] = {
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
