"""Folders that `polarnet explain` wrote, for the report of a study."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from polarnet.explain.checks import Check
from polarnet.files import without_apostrophes
from polarnet.report.explanationchecks import failed_first
from polarnet.report.pictures import Picture, picture_in
from polarnet.report.written import read_page

CHECKS_FILE: Final = "checks.csv"
PAGE_FILE: Final = "explanation.html"

_DOTS_PER_INCH: Final = 150
"""Of the pictures in its figures/."""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The explanation of one trait by one method.

    Attributes
    ----------
    folder
        Holds its page, explanation.html.
    facts
        Trait, method, maps, networks.
    checks
        Failed ones first.
    pictures
        What each shows, and the picture.
    command
        The line by which it was made; empty where unknown.
    """

    folder: Path
    facts: dict[str, str]
    checks: list[Check]
    pictures: list[tuple[str, Picture]]
    command: str

    @property
    def name(self) -> str:
        """Method and trait."""
        return f"{self.facts.get('method', 'method unknown')}: {self.facts.get('trait', 'trait')}"

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [check.name for check in self.checks if check.is_passed is False]


def read_explained(folders: Iterable[str | Path]) -> list[Explained]:
    """Explanations, those with the most failed checks first.

    Raises
    ------
    FileNotFoundError: a folder has no checks.csv.
    ValueError: a checks.csv is not one of `polarnet explain`.
    """
    found = [_read(Path(folder)) for folder in folders]
    return sorted(found, key=lambda explained: -len(explained.failed))


def _read(folder: Path) -> Explained:
    path = folder / CHECKS_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no {CHECKS_FILE}; name a folder that `polarnet explain` made."
        )
    table = without_apostrophes(pd.read_csv(path))
    try:
        checks = [
            Check(**row | {"is_passed": _outcome(row["is_passed"])})
            for row in table.to_dict("records")
        ]
    except (TypeError, KeyError):
        raise ValueError(
            f"{path} lacks columns of a table of checks. Run `polarnet explain` again."
        ) from None
    page = read_page(folder / PAGE_FILE)
    files = sorted((folder / "figures").glob("*.png"), key=lambda file: (len(file.stem), file.stem))
    named = page.alternatives + ["Figure of the explanation"] * len(files)
    return Explained(
        folder=folder,
        facts=page.facts or {"method": folder.name},
        checks=failed_first(checks),
        pictures=[
            (title, picture_in(file, _DOTS_PER_INCH))
            for title, file in zip(named, files, strict=False)
        ],
        command=page.command,
    )


def _outcome(value: object) -> bool | None:
    """Passed, failed, or not judged."""
    return {"True": True, "False": False}.get(str(value))
