"""The page about an explanation: what was checked, the pictures, and how not to read them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure

from polarnet import __version__
from polarnet.explain.checks import Check
from polarnet.files import new_file
from polarnet.report.explanationchecks import OUTCOMES, failed_first, reason
from polarnet.report.pictures import picture_of
from polarnet.report.tables import interval_text, print_cells

COMMAND: Final = "command"
"""The fact that says how the page is made again."""


def write_explanation(
    out: str | Path,
    *,
    figures: Mapping[str, Figure],
    tables: Mapping[str, pd.DataFrame],
    checks: Sequence[Check],
    facts: Mapping[str, str],
    is_phantom: bool,
) -> Path:
    """Write the page for clinicians about the explanation of one trait by one method.

    Failed checks are named first, and again beside each figure.

    Parameters
    ----------
    out
        The HTML file; replaced if it exists. It needs nothing beside it.
    figures, tables
        What each shows, in a sentence without a full stop -> the figure or the table. The
        sentence of a figure is also what is read aloud in its place. No patient's or study's id.
    checks
        Results of the functions `check_...`. Without any, the page says so in their place.
    facts
        What was explained: such as network, trait, method, studies, seeds. `command`, where
        given, is the line by which the page can be made again.
    is_phantom
        The studies were simulated: a banner and each caption say so.

    Raises
    ------
    ValueError: there is no figure.
    """
    if not figures:
        raise ValueError(f"{out}: the page explains figures, but none were given.")
    ordered = failed_first(checks)
    page = (
        Environment(loader=PackageLoader("polarnet", "report"), autoescape=True, trim_blocks=True)
        .get_template("explanation.html")
        .render(
            version=__version__,
            is_phantom=is_phantom,
            trait=facts.get("trait", ""),
            facts={name: text for name, text in facts.items() if name != COMMAND},
            command=facts.get(COMMAND, ""),
            checks=[check_facts(check) for check in ordered],
            failed=[check.name for check in ordered if check.is_passed is False],
            unjudged=[check.name for check in ordered if check.is_passed is None],
            figures=[(title, picture_of(figure)) for title, figure in figures.items()],
            tables=[(title, *_cells(table)) for title, table in tables.items()],
        )
    )
    with new_file(out) as partial:
        partial.write_text(page, encoding="utf-8")
    return Path(out)


def check_facts(check: Check) -> dict[str, str]:
    """One check in words and numbers."""
    is_known = np.isfinite(check.value)
    return {
        "name": check.name,
        "outcome": OUTCOMES[check.is_passed],
        "mark": {True: "passed", False: "failed", None: "open"}[check.is_passed],
        "reason": reason(check),
        "value": interval_text(check.value, check.low, check.high) if is_known else "",
        "reference": f"{check.reference:.2f}" if np.isfinite(check.reference) else "",
        "n": str(check.n),
    }


def _cells(table: pd.DataFrame) -> tuple[list[tuple[str, bool]], list[list[tuple[str, bool]]]]:
    """Headings and cells of a table, each with whether it is a number."""
    printed, is_right = print_cells(table)
    headings = list(zip(map(str, printed.columns), is_right, strict=True))
    return headings, [list(zip(row, is_right, strict=True)) for row in printed.to_numpy()]
