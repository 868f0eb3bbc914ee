"""Which maps does a table with a row a study hold: 17 columns for each map."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.headings import (
    ENOUGH,
    Heading,
    is_unit_row,
    letters_mark_maps,
    read_heading,
    says_number,
    says_segments,
    shown,
)
from polarnet.readers.identity import header_words
from polarnet.readers.profiles import Profile
from polarnet.readers.segmentlabels import is_bare, is_summary
from polarnet.readers.segments.cells import (
    SHIFTED,
    all_or_none,
    check_segments,
    has_decimal_comma,
    has_numbers,
    is_out_of_place,
    read_cells,
    some_of,
    uneven,
    unused,
)
from polarnet.readers.sheets import Sheet
from polarnet.readers.units import conversion
from polarnet.readers.words import is_missing, is_number

SEARCHED: Final = 40
"""Rows among which the headings are looked for (our choice): exports put facts above them."""

_STUDY: Final = {
    "study", "study id", "exam", "exam id", "examination", "scan", "scan id", "untersuchung",
    "studie", "examen", "etude", "onderzoek", "estudio",
}  # fmt: skip
_PHASE: Final = {"map", "map type", "state", "phase", "condition"}


def read_rows(sheet: Sheet, profile: Profile, study_heading: str = "") -> list[ExportedMap] | None:
    """Maps of a table with a row a study, or None for any other table.

    Raises
    ------
    ValueError: columns are missing or doubled, or none says the study.
    """
    for start, row in enumerate(sheet.rows[:SEARCHED]):
        # Rows of a matrix, which are many cells of nothing but numbers.
        if sum(is_number(cell) and not cell.isdigit() for cell in row) > len(row) / 2:
            continue
        letters = letters_mark_maps(row)
        headings = [read_heading(cell, profile, letters) for cell in row]
        numbered = [h for h in headings if h.segment is not None]
        if len({h.segment for h in numbered if not h.other}) < ENOUGH:
            scored = [h.other for h in numbered if h.other]
            if len(scored) >= ENOUGH:
                raise ValueError(f"has columns of {scored[0]}, which is no flow")
            continue
        if columns := _columns(headings):
            body = replace(
                sheet,
                rows=sheet.rows[start:],
                row_numbers=sheet.row_numbers[start:],
                widths=sheet.widths[start:],
            )
            return _studies(body, profile, headings, columns, study_heading)
    return None


def _columns(headings: Sequence[Heading]) -> dict[str, dict[int, int]]:
    """Map type -> segment -> place of its column."""
    columns: dict[str, dict[int, int]] = {}
    for place, heading in enumerate(headings):
        if heading.segment is None or heading.other or heading.problem:
            continue
        if heading.segment in columns.setdefault(heading.map_type, {}):
            raise ValueError(f"has two columns for segment {heading.segment}")
        columns[heading.map_type][heading.segment] = place
    return {m: numbers for m, numbers in columns.items() if len(numbers) >= ENOUGH}


def _studies(
    sheet: Sheet,
    profile: Profile,
    headings: Sequence[Heading],
    columns: dict[str, dict[int, int]],
    study_heading: str,
) -> list[ExportedMap]:
    """Maps of each row."""
    for numbers in columns.values():
        check_segments(numbers)
    words = [header_words(cell) for cell in sheet.rows[0]]
    rows, numbered = sheet.rows[1:], sheet.row_numbers[1:]
    first = 1
    taken = {place for numbers in columns.values() for place in numbers.values()}
    written: list[str] = [""] * len(headings)
    if rows and is_unit_row([rows[0][place] for place in taken if place < len(rows[0])]):
        if problem := uneven(sheet, 0, 1):
            raise ValueError(f"row {numbered[0]} {problem}")
        written = [*rows[0], *written][: len(headings)]
        rows, numbered = rows[1:], numbered[1:]
        first = 2
    phase = next((place for place, name in enumerate(words) if name in _PHASE), None)
    study = _study_column(words, study_heading)
    assumed = ""
    if study is None and list(columns) == [""]:
        # "Rest MBF | 0.65 | 0.74 ...": one study, a row a map.
        named = [read_heading(row[0], profile).map_type for row in rows if row]
        if all(named) and len(set(named)) == len(named):
            assumed = _check_numbered(sheet.rows[0], headings, columns[""])
            phase = 0
    is_one = study is None and list(columns) == [""] and _is_one_study(words, taken, len(rows))
    if is_one:
        phase = words.index("parameter")
    if study is None and phase != 0:
        raise ValueError(
            "does not say in which one column the study is: call it study_id, or name it in the "
            "column map"
        )
    decimal_comma = has_decimal_comma(
        (cell for row in rows for place, cell in enumerate(row) if place in taken), sheet.delimiter
    )
    series = Counter(map(_stem, sheet.rows[0]))
    others = unused(
        {
            place: shown(sheet.rows[0][place], place, heading)
            for place, heading in enumerate(headings)
            if (
                heading.map_type
                or heading.segment is not None
                or series[_stem(sheet.rows[0][place])] >= ENOUGH
            )
            and place not in taken
        }
    )
    note = "; ".join(filter(None, (assumed, others)))
    numeric = [
        place
        for place in range(len(headings))
        if has_numbers(row[place] for row in rows if place < len(row))
    ]
    last = max([*numeric, *taken])
    texts = [p for p in range(len(headings)) if p not in numeric and p not in (study, phase)]
    beside = set(numeric) - taken - {study, phase}
    if not sheet.delimiter:
        _check_names(sheet.rows[0], headings, rows, taken)
    found: list[ExportedMap] = []
    for place, (number, short_row) in enumerate(zip(numbered, rows, strict=True), start=first):
        row = [*short_row, *[""] * (len(headings) - len(short_row))]
        name = row[study] if study is not None else ""
        if is_summary(name):
            continue
        said = read_heading(row[phase], profile) if phase is not None else Heading()
        maps = []
        for map_type, numbers in columns.items():
            cells = [row[numbers[k]] for k in range(1, 18)]
            units = [headings[p].unit or written[p] for p in numbers.values()]
            values, unit, problem = read_cells(cells, [*units, said.unit], decimal_comma)
            if not sheet.delimiter and (
                len(short_row) <= last or is_out_of_place(short_row, beside, texts)
            ):
                problem = SHIFTED
            problem = uneven(sheet, 0, place) or problem
            if is_one and not _says_flow(said, unit):
                problem = "its parameter is not called flow"
            if said.other:
                problem = f"is {said.other}, no flow"
            if study is not None and is_missing(name):
                problem = "no study id"
            maps.append(
                ExportedMap(
                    values,
                    study=name,
                    map_type=map_type or said.map_type,
                    unit=unit,
                    problem=f"row {number}: {problem}" if problem else "",
                    note=note,
                )
            )
        found += maps if sheet.delimiter else all_or_none(maps)
    return found


def _stem(name: str) -> str:
    """What columns such as res1 to res17 have in common; a name without a number is its own."""
    return re.sub(r"\d+", "#", name)


def _check_names(
    head: Sequence[str],
    headings: Sequence[Heading],
    rows: Sequence[Sequence[str]],
    taken: set[int],
) -> None:
    """Raise where a column of a worksheet has cells and no name: the headings may be shifted."""
    for place, heading in enumerate(headings):
        cells = [row[place] for row in rows if place < len(row) and row[place]]
        is_count = place == 0 and all(map(str.isdigit, cells))
        is_nameless = is_missing(head[place]) or heading.is_bare
        if cells and place not in taken and is_nameless and not is_count:
            raise ValueError(
                f"has cells in column {place + 1}, and no name over it: its headings may be shifted"
            )


def _is_one_study(words: Sequence[str], taken: set[int], n_rows: int) -> bool:
    """Whether a table has one row that says its parameter, as Medviso Segment writes it."""
    beside = {name for place, name in enumerate(words) if place not in taken}
    return n_rows == 1 and {"parameter"} <= beside <= {"parameter", "start slice", "end slice"}


def _says_flow(said: Heading, unit: str) -> bool:
    return bool(said.map_type) or said.is_flow or conversion(unit)[0] == "mL/min/g"


def _check_numbered(
    row: Sequence[str], headings: Sequence[Heading], numbers: dict[int, int]
) -> str:
    """Raise where columns that are only numbered may be patients or frames, not segments.

    Returns
    -------
    A note where nothing says that they are segments, "" where something does.
    """
    is_counted = all(is_bare(row[place]) for place in numbers.values())
    has_letters = any(not headings[place].is_bare for place in numbers.values())
    is_open = says_number(row[0]) or header_words(row[0]) in _PHASE
    if is_counted and not says_segments(row[0]) and (has_letters or not is_open):
        raise ValueError(
            "has columns that are numbered under a heading that is not that of segments. If they "
            "are the 17 AHA segments of one study, call them segment 1 to segment 17"
        )
    is_assumed = is_counted and not says_segments(row[0])
    return "its numbered columns were taken for the 17 AHA segments" if is_assumed else ""


def _study_column(words: Sequence[str], study_heading: str) -> int | None:
    """Place of the column with the study, None where none, or more than one, may be it."""
    named = [place for place, name in enumerate(words) if name == header_words(study_heading)]
    studies = (study_heading and named) or [
        place for place, name in enumerate(words) if name in _STUDY
    ]
    if len(studies) > 1:
        raise ValueError(
            f"has {len(studies)} columns that may be the study (columns "
            f"{some_of(str(p + 1) for p in studies)}): name one in the column map"
        )
    return studies[0] if studies else None
