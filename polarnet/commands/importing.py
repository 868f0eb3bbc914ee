"""The `import` command. Heavy imports stand inside each of them."""

import argparse
import os
import sys
from pathlib import Path

from polarnet.commands.terminal import split_names, wrote


def import_exports(arguments: argparse.Namespace) -> None:
    """A folder of exports and a table become a cohort folder."""
    from polarnet import readers

    if arguments.suggest_columns:
        _suggest_columns(arguments)
        return
    profiles = arguments.profile or readers.PROFILES
    scale = _scale(arguments.scale) if arguments.scale else None
    if arguments.preview:
        from polarnet.report.previews import write_preview

        found = readers.preview_exports(arguments.path, unit=arguments.unit, profiles=profiles,
                                        scale=scale, series=arguments.series)  # fmt: skip
        caption = (
            f"{found.map_type}, {found.shape} read with profile {found.profile}"
            + (f", written in {found.unit_in_file}" if found.unit_in_file else "")
            + ". Are the walls where they belong?"
        )
        wrote(write_preview(arguments.preview, found.values, map_type=found.map_type,
                             unit=found.unit, caption=caption))  # fmt: skip
        return
    if not arguments.out:
        raise ValueError("--out is missing: name the cohort folder to make.")

    from polarnet.files import check_vacant
    from polarnet.report.previews import draw_contact_sheet

    check_vacant(arguments.out)
    cohort = readers.import_exports(
        arguments.path,
        arguments.out,
        arguments.clinical,
        columns=readers.load_column_map(arguments.columns) if arguments.columns else None,
        unit=arguments.unit,
        profiles=profiles,
        traits=split_names(arguments.traits) if arguments.traits else None,
        scale=scale,
        series=arguments.series,
        size=arguments.size,
        tracer=arguments.tracer,
        stress_agent=arguments.stress_agent,
        software=arguments.software,
        key=arguments.key,
        keep_ids=arguments.keep_ids,
        link=arguments.link,
        strict=arguments.strict,
        jobs=arguments.jobs or _usual_jobs(),
        draw=draw_contact_sheet,
        tell=print,
        show_progress=True,
    )
    print(cohort)
    if guarded := cohort.count_guarded():
        print(f"reserve: rest flow too low to divide by in {guarded} pixels of all maps")
    wrote(*sorted(Path(arguments.out).iterdir()))


def _suggest_columns(arguments: argparse.Namespace) -> None:
    """A first column map, to be edited."""
    from polarnet.files import new_file
    from polarnet.readers import suggest_columns

    table = arguments.clinical or arguments.path
    text = suggest_columns(table)
    with new_file(arguments.suggest_columns) as partial:
        partial.write_text(text, encoding="utf-8")
    wrote(arguments.suggest_columns)
    print("Check every line of it, then import with --columns.")


def _scale(text: str) -> tuple[float, float]:
    """Values at the ends of a colour bar."""
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise ValueError(f"--scale {text}: give two numbers, LOW,HIGH, as 0,4.") from None
    return low, high


def _usual_jobs() -> int:
    """Processes that read many files; one on Windows, where starting them goes wrong oftener."""
    return 1 if sys.platform == "win32" else min(os.cpu_count() or 1, 8)
