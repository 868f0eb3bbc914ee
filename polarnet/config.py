"""Settings of one run: a flat record that is read from YAML and checks itself."""

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from pathlib import Path
from typing import Any, Final

import numpy as np

from polarnet.files import is_formula, read_yaml, shown, unknown_settings, yaml_text
from polarnet.traits import COMBINED, MAP_TYPES, TRAITS

WINDOWS: Final = {
    ("rest", "mL/min/g"): (0.0, 3.0),
    ("stress", "mL/min/g"): (0.0, 6.0),
    ("reserve", "mL/min/g"): (0.0, 8.0),
    ("rest", "percent"): (0.0, 100.0),
    ("stress", "percent"): (0.0, 100.0),
}
"""Values shown as darkest and brightest, by map type and unit of the cohort (our choice)."""

Window = tuple[float, float] | tuple[tuple[float, float], ...]
"""Darkest and brightest value; for combined maps, those of rest, stress and reserve."""

SMALL: Final = "small"
"""The trunk of mode "scratch"."""

MOST_TRAITS: Final = 200
LONGEST_NAME: Final = 200
LONGEST_TEXT: Final = 4096
"""Traits (and clinical columns), characters of a name, characters of other texts (our choice)."""

SIZE_STEP: Final = 16
"""VGG16 halves its input four times before block 5; other sizes would lose rows on the way."""

LARGEST_SHARE: Final = 10
"""Weight of the trunk beside the bullseye, far above what is ever chosen (our choice)."""

_CHOICES: Final = {
    "map_type": (*MAP_TYPES, COMBINED),
    "mode": ("frozen", "finetuned", "scratch"),
    "trunk": ("block1", "block2", "block3", "block4", "block5", None),
    "pooling": ("aha", "global"),
    "scaling": ("absolute", "relative"),
    "precision": ("auto", "float32", "mixed_bfloat16"),
}

_TEXTS: Final = ("palette", "tracer", "stress_agent", "software", "weights", "unit")

_RANGES: Final = {
    "input_size": (int, 32, 1024),
    "share": (float, 0, LARGEST_SHARE),
    "anchor": (float, 0, 1000),
    "learning_rate": (float, 1e-9, 1),
    "finetune_learning_rate": (float, 1e-9, 1),
    "epochs": (int, 1, 100_000),
    "finetune_epochs": (int, 1, 100_000),
    "batch_size": (int, 1, 100_000),
    "finetune_patience": (int, 1, 100_000),
    "seed": (int, 0, 2**31 - 1),
    "map_size": (int, 2, 8192),
    "val": (float, 0.001, 0.999),
    "test": (float, 0.001, 0.999),
}

_MAY_BE_NONE: Final = ("weights", "unit", "map_size", "share", "window")


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """Settings of one run. What the paper's abstract does not say is our choice.

    Attributes
    ----------
    map_type
        The map that the network reads: "rest", "stress" or "reserve" (abstract), or "combined":
        all three, as the three channels of one image.
    mode
        "frozen": ImageNet trunk left as it is; "finetuned": its last block is trained on, after
        the heads, and kept where it is better (the abstract names both stages); "scratch": a small
        network without VGG16 and bullseye, trained from random weights (our control; `weights`,
        `trunk` do not apply).
    traits
        One sigmoid head each (multi-task; abstract).
    clinical
        Columns of the cohort's table, of numbers or of 0 and 1, that are read beside the map, such
        as age and bmi. None by default, as the paper reads maps alone.
    weights
        Of the trunk: "imagenet" (part of the package up to block 2, downloaded above), the path of
        a weights file, or None for an untrained trunk.
    trunk
        Last VGG16 block used. None: "block2". "block5" is the paper's likely reading.
    pooling
        "aha" averages trunk features in each of the 17 AHA segments, "global" over the image.
    input_size
        Pixels per side that the trunk sees; a multiple of 16. VGG16 was trained with 224, which is
        the smallest size tried on a phantom that loses nothing; 112 takes a quarter of the time and
        loses 0.009 of the AUROC of sex, and hardly anything elsewhere.
    scaling
        "absolute": one fixed window for all maps; "relative": each map's own maximum is brightest.
    palette
        "grey", or the name of a matplotlib colour map: 8 bits, as a screen shows it.
    share
        Weight of the trunk's features beside the bullseye, for all traits. None: chosen for each
        trait by cross-validation over the training patients, as the penalty of its head is.
    learning_rate, epochs, batch_size
        Of the heads (Adam, falling to 0). They have one optimum, near which they begin, so the last
        epoch is kept.
    finetune_learning_rate, finetune_epochs, finetune_patience
        Of the second stage, which ends when the validation log-loss did not improve for
        `finetune_patience` epochs; of the only stage of "scratch", with the learning rate of the
        heads.
    anchor
        Pulls the weights of the last block towards those that fine-tuning begins at (L2-SP).
    augment
        Turn by up to 10 degrees, stretch by up to 3 %, add noise; never a flip. Each map has eight
        changed copies, which the epochs take in turn.
    val, test
        Shares of the patients, where the cohort brings no split of its own.
    precision
        "auto" is mixed_bfloat16 where the processor or GPU computes in it, else float32.
    seed
        Of the split, the folds, the initial weights, the order of studies, and augmentation.
    unit, map_size, window, tracer, stress_agent, software
        Filled in by training from the cohort; prediction compares them.

    Raises
    ------
    ValueError: a setting is out of range.
    """

    map_type: str = "stress"
    mode: str = "frozen"
    traits: tuple[str, ...] = TRAITS
    clinical: tuple[str, ...] = ()
    weights: str | None = "imagenet"
    trunk: str | None = None
    pooling: str = "aha"
    input_size: int = 224
    scaling: str = "absolute"
    palette: str = "grey"
    share: float | None = None
    learning_rate: float = 3e-3
    epochs: int = 50
    batch_size: int = 64
    finetune_learning_rate: float = 3e-5
    finetune_epochs: int = 10
    finetune_patience: int = 3
    anchor: float = 0.1
    augment: bool = False
    val: float = 0.15
    test: float = 0.15
    precision: str = "auto"
    seed: int = 0
    unit: str | None = None
    map_size: int | None = None
    window: Window | None = None
    tracer: str = ""
    stress_agent: str = ""
    software: str = ""

    def __post_init__(self) -> None:
        weights = str(self.weights) if isinstance(self.weights, Path) else self.weights
        if isinstance(weights, str) and weights.lower() == "none":
            weights = None
        object.__setattr__(self, "weights", weights)
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None or field.name not in _MAY_BE_NONE:
                object.__setattr__(self, field.name, self._checked(field.name, value))
        if self.input_size % SIZE_STEP:
            raise ValueError(
                f"input_size must be a multiple of {SIZE_STEP}, so that VGG16 halves it without "
                f"moving a wall, but {self.input_size} was given."
            )
        if self.val + self.test >= 1:
            raise ValueError(f"val ({self.val}) and test ({self.test}) must sum to less than 1.")
        if self.mode == "scratch" and (self.weights is not None or self.trunk is not None):
            raise ValueError("Mode scratch has no VGG16: leave trunk out, and weights at none.")
        if self.mode == "scratch" and self.clinical:
            raise ValueError("Mode scratch reads maps alone: leave clinical out.")
        if both := [name for name in self.clinical if name in self.traits]:
            raise ValueError(
                f"{', '.join(both)} cannot be both a clinical column and a trait of one run. Leave "
                "it out of either."
            )
        if self.map_type == COMBINED and self.palette != "grey":
            raise ValueError("The three combined maps are channels of one image; palette is grey.")

    def _checked(self, name: str, value: Any) -> Any:
        """A setting in its own type, or ValueError."""
        if name in ("traits", "clinical"):
            return _checked_names(value, name)
        if name == "window":
            return _checked_window(value, self.map_type)
        if name in _CHOICES:
            what, is_right = (
                "one of " + ", ".join(map(str, _CHOICES[name])),
                value in _CHOICES[name],
            )
        elif name in _RANGES:
            kind, low, high = _RANGES[name]
            what = f"{'a whole number' if kind is int else 'a number'} between {low} and {high}"
            is_number = isinstance(value, Real) and not isinstance(value, bool)
            is_right = is_number and low <= value <= high and value == kind(value)
            value = kind(value) if is_right else value
        elif name in _TEXTS:  # a YAML file that says 4.10 would give 4.1
            what = f"text in quotes, of at most {LONGEST_TEXT} characters"
            is_right = isinstance(value, str) and len(value) <= LONGEST_TEXT
        else:
            what, is_right = "true or false", isinstance(value, bool)
        if not is_right:
            raise ValueError(f"{name} must be {what}, but {shown(value)} was given.")
        return value

    @property
    def map_types(self) -> tuple[str, ...]:
        """The maps that the network reads: one, or all three."""
        return MAP_TYPES if self.map_type == COMBINED else (self.map_type,)

    @property
    def windows(self) -> tuple[tuple[float, float], ...]:
        """Darkest and brightest value of each map read, of a resolved configuration."""
        if self.window is None:
            raise ValueError("The configuration is not resolved: it has no window.")
        pairs = np.reshape(self.window, (-1, 2)).tolist()
        return tuple((low, high) for low, high in pairs)

    @property
    def last_block(self) -> str:
        """The last VGG16 block used, with the default for the mode filled in."""
        if self.mode == "scratch":
            return SMALL
        return self.trunk or "block2"

    @classmethod
    def load(cls, path: str | Path, **changes: Any) -> "ExperimentConfig":
        """Read a YAML file that lists what differs from the defaults.

        Parameters
        ----------
        changes
            Settings that win over the file.

        Raises
        ------
        FileNotFoundError: no such file.
        ValueError: it is not a mapping, or a setting is unknown or out of range.
        """
        path = Path(path)
        settings = read_settings(path, [field.name for field in fields(cls)])
        try:
            return cls(**{**settings, **changes})
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write every setting as YAML; `load` gives the same record back."""
        Path(path).write_text(yaml_text(settings_of(self)), encoding="utf-8")


def _checked_names(given: Any, setting: str) -> tuple[str, ...]:
    """Names that can head a column and a figure; a whole number may name a column too."""
    kind, fewest = ("trait", 1) if setting == "traits" else ("clinical column", 0)
    is_list = isinstance(given, Iterable) and not isinstance(given, str | Mapping)
    names = tuple(given) if is_list else ()
    is_odd = any(isinstance(n, bool) or not isinstance(n, str | int) for n in names)
    if not is_list or len(names) < fewest or is_odd:
        raise ValueError(
            f"{setting} must be a list of names, but {shown(given)} was given. Put quotes around "
            "yes, no and names that are numbers."
        )
    checked = tuple(map(str, names))
    if len(set(checked)) < len(checked) or len(checked) > MOST_TRAITS:
        raise ValueError(
            f"{setting} must name {fewest} to {MOST_TRAITS} {kind}s, each once: {shown(checked)}."
        )
    for name in checked:
        if name != name.strip() or not 0 < len(name) <= LONGEST_NAME or _breaks(name):
            raise ValueError(
                f"{shown(name)} cannot name a {kind}: it is empty, has more than {LONGEST_NAME} "
                "characters, begins or ends with a space, or holds a tab or line end. Rename it."
            )
        if is_formula(name):
            raise ValueError(
                f"{shown(name)} cannot name a {kind}: a spreadsheet would take it for a formula. "
                "Rename the column."
            )
    return checked


def _breaks(text: str) -> bool:
    """Whether there are line ends, tabs, other control characters or halves of characters."""
    return any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in text)


def _checked_window(window: Any, map_type: str) -> Window:
    """Two ascending numbers, or a pair of them for each combined map."""
    expected = len(MAP_TYPES) if map_type == COMBINED else 1
    try:
        pairs = tuple(window) if map_type == COMBINED else (window,)
        checked = tuple((float(low), float(high)) for low, high in pairs)
    except (TypeError, ValueError, OverflowError):
        checked = ()
    is_rising = all(-math.inf < low < high < math.inf for low, high in checked)
    if len(checked) != expected or not is_rising:
        what = "three pairs of" if map_type == COMBINED else "two"
        raise ValueError(f"window must be {what} ascending numbers, but {shown(window)} was given.")
    return checked if map_type == COMBINED else checked[0]


def read_settings(path: Path, known: Sequence[str]) -> dict[str, Any]:
    """Lines "name: value" of a YAML file. FileNotFoundError: no such file. ValueError: it is not
    YAML, not a mapping, or has an unknown setting, for which the nearest known one is named.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No settings file {path}.")
    settings = read_yaml(path) or {}
    if not isinstance(settings, dict):
        raise ValueError(f"{path} must hold lines like 'seed: 7', with names of settings.")
    if "hidden_units" in settings:
        raise ValueError(
            f"{path} is of an earlier version, whose networks had a hidden layer. Leave what "
            "belongs to it out of settings; train a run or bundle again."
        )
    if unknown := unknown_settings(settings, known):
        raise ValueError(f"{path}: {'; '.join(unknown[:10])}")
    return settings


def settings_of(config: ExperimentConfig) -> dict[str, Any]:
    """Every setting, as YAML and JSON have it."""
    settings = asdict(config)
    settings |= {name: list(settings[name]) for name in ("traits", "clinical")}
    settings["window"] = np.asarray(config.window).tolist() if config.window else None
    return settings


def differing(configs: Sequence[ExperimentConfig]) -> str:
    """Which settings differ between some runs, seeds apart; empty where none does."""
    first, *others = (vars(replace(config, seed=0)) for config in configs)
    return ", ".join(name for name in first if any(o[name] != first[name] for o in others))


def resolve_config(
    config: ExperimentConfig, *, unit: str, map_size: int, **stated: Any
) -> ExperimentConfig:
    """The settings with everything filled in that the training cohort decides; `stated` are tracer,
    stress agent and software. ValueError: they were resolved for another unit or map type, as those
    of a finished run are.
    """
    if lacking := [m for m in config.map_types if (m, unit) not in WINDOWS]:
        raise ValueError(f"There is no {', '.join(lacking)} map in {unit}.")
    pairs = tuple(WINDOWS[map_type, unit] for map_type in config.map_types)
    default: Window = pairs if config.map_type == COMBINED else pairs[0]
    if config.unit not in (None, unit):
        raise ValueError(
            f"These settings are of a run in {config.unit}, the cohort is in {unit}. Leave unit "
            "and window out of the configuration."
        )
    if config.window in WINDOWS.values() and config.window != default:
        raise ValueError(
            f"Window {config.window} is not that of {config.map_type} maps in {unit}, {default}. "
            "Leave window out of the configuration."
        )
    return replace(
        config,
        trunk=None if config.mode == "scratch" else config.last_block,
        unit=unit,
        map_size=map_size,
        window=config.window or default,
        **stated,
    )
