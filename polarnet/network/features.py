"""The trunk's output for every map, computed once and kept on disk.

A frozen trunk gives the same features in every epoch, fold and seed. They are kept under a key
made of all that changes them (encoding, layer, the weights below it, precision, versions), and
inside it under the fingerprint of each map's pixels: another cohort with the same map, or a
subset of this one, finds them again.
"""

import errno
import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from platformdirs import user_cache_path
from tqdm.auto import tqdm

from polarnet.cohort import Cohort
from polarnet.cohort.checks import map_digest
from polarnet.config import ExperimentConfig
from polarnet.network.encoding import ENCODING_VERSION, encode
from polarnet.network.model import below

BATCH: Final = 32
"""Maps through the trunk at once; the last batch is filled up, so that no result depends on how
many maps came with it."""

_SHARD: Final = 512  # maps kept at once: what an interruption can lose
_ID_BYTES: Final = 16


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


def cache_folder(folder: str | Path | None = None) -> Path:
    """Where features are kept: the folder given, or the user's cache folder."""
    return Path(folder) if folder else user_cache_path("polarnet", appauthor=False) / "features"


def trunk_features(
    model: keras.Model, layer: str, cohort: Cohort, cache: Path, *, show_progress: bool = False
) -> Features:
    """Output of one layer for every study of a cohort, from the cache where it is there.

    Parameters
    ----------
    model
        As made by `build_model`; nothing below `layer` may be trainable.
    layer
        Name of the layer whose output is wanted.
    cache
        Folder for all cohorts and models; made as needed.

    Raises
    ------
    OSError: the cache folder cannot be written; names it.
    """
    config: ExperimentConfig = model.experiment
    lower = below(model, layer)
    folder = cache / _key(lower, layer, config)
    stack = cohort.maps[config.map_type]
    digests = [map_digest(stack[row]) for row in range(len(cohort))]
    shards, place = _open_shards(folder)
    missing = list({d: row for row, d in enumerate(digests) if d not in place}.values())
    if missing:
        forward = tf.function(lambda images: lower(images, training=False))
        with tqdm(
            total=len(missing), desc="VGG16 features", unit="map", disable=not show_progress
        ) as bar:
            for start in range(0, len(missing), _SHARD):
                rows = np.array(missing[start : start + _SHARD])
                values = []
                for first in range(0, len(rows), BATCH):
                    batch = rows[first : first + BATCH]
                    values.append(padded(forward, encode(stack[batch], config)))
                    bar.update(len(batch))
                _write_shard(folder, np.concatenate(values), [digests[row] for row in rows])
        shards, place = _open_shards(folder)
    return Features(shards, np.array([place[digest] for digest in digests]))


def padded(forward: Callable[[tf.Tensor], tf.Tensor], batch: tf.Tensor | np.ndarray) -> np.ndarray:
    """Run a function on a batch filled up to the fixed size; float32 result without the filling."""
    n = len(batch)
    batch = tf.convert_to_tensor(batch)
    filled = tf.pad(batch, [(0, BATCH - n)] + [(0, 0)] * (len(batch.shape) - 1))
    return tf.cast(forward(filled), tf.float32).numpy()[:n]


def in_batches(
    forward: Callable[[tf.Tensor], tf.Tensor], rows: np.ndarray | Features
) -> np.ndarray:
    """Run a function over rows (n, ...), a fixed number at a time."""
    starts = range(0, len(rows), BATCH)
    return np.concatenate([padded(forward, rows[k : k + BATCH]) for k in starts])


def weights_digest(model: keras.Model) -> str:
    """sha256 of all weights of a model, in the order of its layers."""
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).data)
    return digest.hexdigest()


def _key(lower: keras.Model, layer: str, config: ExperimentConfig) -> str:
    """Name of the folder for everything that gives the same features for the same map."""
    facts = {
        "layer": layer,
        "weights": weights_digest(lower),
        "window": config.window,
        "scaling": config.scaling,
        "palette": config.palette,
        "input_size": config.input_size,
        # Of the layers themselves: the float32 twin of a bf16 run has the run's configuration.
        "precision": sorted({part.dtype_policy.name for part in lower.layers}),
        "device": [device.device_type for device in tf.config.list_physical_devices()],
        "encoding": ENCODING_VERSION,
        "pooling": config.pooling,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def _open_shards(folder: Path) -> tuple[list[np.ndarray], dict[bytes, tuple[int, int]]]:
    """Memory-map what is there, and where each map's features are."""
    shards: list[np.ndarray] = []
    place: dict[bytes, tuple[int, int]] = {}
    for ids_path in sorted(folder.glob("*.ids")):
        ids = ids_path.read_bytes()
        shards.append(np.load(ids_path.with_suffix(".npy"), mmap_mode="r", allow_pickle=False))
        for row in range(len(ids) // _ID_BYTES):
            digest = ids[row * _ID_BYTES : (row + 1) * _ID_BYTES]
            place.setdefault(digest, (len(shards) - 1, row))
    return shards, place


def _write_shard(folder: Path, values: np.ndarray, digests: list[bytes]) -> None:
    """Keep some rows. A shard counts once its .ids file has its name, which comes last."""
    name = folder / uuid.uuid4().hex
    try:
        folder.mkdir(parents=True, exist_ok=True)
        np.save(name.with_suffix(".npy"), values, allow_pickle=False)
        name.with_suffix(".tmp").write_bytes(b"".join(digests))
        name.with_suffix(".tmp").replace(name.with_suffix(".ids"))
    except BaseException as error:
        for suffix in (".npy", ".tmp", ".ids"):
            name.with_suffix(suffix).unlink(missing_ok=True)
        if isinstance(error, OSError):
            # np.save says how many bytes it could not write, but gives no error number.
            raise OSError(
                error.errno or errno.ENOSPC,
                f"Features cannot be kept in {folder.parent}. Free space there, or name another "
                "folder by --cache.",
            ) from None
        raise
