"""No table of its own: every frozen network and baseline scores the hold-out, in one go.

    python experiments/score_hold_out.py COHORT --out study

Networks that are not trained, or not frozen, yet are left to the script that makes them.
"""

import polarnet as pn

rp = pn.reproduction


def report(study: rp.Reproduction) -> None:
    plan = study.plan
    every = [
        *rp.main_models(plan),
        *rp.single_task_models(plan),
        *rp.encoding_models(plan),
        *rp.depth_models(plan),
        *rp.learning_models(plan),
        *rp.scratch_models(plan),
    ]
    frozen = [model for model in every if rp.is_frozen(study, model.name)]
    rp.score_hold_out(study, frozen, by="score_hold_out")
    if rp.is_frozen(study, f"{plan.map_types[0]}: global mean"):
        rp.score_baselines(study, by="score_hold_out")
    print(f"{len(frozen)} of {len(every)} models are frozen; all of them have scored the hold-out.")


if __name__ == "__main__":
    rp.run_script(__doc__, None, report)
