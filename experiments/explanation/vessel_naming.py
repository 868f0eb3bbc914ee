"""Which explanations find the diseased vessel? Tested where the truth is known: on a phantom.

    python experiments/explanation/vessel_naming.py --out OUT

Phantom, not patients. Networks learn from 2,000 simulated patients whether any vessel is diseased
(trait `ischemia`), and never which one: VGG16 by default, and a small one from scratch, three seeds
each. Each method then names the vessel of other patients from the 15 % of the disc with the highest
attribution, corrected for the area of the territories. Occlusion brings a segment to the level that
is usual without disease, or to that pattern at the level of the patient's own best segment.
Comparators: the largest territory, the lowest stress flow, the lowest flow divided by that of
healthy training patients (what a reader does by eye), and two localisers that were told the vessel.
A method localises only if its macro F1 minus that of the eye is not below -0.03 (interval).

Writes vessel_naming (one diseased vessel), vessel_naming_depth (by planted drop of flow) and
vessel_naming_several (two or three: is the named one among them?). Attributions are kept.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegressionCV
from statsmodels.stats.proportion import proportion_confint

import polarnet as pn
from vessels import VESSELS, compare_naming, diseased_vessels, name_vessel

TRAIN_SEED, TEST_SEED = 31, 32
SEEDS = (1, 2, 3)
NETWORKS = {"frozen": "VGG16", "finetuned": "VGG16 fine-tuned", "scratch": "small"}
OWN = "occlusion to own level"
METHODS = (
    OWN, "contribution", "occlusion", "gradient", "smoothgrad", "gradcam", "gradcam++", "scorecam",
)  # fmt: skip
EYE = "lowest flow against normal (eye)"
DEPTHS = {"< 20 %": (0.0, 0.2), "20-40 %": (0.2, 0.4), "> 40 %": (0.4, 1.01)}
NOTES = [
    "Phantom, not patients.",
    "Macro F1 of LAD, RCA and LCx, one study a patient [95 %, percentile bootstrap over patients, "
    "2,000 resamples]; difference: minus the eye, paired.",
    "Vessel named from the 15 % of the disc with the highest values, by area of its territory.",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--weights", default="imagenet", help="default: those of the package")
    parser.add_argument("--modes", default="frozen,scratch", help=", ".join(NETWORKS))
    parser.add_argument("--n-train", type=int, default=2000)
    parser.add_argument("--n-test", type=int, default=2000)
    parser.add_argument("--methods", default=",".join(METHODS))
    arguments = parser.parse_args()
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    train, val, _ = pn.split_by_patient(
        phantom(arguments.n_train, TRAIN_SEED), val=0.15, test=0.01, seed=1
    )
    test = phantom(arguments.n_test, TEST_SEED).first_studies()
    depth = diseased_vessels(test.truth)
    diseased = test.select(np.flatnonzero((depth > 0).any(axis=1)))
    named = comparators(train, val, diseased, settings("frozen", arguments.weights), out)
    comparator_names = list(named)
    print("Phantom, not patients.")
    for mode in arguments.modes.split(","):
        config = settings(mode, arguments.weights)
        runs = [trained(train, val, replace(config, seed=seed), out) for seed in SEEDS]
        print(*runs, sep="\n")
        detection = np.mean([pn.predict(run, test)["ischemia"] for run in runs], axis=0)
        print(f"Detection by {NETWORKS[mode]}, AUROC:",
              pn.auroc(test.traits["ischemia"], detection))  # fmt: skip
        for method in arguments.methods.split(","):
            try:
                heat = kept_heat(runs, diseased, method, out)
            except ValueError as error:  # no share of the trunk, or no bullseye
                print(f"{method} left out. {error}")
                continue
            named[f"{NETWORKS[mode]}: {method}"] = name_vessel(heat)
    write_tables(diseased_vessels(diseased.truth), named, comparator_names, out)


def settings(mode: str, weights: str) -> pn.ExperimentConfig:
    """Of the network that detects disease."""
    changes = {"weights": weights}
    if mode == "scratch":
        changes = {"weights": None, "finetune_epochs": 40, "finetune_patience": 8}
    return pn.ExperimentConfig(
        map_type="stress", mode=mode, traits=("ischemia",), input_size=64, **changes
    )


def phantom(n: int, seed: int) -> pn.Cohort:
    """Patients whose traits are `ischemia` and the three vessels."""
    cohort = pn.make_phantom_cohort(n, seed=seed)
    is_diseased = diseased_vessels(cohort.truth) > 0
    traits = is_diseased.assign(ischemia=is_diseased.any(axis=1)).astype(float)
    return replace(cohort, traits=traits)


def trained(train: pn.Cohort, val: pn.Cohort, config, out: Path) -> pn.network.Run:
    """The run of these settings, trained where it is not there yet."""
    folder = out / "runs" / f"{'-'.join(config.traits)}-{config.mode}-seed{config.seed}"
    if not folder.is_dir():
        pn.train(train, val, config, folder, cache=out / "features")
    return pn.load_run(folder)


def kept_heat(runs: list[pn.network.Run], cohort: pn.Cohort, method: str, out: Path) -> np.ndarray:
    """Attribution averaged over the seeds, computed where it is not there yet."""
    path = out / f"heat-{runs[0].config.mode}-{method}.npy"
    if not path.is_file():
        heats = [heat_of(run, cohort, method) for run in runs]
        # What has a sign is averaged as it is: what speaks against disease points nowhere.
        has_sign = method in (OWN, "contribution", "occlusion")
        mean = np.mean(heats, axis=0) if has_sign else pn.explain.average_seeds(heats)
        np.save(path.with_suffix(".partial.npy"), mean)
        path.with_suffix(".partial.npy").replace(path)
    return np.load(path)


def heat_of(run: pn.network.Run, cohort: pn.Cohort, method: str) -> np.ndarray:
    """One network's attribution, (n, size, size)."""
    if method == "contribution":
        added = pn.explain.wide_contribution(run, cohort, "ischemia")
        return np.insert(added, 0, 0, axis=1)[:, pn.anatomy.segment_map(cohort.size)]
    if method != OWN:
        return pn.attribution(run, cohort, "ischemia", method, show_progress=True)
    # The usual pattern at the level of each patient's own best segment, (n, 17).
    usual = run.segments.loc[("stress", "no ischemia")].to_numpy(float)
    own = cohort.segment_means("stress")
    filling = {"stress": usual * (own / usual).max(axis=1, keepdims=True)}
    return pn.attribution(run, cohort, "ischemia", "occlusion", filling=filling)


def comparators(train, val, diseased, config, out: Path) -> dict[str, np.ndarray]:
    """Ways to name the vessel without an explanation."""
    stress = np.asarray(diseased.maps["stress"][:])
    is_healthy = (train.traits["ischemia"] == 0).to_numpy()
    normal = np.asarray(train.maps["stress"][:])[is_healthy].mean(axis=0)
    inside = pn.anatomy.disc_mask(stress.shape[-1])
    against = np.divide(stress, normal, out=np.zeros_like(stress), where=inside)
    localiser = trained(train, val, replace(config, traits=VESSELS, seed=1), out)
    scores = pn.predict(localiser, diseased)
    is_single = (train.traits[list(VESSELS)].sum(axis=1) == 1).to_numpy()
    means = pn.anatomy.segment_means(
        np.asarray(train.maps["stress"][:])[is_single] / (normal + ~inside)
    )
    vessel = train.traits[list(VESSELS)][is_single].idxmax(axis=1)
    regression = LogisticRegressionCV(scoring="neg_log_loss", max_iter=5000).fit(means, vessel)
    return {
        "largest territory": np.full(len(stress), "LAD", object),
        "lowest flow (eye, raw)": name_vessel(-stress),
        EYE: name_vessel(-against),
        "told the vessel: network": np.array(VESSELS, object)[scores.to_numpy().argmax(axis=1)],
        "told the vessel: 17 segments": regression.predict(pn.anatomy.segment_means(against)),
    }


def write_tables(
    depth: pd.DataFrame, named: dict[str, np.ndarray], comparator_names: list[str], out: Path
) -> None:
    """Patients with one diseased vessel, by depth, and those with several."""
    is_single = ((depth > 0).sum(axis=1) == 1).to_numpy()
    vessel, deepest = depth.idxmax(axis=1).to_numpy(object), depth.max(axis=1).to_numpy()

    def naming(rows: np.ndarray) -> pd.DataFrame:
        return compare_naming(vessel[rows], {k: v[rows] for k, v in named.items()}, EYE)

    table = naming(is_single)
    table["is_comparator"] = table["method"].isin(comparator_names)
    table["localises"] = (table["diff_low"] >= -0.03).where(~table["is_comparator"])
    by_depth = pd.concat(
        [naming(is_single & (deepest >= low) & (deepest < high)).assign(drop=name)
         for name, (low, high) in DEPTHS.items()]
    )  # fmt: skip
    several = ~is_single
    has_vessel = (depth > 0).to_numpy()[several]
    rows = []
    for method, names in named.items():
        place = pd.Categorical(names[several], VESSELS).codes
        is_hit = (place >= 0) & has_vessel[np.arange(len(place)), place]
        is_deepest = names[several] == vessel[several]
        low, high = proportion_confint(is_hit.sum(), len(is_hit), method="wilson")
        rows.append({"method": method, "n": len(is_hit), "hit": is_hit.mean(), "ci_low": low,
                     "ci_high": high, "by_chance": has_vessel.mean(),
                     "names_the_deepest": is_deepest.mean()})  # fmt: skip
    of_several = [NOTES[0], "hit: the named vessel is diseased [Wilson, 95 %].", NOTES[2]]
    for name, written, what, notes in (
        ("vessel_naming", table, "", NOTES),
        ("vessel_naming_depth", by_depth, ", by depth", NOTES),
        ("vessel_naming_several", pd.DataFrame(rows), ", two or three diseased", of_several),
    ):
        title = f"Naming the diseased vessel{what}"
        pn.report.write_table(written, out / name, title=title, notes=notes)
    pn.plotting.save_figure(draw(table), out / "vessel_naming")
    print(table.to_string(index=False, float_format="{:.3f}".format))


def draw(table: pd.DataFrame) -> Figure:
    """Macro F1 of each method, and its difference from the eye."""
    shown = table.sort_values("macro_f1")
    figure = Figure(figsize=(7.2, 0.7 + 0.24 * len(shown)), layout="constrained")
    panels = (
        ("macro_f1", "ci", "macro F1 of naming the vessel [95 % interval]"),
        ("difference", "diff", "minus the eye [95 % interval, paired]; dashed: margin"),
    )
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (value, ends, label) in zip(axes, panels, strict=True):
        low, high = shown[value] - shown[f"{ends}_low"], shown[f"{ends}_high"] - shown[value]
        ax.errorbar(shown[value], shown["method"], xerr=[low, high], fmt="o", ms=4)
        ax.set_xlabel(label, fontsize=7)
        ax.tick_params(labelsize=7)
    axes[1].axvline(-0.03, color="0.6", ls="--")
    return figure


if __name__ == "__main__":
    sys.exit(main())
