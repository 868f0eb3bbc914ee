"""One run from cohorts to results: train, score, compare with baselines, draw."""

from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from polarnet.cachefolder import USER_CACHE, kept_in
from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.evaluation import baseline_scores, compare
from polarnet.evaluation.comparison import NETWORK
from polarnet.evaluation.table import read_scores
from polarnet.files import new_folder, write_csv
from polarnet.network import Run, predict
from polarnet.network import train as train_model
from polarnet.network.training import write_scores
from polarnet.report.runfigures import draw_run_roc
from polarnet.report.style import plain_text
from polarnet.rundata import note_test, read_patients
from polarnet.suitability import check_test, check_training


def run_experiment(
    train: Cohort,
    val: Cohort,
    test: Cohort,
    config: ExperimentConfig,
    out: str | Path,
    *,
    cache: str | Path | None = USER_CACHE,
    show_progress: bool = True,
) -> Run:
    """Train one model, score validation and test studies, and set it beside its baselines.

    Parameters
    ----------
    train, val, test
        Cohorts that share no patient; the test cohort chooses nothing.
    config, out, cache
        As for `train`.

    Returns
    -------
    Run. Its folder also holds scores_test.csv, metrics.csv (see `compare`) and figures/.

    Raises
    ------
    ValueError, FileExistsError: as for `train`.
    """
    train, val, test = (cohort.with_traits(config.traits) for cohort in (train, val, test))
    check_training(train, val, config)
    check_test(train, val, test, config)
    with new_folder(out) as folder, kept_in(cache) as kept:
        run = train_model(train, val, config, folder, cache=kept, show_progress=show_progress)
        note_test(folder, test, config.traits, config.map_types)
        run = replace(run, seen=read_patients(folder))  # now with those of the test
        of_val = read_scores(folder / "scores_val.csv")
        of_test = predict(run, test, cache=kept, show_progress=show_progress)
        write_scores(of_test, folder / "scores_test.csv")
        baselines = baseline_scores(
            train, (val, test), map_type=config.map_type, traits=config.traits, seed=config.seed
        )
        scores = {NETWORK: (of_val, of_test)} | {k: (v[0], v[1]) for k, v in baselines.items()}
        metrics = compare(scores, val, test, config.map_type)
        write_csv(metrics, folder / "metrics.csv", float_format="%.6g")
        (folder / "figures").mkdir()
        figure = Figure(figsize=(5, 5), layout="constrained")
        draw_run_roc(figure.subplots(), folder, run.config, test)
        plain_text(figure).savefig(folder / "figures" / "roc.png", dpi=150)
    return replace(run, folder=Path(out))
