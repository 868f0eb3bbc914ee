"""Out-of-distribution maps: how far a polar map is from those that a network was trained on.

Three things are looked at in each map: its *pattern* (mean of 32 sectors, as shares of the mean of
the disc), its *texture* (level, and how much neighbours at three distances differ) and its
*orientation* (whether the pattern is likelier if it is turned by quarters or mirrored, or likelier
about a flat map, than as it is: most turned maps, and smooth noise, lie within the spread of
patterns, so that distance alone does not find them).
"""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.covariance import LedoitWolf

from polarnet.anatomy import disc_mask, polar_coordinates
from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.traits import MAP_TYPES

FILE: Final = "familiarity.npz"  # the file of a run folder
OUTSIDE: Final = "out-of-distribution map"  # how the note on a study begins
RATE: Final = 0.035
"""Share of maps like those of validation that is to be marked all the same (our choice)."""

FEWEST: Final = 10
"""Fewer training studies describe nothing: only their mean level could be told (our choice)."""

RINGS, SECTORS = 4, 8  # more cells tell turned maps no better (tried to 8 x 24)
STEPS: Final = (64, 24, 8)  # neighbours are this share of the map's side apart
N_READINGS: Final = 10  # pattern, texture, 7 ways of turning and mirroring, flat

_CELLS, _TEXTURES = RINGS * SECTORS, 1 + len(STEPS)
_SHAPES: Final = {
    "patterns_centre": (_CELLS,),
    "patterns_precision": (_CELLS, _CELLS),
    "textures_centre": (_TEXTURES,),
    "textures_precision": (_TEXTURES, _TEXTURES),
    "scales": (N_READINGS,),
}
"""Arrays of the file, for each map type."""

_TINY: Final = 1e-6
_MOST: Final = 5000  # studies of a cohort that are looked at, evenly spaced
_BATCH: Final = 1024  # maps in memory at once
_FOLDS: Final = 5
_FREEDOM: Final = 10.0  # of the t distribution: defects make tails that a Gaussian does not have
_ROUNDS: Final = 6  # of its fit, which changes little after three
_LEAST_SD: Final = 0.01  # of a share or a logarithm: what differs less is not known to be fixed

_FAR: Final = 0.998
_TURNED_FAR: Final = 0.99
"""Quantiles of the training maps where a distance in pattern or texture, or in favour of one way of
turning, counts as 1 (our choice): false alarms are spent on turned maps, as foreign pictures are
far away in pattern or texture."""

_LEAST_GAP: Final = 4.0
"""Twice the logarithm of how much likelier a turned pattern must be to count as 1, at least (our
choice: e squared)."""

_LARGEST: Final = 2**24  # bytes of the file, unpacked; ours have 60 kB (our choice)


Numbers = Mapping[str, np.ndarray]
"""Two t distributions, of the pattern and texture of training maps of one type, and which readings
count as 1: the arrays of `_SHAPES`."""


@dataclass(frozen=True, eq=False)
class MapDistribution:
    """What the maps of a training look like, and how far from them validation maps lie.

    Attributes
    ----------
    size
        Rows (and columns) of a map.
    of_type
        Map type -> distribution in training: of those that the network reads, and of rest and
        stress where they are at hand.
    threshold
        A map at a larger distance is out of distribution.
    n_train, n_val
        Studies that were looked at.
    rate
        Share of studies like those of validation that lie beyond the threshold (at most, and on
        average over cohorts). Few validation studies make it larger than `RATE`.
    """

    size: int
    of_type: Mapping[str, Numbers]
    threshold: float
    n_train: int
    n_val: int
    rate: float

    def distances(self, maps: Mapping[str, Any]) -> np.ndarray:
        """Distance of each study from the training maps, (n,): the largest over map types, pattern,
        texture and orientation; infinite where a map has pixels that are no numbers.

        Parameters
        ----------
        maps
            Map type -> (n, size, size), in the unit of the training; such as `cohort.maps`. Map
            types that are not known here are not looked at.

        Raises
        ------
        ValueError: no map type is known here, or the maps have another size.
        """
        known = [map_type for map_type in self.of_type if map_type in maps]
        if not known or any(maps[m].shape[1:] != (self.size, self.size) for m in known):
            given = ", ".join(f"{name} {stack.shape}" for name, stack in maps.items())
            raise ValueError(
                f"This distribution is of {', '.join(self.of_type)} maps of {self.size} x "
                f"{self.size} pixels, but {given or 'nothing'} was given."
            )
        found = []
        for map_type in known:
            of = self.of_type[map_type]
            parts = [_readings(of, *map_features(some)) for some in _in_batches(maps[map_type])]
            largest = (np.concatenate(parts) / of["scales"]).max(axis=1)
            found.append(np.where(np.isfinite(largest), largest, np.inf))
        return np.max(found, axis=0)


class Shares(pd.Series):
    """A Series for `attrs`, which pandas compares where it joins tables: equal as a whole."""

    @property
    def _constructor(self) -> type["Shares"]:
        return Shares

    def __eq__(self, other: Any) -> Any:
        return self.equals(other) if isinstance(other, Shares) else super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


def ood_note(share: float) -> str:
    """Note on a study at this share of the threshold; empty below it.

    >>> ood_note(1.83)
    'out-of-distribution map (1.8 times the distance that validation maps keep)'
    """
    if share <= 1:
        return ""
    shown = f"{share:.1f}" if share < 100 else "over 100"
    return f"{OUTSIDE} ({shown} times the distance that validation maps keep)"


def fit_distribution(
    train: Cohort, val: Cohort, config: ExperimentConfig
) -> MapDistribution | None:
    """Learn what training maps look like; validation maps say how far is far.

    Parameters
    ----------
    train, val
        Cohorts that share no patient. At most 5,000 studies of each are looked at.
    config
        Says which map types the network reads; rest and stress are looked at beside them.

    Returns
    -------
    MapDistribution. Its threshold is a conformal quantile: a study like those of validation is
    beyond it with a probability of `RATE` at most. None for fewer than 10 training studies.

    References
    ----------
    Ledoit & Wolf, J Multivar Anal 2004;88:365 (covariance); Lange et al., J Am Stat Assoc
    1989;84:881 (t distribution); Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World
    (conformal quantile).
    """
    if len(train) < FEWEST:
        return None
    # Rest and stress of a study come from one export: what is turned in one is in the other, where
    # it may show better; and a turned reserve map hardly shows it, its parts do.
    wanted = {"rest", "stress", *config.map_types}
    train, val = (
        cohort.select(np.linspace(0, len(cohort) - 1, _MOST).round().astype(int))
        if len(cohort) > _MOST
        else cohort
        for cohort in (train, val)
    )
    of_type = {}
    for map_type in (m for m in train.maps if m in wanted and m in val.maps):
        found = [map_features(maps) for maps in _in_batches(train.maps[map_type])]
        of_type[map_type] = _fit_type(*(np.concatenate(part) for part in zip(*found, strict=True)))
    n = len(val)
    rank = min(int(np.ceil((n + 1) * (1 - RATE))), n)
    fitted = MapDistribution(train.size, of_type, np.inf, len(train), n, 1 - rank / (n + 1))
    distances = np.sort(fitted.distances(val.maps))
    return replace(fitted, threshold=float(distances[rank - 1]))


# === Its file ===


def write_distribution(distribution: MapDistribution, folder: Path) -> None:
    """Write the file into a run folder."""
    arrays = {
        "map_types": np.array(list(distribution.of_type)),
        "numbers": np.array([distribution.size, distribution.n_train, distribution.n_val]),
        "threshold": np.array([distribution.threshold, distribution.rate]),
    }
    for map_type, numbers in distribution.of_type.items():
        arrays |= {f"{map_type}_{name}": numbers[name] for name in _SHAPES}
    np.savez(folder / FILE, **arrays)  # type: ignore[arg-type]


def read_distribution(folder: Path) -> MapDistribution | None:
    """The file of a run folder, or None where the run has none; ValueError where it is damaged."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
                raise ValueError("larger than polarnet writes it")
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        size, n_train, n_val = (int(number) for number in arrays["numbers"])
        threshold, rate = (float(number) for number in arrays["threshold"])
        map_types, of_type = list(map(str, arrays["map_types"])), {}
        is_possible = 0 < threshold < np.inf and 0 <= rate <= 1 and bool(map_types)
        for map_type in map_types:
            of_type[map_type] = {name: arrays[f"{map_type}_{name}"] for name in _SHAPES}
            is_possible &= map_type in MAP_TYPES and all(
                part.shape == _SHAPES[name] and bool(np.isfinite(part).all())
                for name, part in of_type[map_type].items()
            )
            is_possible &= bool((of_type[map_type]["scales"] > 0).all())
        if not is_possible or size < 1:
            raise ValueError("its numbers are not those that polarnet writes")
    except (ValueError, LookupError, OSError, EOFError, TypeError, AttributeError, OverflowError,
            MemoryError, NotImplementedError, RuntimeError, zlib.error,
            zipfile.BadZipFile) as error:  # fmt: skip
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"{path} cannot be read: {reason}. Copy the run again, or delete the file: scores then "
            "carry no warning on out-of-distribution maps."
        ) from None
    return MapDistribution(size, of_type, threshold, n_train, n_val, rate)


# === What is looked at, and its spread ===


def map_features(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pattern (n, rings * sectors) and texture (n, 1 + steps) of maps."""
    size = maps.shape[-1]
    inside = maps[:, disc_mask(size)]
    mean = np.maximum(inside.mean(axis=1, keepdims=True), _TINY)
    with np.errstate(invalid="ignore", over="ignore"):
        shares = maps / mean[:, :, None]
        pattern = shares[:, disc_mask(size)] @ _cells(size)
        rough = [_roughness(shares, max(1, round(size / step))) for step in STEPS]
    return pattern, np.log(np.concatenate([mean, np.stack(rough, axis=1)], axis=1))


def _roughness(shares: np.ndarray, step: int) -> np.ndarray:
    """Root mean square of the differences of pixels `step` apart, both inside the disc."""
    disc = disc_mask(shares.shape[-1])
    squares, n = np.zeros(len(shares)), 0
    for one, other in (
        ((slice(step, None), slice(None)), (slice(None, -step), slice(None))),
        ((slice(None), slice(step, None)), (slice(None), slice(None, -step))),
    ):
        both = disc[one] & disc[other]
        difference = (shares[(slice(None), *one)] - shares[(slice(None), *other)])[:, both]
        squares += (difference**2).sum(axis=1)
        n += both.sum()
    return np.sqrt(squares / n) + _TINY**0.5


@lru_cache(maxsize=8)
def _cells(size: int) -> np.ndarray:
    """Weights (pixels, cells) that average over cells; sectors are centred on 0, 45, ..."""
    radius, angle = (grid[disc_mask(size)] for grid in polar_coordinates(size))
    ring = np.minimum((radius * RINGS).astype(int), RINGS - 1)
    width = 360 / SECTORS
    sector = ((angle + width / 2) % 360 // width).astype(int)
    members = np.zeros((len(radius), RINGS * SECTORS))
    members[np.arange(len(radius)), ring * SECTORS + sector] = 1
    return members / np.maximum(members.sum(axis=0), 1)


@lru_cache(maxsize=1)
def _turned() -> list[np.ndarray]:
    """Cells of a map after each quarter turn and mirroring, but for the map as it is."""
    ring, sector = np.divmod(np.arange(RINGS * SECTORS), SECTORS)
    quarter = SECTORS // 4
    return [
        ring * SECTORS + (side * sector + turns * quarter) % SECTORS
        for side in (1, -1)
        for turns in range(4)
    ][1:]


def _squares(features: np.ndarray, centre: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distance of each row, (n,)."""
    away = features - centre
    return np.einsum("ij,jk,ik->i", away, precision, away, optimize=True)


def _surprise(features: np.ndarray, centre: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Minus twice the log-likelihood of each row under a t distribution, but for a constant."""
    squares = _squares(features, centre, precision)
    return (_FREEDOM + len(centre)) * np.log1p(squares / _FREEDOM)


def _readings(of: Numbers, pattern: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """Distances (n, 10) before scaling: pattern, texture, in favour of each other reading."""
    usual = of["patterns_centre"], of["patterns_precision"]
    surprise = _surprise(pattern, *usual)
    squares = [
        _squares(pattern, *usual),
        _squares(texture, of["textures_centre"], of["textures_precision"]),
        *(surprise - _surprise(pattern[:, cells], *usual) for cells in _turned()),
        # As far from a flat map as the pattern is: noise has the spread of patterns, but no centre.
        surprise - _surprise(pattern - 1 + usual[0], *usual),
    ]
    return np.sqrt(np.maximum(np.stack(squares, axis=1), 0))


def _fit(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A t distribution of given freedom, its scatter shrunk as by Ledoit and Wolf."""
    n_features = features.shape[1]
    centre, weights = features.mean(axis=0), np.ones(len(features))
    for _ in range(_ROUNDS):
        away = (features - centre) * np.sqrt(weights)[:, None]
        scatter = LedoitWolf(assume_centered=True, store_precision=False).fit(away).covariance_
        fitted = centre, np.linalg.inv(scatter + _LEAST_SD**2 * np.eye(n_features))
        weights = (_FREEDOM + n_features) / (_FREEDOM + _squares(features, *fitted))
        centre = weights @ features / weights.sum()
    return fitted


def _fit_type(pattern: np.ndarray, texture: np.ndarray) -> Numbers:
    """Distribution of training maps; high quantiles of distances from the others count as 1."""

    def fitted(rows: np.ndarray | slice, scales: np.ndarray) -> Numbers:
        numbers = *_fit(pattern[rows]), *_fit(texture[rows]), scales
        return dict(zip(_SHAPES, numbers, strict=True))

    fold = np.arange(len(pattern)) % _FOLDS
    distances = np.concatenate(
        [_readings(fitted(fold != k, np.ones(N_READINGS)), pattern[fold == k], texture[fold == k])
         for k in range(_FOLDS)]
    )  # fmt: skip
    far = np.maximum(np.quantile(distances[:, :2], _FAR, axis=0), 1)
    turned = np.quantile(distances[:, 2:], _TURNED_FAR, axis=0)
    return fitted(slice(None), np.r_[far, np.maximum(turned, np.sqrt(_LEAST_GAP))])


def _in_batches(stack: Any) -> Iterator[np.ndarray]:
    """Maps in float64, a batch at a time."""
    for start in range(0, len(stack), _BATCH):
        yield np.asarray(stack[start : start + _BATCH], np.float64)
