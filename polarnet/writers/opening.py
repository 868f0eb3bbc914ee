"""A bundle is opened: nothing in it runs, nothing is written where the file says."""

import io
import json
import lzma
import math
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import pandas as pd
import yaml

from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.evaluation import Recalibration
from polarnet.network import load_model, predict
from polarnet.suitability import check_trait_names
from polarnet.writers.bundle import CARD, FAMILIARITY, FILES, METRICS, MOST_MEMBERS, check_members
from polarnet.writers.container import check_inner, read_sealed

_KERAS_FILE: Final = {"metadata.json", "config.json", "model.weights.h5"}

_CLASSES: Final = {
    "Conv2D", "Dense", "DTypePolicy", "DTypePolicyMap", "Dropout", "Flatten", "Functional",
    "GlobalAveragePooling2D", "GlorotUniform", "InputLayer", "L2", "MaxPooling2D", "Normalization",
    "Ones", "Permute", "Rescaling", "Reshape", "Zeros", "__keras_tensor__",
}  # fmt: skip
"""All that a model made here consists of. Anything else, such as Lambda, is not even built."""

_POINTS: Final = ("youden", "sensitive")


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model as it was handed on.

    Attributes
    ----------
    members
        Networks that differ in their seed alone, as `load_model` gives them.
    config
        Settings of the first member.
    metrics
        Index trait; n_pos, n_neg, auroc, ci_low, ci_high, method of the mean score on hold-out
        patients of the cohort of the training. NaN where there were too few.
    recalibration
        Trait -> recalibration of the mean score, fitted on validation patients; lacks traits where
        none could be fitted.
    thresholds
        Trait -> "youden" and "sensitive", see `choose_thresholds`; of the mean score before
        recalibration. Lacks traits with too few validation patients.
    card
        Model card, markdown.
    facts
        The manifest: versions, seeds, numbers of studies, sha256 of all parts.
    """

    members: tuple[keras.Model, ...]
    config: ExperimentConfig
    metrics: pd.DataFrame
    recalibration: Mapping[str, Recalibration]
    thresholds: Mapping[str, Mapping[str, float]]
    card: str
    facts: Mapping[str, Any]

    def __repr__(self) -> str:
        kind = "Bundle (phantom, not patients)" if self.facts.get("is_phantom") else "Bundle"
        return (
            f"{kind} of {len(self.members)} {self.config.mode} networks on "
            f"{self.config.map_type} maps: {', '.join(self.config.traits)}"
        )

    def predict(
        self, cohort: Cohort, *, cache: str | Path | None = None, show_progress: bool = False
    ) -> pd.DataFrame:
        """Mean over the members of their scores.

        Parameters
        ----------
        cohort, cache, show_progress
            As for `polarnet.predict`.

        Returns
        -------
        As of `polarnet.predict`, with its `attrs`, and `attrs["spread"]`: a DataFrame of the
        standard deviation over members (n - 1 below the line; NaN for one member). That is model
        variability, not a confidence interval.

        Raises
        ------
        ValueError: the cohort does not fit, see `polarnet.predict`.
        """
        tables = [predict(self.members[0], cohort, cache=cache, show_progress=show_progress)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the first member said it
            tables += [
                predict(member, cohort, cache=cache, show_progress=show_progress)
                for member in self.members[1:]
            ]
        attributes = tables[0].attrs
        for table in tables:
            table.attrs = {}  # pandas compares them, which is costly for tables
        stacked = pd.concat(tables).groupby(level=0, sort=False)
        mean = stacked.mean().loc[tables[0].index]
        spread = stacked.std(ddof=1).loc[tables[0].index]
        mean.attrs = {**attributes, "spread": spread}
        return mean


_SIDES: Final = ("units", "filters", "target_shape", "shape", "batch_shape", "kernel_size")
_WIDEST: Final = 2**20
"""Far above what our settings allow."""


def load_bundle(path: str | Path) -> Bundle:
    """Open a file made by `write_bundle`.

    Parameters
    ----------
    path
        The file. Its seal, the sizes and digests of its parts and the kinds of layers are checked
        before Keras sees any of it; models are loaded in safe mode.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: it is no bundle, changed, cut short, of another format, or holds what no bundle
        does.
    """
    path = Path(path)
    facts, parts = read_sealed(path)
    try:
        n_members = _checked_count(facts, parts)
        members = tuple(_member(parts, k) for k in range(n_members))
        configs = [member.experiment for member in members]
        if odd := check_members(configs):
            raise ValueError(f"its members differ in {odd}")
        traits = configs[0].traits
        check_trait_names(traits)
        if facts.get("traits") != list(traits):
            raise ValueError("its manifest names other traits than its members")
        metrics = _metrics(facts.get("metrics"), traits)
        recalibration = {
            trait: Recalibration(*_numbers(found, ("intercept", "slope"), -math.inf))
            for trait, found in _of_traits(facts.get("recalibration"), traits).items()
        }
        thresholds = {
            trait: dict(zip(_POINTS, _numbers(found, _POINTS, 0, 1), strict=True))
            for trait, found in _of_traits(facts.get("thresholds"), traits).items()
        }
        card = parts[CARD].decode("utf-8")
    except (
        ValueError, KeyError, TypeError, OSError, RecursionError, MemoryError, ArithmeticError,
        zlib.error, lzma.LZMAError,
    ) as error:  # fmt: skip
        reason = " ".join(str(error.args[0] if error.args else type(error).__name__).split())
        raise ValueError(
            f"{path} is refused: {reason[:300]}. Ask for a bundle written by polarnet."
        ) from None
    return Bundle(members, configs[0], metrics, recalibration, thresholds, card, facts)


def _checked_count(facts: Mapping[str, Any], parts: Mapping[str, bytes]) -> int:
    """Number of members; all their parts are there, and no others."""
    n_members = facts.get("n_members")
    if type(n_members) is not int or not 1 <= n_members <= MOST_MEMBERS:
        raise ValueError(f"it says to have {n_members!r:.40} members")
    needed, known = {CARD}, {CARD}
    for k in range(n_members):
        known |= {name.format(k) for name in FILES.values()}
        needed |= {FILES[file].format(k) for file in ("model.keras", "config.yaml")}
    if odd := sorted((set(parts) - known) | (needed - set(parts))):
        raise ValueError(f"parts are missing or too many ({', '.join(odd)[:200]})")
    return n_members


def _member(parts: Mapping[str, bytes], k: int) -> keras.Model:
    """One member, by way of a folder whose files we name."""
    found = {file: parts.get(name.format(k)) for file, name in FILES.items()}
    _check_settings(found["config.yaml"] or b"")
    _check_model(found["model.keras"] or b"", f"the model of member {k + 1}")
    if content := found[FAMILIARITY]:
        check_inner(content, None, f"{FAMILIARITY} of member {k + 1}")
    with tempfile.TemporaryDirectory(prefix="polarnet_") as folder:
        for file, content in found.items():
            if content is not None:
                (Path(folder) / file).write_bytes(content)
        try:
            return load_model(folder)
        except (ValueError, OSError, KeyError, TypeError) as error:
            reason = str(error).replace(folder, f"member {k + 1}")
            raise ValueError(reason.removesuffix(" Copy the run again.").rstrip(".")) from None


def _check_settings(content: bytes) -> None:
    """Refuse YAML whose few lines would unfold to gigabytes."""
    try:
        tokens = yaml.scan(content.decode("utf-8"))
        is_odd = any(isinstance(token, yaml.AnchorToken | yaml.AliasToken) for token in tokens)
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ValueError("its settings are not YAML") from None
    if is_odd:
        raise ValueError("its settings refer to one another, which ours never do")


def _check_model(content: bytes, what: str) -> None:
    """Refuse a Keras file with other parts, sizes or classes than ours have."""
    check_inner(content, _KERAS_FILE, what)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            tree = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, RuntimeError):
        raise ValueError(f"{what} is damaged") from None
    _check_sides(tree, what)
    for name, module in _classes(tree):
        is_keras = module is None or module.split(".")[0] in ("keras", "builtins")
        if name not in _CLASSES or not is_keras:
            raise ValueError(f"{what} holds {name!r:.60}, which no model made here has")


def _check_sides(tree: Any, what: str) -> None:
    """Refuse layers so wide that making them would fill the memory."""
    waiting = [(None, tree)]
    while waiting:
        key, node = waiting.pop()
        if isinstance(node, dict):
            waiting += node.items()
        elif isinstance(node, list):
            waiting += [(key, one) for one in node]
        elif key in _SIDES and isinstance(node, int | float) and abs(node) > _WIDEST:
            raise ValueError(f"{what} has a layer of {node:g} {key}")


def _classes(tree: Any) -> list[tuple[Any, str | None]]:
    """Every class that a Keras configuration names, with its module."""
    found = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "class_name" in node:
                module = node.get("module")
                found.append((node["class_name"], None if module is None else str(module)))
                if node.get("registered_name") not in (None, node["class_name"]):
                    found.append((node["registered_name"], None))
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return found


def _metrics(found: Any, traits: Sequence[str]) -> pd.DataFrame:
    """The table of results, NaN for null."""
    rows = _of_traits(found, traits)
    if set(rows) != set(traits):
        raise ValueError("its manifest lacks results of a trait")
    table = pd.DataFrame.from_dict(
        {trait: [rows[trait][name] for name in METRICS] for trait in traits},
        orient="index", columns=list(METRICS),
    )  # fmt: skip
    table.index.name = "trait"
    table[["method", "note"]] = table[["method", "note"]].astype(str)
    table["is_circular"] = table["is_circular"].astype(bool)
    table[["n_pos", "n_neg"]] = table[["n_pos", "n_neg"]].astype(int)
    return table.astype(dict.fromkeys(("auroc", "ci_low", "ci_high"), float))


def _of_traits(found: Any, traits: Sequence[str]) -> dict[str, Any]:
    """A mapping by trait, of none but these."""
    if not isinstance(found, dict) or not set(found) <= set(traits):
        raise ValueError("its manifest has not the form of ours")
    return found


def _numbers(
    found: Any, names: Sequence[str], low: float, high: float = math.inf
) -> tuple[float, ...]:
    """Named finite numbers within a range."""
    values = tuple(float(found[name]) for name in names)
    if not all(math.isfinite(value) and low <= value <= high for value in values):
        raise ValueError(f"its manifest has {', '.join(names)} out of range")
    return values
