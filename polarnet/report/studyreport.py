"""The report of a whole study: one HTML page, made from the tables and figures of its folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from polarnet.cohort import PHANTOM, RECOVERED
from polarnet.config import ExperimentConfig
from polarnet.display import trait_name
from polarnet.evaluation.comparison import NETWORK
from polarnet.evaluation.crossvalidated import FACTS_FILE, load_cross_validation
from polarnet.files import read_csv, read_json, read_yaml
from polarnet.report.checklist import SETTINGS, answers, check_study_folder, load_data
from polarnet.report.explanationpage import read_explained
from polarnet.report.methods import (
    methods_of_cross_validation,
    methods_of_project,
    methods_of_run,
)
from polarnet.report.pages import Picture, picture_in, write_page
from polarnet.report.resulttables import PHANTOM_NOTE, WIDE, condensed, page_table, read_table
from polarnet.report.runreport import COUNTED, MODE_WORDS, is_untrained, read_results
from polarnet.report.sentences import findings

SECTIONS: Final = "sections.yaml"
"""The sections of the page, in order: which tables and figures stand where, and what makes them."""

LONG: Final = 20
"""A table with more rows, or of too many columns for a page, is folded up (our choice)."""

_FOREST: Final = (
    "AUROC with 95 % interval of each trait by map type, with the numbers of hold-out patients and "
    "the values published"
)
_PRIMARY: Final = (
    *("map_type", "trait", "series", "auroc", "ci_low", "ci_high", "n_pos", "n_neg", "p_adjusted"),
    *("comparator", "difference", "difference_low", "difference_high", "is_circular", "note"),
)


def write_study_report(
    study: str | Path, out: str | Path, *, explained: Sequence[str | Path] = ()
) -> Path:
    """Write the page about a study: what was done, on whom, what came out, what it cannot say.

    Every number and picture is taken from the results of the study as written, with their notes.

    Parameters
    ----------
    study
        Study folder with study.yaml and results/, as `make study` fills it.
    out
        The HTML file; replaced if it exists. It needs nothing beside it.
    explained
        Folders of `polarnet explain`.

    Raises
    ------
    FileNotFoundError: `study` has no study.yaml, or a folder is no explanation.
    ValueError: a table or picture of the study cannot be read.
    """
    folder = Path(study)
    check_study_folder(folder)
    facts, results = _facts(folder), folder / "results"
    is_phantom = facts["is_phantom"]
    sections = [s for s in load_data(SECTIONS) if is_phantom or not s.get("phantom_only")]
    told = _findings(results, facts["plan"])
    page = {
        "facts": facts,
        "findings": told,
        "mode_words": MODE_WORDS,
        "forest": _pictures(results, "main_forest", _FOREST),
        "methods": methods_of_project(facts, told),
        "is_phantom": is_phantom,
        "primaries": _primaries(results, facts["plan"]),
        "chapters": [_chapter(results, section) for section in sections],
        "explanations": read_explained(explained),
    }
    return write_page(out, "study", **page, **answers(folder, folder, is_phantom))


def _facts(folder: Path) -> dict[str, Any]:
    """What the folder says of the study as a whole."""
    paths = sorted((folder / "runs").glob("*/config.yaml"))
    configs = [ExperimentConfig.load(path) for path in paths]
    stated = {
        name: sorted({getattr(config, name) for config in configs if getattr(config, name)})
        for name in ("software", "tracer", "stress_agent", "unit")
    }
    notes = [read_table(p.with_suffix(""))[2] for p in (folder / "results").glob("*.csv")]
    plan = read_yaml(folder / SETTINGS) or {}
    frozen, reads = folder / "freeze.json", folder / "test_reads.csv"
    return stated | {
        "name": folder.resolve().name,
        "plan": plan,
        "is_phantom": PHANTOM in stated["software"] or any(PHANTOM_NOTE in some for some in notes),
        "is_recovered": any(RECOVERED in name for name in stated["software"]),
        "is_untrained": any(map(is_untrained, configs)),
        "n_runs": len(configs),
        "traits": [trait_name(str(trait)) for trait in plan.get("traits", [])],
        "frozen": read_json(frozen) if frozen.is_file() else {},
        "n_reads": len(read_csv(reads)) if reads.is_file() else 0,
    }


def methods_text(folder: str | Path) -> str:
    """Methods and results of a run, a cross-validation or a project, as text for a manuscript.

    Every number is one of the folder, no sentence claims more than its interval allows, and a
    phantom is called one. Returns paragraphs with references (DOI), lines not wrapped.

    Raises
    ------
    FileNotFoundError: the folder is none of the three, or is unfinished.
    """
    folder = Path(folder)
    if (folder / SETTINGS).is_file():
        facts = _facts(folder)
        return methods_of_project(facts, _findings(folder / "results", facts["plan"]))
    if (folder / FACTS_FILE).is_file():
        return methods_of_cross_validation(load_cross_validation(folder))
    run = read_results(folder)
    return methods_of_run(run.folder, run.config, run.metrics, COUNTED[run.part])


def _main_rows(results: Path, plan: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of the main results that are endpoints named in advance; none without results."""
    if not (results / "main_results.csv").is_file():
        return pd.DataFrame()
    table, *_ = read_table(results / "main_results")
    named = [tuple(map(str, cell)) for cell in plan.get("primaries", [])]
    modes = table["series"].astype(str).str.replace("-", "")
    cells = zip(table["map_type"].astype(str), modes, table["trait"].astype(str), strict=True)
    return table[[cell in named for cell in cells]]


def _findings(results: Path, plan: Mapping[str, Any]) -> list[str]:
    """The primary endpoints in sentences."""
    told = []
    for row in _main_rows(results, plan).to_dict("records"):
        row["is_circular"] = str(row["is_circular"]) == "True"
        pair = [row | {"model": NETWORK, "is_comparator": False}]
        if isinstance(row["comparator"], str):
            other = {"model": row["comparator"], "auroc": row["comparator_auroc"]}
            pair.append(row | other | {"is_comparator": True})
        told += findings(pd.DataFrame(pair), counted=f"hold-out patients, {row['series']}")
    return told


def _primaries(results: Path, plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """The rows of the endpoints that were named in advance."""
    table = _main_rows(results, plan)
    if table.empty:
        return None
    printed, notes = condensed(table.reindex(columns=list(_PRIMARY)))
    return page_table(printed, "Primary endpoints, named before the hold-out was read", notes)


def _chapter(results: Path, section: dict[str, Any]) -> dict[str, Any]:
    """A section with what is there of its tables and figures."""
    names = [name for name in section.get("tables", ()) if (results / f"{name}.csv").is_file()]
    figures = section.get("figures", {}).items()
    return section | {
        "shown": [_result(results / name) for name in names],
        "pictures": [one for name, text in figures for one in _pictures(results, name, text)],
        "files": [f"results/{name}.csv" for name in names],
    }


def _pictures(results: Path, name: str, text: str) -> list[tuple[str, Picture]]:
    """The figures of one name; those of single map types say which."""
    found = []
    for path in sorted(results.glob(f"{name}.png")):
        map_type = path.stem.removeprefix(name.removesuffix("*")).removeprefix("_")
        found.append((f"{text}: {map_type} maps" if map_type else text, picture_in(path)))
    return found


def _result(stem: Path) -> dict[str, Any]:
    """A table of results/ with its title and notes."""
    table, title, notes = read_table(stem)
    if stem.name == "baselines" and {"is_comparator", "model", "sees"} <= set(table):
        is_shown = table["is_comparator"].astype(str).eq("True") | table["model"].eq("network")
        table = table[is_shown | table["sees"].ne("map")]
    printed, shared = condensed(table)
    is_folded = len(table) > LONG or printed.shape[1] > WIDE
    return page_table(printed, title, [*notes, *shared]) | {"is_folded": is_folded}
