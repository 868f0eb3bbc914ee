"""What an explanation still shows when the network has forgotten, layer by layer."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from polarnet.cohort import Cohort
from polarnet.explain.agreement import median_level, rank_correlation
from polarnet.explain.attribution import attribution
from polarnet.explain.groups import first_per_patient
from polarnet.network.model import head_name
from polarnet.network.run import Run
from polarnet.progressbar import progress_bar


def randomised_runs(run: Run, *, seed: int) -> Iterator[tuple[str, Run]]:
    """The run with more and more layers set back to random weights, from the heads down.

    Parameters
    ----------
    run
        Left as it is.

    Yields
    ------
    The name of the last layer randomised ("heads" for all of them), and the run with one and the
    same copy of the model, which forgets more each time. Layers are drawn anew by their own initial
    distribution, each from a seed of its own; averages over segments and the scale of the features
    stay.
    """
    twin = keras.models.clone_model(run.model)
    twin.set_weights(run.model.get_weights())
    heads = [twin.get_layer(head_name(trait)) for trait in run.config.traits]
    trunk = [layer for layer in twin.layers if isinstance(layer, keras.layers.Conv2D)]
    for name, layers in [("heads", heads), *((layer.name, [layer]) for layer in reversed(trunk))]:
        for layer in layers:
            kernel, bias = layer.get_weights()
            drawn = keras.initializers.GlorotUniform(_layer_seed(seed, layer.name))
            layer.set_weights([np.asarray(drawn(kernel.shape)), np.zeros_like(bias)])
        yield name, replace(run, model=twin)


def _layer_seed(seed: int, name: str) -> int:
    """Layers of equal shape must not get equal kernels."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4]) // 2


def cascade(
    run: Run,
    cohort: Cohort,
    trait: str,
    method: str,
    heat: np.ndarray,
    *,
    seed: int = 0,
    patients: ArrayLike | None = None,
    show_progress: bool = False,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Agreement of the trained network's maps with those of ever more randomised ones.

    Parameters
    ----------
    heat
        `attribution` of the trained model for these studies, trait and method.

    Returns
    -------
    A row a step, in order: layer, value (median rank correlation over patients), low, high; and
    the maps of the network that is random throughout.

    References
    ----------
    Adebayo et al., NeurIPS 2018 (arXiv 1810.03292).
    """
    rows = []
    steps = randomised_runs(run, seed=seed)
    for layer, random in progress_bar(
        steps, desc="Randomising", unit="layer", disable=not show_progress
    ):
        drawn = attribution(random, cohort, trait, method, seed=seed)
        agreement = first_per_patient(rank_correlation(heat, drawn), patients)
        level = median_level(agreement, seed=seed)
        rows.append({"layer": layer, "value": level.median, "low": level.low, "high": level.high})
    return pd.DataFrame(rows), drawn
