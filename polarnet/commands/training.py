"""Commands that train networks. Heavy imports stand inside each of them."""

import argparse
from pathlib import Path
from typing import Any

from polarnet.commands.terminal import (
    SHOWN,
    load_tensorflow,
    notes,
    print_table,
    split_names,
    wrote,
)


def demo(arguments: argparse.Namespace) -> None:
    """The whole study on a phantom."""
    load_tensorflow()

    from polarnet.cachefolder import USER_CACHE
    from polarnet.demo import run_demo

    wrote(
        *run_demo(
            arguments.out,
            weights=None if arguments.weights == "none" else arguments.weights,
            cache=arguments.cache or USER_CACHE,
        )
    )


def train(arguments: argparse.Namespace) -> None:
    """A cohort becomes a run folder."""
    from polarnet.cohort import read_cohort, split_by_patient
    from polarnet.config import ExperimentConfig, load_config
    from polarnet.files import check_vacant
    from polarnet.suitability import check_test, check_training

    changes: dict[str, Any] = {
        name: getattr(arguments, name)
        for name in ("map_type", "mode", "weights", "seed")
        if getattr(arguments, name) is not None
    }
    if arguments.traits is not None:
        changes["traits"] = split_names(arguments.traits)
    if arguments.config:
        config = load_config(arguments.config, **changes)
    else:
        config = ExperimentConfig(**changes)
    with notes():
        cohort = read_cohort(arguments.cohort, verify=True).with_traits(config.traits)
    parts = split_by_patient(cohort, config.val, config.test, seed=config.seed)
    check_training(*parts[:2], config)
    check_test(*parts, config)
    check_vacant(arguments.out)
    load_tensorflow()

    from polarnet.cachefolder import USER_CACHE
    from polarnet.evaluation.comparison import read_metrics
    from polarnet.grid import run_experiment

    run = run_experiment(*parts, config, arguments.out, cache=arguments.cache or USER_CACHE)
    print(run)
    metrics = read_metrics(run.folder)
    print_table(metrics[["trait", "model", *SHOWN, "difference"]])
    wrote(*sorted(run.folder.iterdir()))


def grid(arguments: argparse.Namespace) -> None:
    """A grid file becomes many run folders and one table."""
    from polarnet.cachefolder import USER_CACHE
    from polarnet.grid import read_grid, run_grid
    from polarnet.workers import client_for

    cohort, runs = read_grid(arguments.grid_file)
    with client_for(arguments.workers, arguments.scheduler) as client:
        if client is None:
            load_tensorflow()
        table = run_grid(
            cohort, runs, arguments.out, cache=arguments.cache or USER_CACHE, client=client
        )
    networks = table[table["model"] == "network"]
    for kind in networks["data"].unique():
        print(f"Data: {kind}.")
    print_table(networks[["run", "trait", *SHOWN]])
    wrote(Path(arguments.out) / "grid.csv")


def cache(arguments: argparse.Namespace) -> None:
    """How much is kept, and away with it."""
    from polarnet import cachefolder

    folder = cachefolder.cache_folder(arguments.cache or cachefolder.USER_CACHE)
    kept = cachefolder.kept_folders(folder)
    size = sum(part.n_bytes for part in kept)
    print(
        f"{folder}: {size / 1e9:.2f} GB in {len(kept)} folders; "
        f"may grow to {cachefolder.limit_bytes() / 1e9:g} GB ({cachefolder.LIMIT_VARIABLE})"
    )
    if arguments.clear:
        print(f"Removed {cachefolder.clear(folder) / 1e9:.2f} GB.")
