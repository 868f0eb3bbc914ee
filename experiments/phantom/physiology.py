"""Is the phantom what a physiologist would accept? One table: published, simulated, tolerance.

Simulates patients and compares what comes out, maps and all, with published figures
(polarnet/phantom/physiology.py names the sources). Exits with 1 where a row misses its tolerance.
"""

import argparse
import sys
from collections.abc import Iterator

import numpy as np
import pandas as pd
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import polarnet as pn

SEED = 11

# Ottawa Rb-82, mitre/BayesGrad: segment / mean of the ventricle in normal studies, and stress of
# single-vessel groups / normal, each study scaled to its maximum.
NORMAL = {
    "rest": (.98, .86, .85, .98, 1.03, 1.08, 1.03, 1.08, 1.10, 1.15, 1.13, 1.23, .92, .96, .96,
             1.06, .77),
    "stress": (.95, .85, .83, .96, 1.00, 1.01, 1.05, 1.17, 1.17, 1.13, 1.11, 1.17, .96, 1.07, .98,
               1.07, .81),
}  # fmt: skip
DISEASED = {
    "lad": (.87, .85, 1.00, 1.03, 1.03, .97, .74, .80, .95, 1.01, 1.02, .89, .69, .77, .96, .90,
            .71),
    "rca": (1.01, .98, .75, .57, .86, 1.01, 1.01, 1.01, .83, .58, .83, .99, 1.00, .96, .70, .96,
            .93),
    "lcx": (1.01, 1.04, 1.05, .89, .63, .79, .98, 1.00, 1.01, .86, .63, .80, .96, .98, .87, .73,
            .93),
}  # fmt: skip
CORE = {"lad": (7, 13, 14, 17), "rca": (4, 10), "lcx": (5, 11)}
REST_CORE = {"lad": (0.88, 0.95), "rca": (0.72, 0.84), "lcx": (0.81, 0.93)}
REST_CORE_PUBLISHED = {"lad": "0.88-0.95", "rca": "0.78", "lcx": "0.87"}
RISKS = ["diabetes", "hypertension", "dyslipidemia"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20_000, help="patients (default 20,000)")
    parser.add_argument("--size", type=int, default=32, help="rows of a map (default 32)")
    parser.add_argument("--out", help="CSV to write the table to")
    arguments = parser.parse_args()
    table = physiology_table(arguments.n, arguments.size)
    print("Phantom, not patients.")
    print(table.to_string(index=False, float_format=lambda x: f"{x:.3f}"))
    if arguments.out:
        table.to_csv(arguments.out, index=False, float_format="%.4f")
    sys.exit(0 if table["holds"].all() else 1)


def physiology_table(n_patients: int, size: int) -> pd.DataFrame:
    """One row a quantity: published, simulated, accepted range, n, whether it holds."""
    cohort = pn.make_phantom_cohort(n_patients, seed=SEED, size=size)
    without = pn.make_phantom_cohort(n_patients, seed=SEED, size=size, sex_in_pattern=False)
    studies = _studies(cohort)
    parts = (
        _prevalences(studies), _flow(studies), _group_differences(studies),
        _scalar_auroc(studies), _sex_from_segments(cohort, without), _pattern(cohort, studies),
        _repeats(studies),
    )  # fmt: skip
    names = ["quantity", "published", "simulated", "low", "high", "n"]
    table = pd.DataFrame([row for part in parts for row in part], columns=names)
    return table.assign(holds=table["simulated"].between(table["low"], table["high"]))


Rows = Iterator[tuple[str, str, float, float, float, int]]
"""Quantity, published, simulated, lowest and highest that are accepted, n."""


def _studies(cohort: pn.Cohort) -> pd.DataFrame:
    """Traits, clinical variables, truth and global flow, one row a study."""
    mfr = cohort.global_mfr()
    flow = {m: cohort.global_means(m) for m in ("rest", "stress")}
    studies = pd.concat([cohort.traits, cohort.clinical, cohort.truth], axis=1).assign(
        **flow, mfr=mfr, patient=cohort.patients
    )
    drops = [name for name in studies if name.startswith("drop_")]
    studies["is_diseased"] = (studies[drops] > 0.05).any(axis=1)
    studies["rpp"] = studies["hr_rest"] * studies["sbp_rest"]
    studies["no_cad"] = ~studies["is_diseased"] & (studies["known_cad"] == 0)
    return studies


def _prevalences(studies: pd.DataFrame) -> Rows:
    patients = studies.groupby("patient").first()
    n = len(patients)
    for trait, low, high in (
        ("sex", 0.40, 0.50), ("diabetes", 0.12, 0.20), ("hypertension", 0.45, 0.55),
        ("dyslipidemia", 0.45, 0.55), ("smoking", 0.13, 0.17), ("is_diseased", 0.25, 0.30),
    ):  # fmt: skip
        share = patients[trait].mean()
        yield f"{trait}, share of patients", f"{low:.2f}-{high:.2f}", share, low, high, n
    second = (studies.groupby("patient").size() > 1).mean()
    yield "second study, share of patients", "0.05-0.10", second, 0.05, 0.10, n
    yield "MFR < 2, share of studies", "0.25-0.31", (studies["mfr"] < 2).mean(), 0.25, 0.31, n


def _flow(studies: pd.DataFrame) -> Rows:
    """Level without CAD and risk factors (Opstal 2018); what drives rest flow (Campisi 1998)."""
    risk = studies[RISKS].fillna(1).any(axis=1)
    reference = studies[studies["no_cad"] & ~risk]
    n = len(reference)
    for name, mean, sd in (("rest", 1.02, 0.22), ("stress", 2.54, 0.41), ("mfr", 2.60, 0.61)):
        flow, what = reference[name], f"{name}, no CAD or risk factor"
        yield f"{what}, mean", f"{mean}", flow.mean(), 0.97 * mean, 1.03 * mean, n
        yield f"{what}, SD", f"{sd}", flow.std(), 0.9 * sd, 1.1 * sd, n
    healthy = studies[studies["no_cad"]]
    uncoupled = (healthy["diabetes"] == 1) | (healthy["smoking"] == 1)
    recorded = healthy[["diabetes", "smoking"]].notna().all(axis=1)
    for name, group, low, high, published in (
        ("others", healthy[~uncoupled & recorded], 0.9, 1.1, "0.9-1.1"),
        ("diabetics and smokers", healthy[uncoupled], -0.15, 0.15, "none"),
    ):
        slope = sm.OLS(group["rest"], sm.add_constant(group[["rpp"]] / 1e4)).fit().params["rpp"]
        yield f"rest MBF per 10,000 mmHg/min, {name}", published, slope, low, high, len(group)
    older = reference.loc[reference["age"] >= 50, "rpp"]
    what = "rate-pressure product, no risk factor, 50 or older"
    yield f"{what}, mean", "8634", older.mean(), 8200, 9070, len(older)
    yield f"{what}, SD", "1890", older.std(), 1600, 2180, len(older)


def _group_differences(studies: pd.DataFrame) -> Rows:
    """Age with other traits held, of all and without CAD; sex without CAD, as published."""
    known = studies.dropna(subset=list(pn.TRAITS))
    for whose, group in (("all", known), ("no CAD", known[known["no_cad"]])):
        design = sm.add_constant(group[["sex", *RISKS, "smoking"]].assign(decade=group["age"] / 10))
        for name, published, low, high in (
            ("stress", "-4.1", -4.6, -3.6), ("mfr", "-4 to -5.5", -5.5, -4.0),
            ("rest", "0", -.5, .5),
        ):  # fmt: skip
            slope = 100 * np.expm1(sm.OLS(np.log(group[name]), design).fit().params["decade"])
            yield f"{name}, {whose}, % per decade of age", published, slope, low, high, len(group)
    for name, ratio in (("rest", 1.15), ("stress", 1.09), ("mfr", 0.95)):
        means = group.groupby("sex")[name].mean()
        quantity, found = f"{name}, no CAD, women : men", means[1] / means[0]
        yield quantity, f"{ratio}", found, ratio - 0.02, ratio + 0.02, len(group)


def _scalar_auroc(studies: pd.DataFrame) -> Rows:
    """How well a patient's mean flow alone tells a trait (lower flow for the risk traits)."""
    studies = studies[~studies["patient"].duplicated()]
    for trait, flow, sign, low, high in (
        ("sex", "rest", 1, 0.65, 0.75), ("sex", "stress", 1, 0.60, 0.68),
        ("sex", "mfr", -1, 0.52, 0.58), ("diabetes", "stress", -1, 0.62, 0.72),
        ("hypertension", "stress", -1, 0.55, 0.62), ("dyslipidemia", "stress", -1, 0.51, 0.57),
        ("smoking", "rest", 1, 0.45, 0.56), ("smoking", "stress", 1, 0.45, 0.56),
    ):  # fmt: skip
        group = studies.dropna(subset=[trait])
        area = pn.auroc(group[trait], sign * group[flow]).value
        quantity = f"AUROC, {trait} from mean {flow}"
        yield quantity, f"{low:.2f}-{high:.2f}", area, low, high, len(group)
    group = studies.dropna(subset=["smoking"])
    for flow in ("rest", "stress"):
        design = sm.add_constant(group[["age", "sex"]])
        rest_of_flow = sm.OLS(np.log(group[flow]), design).fit().resid
        area = pn.auroc(group["smoking"], rest_of_flow).value
        quantity = f"AUROC, smoking from mean {flow} after age and sex"
        yield quantity, "0.47-0.53", area, 0.47, 0.53, len(group)


def _sex_from_segments(cohort: pn.Cohort, without: pn.Cohort) -> Rows:
    """Logistic regression on the 17 segments, 5-fold by patient, with and without the pattern."""
    for map_type, name, group, low, high in (
        ("stress", "sex in the pattern", cohort, 0.72, 0.80),
        ("rest", "sex in the pattern", cohort, 0.72, 0.80),
        ("stress", "level only", without, 0.60, 0.68),
    ):
        reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        sex = group.traits["sex"].to_numpy()
        odds = cross_val_predict(
            reader, group.segment_means(map_type), sex, cv=GroupKFold(5), groups=group.patients,
            method="decision_function",
        )  # fmt: skip
        first = ~group.patients.duplicated().to_numpy()
        area = pn.auroc(sex[first], odds[first]).value
        quantity = f"AUROC, sex from 17 {map_type} segments, {name}"
        yield quantity, f"{low:.2f}-{high:.2f}", area, low, high, int(first.sum())


def _pattern(cohort: pn.Cohort, studies: pd.DataFrame) -> Rows:
    """Segments of normal studies, and of single-vessel groups scaled to the study's maximum."""
    vessels = studies[["lad", "rca", "lcx"]].to_numpy() > 0
    is_normal = studies["no_cad"].to_numpy()
    n, scaled = int(is_normal.sum()), {}
    for map_type in ("rest", "stress"):
        segments = cohort.segment_means(map_type)
        mean = cohort.global_means(map_type).to_numpy()[:, None]
        normal = (segments / mean)[is_normal].mean(axis=0)
        worst = np.abs(normal - NORMAL[map_type]).max()
        yield f"{map_type}, normal segments, largest difference", "0", worst, 0, 0.05, n
        spread = normal.std(ddof=1) / normal.mean()
        yield f"{map_type}, CV of the 17 segments", "0.11", spread, 0.09, 0.13, n
        yield f"{map_type}, lowest segment", "17", 1 + normal.argmin(), 17, 17, n
        scaled[map_type] = segments / cohort.maps[map_type].max(axis=(1, 2))[:, None]
    for column, vessel in enumerate(("lad", "rca", "lcx")):
        alone = vessels[:, column] & (vessels.sum(axis=1) == 1)
        ratio = {m: s[alone].mean(axis=0) / s[is_normal].mean(axis=0) for m, s in scaled.items()}
        worst, n = np.abs(ratio["stress"] - DISEASED[vessel]).max(), int(alone.sum())
        yield f"{vessel} alone, stress segments, largest difference", "0", worst, 0, 0.07, n
        core = ratio["rest"][np.array(CORE[vessel]) - 1].mean()
        published = REST_CORE_PUBLISHED[vessel]
        yield f"{vessel} alone, rest in the core", published, core, *REST_CORE[vessel], n


def _repeats(studies: pd.DataFrame) -> Rows:
    """Two studies of a patient: mean absolute difference in % of their mean (Nagamachi 1996)."""
    for name, low, high, published in (("stress", 10, 14, "11.8"), ("rest", 13, 18, "15.8")):
        pairs = studies.groupby("patient")[name].agg(["first", "last", "size"])
        pairs = pairs[pairs["size"] == 2]
        difference = (pairs["first"] - pairs["last"]).abs() / pairs[["first", "last"]].mean(axis=1)
        quantity = f"{name}, two studies, mean difference in %"
        yield quantity, published, 100 * difference.mean(), low, high, len(pairs)


if __name__ == "__main__":
    main()
