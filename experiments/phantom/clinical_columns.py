"""What age and BMI add to stress maps on many phantom cohorts, each with fresh patients to test.

    python experiments/phantom/clinical_columns.py --out OUT

Phantom, not patients. Every cohort (n = 1,200, of which 70 % train and 15 % validate) has a seed of
its own and 2,000 test patients of another. Writes OUT/SEED/ (the run; finished ones are kept) and
OUT/clinical_columns.csv: for each trait the mean AUROC of the network with both, of the map alone
and of the columns alone, and the paired differences with a 95 % t interval over cohorts. `oracle`
is the AUROC of the true probability of the trait given age and BMI alone, which the simulator knows
(not of impaired MFR): no model of these two columns can do better on average.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import t
from sklearn.metrics import roc_auc_score

import polarnet as pn
from polarnet.clinical import CLINICAL_ALONE, MAPS_ALONE
from polarnet.evaluation.comparison import read_metrics
from polarnet.grid import run_experiment
from polarnet.phantom import physiology as known

COLUMNS = ("age", "bmi")
FIRST_SEED, TEST_SEED = 4001, 14001


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--cohorts", type=int, default=10)
    parser.add_argument("--n-train", type=int, default=1200)
    parser.add_argument("--n-test", type=int, default=2000)
    arguments = parser.parse_args()
    out, tables = Path(arguments.out), []
    for k in range(arguments.cohorts):
        seed, folder = FIRST_SEED + k, out / str(FIRST_SEED + k)
        fresh = pn.make_phantom_cohort(arguments.n_test, seed=TEST_SEED + k)
        if not folder.is_dir():
            config = pn.ExperimentConfig(clinical=COLUMNS, input_size=64, seed=seed)
            cohort = pn.make_phantom_cohort(arguments.n_train, seed=seed)
            train, val, _ = pn.split_by_patient(cohort, seed=seed)
            run_experiment(train, val, fresh, config, folder, cache=None)
        table = read_metrics(folder)
        table["oracle"] = table["trait"].map(oracle(fresh.first_studies()))
        tables.append(table.assign(cohort=seed))
    table = summarise(pd.concat(tables, ignore_index=True))
    table.to_csv(out / "clinical_columns.csv", index=False, float_format="%.6g")
    print("Phantom, not patients.")
    print(table.to_string(index=False, float_format=lambda x: f"{x:+.3f}"))


def oracle(cohort) -> dict[str, float]:
    """AUROC of the probability of each trait that the simulator gives to an age and a BMI."""
    decades = (cohort.clinical["age"].to_numpy() - known.AGE_MEAN) / 10
    # BMI is lognormal with another median in diabetics: their logit is linear in its logarithm.
    step = np.log(known.BMI_IF_DIABETIC)
    away = np.log(cohort.clinical["bmi"].to_numpy() / known.BMI_MEAN) - step / 2
    of_diabetes = known.LOG_ODDS["diabetes"]
    diabetic = of_diabetes["all"] + of_diabetes["age"] * decades
    diabetic = expit(diabetic + away * step / known.BMI_LOG_SD**2)
    found = {}
    for trait in (*known.NOT_RECORDED, "sex"):
        log_odds = known.LOG_ODDS.get(trait, {"all": 0, "age": 0})
        odds = 0.0
        for is_female, women in ((1, known.WOMEN), (0, 1 - known.WOMEN)):
            for is_diabetic, share in ((1, diabetic), (0, 1 - diabetic)):
                logit = log_odds["all"] + log_odds["age"] * decades
                logit = logit + log_odds.get("sex", 0) * is_female
                odds += women * share * expit(logit + log_odds.get("diabetes", 0) * is_diabetic)
        odds = diabetic if trait == "diabetes" else odds
        is_known = cohort.traits[trait].notna().to_numpy()
        found[trait] = roc_auc_score(cohort.traits[trait][is_known], odds[is_known])
    return found


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """One row per trait: means over cohorts, differences with a t interval."""
    rows = []
    for trait, cell in table.groupby("trait", sort=False):
        of = dict(list(cell.groupby("model")))
        row = {"trait": trait, "cohorts": len(of["network"]), "both": of["network"]["auroc"].mean()}
        for name, model in (("maps", MAPS_ALONE), ("clinical", CLINICAL_ALONE)):
            gain, n = of[model]["difference"], len(of[model])
            half = t.ppf(0.975, n - 1) * gain.std() / n**0.5 if n > 1 else float("nan")
            row |= {name: of[model]["auroc"].mean(), f"minus_{name}": gain.mean(),
                    f"minus_{name}_low": gain.mean() - half,
                    f"minus_{name}_high": gain.mean() + half}  # fmt: skip
        rows.append(row | {"oracle": of["network"]["oracle"].mean()})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
