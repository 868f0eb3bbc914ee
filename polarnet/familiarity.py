"""How far a polar map is from the maps that a network was trained on.

A network gives a probability for whatever it is shown: a map turned round, one in another unit, a
photograph. What training maps look like is kept in the run folder, so that others can be marked.

Three things are looked at in each map: its *pattern* (mean of 32 sectors, as shares of the mean of
the disc), its *texture* (level, and how much neighbours at three distances differ) and its
*orientation* (whether the pattern is likelier if it is turned by quarters or mirrored, or likelier
about a flat map, than as it is: most turned maps, and smooth noise, lie within the spread of
patterns, so that distance alone does not find them).
"""

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.covariance import LedoitWolf

from polarnet.anatomy import disc_mask, polar_coordinates
from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig

FILE: Final = "familiarity.npz"

UNLIKE: Final = "map unlike the training maps"
"""How the note on a study begins."""

RATE: Final = 0.035
"""Share of maps like those of validation that is to be marked all the same (our choice)."""

FEWEST: Final = 10
"""Fewer training studies describe nothing: only their mean level could be told (our choice)."""

_MOST: Final = 5000  # studies of a cohort that are looked at, evenly spaced
_BATCH: Final = 1024  # maps in memory at once
_RINGS, _SECTORS = 4, 8  # more cells tell turned maps no better (tried to 8 x 24)
_STEPS: Final = (64, 24, 8)  # neighbours are this share of the map's side apart
_FREEDOM: Final = 10.0  # of the t distribution: defects make tails that a Gaussian does not have
_ROUNDS: Final = 6  # of its fit, which changes little after three
_KINDS: Final = 10  # distances a map type: pattern, texture, 7 ways of turning, flat
_LEAST_SD: Final = 0.01  # of a share or a logarithm: what differs less is not known to be fixed
_FOLDS: Final = 5
_TINY: Final = 1e-6

_FAR: Final = 0.998
_TURNED_FAR: Final = 0.99
"""Quantiles of the training maps where a distance in pattern or texture, or in favour of one way of
turning, counts as 1 (our choice): false alarms are spent on turned maps, as foreign pictures are
far away in pattern or texture."""

_LEAST_GAP: Final = 4.0
"""Twice the logarithm of how much likelier a turned pattern must be to count as 1, at least (our
choice: e squared)."""


@dataclass(frozen=True, eq=False)
class Usual:
    """Centre and precision of a multivariate t distribution of features."""

    centre: np.ndarray
    precision: np.ndarray

    def squares(self, features: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distance of each row, (n,)."""
        away = features - self.centre
        return np.einsum("ij,jk,ik->i", away, self.precision, away, optimize=True)

    def surprise(self, features: np.ndarray) -> np.ndarray:
        """Minus twice the log-likelihood of each row, but for a constant."""
        freedom = _FREEDOM + len(self.centre)
        return freedom * np.log1p(self.squares(features) / _FREEDOM)


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What the maps of a training look like, and how far from them validation maps lie.

    Attributes
    ----------
    map_types
        Looked at: those that the network reads, and rest and stress beside their reserve.
    size
        Rows (and columns) of a map.
    patterns, textures
        Map type -> distribution of the features in training.
    scales
        Map type -> distance in pattern, in texture, and in favour of each of 7 ways of turning and
        mirroring and of a flat map, that counts as 1, (10,).
    threshold
        A distance above it is unlike the training maps.
    n_train, n_val
        Studies that were looked at.
    rate
        Share of studies like those of validation that lie beyond the threshold (at most, and on
        average over cohorts). Few validation studies make it larger than `RATE`.
    """

    map_types: tuple[str, ...]
    size: int
    patterns: Mapping[str, Usual]
    textures: Mapping[str, Usual]
    scales: Mapping[str, np.ndarray]
    threshold: float
    n_train: int
    n_val: int
    rate: float

    def distances(self, maps: Mapping[str, Any]) -> np.ndarray:
        """Distance of each study from the training maps.

        Parameters
        ----------
        maps
            Map type -> (n, size, size), in the unit of the training; such as `cohort.maps`. Map
            types that are not known here are not looked at.

        Returns
        -------
        Array of shape (n,): the largest over map types, pattern, texture and orientation;
        infinite where a map has pixels that are no numbers.

        Raises
        ------
        ValueError: no map type is known here, or the maps have another size.
        """
        known = [map_type for map_type in self.map_types if map_type in maps]
        if not known:
            raise ValueError(
                f"Familiarity is of {', '.join(self.map_types)} maps, but "
                f"{', '.join(maps) or 'nothing'} was given."
            )
        for map_type in known:
            if maps[map_type].shape[1:] != (self.size, self.size):
                raise ValueError(
                    f"Familiarity is of maps of {self.size} x {self.size} pixels, but the "
                    f"{map_type} maps have shape {maps[map_type].shape}."
                )
        found = np.stack([self._of_type(map_type, maps[map_type]) for map_type in known])
        return found.max(axis=0)

    def _of_type(self, map_type: str, stack: Any) -> np.ndarray:
        parts = [
            _kinds(self.patterns[map_type], self.textures[map_type], *_features(maps))
            for maps in _in_batches(stack, np.arange(len(stack)))
        ]
        largest = (np.concatenate(parts) / self.scales[map_type]).max(axis=1)
        return np.where(np.isfinite(largest), largest, np.inf)


def fit_familiarity(train: Cohort, val: Cohort, config: ExperimentConfig) -> Familiarity | None:
    """Learn what training maps look like; validation maps say how far is far.

    Parameters
    ----------
    train, val
        Cohorts that share no patient. At most 5,000 studies of each are looked at.
    config
        Says which map types the network reads.

    Returns
    -------
    Familiarity. Its threshold is a conformal quantile: a study like those of validation is beyond
    it with a probability of `RATE` at most. None for fewer than 10 training studies.

    References
    ----------
    Ledoit & Wolf, J Multivar Anal 2004;88:365 (covariance); Lange et al., J Am Stat Assoc
    1989;84:881 (t distribution); Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World
    (conformal quantile).
    """
    if len(train) < FEWEST:
        return None
    wanted = set(config.map_types)
    if "reserve" in wanted:
        wanted |= {"rest", "stress"}  # a turned reserve map hardly shows it, its parts do
    map_types = tuple(m for m in train.maps if m in wanted and m in val.maps)
    rows = _spread(len(train))
    patterns, textures, scales = {}, {}, {}
    for map_type in map_types:
        found = [_features(maps) for maps in _in_batches(train.maps[map_type], rows)]
        pattern, texture = (np.concatenate(part) for part in zip(*found, strict=True))
        patterns[map_type], textures[map_type] = _usual(pattern), _usual(texture)
        scales[map_type] = _scales(pattern, texture)
    of_val = _spread(len(val))
    unfixed = Familiarity(
        map_types, train.size, patterns, textures, scales, np.inf, len(rows), len(of_val), RATE
    )
    distances = np.sort(unfixed.distances({m: _Rows(val.maps[m], of_val) for m in map_types}))
    n = len(distances)
    rank = min(int(np.ceil((n + 1) * (1 - RATE))), n)
    return Familiarity(
        map_types, train.size, patterns, textures, scales, float(distances[rank - 1]),
        len(rows), n, 1 - rank / (n + 1),
    )  # fmt: skip


def write_familiarity(familiarity: Familiarity, folder: Path) -> None:
    """Write the file into a run folder."""
    arrays = {
        "map_types": np.array(familiarity.map_types),
        "numbers": np.array([familiarity.size, familiarity.n_train, familiarity.n_val]),
        "threshold": np.array([familiarity.threshold, familiarity.rate]),
    }
    for map_type in familiarity.map_types:
        for kind in ("patterns", "textures"):
            usual = getattr(familiarity, kind)[map_type]
            arrays[f"{map_type}_{kind}_centre"] = usual.centre
            arrays[f"{map_type}_{kind}_precision"] = usual.precision
        arrays[f"{map_type}_scales"] = familiarity.scales[map_type]
    np.savez(folder / FILE, **arrays)  # type: ignore[arg-type]


def read_familiarity(folder: Path) -> Familiarity | None:
    """The file of a run folder, or None where the run has none.

    Raises
    ------
    ValueError: the file is damaged, or is something else.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        map_types = tuple(str(name) for name in arrays["map_types"])
        size, n_train, n_val = (int(number) for number in arrays["numbers"])
        threshold, rate = (float(number) for number in arrays["threshold"])
        patterns, textures = (
            {m: Usual(arrays[f"{m}_{kind}_centre"], arrays[f"{m}_{kind}_precision"])
             for m in map_types}
            for kind in ("patterns", "textures")
        )  # fmt: skip
        scales = {m: arrays[f"{m}_scales"] for m in map_types}
        for usual, n in (
            *((usual, _RINGS * _SECTORS) for usual in patterns.values()),
            *((usual, 1 + len(_STEPS)) for usual in textures.values()),
        ):
            if usual.centre.shape != (n,) or usual.precision.shape != (n, n):
                raise ValueError("features of another version")
        if not map_types or not threshold > 0 or any(s.shape != (_KINDS,) for s in scales.values()):
            raise ValueError("no map types, or no threshold")
    except (ValueError, KeyError, OSError, EOFError, TypeError, AttributeError,
            zipfile.BadZipFile) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path} cannot be read: {reason}. Copy the run again, or delete the file: scores then "
            "carry no warning on unlike maps."
        ) from None
    return Familiarity(map_types, size, patterns, textures, scales, threshold, n_train, n_val, rate)


class Shares(pd.Series):
    """study_id -> distance as a share of the threshold: a Series that may lie in `attrs`.

    pandas compares the attrs of tables that are put together, and wants one answer: two of these
    are equal as a whole.
    """

    @property
    def _constructor(self) -> type["Shares"]:
        return Shares

    def __eq__(self, other: Any) -> Any:
        return self.equals(other) if isinstance(other, Shares) else super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


def unfamiliar_note(share: float) -> str:
    """What to say of a study at this share of the threshold; nothing where it is familiar.

    >>> unfamiliar_note(1.83)
    'map unlike the training maps (1.8 times the distance that validation maps keep)'
    >>> unfamiliar_note(0.9)
    ''
    """
    if share <= 1:
        return ""
    shown = f"{share:.1f}" if share < 100 else "over 100"
    return f"{UNLIKE} ({shown} times the distance that validation maps keep)"


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some maps of a stack, read where they are looked at."""

    stack: Any
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.stack.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: np.ndarray) -> np.ndarray:
        return np.asarray(self.stack[self.rows[at]])


def _spread(n: int) -> np.ndarray:
    """Positions of all studies, or of as many as are looked at, evenly spaced."""
    return np.arange(n) if n <= _MOST else np.linspace(0, n - 1, _MOST).round().astype(int)


def _in_batches(stack: Any, rows: np.ndarray) -> list[np.ndarray] | Any:
    """Maps of these rows in float64, a batch at a time."""
    return (
        np.asarray(stack[rows[start : start + _BATCH]], np.float64)
        for start in range(0, len(rows), _BATCH)
    )


def _features(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pattern (n, rings * sectors) and texture (n, 1 + steps) of maps."""
    size = maps.shape[-1]
    inside = maps[:, disc_mask(size)]
    mean = np.maximum(inside.mean(axis=1, keepdims=True), _TINY)
    with np.errstate(invalid="ignore", over="ignore"):
        shares = maps / mean[:, :, None]
        pattern = shares[:, disc_mask(size)] @ _cells(size)
        rough = [_roughness(shares, max(1, round(size / step))) for step in _STEPS]
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
    """Weights (pixels, rings * sectors) that average the disc's pixels over each cell.

    Sectors are centred on 0, 45, ... degrees, so that no pixel lies on their edges, and a map that
    is turned by 90 degrees or mirrored has the same values in other cells.
    """
    radius, angle = (grid[disc_mask(size)] for grid in polar_coordinates(size))
    ring = np.minimum((radius * _RINGS).astype(int), _RINGS - 1)
    width = 360 / _SECTORS
    sector = ((angle + width / 2) % 360 // width).astype(int)
    members = np.zeros((len(radius), _RINGS * _SECTORS))
    members[np.arange(len(radius)), ring * _SECTORS + sector] = 1
    return members / np.maximum(members.sum(axis=0), 1)


@lru_cache(maxsize=1)
def _turned() -> list[np.ndarray]:
    """Cells of a map after each quarter turn and mirroring, but for the map as it is."""
    ring, sector = np.divmod(np.arange(_RINGS * _SECTORS), _SECTORS)
    quarter = _SECTORS // 4
    ways: list[Callable[[np.ndarray], np.ndarray]] = [lambda s: s, lambda s: -s]
    return [
        ring * _SECTORS + (way(sector) + turns * quarter) % _SECTORS
        for way in ways for turns in range(4)
    ][1:]  # fmt: skip


def _usual(features: np.ndarray) -> Usual:
    """A t distribution of given freedom, its scatter shrunk as by Ledoit and Wolf."""
    n_features = features.shape[1]
    centre, weights = features.mean(axis=0), np.ones(len(features))
    for _ in range(_ROUNDS):
        away = (features - centre) * np.sqrt(weights)[:, None]
        scatter = LedoitWolf(assume_centered=True, store_precision=False).fit(away).covariance_
        usual = Usual(centre, np.linalg.inv(scatter + _LEAST_SD**2 * np.eye(n_features)))
        weights = (_FREEDOM + n_features) / (_FREEDOM + usual.squares(features))
        centre = weights @ features / weights.sum()
    return usual


def _kinds(
    pattern: Usual, texture: Usual, of_pattern: np.ndarray, of_texture: np.ndarray
) -> np.ndarray:
    """Distances (n, 10) before scaling: pattern, texture, in favour of each other reading."""
    surprise = pattern.surprise(of_pattern)
    squares = [
        pattern.squares(of_pattern),
        texture.squares(of_texture),
        *(surprise - pattern.surprise(of_pattern[:, cells]) for cells in _turned()),
        # As far from a flat map as the pattern is: noise has the spread of patterns, but no centre.
        surprise - pattern.surprise(of_pattern - 1 + pattern.centre),
    ]
    return np.sqrt(np.maximum(np.stack(squares, axis=1), 0))


def _scales(pattern: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """High quantiles of the distances of training maps from the other training maps, (10,)."""
    fold = np.arange(len(pattern)) % _FOLDS
    parts = []
    for k in range(_FOLDS):
        others, these = fold != k, fold == k
        usual = _usual(pattern[others]), _usual(texture[others])
        parts.append(_kinds(*usual, pattern[these], texture[these]))
    distances = np.concatenate(parts)
    far = np.maximum(np.quantile(distances[:, :2], _FAR, axis=0), 1)
    turned = np.quantile(distances[:, 2:], _TURNED_FAR, axis=0)
    return np.concatenate([far, np.maximum(turned, np.sqrt(_LEAST_GAP))])
