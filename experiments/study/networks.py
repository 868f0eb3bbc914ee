"""The networks of a project, each by a name that says what it is, training and scoring them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

import polarnet as pn
from plan import Plan
from project import Project, read_scores, write_scores

ENCODINGS: Final = {
    "absolute": {},
    "relative": {"scaling": "relative"},
    "colour": {"palette": "jet"},
    "relative colour": {"scaling": "relative", "palette": "jet"},
}
"""How a map becomes an image: fixed window or its own maximum; as numbers or as the 8-bit colours
of a screen (a rainbow, as on many workstations: our choice)."""

DEPTHS: Final = ("block1", "block2", "block3", "block4", "block5")
POOLINGS: Final = ("aha", "global")


@dataclass(frozen=True)
class Network:
    """One network: name of its run folder, settings, share of the training patients (1: all)."""

    name: str
    config: pn.ExperimentConfig
    share: float = 1.0


@dataclass(frozen=True)
class Model:
    """Networks that differ in their seed; their mean probability is the model's."""

    name: str
    map_type: str
    networks: tuple[Network, ...]

    @property
    def config(self) -> pn.ExperimentConfig:
        """Settings of its first network: the same for all but for the seed."""
        return self.networks[0].config

    @property
    def share(self) -> float:
        """Of the training patients."""
        return self.networks[0].share


def main_models(plan: Plan) -> list[Model]:
    """Each map type in each mode, all traits at once."""
    return [main_model(plan, map_type, mode) for map_type in plan.map_types for mode in plan.modes]


def main_model(plan: Plan, map_type: str, mode: str = "frozen") -> Model:
    """One of the main models, such as "stress-frozen"."""
    return _ensemble(plan, f"{map_type}-{mode}", map_type, mode)


def frozen_models(plan: Plan) -> list[Model]:
    """The main models with a frozen trunk, one per map type: those that are looked at closely."""
    return [main_model(plan, map_type) for map_type in plan.map_types]


def single_task_models(plan: Plan) -> list[Model]:
    """A network for each trait alone, on the single maps."""
    return [
        _ensemble(plan, f"{map_type}-{mode}-only-{trait}", map_type, mode, traits=(trait,))
        for map_type in plan.single_maps
        for mode in plan.side_modes
        for trait in plan.traits
    ]


def scratch_models(plan: Plan) -> list[Model]:
    """The small network without ImageNet, a baseline."""
    return [_ensemble(plan, f"{m}-scratch", m, "scratch") for m in plan.map_types]


def encoding_models(plan: Plan) -> list[Model]:
    """Every way to make an image of a map; one seed each, whose main network is "absolute"."""
    return [
        _one_seed(plan, map_type, name.replace(" ", "_"), **changes)
        for map_type in plan.single_maps
        for name, changes in ENCODINGS.items()
    ]


def depth_models(plan: Plan) -> list[Model]:
    """Trunk depth x pooling, one seed each; the defaults are that seed's main network.

    Blocks 3 to 5, whose weights are not packaged, take part where the plan names a file, or none.
    """
    models = []
    default = (plan.network("frozen", plan.map_types[0], seed=0).last_block, POOLINGS[0])
    for map_type in plan.single_maps:
        for trunk in DEPTHS[:2] if plan.weights == "imagenet" else DEPTHS:
            for pooling in POOLINGS:
                is_main = (trunk, pooling) == default
                changes = {} if is_main else {"trunk": trunk, "pooling": pooling}
                models.append(_one_seed(plan, map_type, f"{trunk}-{pooling}", **changes))
    return models


def learning_models(plan: Plan) -> list[Model]:
    """The main models on a share of the training patients."""
    return [
        _ensemble(plan, f"{m}-{mode}-share{100 * share:.0f}", m, mode, share=share)
        for m in plan.single_maps
        for mode in plan.side_modes
        for share in plan.shares
    ]


def _ensemble(
    plan: Plan, name: str, map_type: str, mode: str, *, share: float = 1.0, **changes: object
) -> Model:
    networks = [
        Network(f"{name}-seed{seed}", plan.network(mode, map_type, seed=seed, **changes), share)
        for seed in plan.seeds
    ]
    return Model(name, map_type, tuple(networks))


def _one_seed(plan: Plan, map_type: str, label: str, **changes: object) -> Model:
    """A frozen network of the first seed; without changes the main one, under its name."""
    seed = plan.seeds[0]
    name = f"{map_type}-{label if changes else 'frozen'}-seed{seed}"
    network = Network(name, plan.network("frozen", map_type, seed=seed, **changes))
    return Model(name, map_type, (network,))


# === Training and scoring =======================================================================


def run_folder(project: Project, network: Network) -> Path:
    """Where a network is; its folder appears whole or not at all."""
    return project.folder / "runs" / network.name


def networks_of(models: Iterable[Model]) -> list[Network]:
    """Every network once."""
    return list({network.name: network for model in models for network in model.networks}.values())


def train_models(project: Project, models: Iterable[Model]) -> None:
    """Train every network that has no run folder yet."""
    missing = [n for n in networks_of(models) if not run_folder(project, n).is_dir()]
    for network in tqdm(missing, desc="Networks", unit="network", disable=not missing):
        part = share_of(project.train, network.share, seed=network.config.seed)
        pn.train(
            part, project.val, network.config, run_folder(project, network), cache=project.cache,
            show_progress=False,
        )  # fmt: skip


def share_of(cohort: pn.Cohort, share: float, *, seed: int) -> pn.Cohort:
    """The studies of a share of the patients; a smaller share is part of a larger one."""
    if share == 1:
        return cohort
    patients = np.random.default_rng(seed).permutation(sorted(set(cohort.patients)))
    kept = set(patients[: round(share * len(patients))])
    return cohort.select(cohort.patients.isin(kept).to_numpy())


def score_run(project: Project, folder: Path, cohort: pn.Cohort, out: Path) -> None:
    """Write a run's scores of a cohort; `predict` warns where that differs from its own."""
    write_scores(pn.predict(folder, cohort, cache=project.cache), out)


def single_scores(project: Project, model: Model, part: str = "test") -> list[pd.DataFrame]:
    """Scores of each network of a model; FileNotFoundError: one has not scored that part yet."""
    files = [run_folder(project, network) / f"scores_{part}.csv" for network in model.networks]
    return [read_scores(file) for file in files]


def mean_of(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean probability of several networks."""
    return sum(tables[1:], start=tables[0]) / len(tables)


def model_scores(project: Project, model: Model, part: str) -> pd.DataFrame:
    """Mean probability over the model's networks, of the validation ("val") or test studies."""
    return mean_of(single_scores(project, model, part))


def scores_pair(project: Project, model: Model) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean probabilities of validation and test studies, as a comparison takes them."""
    return model_scores(project, model, "val"), model_scores(project, model, "test")
