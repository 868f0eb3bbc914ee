"""What an explanation still shows when the network has forgotten, layer by layer."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import keras
import numpy as np
import pandas as pd

from polarnet.cohort import Cohort
from polarnet.explain.attribution import attribution
from polarnet.explain.checks import median_level, rank_correlation
from polarnet.explain.groups import drawn_patients
from polarnet.network.model import head_name
from polarnet.network.run import Run, as_run
from polarnet.progressbar import progress_bar

BETWEEN: Final = 10
"""Patients for whom the layers between the heads and the first are followed (our choice)."""


def layers_down(run: Run, trait: str) -> list[str]:
    """What a trait's score depends on and training may change: "heads", then convolutions.

    A trunk whose share is 0 changes nothing and is left out.
    """
    if not run.heads.loc[trait, "share"]:
        return ["heads"]
    trunk = [layer.name for layer in run.model.layers if isinstance(layer, keras.layers.Conv2D)]
    return ["heads", *reversed(trunk)]


def randomised_runs(run: Run, trait: str, *, seed: int) -> Iterator[tuple[str, Run]]:
    """The run with more and more layers set back to random weights, from the heads down.

    Yields the name of the last layer randomised ("heads" for all of them), and the run with one and
    the same copy of the model, which forgets more each time. Layers are drawn anew by their own
    initial distribution; averages over segments and the scale of the features stay.
    """
    twin = keras.models.clone_model(run.model)
    twin.set_weights(run.model.get_weights())
    heads = [twin.get_layer(head_name(trait)) for trait in run.config.traits]
    for name in layers_down(run, trait):
        for layer in heads if name == "heads" else [twin.get_layer(name)]:
            kernel, bias = layer.get_weights()
            # Layers of equal shape must not get equal kernels.
            digest = hashlib.sha256(f"{seed} {layer.name}".encode()).digest()
            drawn = keras.initializers.GlorotUniform(int.from_bytes(digest[:4]) // 2)
            layer.set_weights([np.asarray(drawn(kernel.shape)), np.zeros_like(bias)])
        yield name, replace(run, model=twin)


def cascade(
    run: Run | str | Path,
    cohort: Cohort,
    trait: str,
    method: str,
    heat: np.ndarray,
    *,
    seed: int = 0,
    between: int | None = BETWEEN,
    show_progress: bool = False,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Agreement of the trained network's maps with those of ever more randomised ones.

    Parameters
    ----------
    heat
        `attribution` of the trained model for these studies, trait and method.
    seed
        Of the random weights, and of the patients drawn.
    between
        The steps before the last are followed for this many patients. None: all.

    Returns
    -------
    One row per step, in order: layer, n patients, value (median rank correlation over their first
    studies), low, high; and the maps of the network that is random throughout, for all studies.
    See Adebayo et al., NeurIPS 2018 (arXiv 1810.03292).
    """
    run = as_run(run)
    layers = layers_down(run, trait)
    few = drawn_patients(cohort.patients, between, seed=seed)
    rows = []
    steps = progress_bar(
        randomised_runs(run, trait, seed=seed), total=len(layers), desc="Randomising",
        unit="layer", disable=not show_progress,
    )  # fmt: skip
    for layer, random in steps:
        positions = np.arange(len(cohort)) if layer == layers[-1] else few
        forgot = attribution(random, cohort.select(positions), trait, method, seed=seed)
        agreement = pd.Series(rank_correlation(heat[positions], forgot))
        by_patient = agreement.groupby(cohort.patients.to_numpy()[positions], sort=False)
        level = median_level(by_patient.first(), seed=seed)  # the first that is known
        rows.append({"layer": layer, "n": level.n, "value": level.median, "low": level.low,
                     "high": level.high})  # fmt: skip
    return pd.DataFrame(rows), forgot
