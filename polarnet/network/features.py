"""The output of the lower layers for every map, computed once and kept on disk.

A folder holds the features of one model and encoding, whatever cohort a map came with. Files are
named by the digest of their content: what was changed is computed again.
"""

import errno
import hashlib
import json
import uuid
import warnings
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from tqdm.std import tqdm

from polarnet.cachefolder import limit_bytes, mark_used, trim
from polarnet.cohort import map_digest
from polarnet.config import ExperimentConfig
from polarnet.files import new_file
from polarnet.network.model import DEEP, ENCODING_VERSION, WIDE, below
from polarnet.network.pipeline import Rows
from polarnet.progressbar import progress_bar

BATCH: Final = 32
"""Maps through the trunk at once; the last batch is filled up, so that no result depends on how
many maps came with it."""

_FORMAT: Final = 2  # of the files
_SHARD: Final = 512  # maps kept at once: what an interruption can lose


@dataclass(frozen=True, eq=False)
class Features:
    """Rows of float32 features, shape (n, ...), read from disk where they are looked at."""

    shards: list[np.ndarray]
    place: np.ndarray  # (n, 2): shard, row

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        place = self.place[rows]
        values = np.empty((len(place), *self.shards[0].shape[1:]), np.float32)
        for shard in np.unique(place[:, 0]):
            here = place[:, 0] == shard
            values[here] = self.shards[shard][place[here, 1]]
        return values


def compiled(model: keras.Model) -> Callable[..., tf.Tensor]:
    """A model as a function that TensorFlow traces once (lambdas would pass for one)."""
    return tf.function(partial(model, training=False))


def in_batches(
    forward: Callable[..., tf.Tensor], *inputs: Rows, bar: tqdm | None = None
) -> np.ndarray:
    """Run a function over the rows of its inputs, `BATCH` at a time; float32 result."""
    results = []
    for start in range(0, len(inputs[0]), BATCH):
        batch = [tf.convert_to_tensor(rows[start : start + BATCH]) for rows in inputs]
        n = len(batch[0])
        filled = [tf.pad(b, [(0, BATCH - n)] + [(0, 0)] * (len(b.shape) - 1)) for b in batch]
        result = forward(filled[0] if len(filled) == 1 else filled)
        results.append(tf.cast(result, tf.float32).numpy()[:n])
        if bar is not None:
            bar.update(n)
    return np.concatenate(results)


def wide_features(model: keras.Model, maps: Rows) -> np.ndarray:
    """What a bullseye shows of every study, (n, n_features) float32, as the model computes it."""
    return in_batches(compiled(below(model, WIDE)), maps)


def kept_end(config: ExperimentConfig) -> str | None:
    """The last layer below which nothing is ever trained: what a cache may hold."""
    if config.mode == "frozen":
        return DEEP
    block = int(config.last_block.removeprefix("block")) if config.mode == "finetuned" else 1
    return f"block{block - 1}_pool" if block > 1 else None


def trunk_features(
    model: keras.Model,
    config: ExperimentConfig,
    layer: str,
    maps: Rows,
    cache: Path,
    *,
    show_progress: bool = False,
) -> Features:
    """Output of one layer for every map, from the cache where it is there.

    Nothing below the layer may be trained. One folder serves all cohorts and models; an OSError
    names it where it cannot be written.
    """
    lower = below(model, layer)
    folder = cache / _key(lower, layer, config)
    mark_used(folder)
    digests = [
        map_digest(values)
        for start in range(0, len(maps), _SHARD)
        for values in maps[start : start + _SHARD]
    ]
    shards, place = _sound_shards(folder, set(digests))
    missing = list({d: row for row, d in enumerate(digests) if d not in place}.values())
    if missing:
        limit = limit_bytes()  # a misspelt limit is told before the work
        forward, bar = compiled(lower), partial(progress_bar, desc="Features", unit="map")
        with bar(total=len(missing), disable=not show_progress) as steps:
            for start in range(0, len(missing), _SHARD):
                rows = np.array(missing[start : start + _SHARD])
                values = in_batches(forward, maps[rows], bar=steps)
                _write_shard(folder, values, [digests[row] for row in rows])
        trim(cache, limit)
        shards, place = _sound_shards(folder, set(digests))
    return Features(shards, np.array([place[digest] for digest in digests]))


def weights_digest(model: keras.Model) -> str:
    """sha256 of all weights of a model, in the order of its layers."""
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).data)
    return digest.hexdigest()


def _key(lower: keras.Model, layer: str, config: ExperimentConfig) -> str:
    """Name of the folder for everything that gives the same features for the same map."""
    facts = {
        "format": _FORMAT,
        "layer": layer,
        "weights": weights_digest(lower),
        "window": config.window,
        "scaling": config.scaling,
        "palette": config.palette,
        "map_types": config.map_types,
        "input_size": config.input_size,
        # Of the layers themselves: the float32 twin of a bf16 run has the run's configuration.
        "precision": sorted({part.dtype_policy.name for part in lower.layers}),
        "device": [device.device_type for device in tf.config.get_visible_devices()],
        "encoding": ENCODING_VERSION,
        "pooling": config.pooling,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def _write_shard(folder: Path, values: np.ndarray, digests: Sequence[bytes]) -> None:
    """Keep some rows: whole, or not at all."""
    one = f"V{len(digests[0])}"
    shard = np.empty(len(values), [("map", one), ("features", values.dtype, values.shape[1:])])
    shard["map"], shard["features"] = np.frombuffer(b"".join(digests), one), values
    made = folder / f"{uuid.uuid4().hex}.new"
    try:
        with new_file(made) as unfinished, unfinished.open("wb") as file:
            np.save(file, shard, allow_pickle=False)
        made.replace(folder / f"{_digest(made)}.npy")
    except OSError as error:
        # np.save says how many bytes it could not write, but gives no error number.
        raise OSError(
            error.errno or errno.ENOSPC,
            f"Features cannot be kept in {folder.parent}. Free space there, or name another "
            "folder by --cache.",
        ) from None


def _sound_shards(
    folder: Path, wanted: Collection[bytes]
) -> tuple[list[np.ndarray], dict[bytes, tuple[int, int]]]:
    """Memory-map the files that are sound; shard and row of each wanted map. Others are removed."""
    shards: list[np.ndarray] = []
    place: dict[bytes, tuple[int, int]] = {}
    n_damaged = 0
    for path in sorted(folder.glob("*.npy")):
        try:
            if path.stem != _digest(path):
                raise ValueError("changed since it was written")
            shard = np.load(path, mmap_mode="r", allow_pickle=False)
            digests, features = map(np.void.tobytes, shard["map"]), shard["features"]
        except (ValueError, OSError, IndexError):
            n_damaged += 1
            with suppress(OSError):
                path.unlink(missing_ok=True)
            continue
        for row, digest in enumerate(digests):
            if digest in wanted:
                place.setdefault(digest, (len(shards), row))
        shards.append(features)
    if n_damaged:
        warnings.warn(
            f"{n_damaged} file(s) of kept features had been changed or cut; the features are "
            "computed again.",
            stacklevel=2,
        )
    return shards, place


def _digest(path: Path) -> str:
    """Digest of a file in the folder of its model."""
    start = hashlib.blake2b(path.parent.name.encode(), digest_size=16)
    with path.open("rb") as file:
        return hashlib.file_digest(file, start.copy).hexdigest()
