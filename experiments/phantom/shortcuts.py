"""Can a network win on the phantom by what is not physiology? Two tables.

1. Noise alone: the same patients, every signal replaced by the mean map. Frozen VGG16 features
   (blocks 1 to 3; mean and SD over the map, and means by AHA segment) with ridge find no trait.
   As a control, the same reader must find sex once women's maps, noise and all, are blurred a bit.
2. Ceiling for sex: the same features, and boosted trees on segments, of rest, stress, reserve
   and all of them, on many patients.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm.auto import tqdm

import polarnet as pn

SEED = 21
WINDOW = {"rest": 3.0, "stress": 6.0, "reserve": 8.0}
LAYERS = ("block1_conv2", "block2_conv2", "block3_conv3")
CELLS = 16
BATCH = 64
CONTROL_BLUR = 1.0  # pixels
TRAITS = ("sex", "diabetes", "hypertension", "dyslipidemia", "smoking")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", required=True, help="VGG16 weights without top")
    parser.add_argument("--out", required=True, help="folder for the two tables")
    parser.add_argument("--n-noise", type=int, default=5_000)
    parser.add_argument("--n-ceiling", type=int, default=20_000)
    arguments = parser.parse_args()
    out = Path(arguments.out)
    if out.exists():
        # A table from before would say nothing about the phantom of today.
        parser.error(f"{out} exists; choose another --out")
    out.mkdir(parents=True)
    trunk = make_trunk(arguments.weights)
    print("Phantom, not patients.")
    holds = True
    for make, n in ((noise_only, arguments.n_noise), (sex_ceiling, arguments.n_ceiling)):
        table = make(trunk, n)
        table.to_csv(out / f"{make.__name__}.csv", index=False, float_format="%.4f")
        print(table.to_string(index=False, float_format="{:.3f}".format))
        holds &= table["holds"].all()
    sys.exit(0 if holds else 1)


def make_trunk(weights: str) -> keras.Model:
    """Images (n, 64, 64, 3) to channels of three blocks on a common grid of 16 x 16 cells."""
    vgg = keras.applications.VGG16(include_top=False, weights=weights, input_shape=(64, 64, 3))
    outputs = []
    for layer in LAYERS:
        channels = vgg.get_layer(layer).output
        outputs += [
            keras.layers.AveragePooling2D(channels.shape[1] // CELLS)(channels),
            keras.layers.GlobalAveragePooling2D()(channels),
            keras.layers.Lambda(lambda x: keras.ops.std(x, axis=(1, 2)))(channels),
        ]
    return keras.Model(vgg.input, outputs)


def features(trunk: keras.Model, stacks: Mapping[str, np.ndarray], map_type: str) -> np.ndarray:
    """Means and SDs of every channel over the map and means by AHA segment, (n, 8512)."""
    rows = []
    for start in tqdm(range(0, len(stacks[map_type]), BATCH), desc=f"VGG16 features, {map_type}"):
        maps = np.clip(stacks[map_type][start : start + BATCH] / WINDOW[map_type], 0, 1)
        images = keras.applications.vgg16.preprocess_input(np.repeat(255 * maps[..., None], 3, -1))
        grids = [np.asarray(output) for output in trunk(images)]
        n = len(maps)
        segments = [
            pn.anatomy.segment_means(np.moveaxis(grid, -1, 1).reshape(-1, CELLS, CELLS)).reshape(
                n, -1
            )
            for grid in grids[::3]
        ]
        rows.append(np.concatenate(segments + grids[1::3] + grids[2::3], axis=1))
    return np.concatenate(rows).astype(np.float32)


def ridge():
    return make_pipeline(StandardScaler(), RidgeClassifier(alpha=1e4))


def out_of_fold(values: np.ndarray, labels: np.ndarray, patients: pd.Series) -> np.ndarray:
    return cross_val_predict(
        ridge(), values, labels, groups=patients, cv=GroupKFold(5), method="decision_function"
    )


def noise_only(trunk: keras.Model, n: int) -> pd.DataFrame:
    """AUROC of every trait from maps that hold noise and artefacts alone, 5-fold by patient."""
    cohort = pn.make_phantom_cohort(n, seed=SEED, noise_only=True)
    rows = []
    for map_type in cohort.maps:
        values = features(trunk, cohort.maps, map_type)
        for trait in TRAITS:
            known = cohort.traits[trait].notna().to_numpy()
            labels = cohort.traits[trait].to_numpy()[known]
            scores = out_of_fold(values[known], labels, cohort.patients[known])
            rows.append(_row(f"{trait} from {map_type}, noise only", labels, scores, 0.46, 0.54))
    women = cohort.traits["sex"].to_numpy() == 1
    spoilt = np.array(cohort.maps["stress"])
    spoilt[women] = gaussian_filter(spoilt[women], (0, CONTROL_BLUR, CONTROL_BLUR))
    values = features(trunk, {"stress": spoilt}, "stress")
    scores = out_of_fold(values, women, cohort.patients)
    rows.append(_row("control: sex from stress, women blurred", women, scores, 0.9, 1))
    return pd.DataFrame(rows)


def sex_ceiling(trunk: keras.Model, n: int) -> pd.DataFrame:
    """AUROC of sex on a quarter of the patients, read by what was fitted on the others."""
    cohort = pn.make_phantom_cohort(n, seed=SEED + 1)
    sex = cohort.traits["sex"].to_numpy()
    folds = list(GroupKFold(4).split(sex, groups=cohort.patients))
    (fit, test), stack_on = folds[0], folds[1][1]
    fit = np.setdiff1d(fit, stack_on)
    rows, scores, segments = [], [], []
    for map_type in cohort.maps:
        values = features(trunk, cohort.maps, map_type)
        scores.append(ridge().fit(values[fit], sex[fit]).decision_function(values))
        quantity = f"sex from {map_type}, VGG16 + ridge"
        rows.append(_row(quantity, sex[test], scores[-1][test], 0, 0.9))
        segments.append(cohort.segment_means(map_type))
        del values
    every = np.concatenate(segments, axis=1)
    trees = HistGradientBoostingClassifier(random_state=SEED).fit(every[fit], sex[fit])
    scores.append(trees.decision_function(every))
    quantity = "sex from 3 x 17 segments, boosted trees"
    rows.append(_row(quantity, sex[test], scores[-1][test], 0, 0.9))
    every = np.stack(scores, axis=1)
    together = LogisticRegression().fit(every[stack_on], sex[stack_on]).decision_function(every)
    rows.append(_row("sex from all of these together", sex[test], together[test], 0, 0.9))
    return pd.DataFrame(rows)


def _row(quantity: str, labels: np.ndarray, scores: np.ndarray, low: float, high: float) -> dict:
    found = pn.auroc(labels, scores)
    return {
        "quantity": quantity, "n_pos": int(labels.sum()), "n_neg": int((labels == 0).sum()),
        "auroc": found.value, "ci_low": found.low, "ci_high": found.high, "low": low, "high": high,
        "holds": bool(low <= found.value <= high),
    }  # fmt: skip


if __name__ == "__main__":
    main()
