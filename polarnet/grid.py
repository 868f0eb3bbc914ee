"""One run from cohorts to results, and many of them: one after the other, or on Dask workers.

A finished run is final and never repeated; a run whose worker died is given to another one, goes
on from its last kept epoch and ends with the same bytes.
"""

import itertools
import re
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from polarnet.cachefolder import USER_CACHE, kept_in
from polarnet.clinical import CLINICAL_ALONE, MAPS_ALONE
from polarnet.cohort import Cohort, read_cohort, split_by_patient
from polarnet.config import ExperimentConfig, read_settings
from polarnet.files import new_folder, read_json, shown, write_csv, write_json
from polarnet.ids import listing
from polarnet.rundata import (
    PARTS,
    data_facts,
    load_run_config,
    note_test,
    noted,
    pixel_digests,
    read_patients,
    write_labels,
)
from polarnet.suitability import check_training
from polarnet.traits import TRAITS
from polarnet.workers import do_each

if TYPE_CHECKING:
    from distributed import Client

    from polarnet.network import Run

_AXES: Final = {"map_types": "map_type", "modes": "mode", "seeds": "seed"}
"""Setting of the grid -> setting of a run."""

_OWN: Final = ("cohort", *_AXES, "single_task", "folds")

MOST_FOLDS: Final = 1000
"""Far above what anybody trains (our choice)."""

_VAL_OF_REST: Final = 0.15
"""Share of the patients outside a fold that validates (our choice, as in a split)."""


def run_experiment(
    train: Cohort,
    val: Cohort,
    test: Cohort,
    config: ExperimentConfig,
    out: str | Path,
    *,
    cache: str | Path | None = USER_CACHE,
    show_progress: bool = True,
) -> "Run":
    """Train one model, score validation and test studies, and set it beside its baselines.

    Parameters
    ----------
    train, val, test
        Cohorts that share no patient; the test cohort chooses nothing.
    config, out, cache
        As for `train`.

    Returns
    -------
    Run. Its folder also holds scores_test.csv, labels.csv, figures/ and metrics.csv (see
    `compare_with_baselines`).

    Raises
    ------
    ValueError, FileExistsError: as for `train`.
    """
    train, val, test = (cohort.with_traits(config.traits) for cohort in (train, val, test))
    check_training(train, val, config, test)

    # TensorFlow and matplotlib take seconds to import: what does not fit is refused before.
    from matplotlib.figure import Figure

    from polarnet.evaluation import baseline_scores, compare_with_baselines
    from polarnet.evaluation.comparison import NETWORK
    from polarnet.evaluation.table import read_scores
    from polarnet.network import predict
    from polarnet.network import train as train_model
    from polarnet.network.training import scores_of_maps_alone, write_scores
    from polarnet.plotting.style import save_png
    from polarnet.report.runreport import draw_run_roc, read_results

    with new_folder(out) as folder, kept_in(cache) as kept:
        run = train_model(train, val, config, folder, cache=kept, show_progress=show_progress)
        note_test(folder, test, config)
        write_labels(folder, {"train": train, "val": val, "test": test}, config.traits)
        run = replace(run, seen=read_patients(folder))  # now with those of the test
        of_val = read_scores(folder / "scores_val.csv")
        of_test = predict(run, test, cache=kept, show_progress=show_progress)
        write_scores(of_test, folder / "scores_test.csv")
        baselines = baseline_scores(
            train,
            (val, test),
            map_type=config.map_type,
            traits=config.traits,
            seed=config.seed,
            clinical=config.clinical,
        )
        if config.clinical:
            of_maps = scores_of_maps_alone((train, val), (val, test), config, kept)
            first: dict[str, list] = {MAPS_ALONE: of_maps, CLINICAL_ALONE: []}
            baselines = first | baselines  # which has the scores of the columns alone
        scores = {NETWORK: (of_val, of_test)} | {k: (v[0], v[1]) for k, v in baselines.items()}
        metrics = compare_with_baselines(scores, val, test, config.map_type)
        write_csv(metrics, folder / "metrics.csv", float_format="%.6g")
        figure = Figure(figsize=(5, 5), layout="constrained")
        draw_run_roc(figure.subplots(), read_results(folder))
        save_png(figure, folder / "figures" / "roc.png", 150)
    return replace(run, folder=Path(out))


@dataclass(frozen=True)
class GridRun:
    """One run of a grid: `name` of its run folder, settings, and which fold tests, from 0, of how
    many; None: the split of the configuration.
    """

    name: str
    config: ExperimentConfig
    fold: int | None = None
    folds: int | None = None

    def parts(self, cohort: Cohort) -> tuple[Cohort, Cohort, Cohort]:
        """Training, validation and test studies; the same in every process."""
        config = self.config
        cohort = cohort.with_traits(config.traits)
        if self.fold is None or self.folds is None:
            return split_by_patient(cohort, config.val, config.test, seed=config.seed)
        rest, test = next(itertools.islice(cohort.folds(self.folds, seed=0), self.fold, None))
        train, val = next(rest.folds(round(1 / _VAL_OF_REST), seed=config.seed))
        return train, val, test


def read_grid(path: str | Path) -> tuple[Path, list[GridRun]]:
    """The cohort folder and the runs of a grid file (YAML).

    Parameters
    ----------
    path
        Lines: `cohort` (folder, as seen from the file), `map_types`, `modes`, `seeds` (lists; what
        is left out is as in a single run), `single_task: true` (besides all traits together, each
        alone), `folds` (cross-validation instead of a split), and any setting of a run.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: a setting is unknown, out of range, or names nothing.
    """
    path = Path(path)
    known = [f.name for f in fields(ExperimentConfig) if f.name not in _AXES.values()]
    settings = read_settings(path, [*_OWN, *known])
    cohort, is_single = settings.pop("cohort", None), settings.pop("single_task", False)
    folds = settings.pop("folds", None)
    if not isinstance(cohort, str):
        raise ValueError(f"{path}: name the cohort folder, as 'cohort: my_cohort'.")
    if not isinstance(is_single, bool):
        raise ValueError(f"{path}: single_task must be true or false, not {shown(is_single)}.")
    if folds is not None and not (type(folds) is int and 2 <= folds <= MOST_FOLDS):
        raise ValueError(
            f"{path}: folds must be 2 or more, but {shown(folds)} was given; at most {MOST_FOLDS}."
        )
    axes = {}
    for name, setting in _AXES.items():
        if name in settings:
            axes[setting] = values = settings.pop(name)
            if not isinstance(values, list) or not values:
                example = f"'{name}: [{str(values)[:50]}]'"
                raise ValueError(f"{path}: {name} must be a list, as {example}.")
    runs = []
    try:
        traits = ExperimentConfig(traits=settings.pop("traits", TRAITS)).traits
        alone = [(trait,) for trait in traits if is_single and len(traits) > 1]
        for *values, some, fold in itertools.product(
            *axes.values(), [traits, *alone], range(folds) if folds else [None]
        ):
            chosen = dict(zip(axes, values, strict=True))
            config = ExperimentConfig(**settings, **chosen, traits=some)
            # A name that every system can write.
            only = "" if some == traits else re.sub(r"[^\w.-]", "_", f"-only-{some[0]}")
            end = "" if fold is None else f"-fold{fold}"
            name = f"{config.map_type}-{config.mode}{only}-seed{config.seed}{end}"
            runs.append(GridRun(name, config, fold, folds))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None
    if len({run.name.lower() for run in runs}) < len(runs):
        raise ValueError(f"{path}: two runs would have the same folder; name every value once.")
    return path.parent / cohort, runs


def run_grid(
    cohort: str | Path,
    runs: Sequence[GridRun],
    out: str | Path,
    *,
    cache: str | Path | None = USER_CACHE,
    client: "Client | None" = None,
) -> pd.DataFrame:
    """Finish every run that is not finished yet, and put their tables together.

    Parameters
    ----------
    cohort
        Cohort folder. With a client, all its workers must see it, `out` and `cache` under the
        same names.
    cache
        Folder of trunk features, for all runs. Default: "user", the user's cache folder. None:
        nothing is kept beyond the grid.
    client
        Of Dask distributed; None: one run after the other, in this process.

    Returns
    -------
    DataFrame, the metrics.csv of all runs (see `compare_with_baselines`) with columns run, mode,
    seed, fold before them; also written to OUT/grid.csv.

    Raises
    ------
    ValueError: the cohort does not fit a run; OUT holds runs of other settings, labels or maps; or
        some runs failed: the others are finished and kept.
    """
    from polarnet.evaluation.comparison import read_metrics

    folder, out = Path(cohort).resolve(), Path(out).resolve()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # labels may be edited: OUT keeps a digest
        studies = read_cohort(folder, verify=True)
    for _, same in itertools.groupby(sorted(runs, key=_split_kind), key=_split_kind):
        group = list(same)
        train, val, test = group[0].parts(studies)
        for run in group:
            check_training(train, val, run.config, test)
    map_types = list(dict.fromkeys(m for run in runs for m in run.config.map_types))
    pixels = pixel_digests(studies, map_types)
    _check_data(out, studies, pixels, runs)
    missing = [run for run in runs if not _has_finished(run, studies, pixels, out)]
    # Features first, each kind once: two workers would compute them twice.
    kinds = {(c.map_type, c.mode, c.last_block): c for c in (run.config for run in missing)}
    with kept_in(cache) as temporary:
        kept = temporary.resolve()
        problems = [
            *do_each(client, _keep, kinds.values(), (folder, kept), "Features", "kind"),
            *do_each(client, _finish, missing, (folder, out, kept), "Runs", "run"),
        ]
    for run in runs:
        for stale in out.glob(f".*{run.name}.*.partial"):  # what killed processes left
            shutil.rmtree(stale, ignore_errors=True)
    if problems:
        raise ValueError(f"{len(problems)} failed, the others are kept: {'; '.join(problems[:5])}")
    tables = []
    for run in runs:
        table = read_metrics(out / run.name)
        table.insert(0, "run", run.name)
        table.insert(1, "mode", run.config.mode)
        table.insert(2, "seed", run.config.seed)
        table.insert(3, "fold", run.fold)
        tables.append(table)
    whole = pd.concat(tables, ignore_index=True)
    write_csv(whole, out / "grid.csv", float_format="%.6g")
    return whole


def _check_data(out: Path, studies: Cohort, pixels: pd.DataFrame, runs: Sequence[GridRun]) -> None:
    """Note in data.json what the runs of a folder are made of, or see that it still is the same.

    A grid may grow by traits and map types: what two calls have in common is compared.
    """
    traits = list(dict.fromkeys(trait for run in runs for trait in run.config.traits))
    here = data_facts(studies, pixels, traits, list(studies.clinical))
    path = out / "data.json"
    kept = read_json(path) if path.is_file() else {}
    if odd := [name for name in kept if name in here and kept[name] != here[name]]:
        raise ValueError(
            f"{out} was made from other data: different {listing(odd)}. Choose another --out; what "
            "is there keeps the results of the old data."
        )
    write_json(path, kept | here)


def _split_kind(run: GridRun) -> tuple[float, ...]:
    """Runs with the same answer have the same splits."""
    config = run.config
    return -1 if run.fold is None else run.fold, config.seed, config.val, config.test


def _has_finished(run: GridRun, studies: Cohort, pixels: pd.DataFrame, out: Path) -> bool:
    """Whether the run folder is there. ValueError: it is of other settings or data, or a fold of
    another number of folds.
    """
    from polarnet.network.training import resolved_config

    folder, config = out / run.name, run.config
    if not folder.is_dir():
        return False
    if load_run_config(folder) != resolved_config(config, studies):
        raise ValueError(f"{folder} is a run of other settings; choose another --out.")
    of_run = pixels[list(config.map_types)]
    here = {
        part: data_facts(cohort, of_run, config.traits, config.clinical)
        for part, cohort in zip(PARTS, run.parts(studies), strict=True)
    }
    if noted(folder, "data") != here:
        raise ValueError(
            f"{folder} is a run of other studies, labels or maps; choose another --out."
        )
    return True


def _keep(config: ExperimentConfig, cohort: Path, cache: Path) -> str:
    """Features of all studies for all runs of these settings; returns what went wrong."""
    from polarnet.network.features import kept_end
    from polarnet.network.training import kept_features

    try:
        if kept_end(config) is not None:
            kept_features(config, read_cohort(cohort), cache)
    except (ValueError, OSError) as error:
        return f"{config.map_type}, {config.mode}: {error}"
    return ""


def _finish(run: GridRun, cohort: Path, out: Path, cache: Path) -> str:
    """One run, in whatever process; returns what went wrong, or nothing."""
    import keras

    try:
        if not (out / run.name).is_dir():  # another process may have finished it since
            parts = run.parts(read_cohort(cohort))
            run_experiment(*parts, run.config, out / run.name, cache=cache, show_progress=False)
    except (ValueError, OSError) as error:
        return f"{run.name}: {error}"
    finally:
        keras.utils.clear_session()  # else each training leaves some memory behind
    return ""
