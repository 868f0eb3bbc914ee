"""A bundle is opened: nothing in it runs, nothing is written where the file says."""

import lzma
import math
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.evaluation import Recalibration
from polarnet.files import shown
from polarnet.network import Run, load_run, predict
from polarnet.rundata import HEADS_FILE
from polarnet.suitability import check_trait_names
from polarnet.writers.bundle import CARD, FAMILIARITY, FILES, METRICS, MOST_MEMBERS, check_members
from polarnet.writers.container import check_inner, read_sealed

_POINTS: Final = ("youden", "sensitive")


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model as it was handed on.

    Attributes
    ----------
    members
        Networks that differ in their seed alone, as `load_run` gives them.
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

    members: tuple[Run, ...]
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
        """Mean over the members of their scores, see `polarnet.predict`."""
        return predict(self, cohort, cache=cache, show_progress=show_progress)


def load_bundle(path: str | Path) -> Bundle:
    """Open a file made by `write_bundle`.

    Parameters
    ----------
    path
        The file. Its seal and the sizes and digests of its parts are checked first. Models are made
        from their settings; nothing that a file describes is built or run.

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
        configs = [member.config for member in members]
        if odd := check_members(configs):
            raise ValueError(f"its members differ in {odd}")
        traits = configs[0].traits
        check_trait_names(traits)
        _check_types(facts)
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
        ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError, MemoryError,
        ArithmeticError, zlib.error, lzma.LZMAError,
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
        raise ValueError(f"it says to have {shown(n_members)} members")
    needed, known = {CARD}, {CARD}
    for k in range(n_members):
        known |= {name.format(k) for name in FILES.values()}
        needed |= {FILES[file].format(k) for file in ("model.keras", "config.yaml", HEADS_FILE)}
    if odd := sorted((set(parts) - known) | (needed - set(parts))):
        raise ValueError(f"parts are missing or too many ({', '.join(odd)[:200]})")
    return n_members


def _member(parts: Mapping[str, bytes], k: int) -> Run:
    """One member, by way of a folder whose files we name."""
    found = {file: parts.get(name.format(k)) for file, name in FILES.items()}
    for file in ("model.keras", FAMILIARITY):
        if (content := found[file]) is not None:
            check_inner(content, f"{file} of member {k + 1}")
    with tempfile.TemporaryDirectory(prefix="polarnet_") as folder:
        for file, content in found.items():
            if content is not None:
                (Path(folder) / file).write_bytes(content)
        try:
            return load_run(folder)
        except (ValueError, OSError, KeyError, TypeError) as error:
            reason = str(error).replace(folder, f"member {k + 1}")
            raise ValueError(reason.removesuffix(" Copy the run again.").rstrip(".")) from None


def _metrics(found: Any, traits: Sequence[str]) -> pd.DataFrame:
    """The table of results, NaN for null."""
    rows = _of_traits(found, traits)
    if set(rows) != set(traits):
        raise ValueError("its manifest lacks results of a trait")
    for row in rows.values():
        are_counts = all(_is_count(row[name]) for name in ("n_pos", "n_neg"))
        are_shares = all(_is_share(row[name]) for name in ("auroc", "ci_low", "ci_high"))
        are_words = all(isinstance(row[name], str) for name in ("method", "note"))
        if not (
            are_counts and are_shares and are_words and type(row["is_circular"]) in (bool, int)
        ):
            raise ValueError("its manifest has results of another type than ours")
    table = pd.DataFrame.from_dict(
        {trait: [rows[trait][name] for name in METRICS] for trait in traits},
        orient="index", columns=list(METRICS),
    )  # fmt: skip
    table.index.name = "trait"
    table[["method", "note"]] = table[["method", "note"]].astype(str)
    table["is_circular"] = table["is_circular"].astype(bool)
    table[["n_pos", "n_neg"]] = table[["n_pos", "n_neg"]].astype(int)
    return table.astype(dict.fromkeys(("auroc", "ci_low", "ci_high"), float))


def _check_types(facts: Mapping[str, Any]) -> None:
    """Refuse facts of another type than ours: text such as "false" counts as true."""
    for name in ("n_train", "n_val", "n_test"):
        if not (facts.get(name) is None or _is_count(facts[name])):
            raise ValueError(f"its manifest has {name} {shown(facts[name])}, which is no number")
    if not isinstance(facts.get("is_phantom"), bool):
        raise ValueError("its manifest does not say whether it is of a phantom")
    for name in ("versions", "n_fitted"):
        if not isinstance(facts.get(name), dict):
            raise ValueError(f"its manifest lacks {name}")
    for name in ("polarnet", "weights"):
        if not isinstance(facts.get(name), str):
            raise ValueError(f"its manifest lacks {name}")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_share(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (is_number and 0 <= value <= 1)


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
