"""Would a reader tell phantom from patient? Figures and numbers beside real maps.

Sets the phantom beside 100 real polar maps (SPECT counts, so level and mean pattern differ) and
beside the mean flow maps by diseased vessel of the Ottawa Heart Institute. Every map is scaled to
mean 1 for the comparison of spread, autocorrelation and singular values, and to its maximum where
groups are compared. A classifier then tries to tell real from phantom.
"""

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
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
    "normal": (), "lad": ("lad",), "rca": ("rca",), "lcx": ("lcx",), "lad_rca": ("lad", "rca"),
    "lad_lcx": ("lad", "lcx"), "rca_lcx": ("rca", "lcx"), "lad_rca_lcx": ("lad", "rca", "lcx"),
}  # fmt: skip

GROUP_NAMES = {
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
    simulated = np.where(at_rest[:, None, None], cohort.maps["rest"], cohort.maps["stress"]).astype(
        float
    )
    meta = json.loads(Path(arguments.maps).with_suffix(".json").read_text(encoding="utf-8"))
    first = ~pd.Series([study["patient"] for study in meta["meta"]]).duplicated().to_numpy()
    print("Phantom, not patients.")
    draw_sheet(real, simulated, out / "sheet.png")
    numbers = draw_structure({"real SPECT": real, "phantom": simulated}, out / "structure.png")
    numbers |= draw_groups(Path(arguments.ottawa), cohort, out / "groups.png")
    one_each = ~cohort.patients.duplicated().to_numpy()
    numbers |= tell_apart(real[first], simulated[one_each][: first.sum()])
    table = pd.DataFrame(numbers.items(), columns=["quantity", "value"])
    table.to_csv(out / "real_maps.csv", index=False, float_format="%.4f")
    print(table.to_string(index=False, float_format=lambda x: f"{x:.3f}"))


def draw_sheet(real: np.ndarray, simulated: np.ndarray, path: Path) -> None:
    """All 100 real maps above 40 of the phantom, each scaled to its maximum."""
    figure, axes = plt.subplots(7, 20, figsize=(14, 5.4))
    for ax, values in zip(axes.ravel(), [*real[:100], *simulated[:40]], strict=True):
        scaled = np.where(DISC, values / values.max(), np.nan)
        ax.imshow(scaled, vmin=0, vmax=1, cmap="inferno")
        ax.axis("off")
    figure.text(0.003, 0.99, "100 real maps (SPECT)", va="top", fontsize=9)
    figure.text(0.003, 0.285, "40 phantom studies (not patients)", va="top", fontsize=9)
    figure.subplots_adjust(0.003, 0.003, 0.997, 0.96, 0.03, 0.03)
    for ax in axes[5:].ravel():
        place = ax.get_position()
        ax.set_position([place.x0, place.y0 - 0.002, place.width, place.height * 0.93])
    figure.savefig(path, dpi=110)
    plt.close(figure)


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


def draw_structure(sets: dict[str, np.ndarray], path: Path) -> dict[str, float]:
    """Profiles, autocorrelation and singular values of the sets; numbers by name."""
    figure, axes = plt.subplots(1, 5, figsize=(17, 3.4))
    numbers = {}
    for name, maps in sets.items():
        scaled = maps / maps[:, DISC].mean(axis=1)[:, None, None]
        ring = np.minimum((10 * RADIUS).astype(int), 9)
        radial = [scaled[:, DISC & (ring == k)].mean() for k in range(10)]
        axes[0].plot(np.arange(10) / 10 + 0.05, radial, label=name)
        sector = (ANGLE // 20).astype(int)
        wall = DISC & (RADIUS > 0.5) & (RADIUS < 0.75)
        angular = [scaled[:, wall & (sector == k)].mean() for k in range(18)]
        axes[1].plot(np.arange(18) * 20 + 10, angular)
        left = residuals(maps)
        correlation = (autocorrelation(left) * (left[:, DISC] ** 2).mean(axis=1)[:, None]).sum(
            axis=0
        ) / (left[:, DISC] ** 2).mean(axis=1).sum()
        axes[2].plot(LAGS / (SIZE / 2), correlation)
        circle = around(left)
        turned = [(circle * np.roll(circle, k, axis=1)).mean() for k in range(37)]
        axes[3].plot(np.arange(37) * 5, np.array(turned) / turned[0])
        # As many maps in each set: the spectrum depends on it.
        values = left[:100][:, DISC]
        energy = np.linalg.svd(values - values.mean(axis=0), compute_uv=False) ** 2
        axes[4].semilogy(range(1, 41), (energy / energy.sum())[:40])
        numbers |= {
            f"{name}: SD of pixels beside the mean map": left[:, DISC].std(),
            f"{name}: correlation at 1/6 of the radius": correlation[2],
            f"{name}: correlation at 1/3 of the radius": correlation[4],
            f"{name}: correlation at 40 degrees": turned[8] / turned[0],
            f"{name}: correlation at 90 degrees": turned[18] / turned[0],
            f"{name}: share of the first 5 singular values": (energy / energy.sum())[:5].sum(),
            f"{name}: share of the first 20 singular values": (energy / energy.sum())[:20].sum(),
        }
    for ax, title, label in zip(
        axes,
        ("radial profile", "angular profile, mid ring", "autocorrelation", "around the mid ring",
         "singular values"),
        ("share of the disc radius", "degrees from the lateral wall", "share of the disc radius",
         "degrees apart", "number"),
        strict=True,
    ):  # fmt: skip
        ax.set(title=title, xlabel=label)
    axes[0].legend(frameon=False)
    axes[0].set_ylabel("share of the mean")
    axes[2].set_ylabel("correlation")
    axes[4].set_ylabel("share of the variance")
    figure.suptitle("Real SPECT counts beside phantom flow (not patients)")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return numbers


def draw_groups(ottawa: Path, cohort: pn.Cohort, path: Path) -> dict[str, float]:
    """Mean maps by diseased vessel, theirs above ours; correlation and largest difference."""
    vessels = cohort.truth[["lad", "rca", "lcx"]] > 0
    figure, axes = plt.subplots(4, len(GROUPS), figsize=(14, 8.4))
    numbers = {}
    for row, map_type in enumerate(("rest", "stress")):
        maps = np.asarray(cohort.maps[map_type])
        scaled = maps / maps.max(axis=(1, 2))[:, None, None]
        for column, (group, diseased) in enumerate(GROUPS.items()):
            theirs = _in_our_frame(ottawa / f"groupmean_{group}_{map_type}.csv")
            wanted = pd.Series([v in diseased for v in vessels.columns], index=vessels.columns)
            ours = scaled[(vessels == wanted).all(axis=1).to_numpy()].mean(axis=0)
            for ax, values, whose in (
                (axes[2 * row, column], theirs, "Ottawa"),
                (axes[2 * row + 1, column], ours, "phantom"),
            ):
                ax.imshow(
                    np.where(DISC, values / values[DISC].max(), np.nan),
                    cmap="inferno",
                    vmin=0.3,
                    vmax=1,
                )
                ax.axis("off")
                ax.set_title(f"{whose}, {map_type}\n{GROUP_NAMES[group]}", fontsize=8)
            a, b = (pn.anatomy.segment_means(m) for m in (theirs, ours))
            a, b = a / a.max(), b / b.max()
            numbers[f"{group} {map_type}: correlation of segments with Ottawa"] = np.corrcoef(a, b)[
                0, 1
            ]
            numbers[f"{group} {map_type}: largest difference of segments"] = np.abs(a - b).max()
    figure.suptitle("Group means, each study scaled to its maximum: patients above, phantom below")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)
    return numbers


def _in_our_frame(path: Path) -> np.ndarray:
    """An Ottawa map, whose ventricle fills 0.8 of the half side, resampled to fill our disc."""
    theirs = np.loadtxt(path, delimiter=",")
    x = (SIZE - 1) / 2 + RADIUS * OTTAWA_RADIUS * SIZE / 2 * np.cos(np.radians(ANGLE))
    y = (SIZE - 1) / 2 - RADIUS * OTTAWA_RADIUS * SIZE / 2 * np.sin(np.radians(ANGLE))
    x0, y0 = np.clip(x.astype(int), 0, SIZE - 2), np.clip(y.astype(int), 0, SIZE - 2)
    fx, fy = x - x0, y - y0
    return np.where(
        DISC,
        (1 - fy) * ((1 - fx) * theirs[y0, x0] + fx * theirs[y0, x0 + 1])
        + fy * ((1 - fx) * theirs[y0 + 1, x0] + fx * theirs[y0 + 1, x0 + 1]),
        0,
    )


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
        scores, n_scored, importance = np.zeros(len(label)), 0, np.zeros(values.shape[1])
        for fit, test in RepeatedStratifiedKFold(n_splits=5, n_repeats=4, random_state=SEED).split(
            values, label
        ):
            forest = RandomForestClassifier(300, random_state=SEED).fit(values[fit], label[fit])
            scores[test] += forest.predict_proba(values[test])[:, 1]
            importance += forest.feature_importances_
            n_scored += 1
        found = pn.auroc(label, scores)
        numbers |= {
            f"real against phantom, {name}: AUROC (n = {len(label)})": found.value,
            f"real against phantom, {name}: lower": found.low,
            f"real against phantom, {name}: upper": found.high,
        }
        if name.startswith("variation"):
            order = np.argsort(importance)[::-1][:6]
            told = ", ".join(f"{list(described)[k]} {importance[k] / n_scored:.2f}" for k in order)
            print(f"What tells them apart beside the mean map: {told}")
    return numbers


if __name__ == "__main__":
    main()
