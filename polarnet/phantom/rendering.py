"""From flow levels and planted findings to maps: signal first, then artefacts, blur and noise."""

from typing import Final

import numpy as np
import pandas as pd
from scipy.ndimage import shift

from polarnet.anatomy import disc_mask, disc_mean
from polarnet.phantom import physiology as known
from polarnet.phantom.pattern import Canvas

LEAST_KEPT: Final = 0.1
"""Share of flow that is left in the deepest defect: our choice."""

ARTEFACTS = ("misregistration_rest", "misregistration_stress", "motion_rest", "motion_stress")


def draw_artefacts(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Size of the artefacts of n studies, 0 for none.

    Returns
    -------
    `misregistration_rest` and `_stress`: share of lateral flow lost; `motion_rest` and `_stress`:
    distance of the two copies as a share of the disc radius; `motion_direction`: radians.
    """
    sizes = {}
    for name in ARTEFACTS:
        is_motion = name.startswith("motion")
        share = known.MOVED if is_motion else known.MISREGISTERED
        low, high = known.MOTION_RANGE if is_motion else known.MISREGISTRATION_RANGE
        sizes[name] = np.where(rng.random(n) < share, rng.uniform(low, high, n), 0.0)
    return pd.DataFrame(sizes | {"motion_direction": rng.uniform(0, 2 * np.pi, n)})


def draw_departures(rng: np.random.Generator, n: int, canvas: Canvas) -> np.ndarray:
    """Coefficients (n, k) of smooth departures from the normal pattern, SD 1 over the disc."""
    return rng.standard_normal((n, len(canvas.departures)), dtype=np.float32)


def render_signal(
    canvas: Canvas,
    map_type: str,
    level: np.ndarray,
    drops: np.ndarray,
    departures: np.ndarray,
    small_ventricle: np.ndarray,
    artefacts: pd.DataFrame,
) -> np.ndarray:
    """Noiseless maps (n, size, size) in mL/min/g.

    Parameters
    ----------
    level
        Mean MBF without disease, mL/min/g, shape (n,).
    drops
        Share of flow lost in the 17 AHA segments, (n, 17).
    departures
        Coefficients (n, k) of smooth departures, in shares of flow.
    small_ventricle
        How many SDs a ventricle is smaller than the mean, (n,).
    artefacts
        As from `draw_artefacts`.
    """
    n, wide = len(level), canvas.basal.shape[0]
    small = small_ventricle.astype(np.float32)[:, None, None]
    share, per_sd = known.BLUR_SHARE
    blur_share = np.clip(share + per_sd * small, 0, 1)

    normal = canvas.templates[map_type] * (1 - small * canvas.basal)
    signal = 1 + (departures.astype(np.float32) @ canvas.departures).reshape(n, wide, wide)
    kept = 1 - (drops.astype(np.float32) @ canvas.segments).reshape(n, wide, wide)
    # Between a deep segment and a sound one the interpolation overshoots.
    signal *= np.clip(kept, LEAST_KEPT, 1, out=kept)
    signal *= normal
    _misregister(signal, artefacts[f"misregistration_{map_type}"].to_numpy(), canvas)
    _move(signal, artefacts[f"motion_{map_type}"].to_numpy(), artefacts, canvas)
    shown = canvas.inner(signal) + blur_share * (canvas.blurred(signal) - canvas.inner(signal))
    # What blur and the base do to the mean is not flow: the level stays as it was drawn.
    as_drawn = disc_mean(
        canvas.inner(normal) + blur_share * (canvas.blurred(normal) - canvas.inner(normal))
    )
    return shown * (level / as_drawn).astype(np.float32)[:, None, None]


def add_noise(signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Maps with correlated multiplicative noise, float32, at least 0, 0 outside the disc."""
    n, size, _ = signal.shape
    rows = _wrapped_gaussian(size, known.NOISE_WIDTH * size / 2)
    spread = known.NOISE_SPREAD * rng.standard_normal((n, 1, 1), dtype=np.float32)
    grain = rng.standard_normal((n, size, size), dtype=np.float32)
    noise = rows @ grain @ rows.T
    noise *= known.NOISE_SD * np.exp(spread)
    noise += 1
    noise *= signal
    np.maximum(noise, 0, out=noise)
    return noise * disc_mask(size)


def _misregister(signal: np.ndarray, loss: np.ndarray, canvas: Canvas) -> None:
    """Take flow from the lateral wall of the maps concerned, in place."""
    at = np.flatnonzero(loss)
    wide = signal.shape[-1]
    centre = (np.arange(wide) + 0.5 - wide / 2) / (canvas.size / 2)
    x, y = np.meshgrid(centre, -centre)
    middle, width = known.MISREGISTRATION_AT
    away = (np.degrees(np.arctan2(y, x)) - middle + 180) % 360 - 180
    shape = np.exp(-0.5 * (away / width) ** 2) * np.clip(np.hypot(x, y) / 0.5, 0, 1)
    signal[at] *= 1 - loss[at, None, None].astype(np.float32) * shape.astype(np.float32)


def _move(
    signal: np.ndarray, distance: np.ndarray, artefacts: pd.DataFrame, canvas: Canvas
) -> None:
    """Replace the maps concerned by the mean of two displaced copies, in place."""
    direction = artefacts["motion_direction"].to_numpy()
    for k in np.flatnonzero(distance):
        half = distance[k] * canvas.size / 4
        step = half * np.array([np.sin(direction[k]), np.cos(direction[k])])
        there, back = (shift(signal[k], way * step, order=1, mode="nearest") for way in (1, -1))
        signal[k] = (there + back) / 2


def _wrapped_gaussian(size: int, width: float) -> np.ndarray:
    """Circulant matrix (size, size) that makes white noise smooth and keeps its variance."""
    distance = np.abs(np.arange(size)[:, None] - np.arange(size))
    rows = np.exp(-(np.minimum(distance, size - distance) ** 2) / (2 * width**2))
    return (rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))).astype(np.float32)

