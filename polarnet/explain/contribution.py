"""What a bullseye adds to a score, exactly: the head is linear in what the bullseye shows."""

from pathlib import Path

import numpy as np

from polarnet.cohort import Cohort
from polarnet.explain.logits import check_trait
from polarnet.explain.occlusion import Filling, usual_segments
from polarnet.network.inputs import input_maps
from polarnet.network.model import WIDE, head_name
from polarnet.network.prediction import wide_features
from polarnet.network.run import Run, as_run
from polarnet.suitability import check_prediction


def wide_contribution(
    run: Run | str | Path, cohort: Cohort, trait: str, *, filling: Filling | None = None
) -> np.ndarray:
    """What each AHA segment adds to the logit by its own mean, beside its usual level.

    Parameters
    ----------
    run, cohort
        As for `predict`.
    filling
        The usual levels; default: `usual_segments`, as for `segment_occlusion`.

    Returns
    -------
    Array of shape (n, 17), in logits; combined maps are summed. A segment gets its weight in the
    head times the difference of its mean from the usual level; 1/17 of what the mean over segments
    adds for each unit of that difference; and, where it is the lowest (highest) of its study, all
    that the lowest (highest) value adds beside the lowest (highest) of the usual levels. Nothing is
    estimated: the logit of a study is the sum of its row, plus what the trunk adds to that study,
    plus one constant, which is what the bullseye adds where all levels are usual, with the bias.

    Raises
    ------
    ValueError: as for `segment_occlusion`; or the network has no bullseye (mode "scratch").
    """
    run = as_run(run)
    check_prediction(run.config, cohort)
    check_trait(run, trait)
    if run.config.mode == "scratch":
        raise ValueError("A network trained from scratch has no bullseye beside it.")
    filling = filling or usual_segments(run, trait)
    usual = np.stack([filling[map_type] for map_type in run.config.map_types])
    n_maps = len(usual)
    shown = wide_features(run.model, input_maps(cohort, run.config))
    own = shown[:, : 17 * n_maps].reshape(-1, n_maps, 17).astype(float)
    factors = np.array(run.model.get_layer(f"{WIDE}_standardised").scale)
    weights = run.model.get_layer(head_name(trait)).get_weights()[0][: len(factors), 0] * factors
    by_segment, (lowest, highest, mean) = (
        weights[: 17 * n_maps].reshape(n_maps, 17),
        weights[17 * n_maps :].reshape(3, n_maps),
    )
    added = (by_segment + mean[:, None] / 17) * (own - usual)
    for weight, ends, places in (
        (lowest, own.min(axis=2) - usual.min(axis=1), own.argmin(axis=2)),
        (highest, own.max(axis=2) - usual.max(axis=1), own.argmax(axis=2)),
    ):
        is_there = places[..., None] == np.arange(17)
        added += is_there * (weight * ends)[..., None]
    return added.sum(axis=1)
