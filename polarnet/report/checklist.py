"""The checklist: where a study answers TRIPOD+AI and CLAIM, and what its authors must write."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from polarnet.files import parse_yaml
from polarnet.report.pages import write_page

GUIDELINES: Final = ("tripod_ai_2024", "claim_2024")
"""Files in checklists/, in the order of the page."""

SETTINGS: Final = "study.yaml"
"""The file by which a study folder is known."""

TRUTH: Final = "results/truth.*"
"""Only a phantom has it; no item of a guideline asks for it."""

FILES, PARTLY, AUTHORS, NOT_MADE, SIMULATED = STATUSES = (
    "answered by files",
    "partly",
    "to be filled by the authors",
    "not made yet",
    "about patients, here simulated",
)

_MAX_LINKS: Final = 5
"""Files linked one by one: the formats of a result, or as many arms (our choice)."""


def load_guideline(name: str) -> dict[str, Any]:
    """A guideline of the package, by its name in GUIDELINES.

    Returns
    -------
    name, citation, compared_with, and items, each with id (the guideline's own number, such as
    "12a"), section, topic (what is asked, in our own words), and as needed: where (glob within the
    study folder -> what is found there), authors (what they must write), about_patients (a phantom
    never answers it), checked (False: what the topic says beyond the guideline's heading is from
    memory).
    """
    file = resources.files("polarnet.report").joinpath("checklists", f"{name}.yaml")
    found: dict[str, Any] = parse_yaml(file.read_text(encoding="utf-8"), name)
    return found


def check_study_folder(folder: Path) -> None:
    """Raise FileNotFoundError where a folder has no study.yaml."""
    if not (folder / SETTINGS).is_file():
        raise FileNotFoundError(
            f"{folder} has no {SETTINGS}, so it is not the folder of a study. "
            "Name the folder that `make study` filled."
        )


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
    check_study_folder(study)
    return write_page(
        out, "checklist", study=study.resolve().name, is_phantom=is_phantom,
        truth=_links(TRUTH, study, out.parent), statuses=shown_statuses(is_phantom),
        guidelines=answered(study, out.parent, is_phantom),
    )  # fmt: skip


def shown_statuses(is_phantom: bool) -> list[str]:
    """The statuses that items of a study can have."""
    return [status for status in STATUSES if is_phantom or status != SIMULATED]


def answered(study: Path, start: Path, is_phantom: bool) -> list[dict[str, Any]]:
    """Guidelines with their items by section, each item answered, and counts by status.

    Parameters
    ----------
    start
        Folder from which links lead.
    """
    found = []
    for guideline in map(load_guideline, GUIDELINES):
        items = [_answer(item, study, start, is_phantom) for item in guideline["items"]]
        sections = groupby(items, key=lambda item: item["section"])
        found.append(guideline | {
            "items": items,
            "counts": Counter(item["status"] for item in items),
            "sections": [(section, list(some)) for section, some in sections],
        })  # fmt: skip
    return found


def _answer(item: Mapping[str, Any], study: Path, start: Path, is_phantom: bool) -> dict[str, Any]:
    """An item with links to what is there, names of what is not, and its status."""
    where = item.get("where", {})
    found = {glob: _links(glob, study, start) for glob in where}
    sources = [
        {
            "name": glob.removesuffix(".*"),
            "text": text,
            "links": found[glob][:_MAX_LINKS],
            "n_more": max(0, len(found[glob]) - _MAX_LINKS),
        }
        for glob, text in where.items()
    ]
    if is_phantom and item.get("about_patients"):
        status = SIMULATED
    elif not where:
        status = AUTHORS
    elif not any(found.values()):
        status = NOT_MADE
    else:
        is_whole = all(found.values()) and not item.get("authors")
        status = FILES if is_whole else PARTLY
    return {**item, "sources": sources, "status": status}


def _links(glob: str, study: Path, start: Path) -> Sequence[dict[str, str]]:
    """The files of a glob: address from the page's folder, and format, arm or name as label."""
    files = sorted(path for path in study.glob(glob) if path.is_file())
    is_result = glob.endswith(".*")
    if is_result:  # .json holds no more than title and notes of a table
        files = [path for path in files if path.suffix != ".json"]
    return [
        {
            "address": quote(Path(os.path.relpath(path, start)).as_posix()),
            "label": path.suffix[1:] if is_result
            else path.parent.name if "/*/" in glob else path.name,
        }
        for path in files
    ]  # fmt: skip
