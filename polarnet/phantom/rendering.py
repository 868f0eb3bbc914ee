"""From flow levels and planted findings to maps: normal pattern, signal, artefacts, blur, noise.

Signals are drawn on a raster somewhat larger than the map, so that blur at the basal edge sees what
lies beyond it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import pandas as pd
from scipy.ndimage import shift
from scipy.spatial.distance import cdist
from scipy.special import eval_jacobi

from polarnet.anatomy import (
    TERRITORIES,
    disc_mask,
    disc_mean,
    nearest_inside,
    polar_coordinates,
    segment_basis,
    segment_means,
)
from polarnet.phantom import physiology as known

ARTEFACTS = ("misregistration_rest", "misregistration_stress", "motion_rest", "motion_stress")

RING_MIDDLES: Final = (0.375, 0.625, 0.875)
"""Middle radius of the apical, mid and basal ring."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """Shapes that signals are made of; `wide` is the side of the larger raster."""

    size: int  # side of the map
    margin: int  # rows that the larger raster has on each side of it
    radius: np.ndarray  # (wide, wide), as in `anatomy.polar_coordinates`
    angle: np.ndarray
    templates: dict[str, np.ndarray]  # rest and stress, (wide, wide): normal map before blur
    segments: np.ndarray  # (17, wide * wide), smooth; a weighted sum has given AHA segment means
    departures: np.ndarray  # (k, wide * wide): standard normal coefficients give a field of SD 1
    basal: np.ndarray  # (wide, wide): share of flow lost if the ventricle is one SD smaller
    blur: np.ndarray  # (size, wide): Gaussian along one axis

    def inner(self, wide_maps: np.ndarray) -> np.ndarray:
        """The part (..., size, size) of larger rasters that the map shows."""
        inside = slice(self.margin, self.margin + self.size)
        return wide_maps[..., inside, inside]

    def blurred(self, wide_maps: np.ndarray) -> np.ndarray:
        """Maps (..., size, size) of larger rasters, smoothed along both axes."""
        return self.blur @ wide_maps @ self.blur.T


@lru_cache(maxsize=8)
def make_canvas(size: int, tracer: str) -> Canvas:
    """Shapes for maps of `size` x `size` pixels; `tracer` is one of `physiology.LATERAL_FACTOR`."""
    margin = -(-size // 8)
    wide = size + 2 * margin
    centre = (np.arange(wide) + 0.5 - wide / 2) / (size / 2)
    x, y = np.meshgrid(centre, -centre)
    radius, angle = np.hypot(x, y), np.degrees(np.arctan2(y, x)) % 360
    # Beyond the edge, shapes go on as they are at the edge.
    row, column = nearest_inside(radius, angle, size)
    segments = segment_basis(size)[:, row, column]

    distance = np.arange(wide) - (np.arange(size) + margin)[:, None]
    blur = np.exp(-(distance**2) / (2 * (known.BLUR_WIDTH * size / 2) ** 2))
    start, loss = known.BASAL_LOSS
    canvas = Canvas(
        size=size,
        margin=margin,
        radius=radius,
        angle=angle,
        templates={},
        segments=segments.reshape(17, -1),
        departures=_departures(np.minimum(radius, 1), angle),
        basal=loss * np.clip((radius - start) / (1 - start), 0, 1),
        blur=blur / blur.sum(axis=1, keepdims=True),
    )
    lateral = np.ones(17)
    lateral[np.array(TERRITORIES["LCx"]) - 1] = known.LATERAL_FACTOR[tracer]
    for map_type, pattern, profile, last_ring in (
        ("rest", known.REST_PATTERN, known.REST_PROFILE, known.REST_LAST_RING),
        ("stress", known.STRESS_PATTERN, known.STRESS_PROFILE, known.STRESS_LAST_RING),
    ):
        mean_map = _template(np.array(pattern) * lateral, profile, last_ring, canvas)
        canvas.templates[map_type] = _before_blur(mean_map, canvas)
    return canvas


def _template(
    values: np.ndarray, profile: Sequence[float], last_ring: Sequence[float], canvas: Canvas
) -> np.ndarray:
    """Normal map on the larger raster: radial profile, walls by ring, exact segment means."""
    radius, angle = canvas.radius, canvas.angle
    rings = [values[12:16], values[6:12], values[:6], np.array(last_ring)]
    walls = np.stack([_around(ring / ring.mean(), angle) for ring in rings])
    place = np.interp(radius, (*RING_MIDDLES, 0.95), range(4))
    below = np.minimum(place.astype(int), 2)
    lower, upper = (np.take_along_axis(walls, k[None], 0)[0] for k in (below, below + 1))
    # At the very apex there are no walls.
    wall = 1 + ((place - below) * upper + (1 - place + below) * lower - 1) * np.clip(
        radius / RING_MIDDLES[0], 0, 1
    )
    template = np.interp(radius, known.PROFILE_RADII, profile) * wall
    basis = canvas.segments.reshape(17, *radius.shape)
    disc = disc_mask(canvas.size)
    for _ in range(20):
        shown = np.where(disc, canvas.inner(template), 0)
        template = template * np.tensordot(values / segment_means(shown), basis, 1)
    return template / disc_mean(canvas.inner(template))


def _around(ring: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Values of a ring's walls, first one anterior, interpolated along the angle in degrees."""
    n = len(ring)
    return np.interp((angle - 90) % 360, np.arange(n + 1) * 360 / n, [*ring, ring[0]])


def _departures(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Zernike polynomials without the constant, (k, pixels), sum of their variances 1."""
    fields = []
    for order in range(1, known.ZERNIKE_ORDER + 1):
        for m in range(order % 2, order + 1, 2):
            radial = radius**m * eval_jacobi((order - m) // 2, 0, m, 2 * radius**2 - 1)
            for part in (np.cos, np.sin)[: 2 if m else 1]:
                fields.append(radial * part(m * np.radians(angle)))
    values = np.stack(fields).reshape(len(fields), -1)
    inside = values[:, radius.ravel() < 1]
    return values / np.sqrt((inside**2).mean(axis=1, keepdims=True) * len(fields))


def _before_blur(mean_map: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Map (wide, wide) that shows `mean_map` once the mean share of blur is added."""
    share = known.BLUR_SHARE[0]
    sharp = mean_map.copy()
    for _ in range(10):
        shown = (1 - share) * canvas.inner(sharp) + share * canvas.blurred(sharp)
        canvas.inner(sharp)[...] *= canvas.inner(mean_map) / shown
    return sharp


# === One study after the other ===


def draw_artefacts(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Share of lateral flow lost, distance of the two copies (share of the disc radius) and
    direction of motion (radians) of n studies; 0 for none.
    """
    sizes = {}
    for name in ARTEFACTS:
        kind = name.split("_")[0].upper()
        share, (low, high) = getattr(known, f"{kind}_SHARE"), getattr(known, f"{kind}_RANGE")
        sizes[name] = np.where(rng.random(n) < share, rng.uniform(low, high, n), 0.0)
    return pd.DataFrame(sizes | {"motion_direction": rng.uniform(0, 2 * np.pi, n)})


def render_signal(
    canvas: Canvas,
    map_type: str,
    level: np.ndarray,
    drops: np.ndarray,
    departures: np.ndarray,
    small_ventricle: np.ndarray,
    artefacts: pd.DataFrame,
) -> np.ndarray:
    """Noiseless maps (n, size, size) in mL/min/g of the level without disease (n,), drops of the 17
    segments (n, 17), coefficients of departures (n, k) and SDs by which a ventricle is small (n,).
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
    direction = artefacts["motion_direction"].to_numpy()
    _move(signal, artefacts[f"motion_{map_type}"].to_numpy(), direction, canvas)
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
    """What a grain of noise at each place of the ventricle's wall does to the disc's pixels:
    (grains, pixels), so that independent grains of SD 1 give noise of SD 1 at every pixel.

    A tomograph blurs noise equally in all directions of space: seen on the polar map, grains are
    drawn out along the circumference. They lie on a half ellipsoid; each spreads as a Gaussian of
    the distance in space.
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


def _move(signal: np.ndarray, distance: np.ndarray, direction: np.ndarray, canvas: Canvas) -> None:
    """Replace the maps concerned by the mean of two displaced copies, in place."""
    for k in np.flatnonzero(distance):
        half = distance[k] * canvas.size / 4
        step = half * np.array([np.sin(direction[k]), np.cos(direction[k])])
        there, back = (shift(signal[k], way * step, order=1, mode="nearest") for way in (1, -1))
        signal[k] = (there + back) / 2
