"""Which vessel does each explanation name in studies of patients, by networks of a phantom?

    python experiments/explanation/vessels_of_studies.py COHORT --networks NAMING --out OUT \\
        --diseased RCA LCx

NAMING is the folder that vessel_naming.py wrote: its networks learnt from simulated patients (not
patients) whether any vessel is diseased. COHORT holds studies in the same unit and size. Where the
diseased vessels are known, --diseased names them in the order of the studies. A few studies test
nothing: this draws what each method makes of them, right or wrong.

Writes vessels_of_studies: the table as CSV, HTML and LaTeX, the figure as SVG and PNG. Studies
bear numbers, not ids.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import polarnet as pn
from vessels import name_vessel

METHODS = ("occlusion", "gradient", "smoothgrad", "gradcam", "gradcam++", "scorecam")
FEW = 8  # studies in a figure that can still be read


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", help="cohort folder")
    parser.add_argument("--networks", required=True, help="folder made by vessel_naming.py")
    parser.add_argument("--out", required=True)
    parser.add_argument("--mode", default="frozen")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--diseased", nargs="*", help="LAD, RCA or LCx, in the order of studies")
    arguments = parser.parse_args()
    try:
        cohort, networks = pn.read_cohort(arguments.cohort), Path(arguments.networks)
        if len(cohort) > FEW:
            raise ValueError(f"{arguments.cohort} has {len(cohort)} studies; give at most {FEW}.")
        known = arguments.diseased or ["not known"] * len(cohort)
        if len(known) != len(cohort):
            raise ValueError(f"--diseased names {len(known)} vessels for {len(cohort)} studies.")
        folders = sorted((networks / "runs").glob(f"ischemia-{arguments.mode}-seed*"))
        if not folders:
            raise ValueError(f"No {arguments.mode} networks in {networks}: run vessel_naming.py.")
        runs = [pn.load_run(folder) for folder in folders]
        heats = {
            method: pn.explain.average_seeds(
                [pn.attribution(run, cohort, "ischemia", method) for run in runs]
            )
            for method in arguments.methods.split(",")
        }
    except (ValueError, OSError) as error:
        sys.stderr.write(f"vessels_of_studies.py: {error}\n")
        return 2
    score = np.mean([pn.predict(run, cohort)["ischemia"] for run in runs], axis=0)
    stress = np.asarray(cohort.maps["stress"][:])
    normal = np.load(networks / "normal_stress.npy")
    inside = pn.anatomy.disc_mask(cohort.size)
    against = np.divide(stress, normal, out=np.zeros_like(stress), where=inside)
    named = {
        "lowest flow (eye, raw)": name_vessel(-stress),
        "lowest flow against normal (eye)": name_vessel(-against),
        **{method: name_vessel(heat) for method, heat in heats.items()},
    }
    table = pd.DataFrame(
        {"study": k + 1, "diseased": known[k], "score_ischemia": score[k], "method": method,
         "vessel_named": names[k] or "none"}
        for k in range(len(cohort)) for method, names in named.items()
    )  # fmt: skip
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    pn.report.write_table(
        table, out / "vessels_of_studies", title="Vessel named in single studies",
        notes=["Networks trained on simulated patients (phantom), mean over "
               f"{len(runs)} seeds; the studies are not simulated.",
               "Vessel named from the 15 % of the disc with the highest values, by area of its "
               "territory. Single studies test nothing."],
    )  # fmt: skip
    figure = pn.plotting.plot_methods(
        stress, heats,
        titles=[f"study {k + 1}\ndiseased: {vessel}" for k, vessel in enumerate(known)],
        notes={method: [f"names {name or 'none'}" for name in named[method]] for method in heats},
        map_type="stress", unit=cohort.unit,
    )  # fmt: skip
    pn.plotting.save_figure(figure, out / "vessels_of_studies")
    print(table.to_string(index=False, float_format="{:.3f}".format))
    return 0


if __name__ == "__main__":
    sys.exit(main())
