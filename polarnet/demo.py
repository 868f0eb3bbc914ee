"""The whole study on a phantom, small enough for a coffee break."""

from pathlib import Path
from typing import Final

import numpy as np

from polarnet.cachefolder import USER_CACHE
from polarnet.cohort import read_cohort, split_by_patient
from polarnet.config import ExperimentConfig
from polarnet.display import trait_name
from polarnet.explanation import explain_run
from polarnet.grid import run_experiment
from polarnet.phantom import make_phantom_cohort
from polarnet.report.explanationpage import CHECKS_FILE
from polarnet.report.runreport import write_report
from polarnet.traits import MAP_TYPES

N_PATIENTS: Final = 600
SEED: Final = 7
INPUT_SIZE: Final = 112
"""Pixels: a quarter of the default's time."""
EXPLAINED_RUN: Final = "stress_frozen"
EXPLAINED_TRAITS: Final = ("sex", "impaired_mfr")
RUNS: Final = (*((m, "frozen") for m in MAP_TYPES), ("stress", "finetuned"))


def run_demo(
    out: str | Path, *, weights: str | None = "imagenet", cache: str | Path | None = USER_CACHE
) -> list[Path]:
    """Phantom of 600 patients, four runs, one of them explained for two traits, and the report.

    Returns the files and folders made; what is finished in `out` is kept. ValueError: a cohort of
    patients lies there, or a finished run was made with other weights.
    """
    out = Path(out)
    if not (out / "cohort" / "cohort.json").is_file():
        print(f"Simulating {N_PATIENTS} patients (phantom, not patients) ...")
        make_phantom_cohort(N_PATIENTS, seed=SEED).save(out / "cohort")
    cohort = read_cohort(out / "cohort")
    if not cohort.is_phantom:
        raise ValueError(f"{out / 'cohort'} is no phantom of the demo. Choose another --out.")
    train, val, test = split_by_patient(cohort, seed=SEED)
    folders, explained = [], []
    for map_type, mode in RUNS:
        folder = out / "runs" / f"{map_type}_{mode}"
        folders.append(folder)
        config = ExperimentConfig(
            map_type=map_type, mode=mode, weights=weights, input_size=INPUT_SIZE, seed=SEED
        )
        if (folder / "config.yaml").is_file():
            found = ExperimentConfig.load(folder / "config.yaml")
            if found.weights != config.weights:  # never two kinds of trunk in one report
                raise ValueError(
                    f"{folder} was made with weights {found.weights}, not {config.weights}. "
                    "Choose another --out, or move it away."
                )
            print(f"{folder} is finished and kept.")
            continue
        print(f"{mode} VGG16 on {map_type} maps ...")
        print(run_experiment(train, val, test, config, folder, cache=cache))
    for trait in EXPLAINED_TRAITS:
        folder = out / "explanations" / trait
        explained.append(folder)
        if (folder / CHECKS_FILE).is_file():
            print(f"{folder} is finished and kept.")
            continue
        print(f"Where the network looks for {trait_name(trait)} ...")
        explain_run(out / "runs" / EXPLAINED_RUN, test, folder, trait=trait, seed=SEED)
    depths = cohort.truth[["lad", "rca", "lcx"]]
    deepest = depths.max(axis=1).to_numpy()
    healthy, diseased = int(np.argmax(deepest == 0)), int(np.argmax(deepest > 0.4))
    planted = depths.iloc[diseased]
    where = ", ".join(
        f"{vessel.upper()} {depth:.0%} of stress flow"
        for vessel, depth in planted[planted > 0].items()
    )
    ids = cohort.patients.index
    note = (
        f"Of the two studies drawn below, {ids[healthy]} has no planted defect, {ids[diseased]} "
        f"has one ({where})."
    )
    report = write_report(
        folders,
        out / "report.html",
        cohort=cohort,
        examples=(healthy, diseased),
        explained=explained,
        notes=[note],
    )
    return [report, out / "cohort", *folders, *explained]
