"""Cross-validation of a network on one cohort, beside its baselines in the same folds."""

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import pandas as pd

from polarnet.cachefolder import USER_CACHE, kept_in
from polarnet.clinical import MAPS_ALONE
from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.evaluation.baselines import baseline_scores
from polarnet.evaluation.comparison import NETWORK, is_circular, kind_of_data
from polarnet.evaluation.crossvalidated import (
    FACTS_FILE,
    FOLD_LABELS_FILE,
    SCORES_FILE,
    CrossValidation,
    load_cross_validation,
    read_fold_scores,
    summarise,
)
from polarnet.evaluation.table import SUPPRESSED_BELOW, smaller_classes
from polarnet.files import read_json, write_csv, write_json
from polarnet.ids import listing
from polarnet.progressbar import progress_bar
from polarnet.rundata import (
    ENVIRONMENT_FILE,
    PARTICIPANTS_FILE,
    data_facts,
    participants,
    pixel_digests,
)
from polarnet.suitability import check_training

FOLDS: Final = 5
REPEATS: Final = 5

_PARTS: Final = "unfinished"
_VAL_FOLDS: Final = 6  # a sixth of the training patients of a fold validates (our choice)
_WHERE: Final = ["repeat", "fold", "model", "study_id"]


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
    """Train and score a network in every fold; all choices are made inside the fold.

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
        At least 2 folds and 1 repeat. 5 x 5 folds of 160 studies take about two minutes.
    cache
        Folder of trunk features. Default: "user", the user's cache folder. None: kept nowhere.

    Returns
    -------
    CrossValidation. AUROCs are means over folds and repeats with the interval of `repeated_auroc`.
    Patients with several studies count with their first.

    Raises
    ------
    ValueError: a trait has fewer than 10 patients in a class, or one class in a fold, or as for
        `train`; or `out` holds the cross-validation of other settings or studies.
    FileExistsError: `out` holds something else.
    """
    if folds < 2 or repeats < 1:
        raise ValueError(f"Give 2 folds and 1 repeat or more, not {folds} and {repeats}.")
    cohort = cohort.with_traits(config.traits)
    pairs = [
        (repeat, fold, rest, held)
        for repeat in range(repeats)
        for fold, (rest, held) in enumerate(cohort.folds(folds, seed=config.seed + repeat))
    ]
    check_training(pairs[0][2], pairs[0][3], config)
    fewest = max(SUPPRESSED_BELOW, folds)
    smaller = smaller_classes(cohort, config.traits)
    if rare := [f"{trait} ({n})" for trait, n in smaller.items() if n < fewest]:
        raise ValueError(
            f"Too few patients in the smaller class of {listing(rare)}: cross-validation needs "
            f"{fewest}. Leave such traits out by --traits."
        )
    # Told now, and not after all networks were trained.
    empty = {
        t for *_, held in pairs for t, n in smaller_classes(held, config.traits).items() if not n
    }
    if empty:
        raise ValueError(
            f"A fold would hold one class of {listing(sorted(empty))} only. Take fewer folds, "
            "another seed, or leave such traits out by --traits."
        )
    labels = cohort.first_studies().traits[list(config.traits)]
    out = Path(out)
    pixels = pixel_digests(cohort, config.map_types)
    facts = {
        "folds": folds,
        "repeats": repeats,
        "data": data_facts(cohort, pixels, config.traits, config.clinical),
        "settings": {k: str(v) for k, v in sorted(asdict(config).items()) if k != "clinical" or v},
        "kind": kind_of_data(cohort),
        "is_circular": [t for t in config.traits if is_circular(cohort, config.map_type, t)],
    }
    if _is_begun(out, facts) and (out / "metrics.csv").is_file():
        return load_cross_validation(out)
    parts = out / _PARTS
    parts.mkdir(parents=True, exist_ok=True)

    from polarnet.network.training import environment, resolved_config

    resolved = resolved_config(config, cohort)
    resolved.save(out / "config.yaml")
    write_json(out / FACTS_FILE, facts)
    write_json(out / ENVIRONMENT_FILE, environment(resolved))
    write_csv(
        participants({"all": cohort}, config.traits), out / PARTICIPANTS_FILE, float_format="%.6g"
    )
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
    whole = pd.concat([read_fold_scores(path) for path in sorted(parts.glob("*.csv"))])
    whole = whole[[*_WHERE, *config.traits]].sort_values(_WHERE, kind="stable", ignore_index=True)
    write_csv(whole, out / SCORES_FILE, float_format="%.9g")
    write_csv(labels, out / FOLD_LABELS_FILE, index_label="study_id", float_format="%g")
    result = summarise(out, resolved, whole, labels, facts)
    for name in ("calibration", "thresholds", "metrics"):  # the last file says that it is finished
        write_csv(getattr(result, name), out / f"{name}.csv", float_format="%.6g")
    shutil.rmtree(parts)
    return result


def _of_fold(
    rest: Cohort, held: Cohort, config: ExperimentConfig, cache: Path
) -> dict[str, pd.DataFrame]:
    """Model -> scores of the held-out studies."""
    from polarnet.network import predict, train
    from polarnet.network.training import scores_of_maps_alone

    train_part, val = next(rest.folds(_VAL_FOLDS, seed=config.seed))
    with tempfile.TemporaryDirectory(prefix="polarnet_") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of clinical values far from a fold
        run = train(train_part, val, config, Path(folder) / "run", cache=cache, show_progress=False)
        of_network = predict(run, held, cache=cache)
    of_network.attrs = {}
    baselines = baseline_scores(
        rest,
        [held],
        map_type=config.map_type,
        traits=config.traits,
        seed=config.seed,
        clinical=config.clinical,
    )
    if config.clinical:
        baselines[MAPS_ALONE] = scores_of_maps_alone((train_part, val), [held], config, cache)
    of_baselines = {name: tables[0] for name, tables in baselines.items()}
    for table in of_baselines.values():
        table.attrs = {}
    return {NETWORK: of_network} | of_baselines


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
