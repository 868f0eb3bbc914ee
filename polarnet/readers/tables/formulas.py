"""What have the formulas of a workbook given, and may it be used?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from xml.parsers import expat

_HARMFUL: Final = re.compile(
    r"\||\b(cmd|dde|msexcel|call|exec|register(\.id)?|webservice|importdata)\s*\(", re.IGNORECASE
)
"""Links to programs, and calls of them."""


@dataclass
class Formulas:
    """The formulas of a workbook, met one by one.

    Attributes
    ----------
    n
        How many there are.
    n_lacking
        How many of them have given nothing: no program has computed them yet.
    """

    n: int = 0
    n_lacking: int = 0
    _is_open: bool = False
    _has_value: bool = False
    _type: str = ""
    _parser: expat.XMLParserType | None = None

    def begin(self, tag: str, parser: expat.XMLParserType) -> None:
        """A formula (f) or a value (v) begins within a cell."""
        if tag == "f":
            self.n += 1
            self._is_open = True
        elif self._is_open:
            parser.CharacterDataHandler = self._hear
            self._parser = parser

    def _hear(self, text: str) -> None:
        self._has_value = self._has_value or bool(text.strip())

    def end_cell(self, next_type: str) -> None:
        """A cell ends, and one of another type may begin."""
        if self._parser is not None:
            self._parser.CharacterDataHandler = None
            self._parser = None
        if self._is_open:
            # A formula that gave an empty text has a type, and no value.
            self.n_lacking += not self._has_value and self._type != "str"
        self._is_open = self._has_value = False
        self._type = next_type

    def filled(
        self, values: Iterator[tuple[Any, ...]], texts: Iterator[tuple[Any, ...]]
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of values, with the formula itself where it may not be used, or gave nothing.

        Raises
        ------
        ValueError: there are not as many values as texts.
        """
        for row, text_row in zip(values, texts, strict=True):
            pairs = zip(row, text_row, strict=True)
            yield tuple(self._cell(value, text) for value, text in pairs)

    def _cell(self, value: Any, text: Any) -> Any:
        """One value, or the formula."""
        if not isinstance(text, str):
            if not type(text).__module__.startswith("openpyxl"):
                return value
            text = getattr(text, "text", None) or "="  # a formula over several cells
        if not text.startswith("=") or value == text:
            return value
        is_lacking = value is None and self.n_lacking
        return text if is_lacking or _HARMFUL.search(text) else value
