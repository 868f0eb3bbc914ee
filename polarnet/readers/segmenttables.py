"""Tables of the 17 AHA segments: one study per file, or one study per row."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Final

import numpy as np

from polarnet.ids import listing
from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.headings import (
    ENOUGH,
    Heading,
    check_letters,
    is_bare,
    is_summary,
    is_title,
    is_unit_row,
    read_heading,
    says_segments,
    segment_of,
    shown,
)
from polarnet.readers.identity import header_words
from polarnet.readers.profiles import Profile
from polarnet.readers.sheets import SHOWN, Sheet
from polarnet.readers.units import conversion, looks_like_unit
from polarnet.readers.words import (
    has_thousands,
    is_missing,
    is_number,
    parse_number,
    section,
    uses_decimal_comma,
)

_ROWS: Final = section("rows")

_SEARCHED: Final = 40
"""Rows among which headings are looked for (our choice): exports put facts above them."""

SMALLEST_DIVISION: Final = 16  # values of the smallest division of the ventricle

_SHIFTED: Final = (
    "has a cell too few or too many beside its numbers, which may be shifted: write n/a where a "
    "number is not known, and no numbers into columns of words"
)


def read_segments(sheet: Sheet, profile: Profile, study_heading: str = "") -> list[ExportedMap]:
    """Maps of a segment table: values of shape (17,), or why there are none.

    A table has one row per segment and a column for each map, or one row per study and 17 columns
    for each map. `study_heading` is that of the column with the study, where it is none of the
    usual ones. ValueError: segments are missing, doubled or of another division, or the study or
    the map is not told.
    """
    for start, row in enumerate(sheet.rows[:_SEARCHED]):
        # Rows of a matrix are many cells of nothing but numbers.
        if sum(is_number(cell) and not cell.isdigit() for cell in row) > len(row) / 2:
            continue
        headings = [read_heading(cell, profile) for cell in row]
        if columns := _columns(headings):
            check_letters(row)
            body = sheet.part(range(start, len(sheet.rows)))
            found = _read_rows(body, profile, headings, columns, study_heading)
            break
    else:
        found = _read_columns(sheet, profile)
    notes = ("; ".join(filter(None, (sheet.note, maps.note))) for maps in found)
    return [replace(maps, note=note) for maps, note in zip(found, notes, strict=True)]


# === One row per study ===


def _columns(headings: Sequence[Heading]) -> dict[str, dict[int, int]]:
    """Map type -> segment -> place of its column; nothing where a row does not name segments."""
    named = [(p, h, h.segment) for p, h in enumerate(headings) if h.segment is not None]
    usable = [(p, h, k) for p, h, k in named if not h.other and not h.problem]
    if len({k for *_, k in usable}) < ENOUGH:
        others = [h.other for _, h, _ in named if h.other]
        if len(others) >= ENOUGH:
            raise ValueError(f"has columns of {others[0]}, which is no flow")
        return {}
    columns: dict[str, dict[int, int]] = {}
    for place, heading, k in usable:
        if columns.setdefault(heading.map_type, {}).setdefault(k, place) != place:
            raise ValueError(f"has two columns for segment {k}")
    columns = {m: numbers for m, numbers in columns.items() if len(numbers) >= ENOUGH}
    for numbers in columns.values():
        check_segments(numbers)
    return columns


def _read_rows(
    sheet: Sheet,
    profile: Profile,
    headings: Sequence[Heading],
    columns: Mapping[str, Mapping[int, int]],
    study_heading: str,
) -> list[ExportedMap]:
    """Maps of each row below the headings, which are the first row."""
    head, rows = sheet.rows[0], sheet.rows[1:]
    words = [header_words(cell) for cell in head]
    study = _study_column(words, study_heading)
    taken = {place for numbers in columns.values() for place in numbers.values()}
    phase = next((place for place, name in enumerate(words) if name in _ROWS["phase"]), None)
    if study is None:
        # One study, one row per map, as Medviso Segment writes it.
        named = [read_heading(row[0], profile) for row in rows]
        is_one = all(h.map_type or h.is_flow for h in named) and [*columns] == [""]
        if not is_one or len({h.map_type for h in named}) < len(named):
            raise ValueError(
                "does not say in which one column the study is: call it study_id, or name it in "
                "the column map. Of one study, each row must be called flow, rest, stress or "
                "reserve"
            )
        _check_numbers([head[place] for place in taken], head[0])
        phase = 0
    first, written = 1, [""] * len(head)
    if rows and is_unit_row([cell for place, cell in enumerate(rows[0]) if place in taken]):
        first, written = 2, [*rows[0], *written][: len(head)]
        if problem := uneven(sheet, 0, 1):
            raise ValueError(f"row {sheet.row_numbers[1]} {problem}")
    cells = list(zip_longest(*sheet.rows[first:], fillvalue=""))
    numeric = {place for place, column in enumerate(cells) if _has_numbers(column)} | taken
    beside = {*range(len(head))} - {study, phase}
    numeric, texts = beside & numeric, beside - numeric
    if not sheet.delimiter:
        bare = [p for p, h in enumerate(headings[: len(cells)]) if h.is_bare and p not in taken]
        # The first column may be row numbers without a name, as pandas writes them.
        is_count = all(map(str.isdigit, cells[0])) if cells else False
        if odd := [p + 1 for p in bare if any(cells[p]) and not (p == 0 and is_count)]:
            raise ValueError(
                f"has cells in column {listing(odd, SHOWN)}, and no name over them: its headings "
                "may be shifted"
            )
    flows = (cell for place in taken if place < len(cells) for cell in cells[place])
    decimal_comma = has_decimal_comma(flows, sheet.delimiter)
    found: list[ExportedMap] = []
    for place in range(first, len(sheet.rows)):
        row = [*sheet.rows[place], *[""] * (len(head) - len(sheet.rows[place]))]
        name = row[study] if study is not None else ""
        if is_summary(name):
            continue
        said = Heading() if phase is None else read_heading(row[phase], profile)
        shifted = _shifted(sheet, 0, place, numeric, texts)
        maps = []
        for map_type, numbers in columns.items():
            units = [headings[p].unit or written[p] for p in numbers.values()]
            segments = [row[numbers[k]] for k in range(1, 18)]
            values, unit, problem = _read_cells(segments, [*units, said.unit], decimal_comma)
            problem = shifted or problem
            if study is not None and is_missing(name):
                problem = "no study id"
            elif said.other:
                problem = f"is {said.other}, no flow"
            problem = f"row {sheet.row_numbers[place]}: {problem}" if problem else ""
            told = map_type or said.map_type
            maps.append(ExportedMap(values, name, told, unit, problem=problem))
        found += _all_or_none(sheet, maps)
    return found


def _study_column(words: Sequence[str], study_heading: str) -> int | None:
    """Place of the column with the study, None where none may be it."""
    named = [p for p, name in enumerate(words) if name == header_words(study_heading)]
    usual = [p for p, name in enumerate(words) if name in _ROWS["study"]]
    studies = (study_heading and named) or usual
    if len(studies) > 1:
        raise ValueError(
            f"has {len(studies)} columns that may be the study (columns "
            f"{listing((p + 1 for p in studies), SHOWN)}): name one in the column map"
        )
    return studies[0] if studies else None


# === One row per segment ===


def _read_columns(sheet: Sheet, profile: Profile) -> list[ExportedMap]:
    """Maps of a table with one row per segment, of one study, and a column for each map."""
    labels, width = _labels(sheet)
    rows = {k: place for place, k in enumerate(labels) if k is not None}
    places = [place for place, k in enumerate(labels) if k is not None]
    start = max(0, places[0] - _SEARCHED)
    above = sheet.rows[start : places[0]]
    n_columns = max(len(sheet.rows[place]) for place in places)
    texts, lower, units, head = _headings(above, n_columns, profile)
    named = [segment_of(cell) for place in places for cell in sheet.rows[place][1:2]]
    if named != [labels[place] for place in places]:
        _check_numbers([sheet.rows[place][0] for place in places], texts[0])
    if twice := [k for k, n in Counter(labels).items() if n > 1 and k is not None]:
        raise ValueError(
            f"has segment {twice[0]} twice: save each study, and each table, in a file of its own"
        )
    check_segments(rows)
    if head is None:
        head = places[0]
    elif any(read_heading(cell, profile).map_type for cell in above[head][n_columns:]):
        raise ValueError("has a map in its headings and no numbers below: they may be shifted")
    else:
        head += start
    if width == 2 and read_heading(texts[1], profile).map_type:
        raise ValueError("has names of segments in two columns, and headings for one: add one")
    in_turn = (sheet.rows[rows[k]] for k in range(1, 18))
    columns = dict(list(enumerate(zip_longest(*in_turn, fillvalue="")))[width:])
    numeric = {place for place, cells in columns.items() if _has_numbers(cells)}
    # A level, alone in its row, may be short.
    upper = [place for place in range(head, places[0]) if sum(map(bool, sheet.rows[place])) > 1]
    checks = [(place, uneven(sheet, head, place)) for place in (*upper, *places)]
    words = columns.keys() - numeric
    checks += [(place, _shifted(sheet, head, place, numeric, words)) for place in places]
    for place, problem in checks:
        if problem:
            raise ValueError(f"row {sheet.row_numbers[place]} {problem}")
    headings = {
        place: read_heading(texts[place], profile)
        for place, cells in columns.items()
        if not _repeats_segments(lower[place], cells, profile)
    }
    # Columns of numbers; one of a map stays, whatever it holds, where no other is of it.
    maps = {h.map_type for p, h in headings.items() if p in numeric and not h.other}
    headings = {
        place: h
        for place, h in headings.items()
        if place in numeric or (h.map_type and h.map_type not in maps and not h.other)
    }
    chosen = _chosen(headings)
    unused = [shown(texts[p], p, h) for p, h in headings.items() if p not in chosen]
    note = f"not used: {listing(unused, SHOWN)}" if unused else ""
    decimal_comma = has_decimal_comma((c for p in chosen for c in columns[p]), sheet.delimiter)
    found = []
    for place, map_type in chosen.items():
        said = [headings[place].unit, units[place]]
        values, unit, problem = _read_cells(columns[place], said, decimal_comma)
        found.append(ExportedMap(values, "", map_type, unit, problem=problem, note=note))
    return _all_or_none(sheet, found)


def _labels(sheet: Sheet) -> tuple[list[int | None], int]:
    """Segment of each row, None for rows of none; and how many columns say it."""
    labels = [segment_of(row[0]) for row in sheet.rows]
    if len({*labels} - {None}) >= ENOUGH:
        return labels, 1
    # Level and wall, each in a column; a merged cell has the level in its first row only.
    level, labels = "", []
    for row in sheet.rows:
        level = row[0] or level
        labels.append(segment_of(" ".join([level, *row[1:2]])))
    if len({*labels} - {None}) >= ENOUGH:
        return labels, 2
    raise ValueError(
        "is neither a matrix of numbers nor a table of the 17 AHA segments, named in its first "
        "column, or one row per study with columns rest_1 to rest_17. Values of the three "
        "territories are too few for a map"
    )


def _check_numbers(labels: Iterable[str], heading: str) -> None:
    """Raise where nothing says that bare numbers are segments: they may be patients or times."""
    if any(map(is_bare, labels)) and not says_segments(heading):
        raise ValueError(
            "is numbered under a heading that is not that of segments. If these are the 17 AHA "
            "segments of one study, call them segment; a table with one row per study needs 17 "
            "columns for each map, rest_1 to rest_17"
        )


def _headings(
    above: Sequence[Sequence[str]], n_columns: int, profile: Profile
) -> tuple[list[str], list[str], list[str], int | None]:
    """Whole heading, lowest heading and unit of every column, and the row of headings that has the
    most cells, the lowest one if they are alike.
    """
    blank = [""] * n_columns
    rows = [[*row, *blank][:n_columns] for row in above]
    is_units = bool(rows) and is_unit_row(rows[-1][1:]) and not says_segments(rows[-1][0])
    units = rows.pop() if is_units else blank
    # Facts about patient and scanner stand higher up, and a level such as "Basal" below.
    while rows and not _is_header(rows[-1], profile):
        rows.pop()
    head = len(rows) - 1 if rows else None
    lower = rows.pop() if rows else blank
    upper = rows[-1] if rows and is_title(rows[-1], profile) else blank
    names_maps = any(read_heading(cell, profile).map_type for cell in lower)
    if head and len(above[head - 1]) > len(above[head]) and any(upper):
        head -= 1  # a worksheet drops empty cells at the end of a row
    texts, over = [], ""
    for below, merged in zip(lower, upper, strict=True):
        over = merged or over  # a heading over several columns stands in the first of them
        title = read_heading(over, profile)
        # One over two rows stands in the upper one, and is that of its own column.
        is_shared = bool(below) or not merged
        is_other = is_shared and names_maps and (title.map_type or title.problem)
        texts.append(below if is_other else f"{below} {over}".strip())
    return texts, lower, units, head


def _is_header(row: Sequence[str], profile: Profile) -> bool:
    """Whether a row names columns: segments in front, or a map or a quantity in another."""
    cells = [read_heading(cell, profile) for cell in row[1:]]
    return (says_segments(row[0]) and not is_title(row[:1], profile)) or any(
        cell.map_type or cell.problem or cell.other or cell.is_flow for cell in cells
    )


def _repeats_segments(heading: str, cells: Sequence[str], profile: Profile) -> bool:
    """Whether a column repeats the segments, as tables side by side do."""
    if not read_heading(heading, profile).is_label:
        return False
    numbers = [segment_of(cell) for cell in cells]
    if None not in numbers and numbers != list(range(1, 18)):
        raise ValueError("has two columns of segments, which do not run alike")
    return True


def _chosen(headings: Mapping[int, Heading]) -> dict[int, str]:
    """Place of the one column of each map -> map type; "" for an only column without heading."""
    usable = {p: h for p, h in headings.items() if not h.other and not h.problem}
    by_map: dict[str, list[int]] = {}
    for place, heading in usable.items():
        by_map.setdefault(heading.map_type, []).append(place)
    unnamed, chosen = by_map.pop("", []), {}
    for map_type, places in by_map.items():
        flows = [p for p in places if usable[p].is_flow] if len(places) > 1 else places
        if len(flows) != 1:
            raise ValueError(
                f"has {len(places)} columns for {map_type}, and not one of them alone says MBF: "
                "take the others out, or name them after what they are"
            )
        chosen[flows[0]] = map_type
    if chosen:
        return chosen
    if len(headings) > 1:
        # Beside scores or a spread, a column must say that it is flow.
        unnamed = [p for p in unnamed if usable[p].is_flow]
    if len(unnamed) == 1:
        return {unnamed[0]: ""}
    problem = next((h.problem for h in headings.values() if h.problem), "")
    others = list(dict.fromkeys(h.other for h in headings.values() if h.other))
    if others and not problem:
        problem = f"has columns of {listing(others, SHOWN)}, and none of flow"
    raise ValueError(
        problem
        or "does not say which column is rest, stress or reserve: give the columns a heading"
    )


# === Segments and cells ===

_WITH_UNIT: Final = re.compile(r"([+-]?[\d.,]+(?:e[+-]?\d+)?)\s*([^\d\s].*)", re.IGNORECASE)
_BEGINS: Final = re.compile(r"[<>≤≥~]?\s*[+-]?[.,]?\d")
_LONGEST: Final = 60  # characters of a number with its unit (our choice)


def in_order(values: np.ndarray) -> np.ndarray:
    """17 bare numbers, in the order of the AHA; ValueError for more or fewer."""
    if values.size != 17:
        raise ValueError(f"has {values.size} values, not those of the 17 AHA segments")
    return values.ravel()


def check_segments(numbers: Iterable[int]) -> None:
    """Raise ValueError unless they are segments 1 to 17."""
    found, wanted = set(numbers), set(range(1, 18))
    sides = (("lacks", sorted(wanted - found)), ("has", sorted(found - wanted)))
    if told := "; ".join(f"{what} {listing(which, SHOWN)}" for what, which in sides if which):
        raise ValueError(
            f"has not the 17 AHA segments, which are numbered 1 to 17: {told}. No map is made of "
            "other divisions, such as those of 16 or 20 segments"
        )


def has_decimal_comma(cells: Iterable[str], delimiter: str) -> bool:
    """Whether the numbers of a table have a decimal comma.

    Commas beside points, and commas that may stand for thousands, raise ValueError.
    """
    numbers = [_number_and_unit(cell)[0] for cell in cells]
    with_comma = [number for number in numbers if "," in number]
    # Commas between columns and in numbers: whoever writes "1,081" so may mean 1081.
    if delimiter == "," and with_comma and all(map(has_thousands, with_comma)):
        raise ValueError(
            f"has {len(with_comma)} numbers such as 1,234, which may be 1.234 or 1234. Write them "
            "with a decimal point and without a separator of thousands"
        )
    return uses_decimal_comma(numbers)


def uneven(sheet: Sheet, head: int, place: int) -> str:
    """Why the cells of the row at `place` may not stand below those at `head`, "" where they do.

    In a text every row has as many cells as its heading, empty ones at the end too: a row with one
    more or less is shifted. A worksheet has its cells in columns, and only more of them are told.
    """
    if sheet.delimiter:
        n_named, n_cells = sheet.widths[head], sheet.widths[place]
    else:
        n_named = len(sheet.rows[head])
        n_cells = max(n_named, len(sheet.rows[place]))
    if n_cells == n_named:
        return ""
    return f"{cell_count(n_cells)}, its heading {n_named}{how_to_mend(sheet, n_cells > n_named)}"


def cell_count(n_cells: int) -> str:
    """ "has 5 cells", in the number that is right."""
    return f"has {n_cells} cell{'s' * (n_cells != 1)}"


def how_to_mend(sheet: Sheet, is_longer: bool) -> str:
    """What to do about a row of another length."""
    if sheet.delimiter == "," and is_longer:
        return (
            ". Is a comma within a number, in a table separated by commas? Save it with decimal "
            "points, or with semicolons between the columns"
        )
    return ". A cell is lost or one too many: export the table again"


def _shifted(
    sheet: Sheet, head: int, place: int, numeric: Collection[int], texts: Collection[int]
) -> str:
    """Why a row may be shifted, "" where it is not.

    A row of a worksheet must reach its last number, without a word among numbers or the reverse.
    """
    problem = uneven(sheet, head, place)
    if problem or sheet.delimiter:
        return problem
    row = sheet.rows[place]
    filled = {k for k, cell in enumerate(row) if not is_missing(cell)}
    is_odd = any(is_number(row[k]) for k in filled & {*texts})
    is_odd |= any(not _BEGINS.match(row[k]) for k in filled & {*numeric})
    return _SHIFTED if is_odd or len(row) <= max(numeric, default=-1) else ""


def _all_or_none(sheet: Sheet, found: list[ExportedMap]) -> list[ExportedMap]:
    """Maps of one row, or one table: where one of a worksheet is spoilt, all may be shifted."""
    problem = next((maps.problem for maps in found if maps.problem), "")
    if sheet.delimiter or not problem:
        return found
    return [replace(maps, problem=maps.problem or problem) for maps in found]


def _has_numbers(cells: Iterable[str]) -> bool:
    """Whether most cells are meant to be numbers, empty ones aside."""
    filled = [cell for cell in cells if not is_missing(cell)]
    return 2 * sum(bool(_BEGINS.match(cell)) for cell in filled) > len(filled)


def _read_cells(
    cells: Sequence[str], units: Iterable[str], decimal_comma: bool
) -> tuple[np.ndarray, str, str]:
    """Values of segments 1 to 17, their unit, and why they cannot be used.

    Headings may say the unit (`units`), and cells may say it too.
    """
    values, in_cells = np.full(17, np.nan), set()
    for place, (number, unit) in enumerate(map(_number_and_unit, cells)):
        in_cells.add(unit)
        try:
            values[place] = parse_number(number, decimal_comma)
        except ValueError as error:
            return values, "", f"segment {place + 1}: {error}"
    if lacking := [k + 1 for k in np.flatnonzero(np.isnan(values))]:
        return values, "", f"no value for segment {listing(lacking, SHOWN)}"
    if len(in_cells) > 1:
        return values, "", "only some of its values have a unit, or they have different ones"
    if (values == np.arange(1, 18)).all():
        return values, "", "its values are 1 to 17, the numbers of the segments"
    written = list(dict.fromkeys(unit for unit in (*units, *in_cells) if unit))
    try:
        if len({conversion(unit) for unit in written}) > 1:
            return values, "", f"has one map in different units: {', '.join(written)}"
    except ValueError as error:
        return values, "", str(error)
    return values, written[0] if written else "", ""


def _number_and_unit(cell: str) -> tuple[str, str]:
    """'70%' and '1.2 ml/min/g' in two parts."""
    cell = cell.strip()
    match = None if is_number(cell) else _WITH_UNIT.fullmatch(cell[:_LONGEST])
    if match and looks_like_unit(match[2]):
        return match[1], match[2].strip()
    return cell, ""
