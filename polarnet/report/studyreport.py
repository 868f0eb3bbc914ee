"""The study report: one self-contained HTML page about a whole study."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
from jinja2 import Environment, PackageLoader

from polarnet import __version__
from polarnet.cohort import PHANTOM, RECOVERED
from polarnet.config import load_config
from polarnet.files import new_file, read_yaml
from polarnet.report import studysections as parts
from polarnet.report.checklist import SETTINGS, STATUSES, count_answers
from polarnet.report.explained import Explained, read_explained
from polarnet.report.explanationpage import check_facts
from polarnet.report.pictures import picture_in
from polarnet.report.rocbands import RESAMPLES
from polarnet.report.studylimits import limits_of
from polarnet.report.tables import PHANTOM_NOTE, print_cells
from polarnet.report.written import condensed, read_table

SECTIONS: Final = (
    parts.COHORT, parts.MAIN, parts.CALIBRATION, parts.DECISIONS, parts.BASELINES,
    parts.ABLATIONS, parts.SUBGROUPS, parts.FAILURES, parts.TRUTH, parts.SIZE,
)  # fmt: skip

SHORT: Final = 24
"""Letters of a cell that is never broken into lines (our choice)."""

LONG: Final = 20
"""A table with more rows is folded up, to be opened with a click (our choice)."""

_OPEN: Final = frozenset({"main_results"})
"""Never folded up."""


def write_study_report(
    study: str | Path,
    out: str | Path,
    *,
    explained: Sequence[str | Path] = (),
) -> Path:
    """Write the page about a study: what was done, on whom, what came out, what it cannot say.

    Every number is taken from the tables of the study as written, with their notes.

    Parameters
    ----------
    study
        Study folder with study.yaml and results/, as `experiments/study/run.py` fills it.
    out
        The HTML file; replaced if it exists. It needs nothing beside it.
    explained
        Folders of `polarnet explain`.

    Raises
    ------
    FileNotFoundError: `study` has no study.yaml, or an explanation folder no checks.csv.
    ValueError: a table or picture of the study cannot be read.
    """
    folder = Path(study)
    if not (folder / SETTINGS).is_file():
        raise FileNotFoundError(
            f"{folder} has no {SETTINGS}, so it is not the folder of a study. "
            "Name the folder that `make study` filled."
        )
    facts = _facts(folder)
    chapters = [_chapter(folder, section) for section in SECTIONS]
    if not facts["is_phantom"]:
        chapters = [chapter for chapter in chapters if chapter["id"] != parts.TRUTH.id]
    position = [chapter["id"] for chapter in chapters].index(parts.MAIN.id) + 1
    chapters.insert(position, _roc_chapter(folder))
    explanations = read_explained(explained)
    page = (
        Environment(loader=PackageLoader("polarnet", "report"), autoescape=True, trim_blocks=True)
        .get_template("studyreport.html")
        .render(
            version=__version__,
            facts=facts,
            primaries=_primaries(folder, facts["plan"]),
            chapters=chapters,
            explanations=[_explanation(one) for one in explanations],
            failed=[one.name for one in explanations if one.failed],
            limits=limits_of(facts, has_explanations=bool(explanations)),
            statuses=[s for s in STATUSES if facts["is_phantom"] or s != STATUSES[-1]],
            checklist=count_answers(folder, is_phantom=facts["is_phantom"]),
        )
    )
    with new_file(out) as partial:
        partial.write_text(page, encoding="utf-8")
    return Path(out)


def _facts(folder: Path) -> dict[str, Any]:
    """What the folder says of the study as a whole."""
    plan = read_yaml(folder / SETTINGS) or {}
    configs = [load_config(path) for path in sorted((folder / "runs").glob("*/config.yaml"))]
    frozen = folder / "freeze.json"
    reads = folder / "test_reads.csv"
    notes = [note for page in (folder / "results").glob("*.csv")
             for note in read_table(page.with_suffix(""))[1].banners]  # fmt: skip
    software = {config.software for config in configs}
    return {
        "name": folder.resolve().name,
        "plan": plan,
        "is_phantom": PHANTOM in software or PHANTOM_NOTE in notes,
        "is_recovered": any(RECOVERED in name for name in software),
        "is_untrained": any(c.weights is None and c.mode != "scratch" for c in configs),
        "n_runs": len(configs),
        "software": sorted(filter(None, software)),
        "tracers": sorted({config.tracer for config in configs if config.tracer}),
        "agents": sorted({config.stress_agent for config in configs if config.stress_agent}),
        "units": sorted({config.unit for config in configs if config.unit}),
        "frozen": json.loads(frozen.read_text(encoding="utf-8")) if frozen.is_file() else {},
        "n_reads": len(pd.read_csv(reads)) if reads.is_file() else 0,
    }


def _primaries(folder: Path, plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """The rows of the endpoints that were named in advance."""
    if not (folder / "results" / "main_results.csv").is_file():
        return None
    table, _ = read_table(folder / "results" / "main_results")
    named = [tuple(map(str, cell)) for cell in plan.get("primaries", [])]
    modes = table["series"].astype(str).str.replace("-", "")
    cells = zip(table["map_type"].astype(str), modes, table["trait"].astype(str), strict=True)
    # A plan of an earlier version names no mode.
    table = table[[cell in named or cell[::2] in named for cell in cells]]
    names = ["map_type", "trait", "series", "auroc", "ci_low", "ci_high", "n_pos", "n_neg",
             "p_adjusted", "comparator", "difference", "difference_low", "difference_high",
             "is_circular", "note"]  # fmt: skip
    if table.empty:
        return None
    printed, notes = condensed(table.reindex(columns=names))
    return _table(printed, "Primary endpoints, named before the hold-out was read", notes)


def _chapter(folder: Path, section: parts.Section) -> dict[str, Any]:
    """A section with what is there of it."""
    results = folder / "results"
    tables = [_result(results / name) for name in section.tables
              if (results / f"{name}.csv").is_file()]  # fmt: skip
    pictures = [
        (text, picture_in(results / f"{name}.png"))
        for name, text in section.figures.items()
        if (results / f"{name}.png").is_file()
    ]
    return {
        "id": section.id,
        "title": section.title,
        "lead": section.lead,
        "tables": tables,
        "pictures": pictures,
        "notes": [],
        "commands": [_command(script) for script in section.scripts],
        "files": [f"results/{name}.csv" for name in section.tables
                  if (results / f"{name}.csv").is_file()],
    }  # fmt: skip


def _roc_chapter(folder: Path) -> dict[str, Any]:
    """ROC curves, each map type with bands."""
    drawn = {
        path.stem: f"ROC curves of the frozen network on {path.stem[4:]} maps with 95 % bands, by "
        "trait"
        for path in sorted((folder / "results").glob("roc_*.png"))
    }
    chapter = _chapter(
        folder,
        parts.Section(
            id="roc",
            title="ROC curves",
            lead="Sensitivity against false alarms at every threshold; the diagonal is chance. In "
            "each panel: AUROC [95 % interval], n with / without the trait.",
            figures=drawn or {"roc": "ROC curves of all traits by map type, frozen networks"},
            scripts=("main_results",),
        ),
    )
    note = (
        f"Band: pointwise 95 % of the sensitivity, percentiles of {RESAMPLES} bootstrap samples "
        "of patients, those with and without the trait drawn apart. Network with a frozen trunk, "
        "mean over the seeds; first study of each patient; nothing is drawn where a class has "
        "fewer than 10 patients."
    )
    return chapter | {"notes": [note] if drawn else []}


def _result(stem: Path) -> dict[str, Any]:
    """A table of results/ with its title and notes."""
    table, page = read_table(stem)
    if stem.name == "baselines" and {"is_comparator", "model", "sees"} <= set(table):
        is_shown = table["is_comparator"].astype(str).eq("True") | table["model"].eq("network")
        table = table[is_shown | table["sees"].ne("map")]
    printed, notes = condensed(table)
    is_folded = len(table) > LONG and stem.name not in _OPEN
    title = page.caption or stem.name.replace("_", " ")
    # Each title says of a phantom that it is one; what else a banner said is kept.
    banners = [note for note in page.banners if note != PHANTOM_NOTE]
    return _table(printed, title, [*banners, *page.notes, *notes], is_folded=is_folded)


def _table(
    printed: pd.DataFrame, title: str, notes: Sequence[str], *, is_folded: bool = False
) -> dict[str, Any]:
    cells, is_right = print_cells(printed)
    looks = [
        "number" if is_number else "long" if cells[name].str.len().max() > SHORT else "short"
        for name, is_number in zip(cells, is_right, strict=True)
    ]
    return {
        "title": title,
        "headings": list(zip(map(str, cells.columns), looks, strict=True)),
        "rows": [list(zip(row, looks, strict=True)) for row in cells.to_numpy()],
        "notes": list(notes),
        "is_folded": is_folded,
    }


def _explanation(one: Explained) -> dict[str, Any]:
    return {
        "name": one.name,
        "facts": one.facts,
        "failed": one.failed,
        "checks": [check_facts(check) for check in one.checks],
        "pictures": one.pictures,
        "command": one.command,
    }


def _command(script: str) -> str:
    return f"python experiments/study/{script}.py COHORT --out STUDY --only report"
