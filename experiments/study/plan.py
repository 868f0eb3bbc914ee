"""The plan of a project: its networks, seeds, and the endpoints that were named beforehand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import polarnet as pn
from polarnet.config import read_settings
from polarnet.files import shown, yaml_text

FULL_SIZE: Final = 224
"""Pixels a side of `full`: what VGG16 was made for."""

SCRATCH_SIZE: Final = 64
"""Pixels a side that the small network sees at most: the maps have no more (our choice)."""

MAP_TYPES: Final = ("rest", "stress", "reserve", "combined")

RULES: Final = {
    "full": "must be true or false",
    "seeds": "must name at least one seed, each once",
    "primaries": "must each be [map type, mode, trait] of this plan, and named once",
    "shares": "must lie between 0 and 1",
    "folds": "must be at least 2",
    "proxies": "must have a list of patterns for each trait",
    "decision_range": "must be two rising numbers between 0 and 1",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings of a project, decided before the hold-out is read. All of them are our choice.

    Attributes
    ----------
    traits, map_types, modes
        Each combination is one cell of the main results.
    seeds
        Networks of an ensemble; their mean probability is the model.
    primaries
        (map type, mode, trait) named in advance: Holm among all of them, Benjamini-Hochberg over
        the rest.
    input_size, weights, epochs, finetune_epochs
        As in `ExperimentConfig`.
    val, test, split_seed
        Shares of the patients, and the seed of the split, where the cohort has no column `split`.
        0.11 of the 1,200 patients of the paper's sister cohort are about 130 to test.
    split_by, test_site
        A column of the clinical table: the latest dates or largest numbers test, or, where
        `test_site` is given, the studies of that site.
    external
        Folder of another cohort, from another site, that the frozen networks score. None: the
        project of a phantom makes a second phantom, any other has none.
    shares
        Of the training patients, for the learning curve.
    folds
        Outer, and inner, folds of the nested cross-validation.
    proxies
        Trait -> patterns of clinical columns that never predict it, beside the built-in ones.
    decision_range
        Thresholds of the decision curve: who would act on less than 10 %, or wait beyond 50 %?
    truth_patients
        Phantom only: patients from which the ceiling is read, and as many that test it.
    full
        Everything also fine-tuned, at 224 px: for a GPU, or a week.
    """

    traits: tuple[str, ...] = pn.TRAITS
    map_types: tuple[str, ...] = MAP_TYPES
    modes: tuple[str, ...] = ("frozen", "finetuned")
    seeds: tuple[int, ...] = (1, 2, 3)
    primaries: tuple[tuple[str, str, str], ...] = (
        ("stress", "frozen", "impaired_mfr"),
        ("stress", "frozen", "sex"),
    )
    input_size: int = 112
    weights: str | None = "imagenet"
    epochs: int = 50
    finetune_epochs: int = 10
    val: float = 0.15
    test: float = 0.11
    split_seed: int = 7
    split_by: str | None = None
    test_site: str | None = None
    external: str | None = None
    shares: tuple[float, ...] = (0.25, 0.5, 0.75)
    folds: int = 5
    proxies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    decision_range: tuple[float, float] = (0.1, 0.5)
    truth_patients: int = 10_000
    full: bool = False

    def __post_init__(self) -> None:
        for name in ("traits", "map_types", "modes", "seeds", "shares", "decision_range"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "primaries", tuple(map(tuple, self.primaries)))
        are_lists = not any(isinstance(patterns, str) for patterns in self.proxies.values())
        proxies = {trait: tuple(patterns) for trait, patterns in self.proxies.items()}
        object.__setattr__(self, "proxies", proxies)
        is_right = {
            "full": isinstance(self.full, bool),
            "seeds": self.seeds and len(set(self.seeds)) == len(self.seeds),
            "primaries": len(set(self.primaries)) == len(self.primaries)
            and all(
                len(cell) == 3
                and cell[0] in self.map_types and cell[1] in self.modes and cell[2] in self.traits
                for cell in self.primaries
            ),
            "shares": all(0 < share < 1 for share in self.shares),
            "folds": self.folds >= 2,
            "proxies": are_lists,
            "decision_range": len(self.decision_range) == 2
            and 0 < self.decision_range[0] < self.decision_range[1] < 1,
        }  # fmt: skip
        if wrong := [name for name, is_so in is_right.items() if not is_so]:
            raise ValueError(
                "; ".join(
                    f"{name} {RULES[name]}, not {shown(getattr(self, name))}" for name in wrong
                )
                + "."
            )
        if self.full:
            object.__setattr__(self, "input_size", FULL_SIZE)
        for map_type, mode, seed in product(self.map_types, self.modes, self.seeds):
            self.network(mode, map_type, seed=seed)  # checks its settings

    @property
    def all_proxies(self) -> dict[str, tuple[str, ...]]:
        """Built-in proxies and the plan's own."""
        found = {trait: tuple(names) for trait, names in pn.evaluation.DEFAULT_PROXIES.items()}
        for trait, names in self.proxies.items():
            found[trait] = (*found.get(trait, ()), *names)
        return found

    @property
    def single_maps(self) -> list[str]:
        """The map types that are one map."""
        return [map_type for map_type in self.map_types if map_type != "combined"]

    @property
    def side_map(self) -> str:
        """Map type of the first primary endpoint: where one map must do, it is this."""
        return self.primaries[0][0] if self.primaries else self.map_types[0]

    @property
    def side_modes(self) -> tuple[str, ...]:
        """Modes of the side studies: frozen alone, unless the project is a full one."""
        return self.modes if self.full else ("frozen",)

    def network(self, mode: str, map_type: str, *, seed: int, **changes) -> pn.ExperimentConfig:
        """Settings of one network of the project."""
        names = ("traits", "weights", "input_size", "epochs", "finetune_epochs", "val", "test")
        settings = {name: getattr(self, name) for name in names}
        if mode == "scratch":
            size = min(self.input_size, SCRATCH_SIZE)
            settings |= {"weights": None, "input_size": size}
        config = pn.ExperimentConfig(map_type=map_type, mode=mode, seed=seed, **settings)
        return replace(config, **changes)


def load_plan(path: str | Path | None, **changes: Any) -> Plan:
    """Read a YAML file that lists what differs from the defaults; None: the defaults."""
    known = [setting.name for setting in fields(Plan)]
    settings = {} if path is None else read_settings(Path(path), known)
    try:
        return Plan(**settings | changes)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path or 'plan'}: {error}") from None


def plan_as_text(plan: Plan) -> str:
    """Every setting as YAML; `load_plan` gives the same plan back."""
    return yaml_text(json.loads(json.dumps(asdict(plan))))  # lists for tuples
