"""Is the phantom what a physiologist would accept? One table: published, simulated, tolerance.

Simulates patients and compares what comes out, maps and all, with published figures
(polarnet/phantom/physiology.py names the sources). Exits with 1 where a row misses its tolerance.
"""

import argparse
import sys

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
    return pd.concat(
        [
            _prevalences(studies),
            _flow(studies),
            _group_differences(studies),
            _scalar_auroc(studies),
            _sex_from_segments(cohort, without),
            _pattern(cohort, studies),
            _repeats(studies),
        ],
        ignore_index=True,
    )


def _row(
    quantity: str, published: str, simulated: float, low: float, high: float, n: int
) -> dict[str, object]:
    return {
        "quantity": quantity, "published": published, "simulated": float(simulated),
        "low": low, "high": high, "n": n, "holds": bool(low <= simulated <= high),
    }  # fmt: skip


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


def _prevalences(studies: pd.DataFrame) -> pd.DataFrame:
    patients = studies.groupby("patient").first()
    n = len(patients)
    rows = [
        _row(f"{trait}, share of patients", f"{low:.2f}-{high:.2f}", patients[trait].mean(),
             low, high, n)
        for trait, low, high in (
            ("sex", 0.40, 0.50), ("diabetes", 0.12, 0.20), ("hypertension", 0.45, 0.55),
            ("dyslipidemia", 0.45, 0.55), ("smoking", 0.13, 0.17), ("is_diseased", 0.25, 0.30),
        )
    ]  # fmt: skip
    second = (studies.groupby("patient").size() > 1).mean()
    rows.append(_row("second study, share of patients", "0.05-0.10", second, 0.05, 0.10, n))
    low_reserve = (studies["mfr"] < 2).mean()
    rows.append(_row("MFR < 2, share of studies", "0.25-0.31", low_reserve, 0.25, 0.31, n))
    return pd.DataFrame(rows)


def _flow(studies: pd.DataFrame) -> pd.DataFrame:
    """Level without CAD and risk factors (Opstal 2018); what drives rest flow (Campisi 1998)."""
    risk = studies[RISKS].fillna(1).any(axis=1)
    reference = studies[studies["no_cad"] & ~risk]
    rows = []
    for name, mean, sd in (("rest", 1.02, 0.22), ("stress", 2.54, 0.41), ("mfr", 2.60, 0.61)):
        flow = reference[name]
        rows.append(_row(f"{name}, no CAD or risk factor, mean", f"{mean}", flow.mean(),
                         0.97 * mean, 1.03 * mean, len(flow)))  # fmt: skip
        rows.append(_row(f"{name}, no CAD or risk factor, SD", f"{sd}", flow.std(),
                         0.9 * sd, 1.1 * sd, len(flow)))  # fmt: skip
    healthy = studies[studies["no_cad"]]
    uncoupled = (healthy["diabetes"] == 1) | (healthy["smoking"] == 1)
    recorded = healthy[["diabetes", "smoking"]].notna().all(axis=1)
    for name, group, low, high, published in (
        ("others", healthy[~uncoupled & recorded], 0.9, 1.1, "0.9-1.1"),
        ("diabetics and smokers", healthy[uncoupled], -0.15, 0.15, "none"),
    ):
        slope = sm.OLS(group["rest"], sm.add_constant(group[["rpp"]] / 1e4)).fit().params["rpp"]
        rows.append(_row(f"rest MBF per 10,000 mmHg/min, {name}", published, slope, low, high,
                         len(group)))  # fmt: skip
    older = reference[reference["age"] >= 50]["rpp"]
    rows.append(_row("rate-pressure product, no risk factor, 50 or older, mean", "8634",
                     older.mean(), 8200, 9070, len(older)))  # fmt: skip
    rows.append(_row("rate-pressure product, no risk factor, 50 or older, SD", "1890",
                     older.std(), 1600, 2180, len(older)))  # fmt: skip
    return pd.DataFrame(rows)


def _group_differences(studies: pd.DataFrame) -> pd.DataFrame:
    """Age with other traits held, of all and without CAD; sex without CAD, as published."""
    known = studies.dropna(subset=list(pn.TRAITS))
    rows = []
    for whose, group in (("all", known), ("no CAD", known[known["no_cad"]])):
        design = sm.add_constant(group[["sex", *RISKS, "smoking"]].assign(decade=group["age"] / 10))
        for name, published, low, high in (
            ("stress", "-4.1", -4.6, -3.6), ("mfr", "-4 to -5.5", -5.5, -4.0),
            ("rest", "0", -.5, .5),
        ):  # fmt: skip
            slope = sm.OLS(np.log(group[name]), design).fit().params["decade"]
            rows.append(_row(f"{name}, {whose}, % per decade of age", published,
                             100 * np.expm1(slope), low, high, len(group)))  # fmt: skip
    for name, ratio in (("rest", 1.15), ("stress", 1.09), ("mfr", 0.95)):
        means = group.groupby("sex")[name].mean()
        rows.append(_row(f"{name}, no CAD, women : men", f"{ratio}", means[1] / means[0],
                         ratio - 0.02, ratio + 0.02, len(group)))  # fmt: skip
    return pd.DataFrame(rows)


def _scalar_auroc(studies: pd.DataFrame) -> pd.DataFrame:
    """How well a patient's mean flow alone tells a trait (lower flow for the risk traits)."""
    studies = studies[~studies["patient"].duplicated()]
    rows = []
    for trait, flow, sign, low, high in (
        ("sex", "rest", 1, 0.65, 0.75), ("sex", "stress", 1, 0.60, 0.68),
        ("sex", "mfr", -1, 0.52, 0.58), ("diabetes", "stress", -1, 0.62, 0.72),
        ("hypertension", "stress", -1, 0.55, 0.62), ("dyslipidemia", "stress", -1, 0.51, 0.57),
        ("smoking", "rest", 1, 0.45, 0.56), ("smoking", "stress", 1, 0.45, 0.56),
    ):  # fmt: skip
        group = studies.dropna(subset=[trait])
        interval = pn.auroc(group[trait].to_numpy(), sign * group[flow].to_numpy())
        rows.append(_row(f"AUROC, {trait} from mean {flow}", f"{low:.2f}-{high:.2f}",
                         interval.value, low, high, len(group)))  # fmt: skip
    group = studies.dropna(subset=["smoking"])
    for flow in ("rest", "stress"):
        design = sm.add_constant(group[["age", "sex"]])
        rest_of_flow = sm.OLS(np.log(group[flow]), design).fit().resid
        interval = pn.auroc(group["smoking"].to_numpy(), rest_of_flow.to_numpy())
        rows.append(_row(f"AUROC, smoking from mean {flow} after age and sex", "0.47-0.53",
                         interval.value, 0.47, 0.53, len(group)))  # fmt: skip
    return pd.DataFrame(rows)


def _sex_from_segments(cohort: pn.Cohort, without: pn.Cohort) -> pd.DataFrame:
    """Logistic regression on the 17 segments, 5-fold by patient, with and without the pattern."""
    rows = []
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
        found = pn.auroc(sex[first], odds[first])
        rows.append(_row(f"AUROC, sex from 17 {map_type} segments, {name}", f"{low:.2f}-{high:.2f}",
                         found.value, low, high, int(first.sum())))  # fmt: skip
    return pd.DataFrame(rows)


def _pattern(cohort: pn.Cohort, studies: pd.DataFrame) -> pd.DataFrame:
    """Segments of normal studies, and of single-vessel groups scaled to the study's maximum."""
    vessels = studies[["lad", "rca", "lcx"]].to_numpy() > 0
    is_normal = studies["no_cad"].to_numpy()
    rows = []
    scaled = {}
    for map_type in ("rest", "stress"):
        segments = cohort.segment_means(map_type)
        mean = cohort.global_means(map_type).to_numpy()[:, None]
        normal = (segments / mean)[is_normal].mean(axis=0)
        worst = np.abs(normal - NORMAL[map_type]).max()
        n = int(is_normal.sum())
        rows.append(
            _row(f"{map_type}, normal segments, largest difference", "0", worst, 0, 0.05, n)
        )
        rows.append(_row(f"{map_type}, CV of the 17 segments", "0.11",
                         normal.std(ddof=1) / normal.mean(), 0.09, 0.13, n))  # fmt: skip
        rows.append(_row(f"{map_type}, lowest segment", "17", 1 + normal.argmin(), 17, 17, n))
        highest = cohort.maps[map_type].max(axis=(1, 2))
        scaled[map_type] = segments / highest[:, None]
    for column, vessel in enumerate(("lad", "rca", "lcx")):
        alone = vessels[:, column] & (vessels.sum(axis=1) == 1)
        ratio = {m: s[alone].mean(axis=0) / s[is_normal].mean(axis=0) for m, s in scaled.items()}
        worst = np.abs(ratio["stress"] - DISEASED[vessel]).max()
        n = int(alone.sum())
        rows.append(_row(f"{vessel} alone, stress segments, largest difference", "0", worst,
                         0, 0.07, n))  # fmt: skip
        core = ratio["rest"][np.array(CORE[vessel]) - 1].mean()
        rows.append(_row(f"{vessel} alone, rest in the core", REST_CORE_PUBLISHED[vessel], core,
                         *REST_CORE[vessel], n))  # fmt: skip
    return pd.DataFrame(rows)


def _repeats(studies: pd.DataFrame) -> pd.DataFrame:
    """Two studies of a patient: mean absolute difference in % of their mean (Nagamachi 1996)."""
    rows = []
    for name, low, high, published in (("stress", 10, 14, "11.8"), ("rest", 13, 18, "15.8")):
        pairs = studies.groupby("patient")[name].agg(["first", "last", "size"])
        pairs = pairs[pairs["size"] == 2]
        difference = (pairs["first"] - pairs["last"]).abs() / pairs[["first", "last"]].mean(axis=1)
        rows.append(_row(f"{name}, two studies, mean difference in %", published,
                         100 * difference.mean(), low, high, len(pairs)))  # fmt: skip
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
