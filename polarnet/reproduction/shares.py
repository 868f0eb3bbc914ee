"""The baseline of the learning curve, fitted on the same patients as the networks beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd

from polarnet.cohort import Cohort
from polarnet.evaluation import baseline_scores
from polarnet.evaluation.table import read_scores
from polarnet.files import write_csv
from polarnet.reproduction.arms import single_maps
from polarnet.reproduction.chosen import read_chosen, write_chosen
from polarnet.reproduction.holdout import read_hold_out
from polarnet.reproduction.opening import Reproduction
from polarnet.reproduction.training import share_of

BASELINE: Final = "17 segments"


def fit_on_shares(study: Reproduction) -> dict[str, pd.DataFrame]:
    """Fit what is missing on shares of the training patients, and score the validation studies.

    Returns
    -------
    "map type: 17 segments, share, seed" -> validation scores, as `freeze` wants them.
    """
    _score_missing(study, "val", study.val)
    return {
        f"{map_type}: {BASELINE}, {share:.0%}, seed {seed}": read_scores(path)
        for map_type, share, seed, path in _files(study, "val")
    }


def score_on_shares(study: Reproduction, *, by: str) -> None:
    """Fit again, same patients and penalties and so the same models; score the test studies."""
    if all(path.is_file() for *_, path in _files(study, "test")):
        return
    test = read_hold_out(study, by=by, what_for="maps, to score a baseline fitted on shares")
    _score_missing(study, "test", test)


def load_on_shares(
    study: Reproduction, map_type: str, share: float, part: str = "test"
) -> list[pd.DataFrame]:
    """Scores of the validation ("val") or test ("test") studies, one table a seed of the plan."""
    return [
        read_scores(path) for m, s, _, path in _files(study, part) if (m, s) == (map_type, share)
    ]


def _score_missing(study: Reproduction, part: str, cohort: Cohort) -> None:
    for map_type, share, seed, path in _files(study, part):
        if path.is_file():
            continue
        train = share_of(study.train, share, seed=seed)
        of_choices = path.with_name(path.name.replace(f"_{part}.csv", "_chosen.json"))
        scores = baseline_scores(
            train, [cohort], map_type=map_type, traits=study.plan.traits, seed=seed,
            models=[BASELINE], chosen=read_chosen(of_choices),
        )[BASELINE][0]  # fmt: skip
        write_chosen({BASELINE: scores}, of_choices)
        write_csv(scores, path, index_label="study_id", float_format="%.9g")


def _files(study: Reproduction, part: str) -> Iterator[tuple[str, float, int, Path]]:
    """Map type, share, seed, and the file of their scores."""
    folder = study.folder / "baselines"
    for map_type in single_maps(study.plan):
        for share in study.plan.shares:
            for seed in study.plan.seeds:
                name = f"17_segments_share{100 * share:.0f}_seed{seed}_{part}.csv"
                yield map_type, share, seed, folder / map_type / name
