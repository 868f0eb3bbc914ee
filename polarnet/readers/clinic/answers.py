"""Which cells of a column mean yes and no, female and male, or not recorded?"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from polarnet.readers.clinic.columns import cell_key

_BOXES: Final = (
    ("checked", "unchecked"),
    ("checked", "not checked"),
    ("selected", "not selected"),
    ("selected", "unselected"),
    ("ticked", "not ticked"),
    ("marked", "not marked"),
    ("mentioned", "not mentioned"),
    ("quoted", "not quoted"),
    ("chosen", "not chosen"),
    ("angekreuzt", "nicht angekreuzt"),
    ("ausgewählt", "nicht ausgewählt"),
    ("genannt", "nicht genannt"),
    ("markiert", "nicht markiert"),
    ("gewählt", "nicht gewählt"),
    ("coché", "non coché"),
    ("sélectionné", "non sélectionné"),
    ("marcado", "no marcado"),
    ("seleccionado", "no seleccionado"),
    ("aangevinkt", "niet aangevinkt"),
    ("aangekruist", "niet aangekruist"),
    ("selezionato", "non selezionato"),
)
"""What a box says, ticked and not. One on a form that nobody filled is not ticked either."""

_YES_NO: Final = (
    ("ja", "nein"), ("ja", "nee"), ("yes", "no"), ("oui", "non"), ("si", "no"), ("sí", "no"),
    ("j", "n"), ("y", "n"), ("o", "n"), ("true", "false"), ("wahr", "falsch"), ("1", "0"),
    ("positive", "negative"), ("positiv", "negativ"), *_BOXES,
)  # fmt: skip

_FEMALE_MALE: Final = (
    ("w", "m"), ("f", "m"), ("f", "h"), ("weiblich", "männlich"), ("female", "male"),
    ("frau", "mann"), ("femme", "homme"), ("vrouw", "man"), ("mujer", "hombre"),
    ("femenino", "masculino"), ("féminin", "masculin"), ("woman", "man"), ("women", "men"),
    ("frauen", "männer"), ("femmina", "maschio"),
)  # fmt: skip
"""Not h and m, nor v and m: one of them is female in one language and male in another."""

_ALONE: Final = frozenset(("h", "v", "o"))
"""Letters whose meaning the other cells of a column tell, so that they are not mixed with words."""

_NOT_RECORDED: Final = frozenset(
    ("9", "99", "999", "-1", "-9", "-99", "-999", "?", "unknown", "unbekannt", "unk", "inconnu",
     "onbekend", "desconocido", "not known", "missing", "fehlt")
)  # fmt: skip
"""Cells that often mean: not recorded. A question, because 9 may also be a value."""


def pair(values: Sequence[str], *, is_sex: bool) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The cells that mean 1 and 0, where both occur and nothing else does.

    >>> pair(["0=no", "1=yes"], is_sex=False)
    (('1=yes',), ('0=no',))
    """
    pairs = _FEMALE_MALE if is_sex else _YES_NO
    different = {cell_key(value): value for value in values}.values()
    keys = {value: cell_key(_word(value)) for value in different}
    for one, zero in pairs:
        if set(keys.values()) == {cell_key(one), cell_key(zero)}:
            return _split(keys, [one], [zero])
    # Mixed, as F, f and Female.
    ones, zeros = (set(sides) - _ALONE for sides in zip(*pairs, strict=True))
    found = _split(keys, ones, zeros)
    return found if all(found) and len(found[0]) + len(found[1]) == len(keys) else None


def are_boxes(heading: str, cells: Iterable[str]) -> bool:
    """Whether a column is one box of several, by its heading or by its cells.

    >>> [are_boxes("dm___1", "01"), are_boxes("dm", ["Unchecked"]), are_boxes("dm", "01")]
    [True, True, False]
    """
    words = {cell_key(word) for pair in _BOXES for word in pair}
    of_cells = any(cell_key(_word(cell)) in words for cell in cells)
    return of_cells or re.search(r"___\w+$|\(choice ?=.*\)", heading) is not None


def tells_completeness(heading: str, cells: Iterable[str]) -> bool:
    """Whether a column says, as REDCap does, whether a form was filled.

    >>> [tells_completeness("demographics_complete", "02"), tells_completeness("dm", "01")]
    [True, False]
    """
    keys = {cell_key(cell) for cell in cells if cell.strip()}
    is_named = re.search(r"(^|_|\b)complete\??$", heading.strip(), re.IGNORECASE) is not None
    return is_named and keys <= {0.0, 1.0, 2.0, "incomplete", "unverified", "complete"}


def missing_codes(values: Iterable[str]) -> list[str]:
    """Those of a column's cells that may mean: not recorded."""
    return [value for value in values if value.casefold() in _NOT_RECORDED]


def _split(
    keys: dict[str, str | float], ones: Iterable[str], zeros: Iterable[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The cells of either side, in their order."""
    sides = ({cell_key(word) for word in words} for words in (ones, zeros))
    one, zero = (tuple(v for v, key in keys.items() if key in side) for side in sides)
    return one, zero


def _word(cell: str) -> str:
    """The word behind a number, as in '1=yes' and '0, No'."""
    match = re.fullmatch(r"\d+ ?[=,:.)-] ?([^\W\d_]+)", cell)
    return match[1] if match else cell
