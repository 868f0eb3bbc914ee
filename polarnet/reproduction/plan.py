"""What a whole study is: which networks, which seeds, which endpoints were named beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from polarnet.config import ExperimentConfig, read_settings
from polarnet.evaluation import DEFAULT_PROXIES
from polarnet.files import shown, yaml_text
from polarnet.traits import COMBINED, MAP_TYPES, TRAITS

FULL_SIZE: Final = 224
"""Pixels a side of `full`: what VGG16 was made for."""

SCRATCH_SIZE: Final = 64
"""Pixels a side that the small network sees at most: the maps have no more (our choice)."""

PUBLISHED: Final = {
    ("reserve", "impaired_mfr"): (0.94, 0.87, 0.98),
    ("stress", "sex"): (0.81, 0.73, 0.88),
    ("rest", "smoking"): (0.71, 0.58, 0.85),
}
"""All AUROCs that the abstract gives. Yeung et al. 2022, doi 10.1007/s12350-022-02920-x."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings of a study, decided before the hold-out is read. All of them are our choice.

    Attributes
    ----------
    traits, map_types, modes
        One cell of the main results each: trait x map x mode.
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
        Folder of another cohort, from another site, that the frozen networks score. None: a study
        of a phantom makes a second phantom, any other has none.
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

    traits: tuple[str, ...] = TRAITS
    map_types: tuple[str, ...] = (*MAP_TYPES, COMBINED)
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
        if not isinstance(self.full, bool):
            raise ValueError(f"full must be true or false, but {shown(self.full)} was given.")
        if self.full:
            object.__setattr__(self, "input_size", FULL_SIZE)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must name at least one seed, each once: {shown(self.seeds)}.")
        if odd := [cell for cell in self.primaries if not self._has(*cell)]:
            raise ValueError(
                f"Primary endpoints {shown(odd)} are not among map_types, modes and traits."
            )
        if len(set(self.primaries)) < len(self.primaries):
            raise ValueError(f"Name each primary endpoint once: {shown(list(self.primaries))}.")
        if not all(0 < share < 1 for share in self.shares):
            raise ValueError(
                f"shares must lie between 0 and 1, but {shown(self.shares)} was given."
            )
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, but {shown(self.folds)} was given.")
        self.network("frozen", self.map_types[0], seed=self.seeds[0])  # checks its settings

    def _primary(self, named: Sequence[str]) -> tuple[str, ...]:
        """Map type, mode and trait of a primary endpoint."""
        if isinstance(named, str) or len(named) not in (2, 3):
            raise ValueError(f"A primary endpoint is [map type, mode, trait], not {shown(named)}.")
        return (named[0], *(self.modes[:1] if len(named) == 2 else ()), *named[1:])

    def _has(self, map_type: str, mode: str, trait: str) -> bool:
        return map_type in self.map_types and mode in self.modes and trait in self.traits

    @property
    def all_proxies(self) -> dict[str, tuple[str, ...]]:
        """Built-in proxies and the plan's own."""
        names = dict.fromkeys([*DEFAULT_PROXIES, *self.proxies])
        return {
            name: (*DEFAULT_PROXIES.get(name, ()), *self.proxies.get(name, ())) for name in names
        }

    def network(self, mode: str, map_type: str, *, seed: int, **changes: Any) -> ExperimentConfig:
        """Settings of one network of this study."""
        config = ExperimentConfig(
            map_type=map_type,
            mode=mode,
            traits=self.traits,
            weights=None if mode == "scratch" else self.weights,
            input_size=min(self.input_size, SCRATCH_SIZE) if mode == "scratch" else self.input_size,
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
    known = [field.name for field in fields(Plan)]
    settings = {} if path is None else read_settings(Path(path), known)
    try:
        return Plan(**{**settings, **changes})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path or 'plan'}: {error}") from None


def plan_as_text(plan: Plan) -> str:
    """Every setting as YAML; `load_plan` gives the same plan back."""
    plain = {name: _plain(value) for name, value in asdict(plan).items()}
    return yaml_text(plain)


def _plain(value: Any) -> Any:
    """Lists for tuples, which YAML does not know."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value
