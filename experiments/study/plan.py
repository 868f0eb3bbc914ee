"""The plan of a project: its networks, seeds, and the endpoints that were named beforehand."""

import difflib
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

import yaml

import polarnet as pn

FULL_SIZE: Final = 224
"""Pixels a side of `full`: what VGG16 was made for."""

SCRATCH_SIZE: Final = 64
"""Pixels a side that the small network sees at most: the maps have no more (our choice)."""

MAP_TYPES: Final = ("rest", "stress", "reserve", "combined")


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
        the rest. Without a mode, (map type, trait), the first of `modes` is meant.
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
    primaries: tuple[tuple[str, ...], ...] = (("stress", "impaired_mfr"), ("stress", "sex"))
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
        object.__setattr__(self, "primaries", tuple(map(self._primary, self.primaries)))
        proxies = {trait: tuple(patterns) for trait, patterns in self.proxies.items()}
        object.__setattr__(self, "proxies", proxies)
        problems = {
            f"full must be true or false, not {_cut(self.full)}": not isinstance(self.full, bool),
            f"seeds must name at least one seed, each once: {_cut(self.seeds)}": not self.seeds
            or len(set(self.seeds)) < len(self.seeds),
            f"primary endpoints {_cut(self.primaries)} are not among map_types, modes and traits":
                not all(map(self._has, self.primaries)),
            f"name each primary endpoint once: {_cut(self.primaries)}":
                len(set(self.primaries)) < len(self.primaries),
            f"shares must lie between 0 and 1: {_cut(self.shares)}":
                not all(0 < share < 1 for share in self.shares),
            f"folds must be at least 2, not {_cut(self.folds)}": self.folds < 2,
        }  # fmt: skip
        if found := [text for text, is_wrong in problems.items() if is_wrong]:
            raise ValueError("; ".join(found) + ".")
        if self.full:
            object.__setattr__(self, "input_size", FULL_SIZE)
        self.network("frozen", self.map_types[0], seed=self.seeds[0])  # checks its settings

    def _primary(self, named: Sequence[str]) -> tuple[str, ...]:
        """Map type, mode and trait of a primary endpoint."""
        if isinstance(named, str) or len(named) not in (2, 3):
            raise ValueError(f"A primary endpoint is [map type, mode, trait], not {_cut(named)}.")
        return (named[0], *(self.modes[:1] if len(named) == 2 else ()), *named[1:])

    def _has(self, cell: tuple[str, ...]) -> bool:
        map_type, mode, trait = cell
        return map_type in self.map_types and mode in self.modes and trait in self.traits

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

    def network(
        self, mode: str, map_type: str, *, seed: int, **changes: Any
    ) -> pn.ExperimentConfig:
        """Settings of one network of the project."""
        is_scratch = mode == "scratch"
        config = pn.ExperimentConfig(
            map_type=map_type,
            mode=mode,
            traits=self.traits,
            weights=None if is_scratch else self.weights,
            input_size=min(self.input_size, SCRATCH_SIZE) if is_scratch else self.input_size,
            epochs=self.epochs,
            finetune_epochs=self.finetune_epochs,
            val=self.val,
            test=self.test,
            seed=seed,
        )
        return replace(config, **changes)


def load_plan(path: str | Path | None, **changes: Any) -> Plan:
    """Read a YAML file that lists what differs from the defaults; None: the defaults.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: a setting is unknown or out of range.
    """
    settings = {}
    if path is not None:
        try:
            settings = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no YAML: {_cut(str(error))}") from None
        if not isinstance(settings, dict):
            raise ValueError(f"{path} must hold lines like 'folds: 5', with names of settings.")
    known = [setting.name for setting in fields(Plan)]
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(str(name)[:100], known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else "."
            raise ValueError(
                f"{path}: unknown setting {_cut(name)}{hint} Known: {', '.join(known)}."
            )
    try:
        return Plan(**{**settings, **changes})
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path or 'plan'}: {error}") from None


def plan_as_text(plan: Plan) -> str:
    """Every setting as YAML; `load_plan` gives the same plan back."""
    plain = {name: _plain(value) for name, value in asdict(plan).items()}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _plain(value: Any) -> Any:
    """Lists for tuples, which YAML does not know."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value


def listing(names: Iterable[object]) -> str:
    """The first ten names, and how many more there are."""
    names = [str(name) for name in names]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more


def _cut(value: Any) -> str:
    """A value as it is shown in a message, cut where it is long."""
    return reprlib.repr(value)
