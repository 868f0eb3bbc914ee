"""The networks of a study, each by a name that says what it is."""

from collections.abc import Iterable
from dataclasses import dataclass

from polarnet.config import ExperimentConfig
from polarnet.reproduction.plan import Plan
from polarnet.traits import COMBINED

ENCODINGS = {
    "absolute": {},
    "relative": {"scaling": "relative"},
    "colour": {"palette": "jet"},
    "relative colour": {"scaling": "relative", "palette": "jet"},
}
"""How a map becomes an image: fixed window or its own maximum; as numbers or as the 8-bit colours
of a screen (a rainbow, as on many workstations: our choice)."""

DEPTHS = ("block1", "block2", "block3", "block4", "block5")
PACKAGED = ("block1", "block2")
"""Those whose ImageNet weights need no download."""

POOLINGS = ("aha", "global")


@dataclass(frozen=True)
class Arm:
    """One network to be trained.

    Attributes
    ----------
    name
        Of its run folder.
    config
        Its settings.
    share
        Of the training patients, 1 for all.
    """

    name: str
    config: ExperimentConfig
    share: float = 1.0


@dataclass(frozen=True)
class Model:
    """Networks that differ in their seed; their mean probability is the model's."""

    name: str
    map_type: str
    arms: tuple[Arm, ...]


def main_models(plan: Plan) -> list[Model]:
    """Map x mode, all traits at once."""
    return [main_model(plan, map_type, mode) for map_type in plan.map_types for mode in plan.modes]


def main_model(plan: Plan, map_type: str, mode: str = "frozen") -> Model:
    """One of the main models, such as "stress-frozen"."""
    return _ensemble(plan, f"{map_type}-{mode}", map_type, mode)


def frozen_models(plan: Plan) -> list[Model]:
    """The main models with a frozen trunk, one a map type: those that are looked at closely."""
    return [main_model(plan, map_type) for map_type in plan.map_types]


def side_map(plan: Plan) -> str:
    """Map type of the first primary endpoint: where one map must do, it is this."""
    return plan.primaries[0][0] if plan.primaries else plan.map_types[0]


def single_task_models(plan: Plan) -> list[Model]:
    """A network for each trait alone, on the single maps."""
    return [
        _ensemble(plan, f"{map_type}-{mode}-only-{trait}", map_type, mode, traits=(trait,))
        for map_type in single_maps(plan)
        for mode in study_modes(plan)
        for trait in plan.traits
    ]


def scratch_models(plan: Plan) -> list[Model]:
    """The small network without ImageNet, a baseline."""
    return [_ensemble(plan, f"{m}-scratch", m, "scratch") for m in plan.map_types]


def encoding_models(plan: Plan) -> list[Model]:
    """Every way to make an image of a map, one seed each; "absolute" is that seed's main arm."""
    models = []
    for map_type in single_maps(plan):
        for name, changes in ENCODINGS.items():
            label = f"{map_type}-{name.replace(' ', '_')}" if changes else f"{map_type}-frozen"
            models.append(_one_seed(plan, label, map_type, **changes))
    return models


def depth_models(plan: Plan) -> list[Model]:
    """Trunk depth x pooling, one seed each; the defaults are that seed's main arm.

    Blocks 3 to 5 take part where the plan names a file of weights, or none.
    """
    models = []
    for map_type in single_maps(plan):
        for trunk in PACKAGED if plan.weights == "imagenet" else DEPTHS:
            for pooling in POOLINGS:
                is_main = plan.network("frozen", map_type, seed=0).last_block == trunk
                if is_main and pooling == POOLINGS[0]:
                    models.append(_one_seed(plan, f"{map_type}-frozen", map_type))
                else:
                    label = f"{map_type}-{trunk}-{pooling}"
                    changes = {"trunk": trunk, "pooling": pooling}
                    models.append(_one_seed(plan, label, map_type, **changes))
    return models


def learning_models(plan: Plan) -> list[Model]:
    """The main models on a share of the training patients."""
    return [
        _ensemble(plan, f"{m}-{mode}-share{100 * share:.0f}", m, mode, share=share)
        for m in single_maps(plan)
        for mode in study_modes(plan)
        for share in plan.shares
    ]


def single_maps(plan: Plan) -> list[str]:
    """The map types that are one map."""
    return [map_type for map_type in plan.map_types if map_type != COMBINED]


def study_modes(plan: Plan) -> tuple[str, ...]:
    """Modes of the side studies: frozen alone, unless the study is a full one."""
    return plan.modes if plan.full else ("frozen",)


def all_arms(models: Iterable[Model]) -> list[Arm]:
    """Every network once."""
    return list({arm.name: arm for model in models for arm in model.arms}.values())


def _ensemble(
    plan: Plan, name: str, map_type: str, mode: str, *, share: float = 1.0, **changes: object
) -> Model:
    arms = [
        Arm(f"{name}-seed{seed}", plan.network(mode, map_type, seed=seed, **changes), share)
        for seed in plan.seeds
    ]
    return Model(name, map_type, tuple(arms))


def _one_seed(plan: Plan, name: str, map_type: str, **changes: object) -> Model:
    seed = plan.seeds[0]
    arm = Arm(f"{name}-seed{seed}", plan.network("frozen", map_type, seed=seed, **changes))
    return Model(f"{name}-seed{seed}", map_type, (arm,))
