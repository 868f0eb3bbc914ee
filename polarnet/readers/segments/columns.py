"""Which maps does a table with a row a segment hold: one study, a column for each map."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.headings import (
    Heading,
    counts_people,
    is_title,
    is_unit_row,
    read_heading,
    says_number,
    says_segments,
    shown,
)
from polarnet.readers.profiles import Profile
from polarnet.readers.segmentlabels import is_bare, segment_of
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

_SEARCHED: Final = 40
"""Rows above the first segment among which the headings are looked for (our choice)."""

_LEAST_LABELS: Final = 10
"""Labels in one column that make it the column of the segments (our choice)."""

_FEWEST_LABELS: Final = 3
"""Labels below which a table is none of segments (our choice), whatever is missing."""


def read_columns(sheet: Sheet, profile: Profile) -> list[ExportedMap]:
    """Maps of a table with a row a segment.

    Raises
    ------
    ValueError: segments are missing, doubled or of another division; or no column is flow at rest
        or stress, or reserve; or several may be.
    """
    labels, width = _labels(sheet)
    first = labels.index(next(k for k in labels if k is not None))
    start = max(0, first - _SEARCHED)
    above = sheet.rows[start:first]
    rows = {k: row for k, row in zip(labels, sheet.rows, strict=True) if k is not None}
    numbers = [k for k in labels if k is not None]
    if len(rows) < len(numbers) and any(_says_segment(c) for row in above for c in row[1:]):
        raise ValueError(_LONG)
    assumed = _check_labels(sheet, labels, above, profile)
    check_segments(rows)
    if len(rows) < len(numbers):
        twice = next(k for k in numbers if numbers.count(k) > 1)
        raise ValueError(
            f"has segment {twice} twice. Two tables in one file? Save each in a file of its own"
        )
    n_columns = max(map(len, rows.values()))
    cells = {k: [*row, *[""] * (n_columns - len(row))] for k, row in rows.items()}
    columns = {p: [cells[k][p] for k in range(1, 18)] for p in range(width, n_columns)}
    texts, own, units, head = _headings(above, n_columns, profile)
    _check_lengths(sheet, labels, None if head is None else start + head)
    beyond = [] if head is None else above[head][n_columns:]
    if any(read_heading(cell, profile).map_type for cell in beyond):
        raise ValueError("has a map in its headings and no numbers below: they may be shifted")
    if width == 2 and read_heading(texts[1], profile).map_type:
        raise ValueError("has names of segments in two columns, and headings for one: add one")
    headings = {
        place: read_heading(texts[place], profile)
        for place, column in columns.items()
        if not _is_label(own[place], column, profile)
    }
    headings = _filled(headings, columns)
    _check_ends(sheet, labels, columns, max(headings, default=0))
    chosen = _chosen(headings)
    others = unused({p: shown(texts[p], p, h) for p, h in headings.items() if p not in chosen})
    note = "; ".join(filter(None, (assumed, others)))
    decimal_comma = has_decimal_comma((c for p in chosen for c in columns[p]), sheet.delimiter)
    found = []
    for place, map_type in chosen.items():
        said = [headings[place].unit, units[place]]
        values, unit, problem = read_cells(columns[place], said, decimal_comma)
        found.append(ExportedMap(values, map_type=map_type, unit=unit, problem=problem, note=note))
    return found if sheet.delimiter else all_or_none(found)


def _filled(
    headings: Mapping[int, Heading], columns: Mapping[int, Sequence[str]]
) -> dict[int, Heading]:
    """Columns of numbers; one of a map stays, whatever it holds, where no other is of it."""
    numeric = {place: h for place, h in headings.items() if has_numbers(columns[place])}
    maps = {h.map_type for h in numeric.values() if not h.other}
    spoilt = {p: h for p, h in headings.items() if h.map_type and h.map_type not in maps}
    return dict(sorted((numeric | {p: h for p, h in spoilt.items() if not h.other}).items()))


def _labels(sheet: Sheet) -> tuple[list[int | None], int]:
    """Segment of each row, None for rows of none; and how many columns say it."""
    labels = [segment_of(row[0]) for row in sheet.rows]
    if len({k for k in labels if k is not None}) >= _LEAST_LABELS:
        return labels, 1
    # Level and wall, each in a column; a merged cell has the level in its first row only.
    level, joined = "", []
    for row in sheet.rows:
        level = row[0] or level
        joined.append(segment_of(" ".join([level, *row[1:2]])))
    if len({k for k in joined if k is not None}) >= _LEAST_LABELS:
        return joined, 2
    if any(_says_segment(cell) for row in sheet.rows[:_SEARCHED] for cell in row[1:]):
        raise ValueError(_LONG)
    if _only_territories(sheet):
        raise ValueError(_TERRITORIES)
    if len({k for k in labels if k}) < _FEWEST_LABELS:
        raise ValueError("is neither a matrix of numbers nor a table of AHA segments")
    return labels, 1


def _check_labels(
    sheet: Sheet,
    labels: Sequence[int | None],
    above: Sequence[Sequence[str]],
    profile: Profile,
) -> str:
    """Raise where bare numbers stand for patients or times, by what heads them.

    Returns
    -------
    A note where nothing says that they are segments, "" where something does.
    """
    places = [place for place, k in enumerate(labels) if k is not None]
    bare = [sheet.rows[place][0] for place in places if is_bare(sheet.rows[place][0])]
    named = [segment_of(cell) for place in places for cell in sheet.rows[place][1:2]]
    if not bare or named == [labels[place] for place in places]:
        return ""
    # A level such as "Basal" stands alone in its row, and a title in the first cell.
    head: Sequence[str] = next(
        (row for row in reversed(above) if sum(map(bool, row)) > 1 and not is_unit_row(row[1:])),
        [""],
    )
    title = read_heading(head[0], profile)
    corner = "" if title.map_type or title.is_flow else head[0]
    if says_segments(corner):
        return ""
    # Under "Nr", or no heading, the rest of the table must be one of segments.
    beside = [cell for cell in head[1:] if not read_heading(cell, profile).map_type]
    has_letters = any(label[0] in "sS" for label in bare)
    is_of_people = any(map(counts_people, beside)) or _names_each(sheet, places)
    if has_letters or not says_number(corner) or is_of_people:
        raise ValueError(_TERRITORIES if _only_territories(sheet) else _PEOPLE)
    under = f"'{corner}'" if corner else "no heading"
    return f"its rows, numbered under {under}, were taken for the 17 AHA segments of one study"


def _names_each(sheet: Sheet, places: Sequence[int]) -> bool:
    """Whether a column gives each row a text of its own, as initials or names do."""
    rows = [sheet.rows[place] for place in places]
    return any(
        len(set(cells)) == len(rows) and all(cell[:1].isalpha() for cell in cells)
        for cells in zip(*(row[1:] for row in rows), strict=False)
    )


def _check_lengths(sheet: Sheet, labels: Sequence[int | None], head: int | None) -> None:
    """Raise where a row of a segment has not as many cells as the headings, or as the others."""
    places = [place for place, k in enumerate(labels) if k is not None]
    if head is None:
        widths = sheet.widths or list(map(len, sheet.rows))
        usual = Counter(widths[place] for place in places).most_common(1)[0][0]
        head = next(place for place in places if widths[place] == usual)
    else:
        # Units and merged headings too; but a title, or a level, alone in its row may be short.
        near = range(max(0, head - 1), places[0])
        places += [k for k in near if sum(map(bool, sheet.rows[k])) > 1 and k >= head]
    for place in sorted(places):
        if problem := uneven(sheet, head, place):
            raise ValueError(f"row {sheet.row_numbers[place]} {problem}")


def _check_ends(
    sheet: Sheet, labels: Sequence[int | None], columns: Mapping[int, Sequence[str]], last: int
) -> None:
    """Raise where a row of a worksheet ends too early, or too late: it may be shifted."""
    if sheet.delimiter:
        return
    texts = [place for place, column in columns.items() if not has_numbers(column)]
    numeric = columns.keys() - {*texts}
    for place, k in enumerate(labels):
        if k is None:
            continue
        row = sheet.rows[place]
        if len(row) <= last or is_out_of_place(row, numeric, texts):
            raise ValueError(f"row {sheet.row_numbers[place]} {SHIFTED}")


def _only_territories(sheet: Sheet) -> bool:
    """Whether a row or the first column names the territories."""
    firsts = [row[0] for row in sheet.rows]
    return any(
        len({v for v in _VESSELS for cell in cells if re.search(v, cell)}) == len(_VESSELS)
        for cells in (firsts, *sheet.rows[:_SEARCHED])
    )


_VESSELS: Final = (
    r"(?i)(?<![^\W\d_])(LAD|RIVA|IVA|DA)(?![^\W\d_])",
    r"(?i)(?<![^\W\d_])(LCX|R?CX)(?![^\W\d_])",
    r"(?i)(?<![^\W\d_])(RCA|CD|ACD)(?![^\W\d_])",
)
"""The three territories, in English, German, French and Spanish."""

_TERRITORIES: Final = (
    "has values of territories (LAD, LCx, RCA) only, and a map needs those of the 17 AHA "
    "segments: export the table of segments"
)
_PEOPLE: Final = (
    "has rows that are not named after segments, or are numbered under a heading that is not that "
    "of segments. If they are the 17 AHA segments of one study, call their column 'segment'; a "
    "table with one row per study needs 17 columns for each map, rest_1 to rest_17"
)


_LONG: Final = (
    "has its segments in another column than the first, several rows a study: make it a row a "
    "study with columns rest_1 to rest_17, or a file a study with the segments in front"
)


def _says_segment(cell: str) -> bool:
    return cell.strip().casefold() in ("segment", "seg", "aha segment", "segment_id", "segment no")


def _headings(
    above: Sequence[Sequence[str]], n_columns: int, profile: Profile
) -> tuple[list[str], list[str], list[str], int | None]:
    """Whole heading, lowest heading and unit of every column, and the row of the lowest one."""
    rows = [[*row, *[""] * n_columns][:n_columns] for row in above]
    units = [""] * n_columns
    if rows and is_unit_row(rows[-1][1:]) and not read_heading(rows[-1][0], profile).is_label:
        units = rows.pop()
    # Facts about patient and scanner stand higher up, and a level such as "Basal" below.
    while rows and not _is_header(rows[-1], profile):
        rows.pop()
    head = len(rows) - 1 if rows else None
    lower = rows.pop() if rows else [""] * n_columns
    upper = rows[-1] if rows and is_title(rows[-1], profile) else [""] * n_columns
    is_one_title = sum(map(bool, upper)) == 1
    names_maps = any(read_heading(cell, profile).map_type for cell in lower)
    texts, over = [], ""
    for below, merged in zip(lower, upper, strict=True):
        # A heading over several columns stands in the first of them.
        over = merged or over
        title = read_heading(over, profile)
        own = read_heading(below, profile)
        is_other = own.map_type and (title.map_type or title.problem)
        is_page = is_one_title and names_maps and title.map_type
        texts.append(below if is_other or is_page else f"{below} {over}".strip())
    return texts, lower, units, head


def _is_header(row: Sequence[str], profile: Profile) -> bool:
    """Whether a row names columns: segments in front, or a map or a quantity in another."""
    cells = [read_heading(cell, profile) for cell in row]
    return cells[0].is_label or any(
        cell.map_type or cell.problem or cell.other or cell.is_flow for cell in cells[1:]
    )


def _is_label(heading: str, column: Sequence[str], profile: Profile) -> bool:
    """Whether a column repeats the segments, as tables side by side do."""
    if not read_heading(heading, profile).is_label:
        return False
    numbers = [segment_of(cell) for cell in column]
    if None not in numbers and numbers != list(range(1, 18)):
        raise ValueError("has two columns of segments, which do not run alike")
    return True


def _chosen(headings: Mapping[int, Heading]) -> dict[int, str]:
    """Place of the one column of each map -> map type; "" for an only column without heading."""
    usable = {p: h for p, h in headings.items() if not h.other and not h.problem}
    named: dict[str, list[int]] = {}
    for place, heading in usable.items():
        named.setdefault(heading.map_type, []).append(place)
    unnamed = named.pop("", [])
    if named:
        return {_only(places, usable, m): m for m, places in named.items()}
    if len(unnamed) > 1 or len(usable) < len(headings):
        # Beside scores or a spread, a column must say that it is flow.
        unnamed = [p for p in unnamed if usable[p].is_flow]
    if len(unnamed) == 1 and not any(h.problem for h in headings.values()):
        return {unnamed[0]: ""}
    if problem := next((h.problem for h in headings.values() if h.problem), ""):
        raise ValueError(problem)
    if others := list(dict.fromkeys(h.other for h in headings.values() if h.other)):
        raise ValueError(f"has columns of {some_of(others)}, and none of flow")
    raise ValueError(
        "does not say which column is rest, stress or reserve: give the columns a heading"
    )


def _only(places: Sequence[int], headings: Mapping[int, Heading], map_type: str) -> int:
    """The column of a map; of several, the one that says flow."""
    if len(places) == 1:
        return places[0]
    flows = [place for place in places if headings[place].is_flow]
    if len(flows) == 1:
        return flows[0]
    raise ValueError(
        f"has {len(places)} columns for {map_type}, and not one of them alone says MBF: take the "
        "others out, or name them after what they are"
    )
