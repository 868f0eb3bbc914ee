"""The checklist: where a study answers TRIPOD+AI and CLAIM, and what its authors must write."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader

from polarnet import __version__
from polarnet.files import new_file, parse_yaml

GUIDELINES: Final = ("tripod_ai_2024", "claim_2024")
"""Files in `checklists/`, in the order of the page."""

SETTINGS: Final = "study.yaml"
"""The file by which a study folder is known."""

TRUTH: Final = "results/truth.*"
"""Only a phantom has it; no item of a guideline asks for it."""

RESULTS: Final = (
    "cohort_table", "flow", "labels_table", "main_results", "main_forest", "roc", "single_task",
    "baselines", "encoding_ablation", "learning_curve", "seeds", "nested_cross_validation",
    "external", "calibration", "thresholds", "decision_curve", "subgroups", "adjusted", "failures",
    "sensitivity", "missing_labels", "sample_size",
)  # fmt: skip
"""Tables and figures that every study makes."""

RUN_FILES: Final = (
    "config.yaml", "environment.json", "history.csv", "model.keras", "scores_val.csv",
)  # fmt: skip

STUDY_FILES: Final = frozenset(
    {SETTINGS, "split.csv", "freeze.json", "test_reads.csv"}
    | {f"runs/*/{name}" for name in RUN_FILES}
    | {f"results/{name}.*" for name in RESULTS}
)
"""All that an item may point to, as globs within the study folder."""

FILES, PARTLY, AUTHORS, NOT_MADE, SIMULATED = STATUSES = (
    "answered by files",
    "partly",
    "to be filled by the authors",
    "not made yet",
    "about patients, here simulated",
)

_MAX_LINKS: Final = 5
"""Files linked one by one: the formats of a result, or as many arms (our choice)."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One item of a reporting guideline, and who answers it.

    Attributes
    ----------
    id
        The guideline's own number, such as "12a".
    section, topic
        What is asked, in our own words.
    where
        Globs of STUDY_FILES to what is found there.
    authors
        What the authors must write; empty where files alone answer.
    about_patients
        The answer is a fact about people, so a phantom never gives it.
    checked
        False: what the topic says beyond the guideline's heading is from memory; the page says so.

    Raises
    ------
    ValueError: nobody answers the item, or `where` names a file that no study has.
    """

    id: str
    section: str
    topic: str
    where: Mapping[str, str] = field(default_factory=dict)
    authors: str = ""
    about_patients: bool = False
    checked: bool = True

    def __post_init__(self) -> None:
        if not self.where and not self.authors:
            raise ValueError(f"Item {self.id}: give `where`, or `authors`, or both.")
        if unknown := sorted(set(self.where) - STUDY_FILES):
            raise ValueError(
                f"Item {self.id}: no study has {', '.join(unknown)}. "
                f"Known: {', '.join(sorted(STUDY_FILES))}."
            )


@dataclass(frozen=True, kw_only=True)
class Guideline:
    """A reporting guideline: its name, where it was published, how we know its items."""

    name: str
    citation: str
    compared_with: str
    items: tuple[Item, ...]


def load_guideline(name: str) -> Guideline:
    """A guideline of the package, by its name in GUIDELINES."""
    file = resources.files("polarnet.report").joinpath("checklists", f"{name}.yaml")
    settings = parse_yaml(file.read_text(encoding="utf-8"), name)
    return Guideline(**settings | {"items": tuple(Item(**item) for item in settings["items"])})


def write_checklist(study: str | Path, out: str | Path, *, is_phantom: bool) -> Path:
    """Write the page that says where a study answers each item, and what is still to be done.

    Parameters
    ----------
    study
        The study folder, as `make study` fills it. A file that is not there is called "not made
        yet"; nothing is read but names.
    out
        The HTML file; replaced if it exists. Its links lead from its own folder to the study's.
    is_phantom
        The cohort was simulated: a banner says so, and no item about patients counts as answered.

    Raises
    ------
    FileNotFoundError: `study` has no study.yaml.

    References
    ----------
    TRIPOD+AI: Collins et al., BMJ 2024;385:e078378. CLAIM: Tejani et al., Radiol Artif Intell
    2024;6:e240300. Classes of claim (RELAINCE): Jha et al., J Nucl Med 2022;63:1288.
    """
    study, out = Path(study), Path(out)
    if not (study / SETTINGS).is_file():
        raise FileNotFoundError(
            f"{study} has no {SETTINGS}, so it is not the folder of a study. "
            "Name the folder that `make study` filled."
        )
    guidelines = [load_guideline(name) for name in GUIDELINES]
    answers = [
        [_answer(item, study, out.parent, is_phantom) for item in guideline.items]
        for guideline in guidelines
    ]
    page = (
        Environment(loader=PackageLoader("polarnet", "report"), autoescape=True, trim_blocks=True)
        .get_template("checklist.html")
        .render(
            version=__version__,
            study=study.resolve().name,
            is_phantom=is_phantom,
            truth=_links(TRUTH, study, out.parent),
            statuses=[status for status in STATUSES if is_phantom or status != SIMULATED],
            guidelines=[
                {
                    "facts": guideline,
                    "counts": Counter(answer["status"] for answer in answered),
                    "sections": _by_section(answered),
                }
                for guideline, answered in zip(guidelines, answers, strict=True)
            ],
        )
    )
    with new_file(out) as partial:
        partial.write_text(page, encoding="utf-8")
    return out


def count_answers(study: str | Path, *, is_phantom: bool) -> dict[str, Counter[str]]:
    """Guideline -> number of its items by status, in the order of the page."""
    found = {}
    for guideline in map(load_guideline, GUIDELINES):
        answers = [_answer(item, Path(study), Path(study), is_phantom) for item in guideline.items]
        found[guideline.name] = Counter(str(answer["status"]) for answer in answers)
    return found


def _by_section(answered: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Answers under the heading of their section, in the guideline's order."""
    return [
        (section, list(some))
        for section, some in groupby(answered, key=lambda answer: answer["item"].section)
    ]


def _answer(item: Item, study: Path, start: Path, is_phantom: bool) -> dict[str, Any]:
    """An item with links to what is there, names of what is not, and its status."""
    found = {glob: _links(glob, study, start) for glob in item.where}
    return {
        "item": item,
        "sources": [
            {
                "name": glob.removesuffix(".*"),
                "text": text,
                "links": found[glob][:_MAX_LINKS],
                "n_more": max(0, len(found[glob]) - _MAX_LINKS),
            }
            for glob, text in item.where.items()
        ],
        "status": SIMULATED if is_phantom and item.about_patients else _status(item, found),
    }


def _status(item: Item, found: Mapping[str, list[dict[str, str]]]) -> str:
    """Answered only where every file is there and nothing is left to the authors."""
    if not item.where:
        return AUTHORS
    if not any(found.values()):
        return NOT_MADE
    return FILES if all(found.values()) and not item.authors else PARTLY


def _links(glob: str, study: Path, start: Path) -> list[dict[str, str]]:
    """The files of a glob: address from the page's folder, and a word to call them by."""
    files = sorted(path for path in study.glob(glob) if path.is_file())
    return [
        {
            "address": quote(Path(os.path.relpath(path, start)).as_posix()),
            "label": _label(path, glob),
        }
        for path in files
    ]


def _label(path: Path, glob: str) -> str:
    """What tells a file from the others of its glob: format or arm; else its name."""
    if glob.endswith(".*"):
        return path.suffix[1:]
    return path.parent.name if "/*/" in glob else path.name
