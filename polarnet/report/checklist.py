"""The checklist: where a study answers TRIPOD+AI and CLAIM, and what its authors must write."""

from collections import Counter
from collections.abc import Mapping
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from polarnet.files import parse_yaml
from polarnet.report.pages import address_of, write_page

GUIDELINES: Final = ("checklists/tripod_ai_2024.yaml", "checklists/claim_2024.yaml")
"""In the order of the page. Each has name, citation, compared_with, and items, each with id (the
guideline's own number, such as "12a"), section, topic (what is asked, in our own words), and as
needed: where (glob within the study folder -> what is found there), authors (what they must write),
about_patients (a phantom never answers it), checked (False: what the topic says beyond the
guideline's heading is from memory)."""

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


def load_data(name: str) -> Any:
    """A YAML file of this room."""
    return parse_yaml(resources.files("polarnet.report").joinpath(name).read_text("utf-8"), name)


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
    facts = answers(study, out.parent, is_phantom) | {"truth": _links(TRUTH, study, out.parent)}
    return write_page(out, "checklist", study=study.resolve().name, is_phantom=is_phantom, **facts)


def answers(study: Path, start: Path, is_phantom: bool) -> dict[str, Any]:
    """`statuses` that items can have, and `guidelines`: their items by section, each answered with
    links from the folder `start`, and counts by status.
    """
    guidelines = []
    for guideline in map(load_data, GUIDELINES):
        items = [_answer(item, study, start, is_phantom) for item in guideline["items"]]
        by_section = groupby(items, key=lambda item: item["section"])
        sections = [(section, list(some)) for section, some in by_section]
        counts = Counter(item["status"] for item in items)
        guidelines.append(guideline | {"items": items, "counts": counts, "sections": sections})
    statuses = [status for status in STATUSES if is_phantom or status != SIMULATED]
    return {"statuses": statuses, "guidelines": guidelines}


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


def _links(glob: str, study: Path, start: Path) -> list[dict[str, str]]:
    """The files of a glob: address from the page's folder, and format, arm or name as label."""
    links = []
    for path in sorted(filter(Path.is_file, study.glob(glob))):
        label = path.parent.name if "/*/" in glob else path.name
        if glob.endswith(".*"):  # .json holds no more than title and notes of a table
            label = path.suffix[1:]
        if label != "json":
            links.append({"address": address_of(path, start), "label": label})
    return links
