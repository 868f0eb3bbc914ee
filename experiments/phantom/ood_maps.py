"""Which maps are marked as out of distribution? Turned, foreign, in another unit.

    python experiments/phantom/ood_maps.py --out ood_maps.csv

Phantom, not patients: what training maps look like is learned from the training part of 1,200
patients, the threshold is fixed on their validation part; 500 fresh studies are shown as they are,
and changed in each way (a study's rest and stress map alike), or foreign pictures in their place.
One row per kind of maps and of training: the share marked [Wilson, 95 %]. "reserve alone" is
a reserve map whose rest and stress maps are not at hand.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_images
from statsmodels.stats.proportion import proportion_confint
from tqdm.auto import tqdm

import polarnet as pn

TRAIN_SEED, FRESH_SEED, PICTURE_SEED = 7, 1007, 2007
FEW = 420
"""Training studies of the smaller training."""

FULL_FLOW = {"rest": 2.0, "stress": 4.0}
"""Brightest pixel of a foreign picture, mL/min/g: within the range of the phantom's maps."""

NOISE_SD = 0.15
"""As a share of the mean: about the spread of pixels within a phantom map."""

Maps = dict[str, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="CSV file")
    parser.add_argument("--n", type=int, default=500, help="studies of each kind")
    arguments = parser.parse_args()
    n = arguments.n
    cohort = pn.make_phantom_cohort(1200, seed=TRAIN_SEED)
    train, val, _ = pn.split_by_patient(cohort, seed=TRAIN_SEED)
    fresh = pn.make_phantom_cohort(n, seed=FRESH_SEED)[:n]
    kinds = shown({name: np.asarray(fresh.maps[name][:]) for name in ("rest", "stress")})
    rows = []
    for map_type in tqdm(("stress", "rest", "reserve", "combined"), desc="Map types"):
        config = pn.ExperimentConfig(map_type=map_type)
        for of_train in (train, train[:FEW]):
            known = pn.ood.fit_distribution(of_train, val, config)
            for name, measured in kinds.items():
                maps = measured | {"reserve": reserve(measured)}
                looked_at = {map_type: maps}
                if map_type == "reserve":
                    looked_at["reserve alone"] = {"reserve": maps["reserve"]}
                for label, these in looked_at.items():
                    is_marked = known.distances(these) > known.threshold
                    low, high = proportion_confint(is_marked.sum(), n, method="wilson")
                    rows.append({"network reads": label, "n_train": known.n_train,
                                 "n_val": known.n_val, "maps": name, "n": n,
                                 "marked": is_marked.mean(), "low": low,
                                 "high": high})  # fmt: skip
    table = pd.DataFrame(rows)
    table["data"] = "phantom, not patients"
    Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(arguments.out, index=False, float_format="%.4g", lineterminator="\n")
    print("Phantom, not patients. Share marked as out of distribution:")
    print(table.pivot_table("marked", "maps", ["network reads", "n_train"], sort=False).round(3))
    print(f"Wrote {arguments.out}")


def shown(fresh: Maps) -> dict[str, Maps]:
    """Rest and stress maps (n, size, size) of each kind, 0 outside the disc."""
    rng = np.random.default_rng(PICTURE_SEED)
    n, size, _ = fresh["rest"].shape
    disc = pn.anatomy.disc_mask(size)

    def changed(change: Callable[[np.ndarray], np.ndarray]) -> Maps:
        return {map_type: change(maps) for map_type, maps in fresh.items()}

    def foreign(draw: Callable[[np.random.Generator, int], np.ndarray]) -> Maps:
        """Pictures with values from 0 to 1, in the range of flow; others at rest than at stress."""
        return {
            map_type: np.stack([draw(rng, size) for _ in range(n)]) * full * disc
            for map_type, full in FULL_FLOW.items()
        }

    def noise(width: float) -> Maps:
        """Noise of one SD around the means of the fresh maps."""
        maps = {}
        for map_type, of_type in fresh.items():
            grains = gaussian_filter(rng.standard_normal(of_type.shape), (0, width, width))
            grains *= NOISE_SD / grains.std()
            level = pn.anatomy.disc_mean(of_type)[:, None, None]
            maps[map_type] = np.maximum(level * (1 + grains), 0) * disc
        return maps

    photographs = [image.mean(axis=2) / 255 for image in load_sample_images().images]
    return {
        "fresh": fresh,
        "turned by 90 degrees": changed(lambda maps: np.rot90(maps, 1, (1, 2))),
        "turned by 180 degrees": changed(lambda maps: np.rot90(maps, 2, (1, 2))),
        "mirrored left to right": changed(lambda maps: maps[:, :, ::-1]),
        "mirrored top to bottom": changed(lambda maps: maps[:, ::-1]),
        "in mL/min/100 g": changed(lambda maps: maps * 100),
        "slice of a volume": foreign(volume_slice),
        "photograph": foreign(lambda rng, size: photograph(rng, size, photographs)),
        "white noise": noise(0),
        "fine noise": noise(size / 64),
        "smooth noise": noise(size / 16),
    }


def reserve(maps: Maps) -> np.ndarray:
    """Flow reserve as a cohort computes it."""
    return np.clip(maps["stress"] / np.maximum(maps["rest"], 0.1), 0, 10)


def volume_slice(rng: np.random.Generator, size: int) -> np.ndarray:
    """A short-axis slice: the ring of the left ventricle, smooth other organs, some noise."""
    y, x = (np.mgrid[:size, :size] - (size - 1) / 2) / (size / 2)
    x, y = x - rng.uniform(-0.2, 0.2), y - rng.uniform(-0.2, 0.2)
    radius, width = rng.uniform(0.25, 0.5), rng.uniform(0.07, 0.12)
    ring = np.exp(-((np.hypot(x, y) - radius) ** 2) / (2 * width**2))
    ring *= 1 + 0.2 * np.cos(np.arctan2(y, x) - rng.uniform(0, 2 * np.pi))
    blobs = gaussian_filter(rng.standard_normal((size, size)), size / 10)
    around = 0.3 * np.maximum(blobs / blobs.std(), 0)
    grains = gaussian_filter(rng.standard_normal((size, size)), size / 64)
    return scaled(np.maximum(ring + around + 0.05 * grains / grains.std(), 0))


def photograph(rng: np.random.Generator, size: int, photographs: list[np.ndarray]) -> np.ndarray:
    """A square out of a photograph in grey, coarsened to `size` pixels a side."""
    whole = photographs[rng.integers(len(photographs))]
    step = rng.integers(1, min(whole.shape) // size + 1)
    side = step * size
    row, column = (rng.integers(length - side + 1) for length in whole.shape)
    part = whole[row : row + side, column : column + side]
    return scaled(part.reshape(size, step, size, step).mean(axis=(1, 3)))


def scaled(picture: np.ndarray) -> np.ndarray:
    """From 0 to 1."""
    return (picture - picture.min()) / (picture.max() - picture.min())


if __name__ == "__main__":
    sys.exit(main())
