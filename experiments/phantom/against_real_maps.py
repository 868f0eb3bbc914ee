"""Would a reader tell phantom from patient? Figures and numbers beside real maps.

Sets the phantom beside 100 real polar maps (SPECT counts, so level and mean pattern differ) and
beside the mean flow maps by diseased vessel of the Ottawa Heart Institute. Every map is scaled to
mean 1 for the comparison of spread, autocorrelation and singular values, and to its maximum where
groups are compared. A classifier then tries to tell real from phantom. Writes real_maps.csv,
sheet.png and groups.png.
"""

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.ndimage import map_coordinates
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import RepeatedStratifiedKFold

import polarnet as pn

SEED = 31
REST_SHARE = 0.86  # of the 100 real maps
SIZE = 48
DISC = pn.anatomy.disc_mask(SIZE)
RADIUS, ANGLE = pn.anatomy.polar_coordinates(SIZE)
LAGS = np.arange(0, 25, 2)
OTTAWA_RADIUS = 0.8  # of the half side: the ventricle's edge in those 48 x 48 maps
GROUPS = {
    "normal": "no vessel", "lad": "LAD", "rca": "RCA", "lcx": "LCx", "lad_rca": "LAD + RCA",
    "lad_lcx": "LAD + LCx", "rca_lcx": "RCA + LCx", "lad_rca_lcx": "all three",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--maps", required=True,
        help="npz with 'maps' (n, 48, 48) in percent; a JSON of the same name tells the patients",
    )  # fmt: skip
    parser.add_argument("--ottawa", required=True, help="folder with groupmean_*.csv")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    with np.load(arguments.maps) as file:
        real = np.where(DISC, file["maps"], 0).astype(float)
    cohort = pn.make_phantom_cohort(4000, seed=SEED, size=SIZE)
    # As many at rest as among the real ones.
    at_rest = np.random.default_rng(SEED).random(len(cohort)) < REST_SHARE
    simulated = np.where(at_rest[:, None, None], cohort.maps["rest"], cohort.maps["stress"])
    simulated = simulated.astype(float)
    meta = json.loads(Path(arguments.maps).with_suffix(".json").read_text(encoding="utf-8"))
    first = ~pd.Series([study["patient"] for study in meta["meta"]]).duplicated().to_numpy()
    print("Phantom, not patients.")
    draw_sheet(real, simulated, out / "sheet.png")
    numbers = structure("real SPECT", real) | structure("phantom", simulated)
    numbers |= draw_groups(Path(arguments.ottawa), cohort, out / "groups.png")
    one_each = ~cohort.patients.duplicated().to_numpy()
    numbers |= tell_apart(real[first], simulated[one_each][: first.sum()])
    table = pd.DataFrame(numbers.items(), columns=["quantity", "value"])
    table.to_csv(out / "real_maps.csv", index=False, float_format="%.4f")
    print(table.to_string(index=False, float_format=lambda x: f"{x:.3f}"))


def draw_sheet(real: np.ndarray, simulated: np.ndarray, path: Path) -> None:
    """All 100 real maps above 40 of the phantom, each scaled to its maximum."""
    figure, axes = plt.subplots(7, 20, figsize=(14, 5.4), layout="constrained")
    for ax, values in zip(axes.ravel(), [*real[:100], *simulated[:40]], strict=True):
        show(ax, values, 0)
    figure.suptitle("100 real maps (SPECT) above 40 phantom studies (not patients)")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def show(ax: plt.Axes, values: np.ndarray, darkest: float) -> None:
    """A map scaled to its maximum."""
    ax.imshow(np.where(DISC, values / values[DISC].max(), np.nan), "inferno", vmin=darkest, vmax=1)
    ax.axis("off")


def residuals(maps: np.ndarray) -> np.ndarray:
    """What is left of maps of mean 1 after division by their group's mean map, minus 1."""
    scaled = maps / maps[:, DISC].mean(axis=1)[:, None, None]
    mean = scaled.mean(axis=0)
    return np.where(DISC, scaled / np.where(DISC, mean, 1) - 1, 0)


def autocorrelation(left: np.ndarray) -> np.ndarray:
    """Of residuals (n, 48, 48), mean of both axes, at LAGS pixels; shape (n, lags)."""
    variance = (left[:, DISC] ** 2).mean(axis=1)
    found = []
    for lag in LAGS:
        both = DISC[lag:] & DISC[: SIZE - lag]
        down = (left[:, lag:] * left[:, : SIZE - lag])[:, both].mean(axis=1)
        both = DISC[:, lag:] & DISC[:, : SIZE - lag]
        across = (left[:, :, lag:] * left[:, :, : SIZE - lag])[:, both].mean(axis=1)
        found.append((down + across) / 2)
    return np.stack(found, axis=1) / variance[:, None]


def around(left: np.ndarray, radius: float = 0.65) -> np.ndarray:
    """Residuals every 5 degrees on a circle, (n, 72), mean 0."""
    angle = np.radians(np.arange(0, 360, 5))
    x = ((SIZE - 1) / 2 + radius * SIZE / 2 * np.cos(angle)).round().astype(int)
    y = ((SIZE - 1) / 2 - radius * SIZE / 2 * np.sin(angle)).round().astype(int)
    circle = left[:, y, x]
    return circle - circle.mean(axis=1, keepdims=True)


def structure(name: str, maps: np.ndarray) -> dict[str, float]:
    """Spread, autocorrelation and singular values of a set of maps."""
    left = residuals(maps)
    variance = (left[:, DISC] ** 2).mean(axis=1)
    correlation = (autocorrelation(left) * variance[:, None]).sum(axis=0) / variance.sum()
    circle = around(left)
    turned = [(circle * np.roll(circle, k, axis=1)).mean() for k in (0, 8, 18)]
    # As many maps in each set: the spectrum depends on it.
    values = left[:100][:, DISC]
    energy = np.linalg.svd(values - values.mean(axis=0), compute_uv=False) ** 2
    found = {
        "SD of pixels beside the mean map": left[:, DISC].std(),
        "correlation at 1/6 of the radius": correlation[2],
        "correlation at 1/3 of the radius": correlation[4],
        "correlation at 40 degrees": turned[1] / turned[0],
        "correlation at 90 degrees": turned[2] / turned[0],
        "share of the first 5 singular values": energy[:5].sum() / energy.sum(),
        "share of the first 20 singular values": energy[:20].sum() / energy.sum(),
    }
    return {f"{name}: {quantity}": value for quantity, value in found.items()}


def draw_groups(ottawa: Path, cohort: pn.Cohort, path: Path) -> dict[str, float]:
    """Mean maps by diseased vessel, theirs above ours; correlation and largest difference."""
    vessels = cohort.truth[["lad", "rca", "lcx"]] > 0
    figure, axes = plt.subplots(4, len(GROUPS), figsize=(14, 8.4), layout="constrained")
    numbers = {}
    for row, map_type in enumerate(("rest", "stress")):
        maps = np.asarray(cohort.maps[map_type])
        scaled = maps / maps.max(axis=(1, 2))[:, None, None]
        for column, (group, told) in enumerate(GROUPS.items()):
            theirs = _in_our_frame(ottawa / f"groupmean_{group}_{map_type}.csv")
            diseased = [vessel in group.split("_") for vessel in vessels]
            ours = scaled[(vessels == diseased).all(axis=1).to_numpy()].mean(axis=0)
            for ax, values, whose in zip(axes[2 * row : 2 * row + 2, column], (theirs, ours),
                                         ("Ottawa", "phantom"), strict=True):  # fmt: skip
                show(ax, values, 0.3)
                ax.set_title(f"{whose}, {map_type}\n{told}", fontsize=8)
            a, b = (pn.anatomy.segment_means(m) for m in (theirs, ours))
            a, b = a / a.max(), b / b.max()
            name = f"{group} {map_type}"
            numbers[f"{name}: correlation of segments with Ottawa"] = np.corrcoef(a, b)[0, 1]
            numbers[f"{name}: largest difference of segments"] = np.abs(a - b).max()
    figure.suptitle("Group means, each study scaled to its maximum: patients above, phantom below")
    figure.savefig(path, dpi=90)
    plt.close(figure)
    return numbers


def _in_our_frame(path: Path) -> np.ndarray:
    """An Ottawa map, whose ventricle fills 0.8 of the half side, resampled to fill our disc."""
    theirs, middle = np.loadtxt(path, delimiter=","), (SIZE - 1) / 2
    far, angle = RADIUS * OTTAWA_RADIUS * SIZE / 2, np.radians(ANGLE)
    places = middle - far * np.sin(angle), middle + far * np.cos(angle)
    return np.where(DISC, map_coordinates(theirs, places, order=1), 0)


def tell_apart(real: np.ndarray, simulated: np.ndarray) -> dict[str, float]:
    """AUROC of random forests, real against phantom: 5-fold, 4 repeats, one map per patient.

    Spread and correlation lengths of the phantom were set beside these same real maps, so the
    AUROC says how well it fits them, not how it would fit others. Once on segments scaled to the
    maximum; once after subtracting each group's own mean map, described by spread, extremes,
    autocorrelation and harmonics around the ring.
    """
    both = np.concatenate([real, simulated])
    label = np.repeat([1, 0], [len(real), len(simulated)])
    left = np.concatenate([residuals(real), residuals(simulated)])
    inside = left[:, DISC]
    harmonics = np.abs(np.fft.rfft(around(left), axis=1))[:, 1:9]
    described = {
        "spread": inside.std(axis=1), "lowest": inside.min(axis=1), "highest": inside.max(axis=1),
        "skewness": (inside**3).mean(axis=1) / inside.std(axis=1) ** 3,
        **{f"correlation at {lag} px": c for lag, c in
           zip(LAGS[1:7], autocorrelation(left).T[1:7], strict=True)},
        **{f"harmonic {k + 1}": h for k, h in enumerate(harmonics.T / harmonics.sum(axis=1))},
    }  # fmt: skip
    segments = pn.anatomy.segment_means(both / both.max(axis=(1, 2))[:, None, None])
    numbers = {}
    for name, values in (
        ("17 segments, scaled to maximum", segments),
        ("variation beside the mean map", np.stack(list(described.values()), axis=1)),
    ):
        scores, importance = np.zeros(len(label)), np.zeros(values.shape[1])
        folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=4, random_state=SEED)
        for fit, test in folds.split(values, label):
            forest = RandomForestClassifier(300, random_state=SEED).fit(values[fit], label[fit])
            scores[test] += forest.predict_proba(values[test])[:, 1]
            importance += forest.feature_importances_ / 20
        found = pn.auroc(label, scores)
        whole = f"real against phantom, {name}"
        numbers |= {
            f"{whole}: AUROC (n = {len(label)})": found.value,
            f"{whole}: lower": found.low,
            f"{whole}: upper": found.high,
        }
    told = pd.Series(importance, index=list(described)).nlargest(6).round(2)
    print(f"What tells them apart beside the mean map: {told.to_dict()}")
    return numbers


if __name__ == "__main__":
    main()
