"""Where on the map a network looks for one trait."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from polarnet.anatomy import disc_mask, segment_map
from polarnet.cohort import Cohort
from polarnet.explain.logits import fitting_run
from polarnet.explain.methods import check_method, class_activation, gradient
from polarnet.explain.occlusion import Filling, segment_occlusion
from polarnet.network.inputs import input_maps
from polarnet.progressbar import progress_bar

SAMPLES: Final = 25
"""Noisy copies of a map (SmoothGrad); our choice."""

NOISE: Final = 0.2
"""SD of SmoothGrad's noise as a share of the range of the image (Smilkov et al.: 0.1 to 0.2)."""

_PIXELS: Final = 4 * 112 * 112  # a batch: 4 images of 112 px


def attribution(
    run: Any,
    cohort: Cohort,
    trait: str,
    method: str = "smoothgrad",
    *,
    samples: int = SAMPLES,
    noise: float = NOISE,
    filling: Filling | None = None,
    seed: int = 0,
    show_progress: bool = False,
) -> np.ndarray:
    """Attribution of one trait's logit to the places of the map, for every study.

    Parameters
    ----------
    run
        A Run, a run folder, or a Bundle, whose mean over members is given.
    cohort
        As for `predict`.
    method
        "gradient": absolute change of the logit with the value of the pixel. "smoothgrad": the
        same, averaged over noisy copies of the map. "gradcam", "gradcam++", "scorecam": class
        activation maps of the last convolution, Score-CAM by its 32 strongest channels; in block 5
        they are too coarse for single segments. "occlusion": loss of the logit when the AHA segment
        is brought to its usual level; the reference, as it changes the map in units that a reader
        of maps has.
    samples, noise
        Of "smoothgrad"; noise as a share of the map's range.
    filling
        Of "occlusion": map type -> 17 values in the unit of the map, or (n, 17) where each study
        has its own. Default: the mean of each segment over the training studies without the trait.
    seed
        Of the noise.

    Returns
    -------
    Array of shape (n, size, size), float32, in the frame of the maps, 0 outside the disc. Not
    normalised, never negative but for "occlusion": there positive means that the segment spoke
    for the trait. Gradients of combined maps are summed over the three.

    Raises
    ------
    ValueError: no such trait or method; the cohort does not fit the model; the method shows
        nothing of this network (`check_method`); the run does not know its training segments and no
        `filling` is given.

    References
    ----------
    Simonyan et al., arXiv 1312.6034 (gradient); Smilkov et al., arXiv 1706.03825 (SmoothGrad);
    Selvaraju et al., arXiv 1610.02391 (Grad-CAM); Chattopadhay et al., arXiv 1710.11063
    (Grad-CAM++); Wang et al., arXiv 1910.01279 (Score-CAM). Occlusion is computed here, the others
    by tf-keras-vis.
    """
    if members := getattr(run, "members", None):
        heats = [
            attribution(
                one, cohort, trait, method, samples=samples, noise=noise, filling=filling,
                seed=seed, show_progress=show_progress,
            )
            for one in members
        ]  # fmt: skip
        return np.mean(heats, axis=0)
    run = fitting_run(run, cohort, trait)
    check_method(run, trait, method)
    if method == "occlusion":
        lost = segment_occlusion(run, cohort, trait, filling=filling, show_progress=show_progress)
        return np.insert(lost, 0, 0, axis=1)[:, segment_map(cohort.size)]
    if method in ("gradient", "smoothgrad"):
        n = samples if method == "smoothgrad" else 0
        explain = gradient(run, trait, samples=n, noise=noise)
    else:
        explain = class_activation(run, trait, method)
    maps, disc = input_maps(cohort, run.config), disc_mask(cohort.size)
    step = max(1, _PIXELS // run.config.input_size**2)
    heat = np.empty((len(cohort), cohort.size, cohort.size), np.float32)
    starts = range(0, len(cohort), step)
    for start in progress_bar(starts, desc=method, unit="batch", disable=not show_progress):
        with _numpy_state(seed, start):
            heat[start : start + step] = explain(maps[start : start + step]) * disc
    return heat


@contextlib.contextmanager
def _numpy_state(*seed: int) -> Iterator[None]:
    """NumPy's global random state, from which tf-keras-vis draws its noise, for a while."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(np.random.SeedSequence(seed).generate_state(4))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
