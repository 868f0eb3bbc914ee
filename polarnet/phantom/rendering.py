"""From flow levels and planted findings to maps: signal first, then artefacts, blur and noise."""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.ndimage import shift
from scipy.spatial.distance import cdist

from polarnet.anatomy import disc_mask, disc_mean, polar_coordinates
from polarnet.phantom import physiology as known
from polarnet.phantom.pattern import Canvas

ARTEFACTS = ("misregistration_rest", "misregistration_stress", "motion_rest", "motion_stress")


def draw_artefacts(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Size of the artefacts of n studies, 0 for none.

    Returns
    -------
    `misregistration_rest` and `_stress`: share of lateral flow lost; `motion_rest` and `_stress`:
    distance of the two copies as a share of the disc radius; `motion_direction`: radians,
    counter-clockwise from the lateral wall.
    """
    sizes = {}
    for name in ARTEFACTS:
        is_motion = name.startswith("motion")
        share = known.MOTION_SHARE if is_motion else known.MISREGISTRATION_SHARE
        low, high = known.MOTION_RANGE if is_motion else known.MISREGISTRATION_RANGE
        sizes[name] = np.where(rng.random(n) < share, rng.uniform(low, high, n), 0.0)
    return pd.DataFrame(sizes | {"motion_direction": rng.uniform(0, 2 * np.pi, n)})


def draw_departures(rng: np.random.Generator, n: int, canvas: Canvas) -> np.ndarray:
    """Coefficients (n, k) of smooth departures from the normal pattern, SD 1 over the disc."""
    return rng.standard_normal((n, len(canvas.departures)))


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
    small = small_ventricle[:, None, None]
    share, per_sd = known.BLUR_SHARE
    blur_share = np.clip(share + per_sd * small, 0, 1)

    normal = canvas.templates[map_type] * (1 - small * canvas.basal)
    signal = 1 + (departures @ canvas.departures).reshape(n, wide, wide)
    kept = 1 - (drops @ canvas.segments).reshape(n, wide, wide)
    # Between a deep segment and a sound one the interpolation overshoots.
    signal *= np.clip(kept, known.LEAST_KEPT, 1, out=kept)
    signal *= normal
    _misregister(signal, artefacts[f"misregistration_{map_type}"].to_numpy(), canvas)
    _move(signal, artefacts[f"motion_{map_type}"].to_numpy(), artefacts, canvas)
    shown = canvas.inner(signal) + blur_share * (canvas.blurred(signal) - canvas.inner(signal))
    # What blur and the base do to the mean is not flow: the level stays as it was drawn.
    as_drawn = disc_mean(
        canvas.inner(normal) + blur_share * (canvas.blurred(normal) - canvas.inner(normal))
    )
    return shown * (level / as_drawn)[:, None, None]


def add_noise(signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Maps with correlated multiplicative noise, at least 0, 0 outside the disc."""
    n, size, _ = signal.shape
    grains = noise_grains(size)
    spread = known.NOISE_SPREAD * rng.standard_normal((n, 1))
    noise = rng.standard_normal((n, len(grains))) @ grains
    noise *= known.NOISE_SD * np.exp(spread)
    maps = np.zeros(signal.shape)
    disc = disc_mask(size)
    maps[:, disc] = np.maximum(signal[:, disc] * (1 + noise), 0)
    return maps


@lru_cache(maxsize=8)
def noise_grains(size: int) -> np.ndarray:
    """What a grain of noise at each place of the ventricle's wall does to the disc's pixels.

    A tomograph blurs noise equally in all directions of space, not of the polar map: seen there,
    grains are drawn out along the circumference. Grains lie on a half ellipsoid; each spreads as a
    Gaussian of the distance in space.

    Returns
    -------
    (grains, pixels): independent grains of SD 1 give noise of SD 1 at every pixel.
    """
    radius, angle = (grid[disc_mask(size)] for grid in polar_coordinates(size))
    pixels = _on_the_wall(radius, np.radians(angle))
    beyond = known.WALL_BEYOND * known.WALL_LENGTH
    rings = np.arange(0, beyond, known.NOISE_WIDTH_MM) / known.WALL_LENGTH
    grains = []
    for ring in rings:
        around = _on_the_wall(np.array([ring]), np.zeros(1))[0, 0]
        n = max(1, round(2 * np.pi * around / known.NOISE_WIDTH_MM))
        grains.append(_on_the_wall(np.full(n, ring), 2 * np.pi * np.arange(n) / n))
    distance = cdist(np.concatenate(grains), pixels)
    spread = np.exp(-(distance**2) / (2 * known.NOISE_WIDTH_MM**2))
    return spread / np.sqrt((spread**2).sum(axis=0))


def _on_the_wall(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Places (n, 3) in mm of a polar map's points: a half ellipsoid, a tube beyond its base."""
    depth = np.minimum(radius, 1)
    around = known.WALL_RADIUS * np.sqrt(1 - (1 - depth) ** 2)
    return np.stack(
        [around * np.cos(angle), around * np.sin(angle), radius * known.WALL_LENGTH], axis=1
    )


def _misregister(signal: np.ndarray, loss: np.ndarray, canvas: Canvas) -> None:
    """Take flow from the lateral wall of the maps concerned, in place."""
    at = np.flatnonzero(loss)
    middle, width = known.MISREGISTRATION_AT
    away = (canvas.angle - middle + 180) % 360 - 180
    shape = np.exp(-0.5 * (away / width) ** 2) * np.clip(
        canvas.radius / known.MISREGISTRATION_FROM, 0, 1
    )
    signal[at] *= 1 - loss[at, None, None] * shape


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
