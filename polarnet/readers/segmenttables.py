"""Tables of the 17 AHA segments: one study per file, or one study per row."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Final

import numpy as np

from polarnet.ids import listing
from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.headings import (
    ENOUGH,
    Heading,
    counts_people,
    is_bare,
    is_summary,
    is_title,
    is_unit_row,
    letters_mark_maps,
    read_heading,
    says_number,
    says_segments,
    segment_of,
    shown,
)
from polarnet.readers.identity import header_words
from polarnet.readers.profiles import Profile
from polarnet.readers.sheets import SHOWN, Sheet
from polarnet.readers.units import conversion, looks_like_unit
from polarnet.readers.words import (
    is_missing,
    is_number,
    parse_number,
    section,
    uses_decimal_comma,
)

_ROWS: Final = section("rows")

_SEARCHED: Final = 40
"""Rows among which headings are looked for (our choice): exports put facts above them."""

_FEWEST_LABELS: Final = 3
"""Labels below which a table is none of segments (our choice), whatever is missing."""

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
    "has its segments in another column than the first, with several rows per study: make it one "
    "row per study with columns rest_1 to rest_17, or one file per study with the segments in front"
)
_SHIFTED: Final = (
    "has a cell too few or too many beside its numbers, which may be shifted: write n/a where a "
    "number is not known, and no numbers into columns of words"
)


def read_segments(sheet: Sheet, profile: Profile, study_heading: str = "") -> list[ExportedMap]:
    """Maps of a segment table: values of shape (17,), or why there are none.

    A table has one row per segment, labelled 1 to 17 or by the AHA names, and a column for each
    map; or one row per study and 17 columns for each map, numbered 1 to 17. `study_heading` is that
    of the column with the study, where it is none of the usual ones.

    Raises
    ------
    ValueError: segments are missing, doubled or of another division, or the study or the map is
        not told.
    """
    found = _read_rows(sheet, profile, study_heading)
    found = _read_columns(sheet, profile) if found is None else found
    return [replace(maps, note=_joined(sheet.note, maps.note)) for maps in found]


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


# === One row per study ===


def _read_rows(sheet: Sheet, profile: Profile, study_heading: str) -> list[ExportedMap] | None:
    """Maps of a table with one row per study, or None for any other table."""
    for start, row in enumerate(sheet.rows[:_SEARCHED]):
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
        elif columns := _columns(headings):
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
    columns = {m: numbers for m, numbers in columns.items() if len(numbers) >= ENOUGH}
    for numbers in columns.values():
        check_segments(numbers)
    return columns


def _studies(
    sheet: Sheet,
    profile: Profile,
    headings: Sequence[Heading],
    columns: Mapping[str, Mapping[int, int]],
    study_heading: str,
) -> list[ExportedMap]:
    """Maps of each row below the headings, which are the first row."""
    head = sheet.rows[0]
    words = [header_words(cell) for cell in head]
    taken = {place for numbers in columns.values() for place in numbers.values()}
    first, written = 1, [""] * len(head)
    if len(sheet.rows) > 1 and is_unit_row([c for p, c in enumerate(sheet.rows[1]) if p in taken]):
        if problem := uneven(sheet, 0, 1):
            raise ValueError(f"row {sheet.row_numbers[1]} {problem}")
        first, written = 2, [*sheet.rows[1], *written][: len(head)]
    rows = sheet.rows[first:]
    phase = next((place for place, name in enumerate(words) if name in _ROWS["phase"]), None)
    study = _study_column(words, study_heading)
    assumed, is_one = "", False
    if study is None and list(columns) == [""]:
        # "Rest MBF | 0.65 | 0.74 ...": one study, one row per map.
        named = [read_heading(row[0], profile).map_type for row in rows]
        if all(named) and len(set(named)) == len(named):
            assumed, phase = _check_numbered(head, headings, columns[""]), 0
        # One row that says its parameter, as Medviso Segment writes it.
        more = {name for place, name in enumerate(words) if place not in taken}
        is_one = len(rows) == 1 and {"parameter"} <= more <= {*_ROWS["parameter"]}
        phase = words.index("parameter") if is_one else phase
    if study is None and phase != 0:
        raise ValueError(
            "does not say in which one column the study is: call it study_id, or name it in the "
            "column map"
        )
    flows = (cell for row in rows for place, cell in enumerate(row) if place in taken)
    decimal_comma = has_decimal_comma(flows, sheet.delimiter)
    note = _joined(assumed, _unused_columns(head, headings, taken))
    places = {*range(len(head))}
    numeric = {p for p in places if _has_numbers(row[p] for row in rows if p < len(row))}
    last, beside = max(numeric | taken), places - {study, phase}
    if not sheet.delimiter:
        _check_names(head, headings, rows, taken)
    found: list[ExportedMap] = []
    for place, short_row in enumerate(rows, start=first):
        row = [*short_row, *[""] * (len(head) - len(short_row))]
        name = row[study] if study is not None else ""
        if is_summary(name):
            continue
        said = read_heading(row[phase], profile) if phase is not None else Heading()
        shifted = uneven(sheet, 0, place)
        if not sheet.delimiter and not shifted:
            is_out = _is_out_of_place(short_row, (beside & numeric) - taken, beside - numeric)
            shifted = _SHIFTED if len(short_row) <= last or is_out else ""
        maps = []
        for map_type, numbers in columns.items():
            cells = [row[numbers[k]] for k in range(1, 18)]
            units = [headings[p].unit or written[p] for p in numbers.values()]
            values, unit, problem = _read_cells(cells, [*units, said.unit], decimal_comma)
            problem = shifted or problem
            says_flow = said.map_type or said.is_flow or conversion(unit)[0] == "mL/min/g"
            if study is not None and is_missing(name):
                problem = "no study id"
            elif said.other:
                problem = f"is {said.other}, no flow"
            elif is_one and not says_flow:
                problem = "its parameter is not called flow"
            problem = f"row {sheet.row_numbers[place]}: {problem}" if problem else ""
            told = map_type or said.map_type
            maps.append(ExportedMap(values, name, told, unit, problem=problem, note=note))
        found += maps if sheet.delimiter else _all_or_none(maps)
    return found


def _unused_columns(head: Sequence[str], headings: Sequence[Heading], taken: set[int]) -> str:
    """A note of columns beside the taken ones that are of a map, a segment, or a long series."""

    def stem(name: str) -> str:  # what columns such as res1 to res17 have in common
        return re.sub(r"\d+", "#", name)

    series = Counter(map(stem, head))
    return _unused(
        shown(name, place, heading)
        for place, (name, heading) in enumerate(zip(head, headings, strict=True))
        if place not in taken
        and (heading.map_type or heading.segment is not None or series[stem(name)] >= ENOUGH)
    )


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


def _check_numbered(
    head: Sequence[str], headings: Sequence[Heading], numbers: Mapping[int, int]
) -> str:
    """A note where nothing says that numbered columns are segments, "" where something does.

    Where they may be patients or frames, that raises ValueError.
    """
    is_counted = all(is_bare(head[place]) for place in numbers.values())
    if not is_counted or says_segments(head[0]):
        return ""
    has_letters = any(not headings[place].is_bare for place in numbers.values())
    is_open = says_number(head[0]) or header_words(head[0]) in _ROWS["phase"]
    if has_letters or not is_open:
        raise ValueError(
            "has columns that are numbered under a heading that is not that of segments. If they "
            "are the 17 AHA segments of one study, call them segment 1 to segment 17"
        )
    return "its numbered columns were taken for the 17 AHA segments"


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
    places = [place for place, k in enumerate(labels) if k is not None]
    start = max(0, places[0] - _SEARCHED)
    above = sheet.rows[start : places[0]]
    rows = {k: row for k, row in zip(labels, sheet.rows, strict=True) if k is not None}
    has_twice = len(rows) < len(places)
    if has_twice and any(_says_segment(cell) for row in above for cell in row[1:]):
        raise ValueError(_LONG)
    assumed = _check_labels(sheet, labels, places, above, profile)
    check_segments(rows)
    if has_twice:
        twice = next(k for k, n in Counter(labels[p] for p in places).items() if n > 1)
        raise ValueError(
            f"has segment {twice} twice. Two tables in one file? Save each in a file of its own"
        )
    columns = dict(enumerate(zip_longest(*(rows[k] for k in range(1, 18)), fillvalue="")))
    n_columns = len(columns)
    columns = {place: cells for place, cells in columns.items() if place >= width}
    texts, own, units, head = _headings(above, n_columns, profile)
    _check_lengths(sheet, places, None if head is None else start + head)
    beyond = [] if head is None else above[head][n_columns:]
    if any(read_heading(cell, profile).map_type for cell in beyond):
        raise ValueError("has a map in its headings and no numbers below: they may be shifted")
    if width == 2 and read_heading(texts[1], profile).map_type:
        raise ValueError("has names of segments in two columns, and headings for one: add one")
    headings = {
        place: read_heading(texts[place], profile)
        for place, cells in columns.items()
        if not _repeats_segments(own[place], cells, profile)
    }
    # Columns of numbers; one of a map stays, whatever it holds, where no other is of it.
    numeric = {place for place, cells in columns.items() if _has_numbers(cells)}
    maps = {h.map_type for p, h in headings.items() if p in numeric and not h.other}
    headings = {
        place: h
        for place, h in headings.items()
        if place in numeric or (h.map_type and h.map_type not in maps and not h.other)
    }
    if not sheet.delimiter:
        # A row of a worksheet that ends too early, or has a word among numbers.
        last = max(headings, default=0)
        for place in places:
            row = sheet.rows[place]
            if len(row) <= last or _is_out_of_place(row, numeric, columns.keys() - numeric):
                raise ValueError(f"row {sheet.row_numbers[place]} {_SHIFTED}")
    chosen = _chosen(headings)
    others = (shown(texts[p], p, h) for p, h in headings.items() if p not in chosen)
    note = _joined(assumed, _unused(others))
    decimal_comma = has_decimal_comma((c for p in chosen for c in columns[p]), sheet.delimiter)
    found = []
    for place, map_type in chosen.items():
        said = [headings[place].unit, units[place]]
        values, unit, problem = _read_cells(columns[place], said, decimal_comma)
        found.append(ExportedMap(values, "", map_type, unit, problem=problem, note=note))
    return found if sheet.delimiter else _all_or_none(found)


def _labels(sheet: Sheet) -> tuple[list[int | None], int]:
    """Segment of each row, None for rows of none; and how many columns say it."""
    labels = [segment_of(row[0]) for row in sheet.rows]
    if len({k for k in labels if k is not None}) >= ENOUGH:
        return labels, 1
    # Level and wall, each in a column; a merged cell has the level in its first row only.
    level, joined = "", []
    for row in sheet.rows:
        level = row[0] or level
        joined.append(segment_of(" ".join([level, *row[1:2]])))
    if len({k for k in joined if k is not None}) >= ENOUGH:
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
    places: Sequence[int],
    above: Sequence[Sequence[str]],
    profile: Profile,
) -> str:
    """A note where nothing says that numbered rows are segments, "" where something does.

    Where they may be patients or times, by what heads them, that raises ValueError.
    """
    rows = [sheet.rows[place] for place in places]
    bare = [row[0] for row in rows if is_bare(row[0])]
    named = [segment_of(cell) for row in rows for cell in row[1:2]]
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
    # Under "Nr", or no heading, the rest of the table must be one of segments: no column is of
    # people, or has in each row a text of its own, as initials or names do.
    beside = [cell for cell in head[1:] if not read_heading(cell, profile).map_type]
    has_letters = any(label[0] in "sS" for label in bare)
    has_names = any(
        len(set(cells)) == len(rows) and all(cell[:1].isalpha() for cell in cells)
        for cells in zip(*(row[1:] for row in rows), strict=False)
    )
    if has_letters or has_names or not says_number(corner) or any(map(counts_people, beside)):
        raise ValueError(_TERRITORIES if _only_territories(sheet) else _PEOPLE)
    under = f"'{corner}'" if corner else "no heading"
    return f"its rows, numbered under {under}, were taken for the 17 AHA segments of one study"


def _only_territories(sheet: Sheet) -> bool:
    """Whether a row or the first column names the territories."""
    names = [set(words.split("/")) for words in _ROWS["territories"]]
    for cells in ([row[0] for row in sheet.rows], *sheet.rows[:_SEARCHED]):
        found = set(re.findall(r"[^\W\d_]+", " ".join(cells).casefold()))
        if all(found & words for words in names):
            return True
    return False


def _says_segment(cell: str) -> bool:
    return cell.strip().casefold() in _ROWS["segment alone"]


def _check_lengths(sheet: Sheet, places: Sequence[int], head: int | None) -> None:
    """Raise where a row of a segment has not as many cells as the headings, or as the others."""
    checked = list(places)
    if head is None:
        widths = sheet.widths or list(map(len, sheet.rows))
        usual = Counter(widths[place] for place in places).most_common(1)[0][0]
        head = next(place for place in places if widths[place] == usual)
    else:
        # The headings and units too; but a level, alone in its row, may be short.
        checked += [k for k in range(head, places[0]) if sum(map(bool, sheet.rows[k])) > 1]
    for place in sorted(checked):
        if problem := uneven(sheet, head, place):
            raise ValueError(f"row {sheet.row_numbers[place]} {problem}")


def _headings(
    above: Sequence[Sequence[str]], n_columns: int, profile: Profile
) -> tuple[list[str], list[str], list[str], int | None]:
    """Whole heading, lowest heading and unit of every column, and the row of the lowest one."""
    rows = [[*row, *[""] * n_columns][:n_columns] for row in above]
    units = [""] * n_columns
    if rows and is_unit_row(rows[-1][1:]) and not read_heading(rows[-1][0], profile).is_label:
        units = rows.pop()
    # Facts about patient and scanner stand higher up, and a level such as "Basal" below.
    while rows and not _is_header([read_heading(cell, profile) for cell in rows[-1]]):
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


def _is_header(cells: Sequence[Heading]) -> bool:
    """Whether a row names columns: segments in front, or a map or a quantity in another."""
    return cells[0].is_label or any(
        cell.map_type or cell.problem or cell.other or cell.is_flow for cell in cells[1:]
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
    named: dict[str, list[int]] = {}
    for place, heading in usable.items():
        named.setdefault(heading.map_type, []).append(place)
    unnamed = named.pop("", [])
    if named:
        return {_only(places, usable, m): m for m, places in named.items()}
    if len(unnamed) > 1 or len(usable) < len(headings):
        # Beside scores or a spread, a column must say that it is flow.
        unnamed = [p for p in unnamed if usable[p].is_flow]
    if problem := next((h.problem for h in headings.values() if h.problem), ""):
        raise ValueError(problem)
    if len(unnamed) == 1:
        return {unnamed[0]: ""}
    if others := list(dict.fromkeys(h.other for h in headings.values() if h.other)):
        raise ValueError(f"has columns of {listing(others, SHOWN)}, and none of flow")
    raise ValueError(
        "does not say which column is rest, stress or reserve: give the columns a heading"
    )


def _only(places: Sequence[int], headings: Mapping[int, Heading], map_type: str) -> int:
    """The column of a map; of several, the one that says flow."""
    flows = [place for place in places if headings[place].is_flow] if len(places) > 1 else places
    if len(flows) == 1:
        return flows[0]
    raise ValueError(
        f"has {len(places)} columns for {map_type}, and not one of them alone says MBF: take the "
        "others out, or name them after what they are"
    )


# === Segments and cells ===

SMALLEST_DIVISION: Final = 16
"""Values of the smallest division of the ventricle."""

_WRONG_COUNT: Final = {
    16: "16 segments, without an apex (older AHA model)",
    20: "20 segments, another division of the ventricle (ASNC)",
}
"""Divisions that are recognised, and refused because a 17-segment map cannot be made of them."""

_WITH_UNIT: Final = re.compile(r"([+-]?[\d.,]+(?:e[+-]?\d+)?)\s*([^\d\s].*)", re.IGNORECASE)
_BEGINS: Final = re.compile(r"[<>≤≥~]?\s*[+-]?[.,]?\d")
_LONGEST: Final = 60
"""Characters of a number with its unit (our choice)."""

_THOUSANDS: Final = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def in_order(values: np.ndarray) -> np.ndarray:
    """17 bare numbers, in the order of the AHA; ValueError for more or fewer."""
    if values.size != 17:
        raise ValueError(f"has {_WRONG_COUNT.get(values.size, f'{values.size} values, not 17')}")
    return values.ravel()


def check_segments(numbers: Iterable[int]) -> None:
    """Raise ValueError unless they are segments 1 to 17; other known divisions are named."""
    found, wanted = set(numbers), set(range(1, 18))
    if found == wanted:
        return
    if found == set(range(1, len(found) + 1)) and len(found) in _WRONG_COUNT:
        raise ValueError(f"has {_WRONG_COUNT[len(found)]}")
    if found == set(range(17)):
        raise ValueError("numbers its segments 0 to 16: number them 1 to 17, as the AHA does")
    sides = (("lacks", sorted(wanted - found)), ("has", sorted(found - wanted)))
    told = "; ".join(f"{what} {listing(which, SHOWN)}" for what, which in sides if which)
    is_other = any(len(which) > SHOWN for _, which in sides)
    hint = ". Is this a table of segments?" if is_other else ""
    raise ValueError(f"has not the 17 AHA segments: {told}{hint}")


def has_decimal_comma(cells: Iterable[str], delimiter: str) -> bool:
    """Whether the numbers of a table have a decimal comma.

    Commas beside points, and commas that may stand for thousands, raise ValueError.
    """
    numbers = [_number_and_unit(cell)[0] for cell in cells]
    with_comma = [number for number in numbers if "," in number]
    # Commas between columns and in numbers: whoever writes "1,081" so may mean 1081.
    if delimiter == "," and with_comma and all(map(_THOUSANDS.fullmatch, with_comma)):
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


def _is_out_of_place(row: Sequence[str], numeric: Iterable[int], texts: Iterable[int]) -> bool:
    """Whether a row of a worksheet has a number among words, or a word among numbers."""
    filled = {place for place, cell in enumerate(row) if not is_missing(cell)}
    return any(is_number(row[place]) for place in filled & {*texts}) or any(
        not _BEGINS.match(row[place]) for place in filled & {*numeric}
    )


def _all_or_none(found: Sequence[ExportedMap]) -> list[ExportedMap]:
    """Maps of one row, or of one table, in a worksheet: where one is spoilt, all may be shifted."""
    problem = next((maps.problem for maps in found if maps.problem), "")
    return [replace(maps, problem=maps.problem or problem) for maps in found]


def _unused(columns: Iterable[str]) -> str:
    """A note of columns with numbers that were not used."""
    names = list(columns)
    return f"not used: {listing(names, SHOWN)}" if names else ""


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
    values = np.full(17, np.nan)
    in_cells = []
    for place, cell in enumerate(map(str.strip, cells)):
        number, unit = _number_and_unit(cell)
        in_cells.append(unit)
        try:
            values[place] = parse_number(number, decimal_comma)
        except ValueError as error:
            why = str(error)
            if re.search(r"±|\+/-|\+-", cell):
                why = "a mean with its spread (±); give the mean alone"
            elif cell[:1] in tuple("<>≤≥"):
                why = "a limit (< or >), no value"
            return values, "", f"segment {place + 1}: {why}"
    if lacking := [k + 1 for k in np.flatnonzero(np.isnan(values))]:
        return values, "", f"no value for segment {listing(lacking, SHOWN)}"
    if len({*in_cells}) > 1:
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
