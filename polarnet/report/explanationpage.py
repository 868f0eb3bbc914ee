"""The page about an explanation, and the folder of one read back for a larger page."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from polarnet.display import interval_text, p_text
from polarnet.explain.checks import Check
from polarnet.files import read_csv, read_json, write_csv, write_json
from polarnet.plotting.style import save_png
from polarnet.report.pages import picture_in, write_page
from polarnet.report.resulttables import page_table

CHECKS_FILE: Final = "checks.csv"
FACTS_FILE: Final = "explanation.json"
PAGE_FILE: Final = "explanation.html"

BY_GROUP: Final = "Mean attribution with and without"
ADDED: Final = "What each segment adds to the score"
"""How captions of the main figures begin, which the report of a run shows too."""

_DOTS_PER_INCH: Final = 150
"""Of the pictures in figures/."""

OUTCOMES: Final = {True: "passed", False: "FAILED", None: "not judged"}
"""How the result of a check is written."""

_MARKS: Final = {True: "passed", False: "failed", None: "open"}


def write_explanation(
    folder: str | Path,
    *,
    figures: Mapping[str, Figure],
    tables: Mapping[str, pd.DataFrame],
    checks: Sequence[Check],
    facts: Mapping[str, str],
    is_phantom: bool,
    finding: str = "",
) -> Path:
    """Write the page for clinicians about the explanation of one trait by one method.

    The finding comes first, then which checks failed, which stands again beside each figure.

    Parameters
    ----------
    folder
        Gets explanation.html, which needs nothing beside it, and the same as data for larger pages:
        checks.csv, explanation.json, and figures/ as PNG files. Older ones are replaced.
    figures, tables
        What each shows, in a sentence without a full stop -> the figure or the table. The
        sentence of a figure is also what is read aloud in its place. No patient's or study's id.
    checks
        Results of the functions `check_...`. Without any, the page says so in their place.
    facts
        What was explained: such as network, trait, method, studies, seeds. `command`, where
        given, is the line by which the page can be made again.
    is_phantom
        The studies were simulated: a banner says so.
    finding
        The result in one or two sentences, as `group_finding` returns it.

    Returns
    -------
    Path of the page.

    Raises
    ------
    ValueError: there is no figure.
    """
    folder = Path(folder)
    if not figures:
        raise ValueError(f"{folder}: the page explains figures, but none were given.")
    captions = {f"{k}.png": text for k, text in enumerate(figures, start=1)}
    for name, figure in zip(captions, figures.values(), strict=True):
        save_png(figure, folder / "figures" / name, _DOTS_PER_INCH)
    table = pd.DataFrame(checks, columns=list(Check.__annotations__))
    write_csv(table, folder / CHECKS_FILE, float_format="%.6g")
    kept = {"finding": finding, "facts": dict(facts), "figures": captions}
    write_json(folder / FACTS_FILE, kept)
    shown = [page_table(table, title) for title, table in tables.items()]
    page = {"one": _read(folder), "is_phantom": is_phantom, "tables": shown}
    return write_page(folder / PAGE_FILE, "explanation", **page)


def read_explained(folders: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Explanations as pages show them, those with the most failed checks first.

    FileNotFoundError: a folder lacks a file. ValueError: a file is not as `polarnet explain` writes
    it.
    """
    return sorted(map(_read, map(Path, folders)), key=lambda one: -len(one["failed"]))


def _read(folder: Path) -> dict[str, Any]:
    """The explanation of one trait by one method."""
    for name in (CHECKS_FILE, FACTS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} has no {name}; name a folder that `polarnet explain` made."
            )
    table, kept = read_csv(folder / CHECKS_FILE), read_json(folder / FACTS_FILE)
    outcomes = {"True": True, "False": False}
    try:
        checks = [
            Check(**row | {"is_passed": outcomes.get(str(row["is_passed"]))})
            for row in table.to_dict("records")
        ]
        facts = {str(name): str(text) for name, text in kept["facts"].items()}
        pictures = [
            (str(text), picture_in(folder / "figures" / Path(name).name, _DOTS_PER_INCH))
            for name, text in kept["figures"].items()
        ]
    except (TypeError, KeyError, AttributeError):
        raise ValueError(
            f"{folder}: {CHECKS_FILE} or {FACTS_FILE} lacks a part. Run `polarnet explain` again."
        ) from None
    failed = [check.name for check in checks if check.is_passed is False]
    warning = "" if checks else "Not checked."
    if failed:
        warning = f"Checks failed: {'; '.join(failed)}."
    return {
        "folder": folder,
        "name": f"{facts.get('method', 'method unknown')}: {facts.get('trait', 'trait')}",
        "command": facts.pop("command", ""),
        "facts": facts,
        "finding": str(kept.get("finding", "")),
        "tally": _tally(checks),
        "checks": [_in_words(check) for check in _failed_first(checks)],
        "failed": failed,
        "unjudged": [check.name for check in checks if check.is_passed is None],
        # What must stand beside each picture.
        "warning": warning,
        "pictures": pictures,
        "main_pictures": [pair for pair in pictures if pair[0].startswith((BY_GROUP, ADDED))],
    }


def groups_in_words(table: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """A table of `compare_groups` as a page shows it: its title, and columns named in words."""
    n_pos, n_neg = table[["n_pos", "n_neg"]].iloc[0]
    effects = [
        interval_text(*row, is_signed=True)
        for row in table[["effect", "ci_low", "ci_high"]].to_numpy(float)
    ]
    printed = pd.DataFrame(
        {
            "segment": [f"{k} {name}" for k, name in table[["segment", "name"]].to_numpy()],
            "share with, %": [f"{100 * share:.1f}" for share in table["mean_pos"]],
            "share without, %": [f"{100 * share:.1f}" for share in table["mean_neg"]],
            "difference in standard deviations [95 %]": effects,
            "p, corrected for 17 segments (max-T)": [*map(p_text, table["p_max_t"])],
            "p, false discovery rate (Benjamini-Hochberg)": [*map(p_text, table["p_bh"])],
            "p, not corrected": [*map(p_text, table["p_raw"])],
        }
    )
    return f"Share of attribution by segment: {n_pos} with, {n_neg} without the trait", printed


def _tally(checks: Sequence[Check]) -> str:
    """How many checks ended how, such as "4 passed, 2 not judged"."""
    outcomes = [check.is_passed for check in _failed_first(checks)]
    return ", ".join(
        f"{outcomes.count(outcome)} {OUTCOMES[outcome].lower()}"
        for outcome in (False, True, None)
        if outcome in outcomes
    )


def _in_words(check: Check) -> dict[str, str]:
    """One check in words and numbers."""
    is_known = np.isfinite(check.value)
    return {
        "name": check.name,
        "outcome": OUTCOMES[check.is_passed],
        "mark": _MARKS[check.is_passed],
        "reason": _reason(check),
        "value": interval_text(check.value, check.low, check.high) if is_known else "",
        "reference": f"{check.reference:.2f}" if np.isfinite(check.reference) else "",
        "n": str(check.n),
    }


def _failed_first(checks: Sequence[Check]) -> list[Check]:
    """Checks in the order in which they must be read: failed, not judged, passed."""
    return sorted(checks, key=lambda check: (False, None, True).index(check.is_passed))


def _reason(check: Check) -> str:
    """The verdict without its first words, which say the outcome."""
    return check.verdict.partition(": ")[2] or check.verdict
