"""Files as they are written and read here: tables, facts and settings, whole or not at all.

JSON and YAML have a largest size, and YAML neither builds objects nor follows aliases.
"""

import csv
import difflib
import io
import json
import math
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import yaml

from polarnet.ids import cut, listing

# === Whole or not at all ===


def check_vacant(target: str | Path) -> None:
    """Raise FileExistsError if `target` is a file, or a folder with something in it."""
    target = Path(target)
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise FileExistsError(
            f"{target} exists and is not empty; nothing was changed. "
            "Choose another --out, or move it away."
        )


@contextmanager
def new_folder(target: str | Path) -> Iterator[Path]:
    """Fill a hidden sibling folder, then give it its name in one step.

    Parents are made as needed; an empty folder is replaced. An error or an interruption inside the
    block removes the sibling; a killed process leaves it behind under a name that begins with a dot
    and ends in `.partial`. FileExistsError: `target` is a file, or a folder with something in it.
    """
    check_vacant(target)
    target, partial = _beside(target)
    partial.mkdir()
    try:
        yield partial
        check_vacant(target)  # another program may have been there meanwhile
        if target.is_dir():
            target.rmdir()
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def new_file(target: str | Path) -> Iterator[Path]:
    """Fill a hidden sibling file, then give it its name in one step; an older file is replaced."""
    check_no_folder(target)
    target, partial = _beside(target)
    try:
        yield partial
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def check_no_folder(target: str | Path) -> None:
    """Raise IsADirectoryError where a file is to be written and a folder has its name."""
    if Path(target).is_dir():
        raise IsADirectoryError(f"{target} is a folder. Name a file to write.")


def _beside(target: str | Path) -> tuple[Path, Path]:
    """A path whose parents exist, and one beside it that no other process has."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    token = f"{os.getpid()}.{secrets.token_hex(4)}"
    return target, target.with_name(f".{target.name}.{token}.partial")


# === Tables: CSV ===

_FORMULA_SIGNS: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""How a cell begins that a spreadsheet program takes for a formula, full-width signs included."""

_PLAIN: Final = r"[+-]?(\d[\d.,]*|\.\d+|nan|inf)(e[+-]?\d+)?%?"

_NO_FORMULA: Final = re.compile(rf"{_PLAIN}( \[({_PLAIN}, {_PLAIN}|not estimable)\])?|[+-]+")
"""Numbers, intervals and lone dashes."""

_NUMBER: Final = re.compile(
    r"[+-]?((\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?|inf)", re.ASCII | re.IGNORECASE
)
_INTEGER: Final = re.compile(r"[+-]?\d+", re.ASCII)
_THOUSANDS: Final = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)

MISSING: Final = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none"})
"""What R, pandas and Excel write into a column of numbers where a value is missing."""

_TRUTH: Final = {"true": True, "false": False}

_FEW: Final = 0.2  # share of odd cells up to which a column was meant to hold numbers (our choice)
_DIGITS: Final = 15  # digits up to which every integer is exact as a decimal number


def write_csv(
    table: pd.DataFrame,
    path: str | Path,
    *,
    index_label: str | None = None,
    float_format: str | None = None,
) -> None:
    """Write a table: whole or not at all, made `harmless`; an older file is replaced.

    The index is written first where it has a heading, `index_label`. `float_format` is that of
    numbers, such as "%.6g"; None: every digit.
    """
    with new_file(path) as partial:
        text = csv_text(table, index_label=index_label, float_format=float_format)
        partial.write_text(text, encoding="utf-8", newline="")


def read_csv(path: str | Path, text: Collection[str] = ("study_id", "patient_id")) -> pd.DataFrame:
    """Read a table that polarnet wrote and a user may have edited, every row of it whole.

    Cells are separated by commas, semicolons or tabs, as the heading is. Blank rows are skipped.
    A column becomes numbers where every cell is one or is missing (empty, NA, NaN, null); both
    decimal signs are read. The apostrophes of `harmless` are taken away. Columns named in `text`
    stay text, whatever is in them: "NA", "007" and "1e5" are ids.

    FileNotFoundError: no such file. ValueError: not UTF-8, quoting is broken, a row has more or
    fewer cells than the heading, a heading is missing or there twice, or a column is numbers but
    for a few cells.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No table {path}.")
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8. Save it as 'CSV UTF-8'.") from None
    heading = next((line for line in content.splitlines() if line.strip()), "")
    delimiter = max((",", ";", "\t"), key=heading.count)
    lines, rows = _rows(content, delimiter, path)
    if not rows:
        raise ValueError(f"{path} is empty; it needs a line of headings.")
    names = [without_apostrophe(cell.strip()) for cell in rows[0]]
    if twice := [name for name, n in Counter(names).items() if name and n > 1]:
        raise ValueError(f"{path} has columns twice: {', '.join(twice)}. Rename one of each.")
    columns = {}
    for place, name in enumerate(names):
        cells = [row[place] for row in rows[1:]]
        if name in text:
            columns[name] = _texts(cells)
        elif name:
            columns[name] = _values(cells, lines[1:], delimiter, f"{path}: column '{name}'")
        elif any(cell.strip() for cell in cells):
            raise ValueError(f"{path} has a column without a heading that is not empty. Name it.")
    return pd.DataFrame(columns, index=range(len(rows) - 1))


def _rows(content: str, delimiter: str, path: Path) -> tuple[list[int], list[list[str]]]:
    """Every row that is not blank with the line where it ends, as long as the heading is."""
    if "\0" in content:
        raise ValueError(f"{path} is no table of text: it has zero bytes.")
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        found = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {reader.line_num}: cannot be read as a table ({error})."
        ) from None
    rows = [row for _, row in found]
    if odd := [f"line {line} ({len(row)})" for line, row in found if len(row) != len(rows[0])]:
        raise ValueError(
            f"{path}: the heading has {len(rows[0])} cells, but {listing(odd, most=10)} "
            f"{'has' if len(odd) == 1 else 'have'} another number. Mend or restore the table."
        )
    return [line for line, _ in found], rows


def _texts(cells: Sequence[str]) -> pd.Series:
    texts = [without_apostrophe(cell) if cell.strip() else np.nan for cell in cells]
    return pd.Series(texts, dtype=object).infer_objects()


def _values(cells: Sequence[str], lines: list[int], delimiter: str, where: str) -> pd.Series:
    """Numbers, True and False, or text, whatever a column holds."""
    stripped = [None if cell.strip().lower() in MISSING else cell.strip() for cell in cells]
    given = [cell for cell in stripped if cell is not None]
    if given and {cell.lower() for cell in given} <= _TRUTH.keys():
        truth = [np.nan if cell is None else _TRUTH[cell.lower()] for cell in stripped]
        return pd.Series(truth, dtype=object).infer_objects()
    odd = [
        f"line {line} ({cut(cell)})"
        for line, cell in zip(lines, stripped, strict=True)
        if cell is not None and not _NUMBER.fullmatch(cell)
    ]
    # Longer integers are codes, and a decimal number would not hold all their digits.
    if len(odd) > _FEW * len(given) or any(len(c) > _DIGITS and c.isdigit() for c in given):
        return _texts(cells)
    commas = [cell for cell in given if "," in cell]
    problem = ""
    if odd:
        problem = f" holds numbers but for {listing(odd, most=10)}. Correct these cells."
    elif commas and any("." in cell for cell in given):
        problem = " has decimal commas and decimal points. Write it with one."
    elif commas and delimiter != ";" and all(map(_THOUSANDS.fullmatch, commas)):
        problem = f": is {commas[0]} a decimal, or thousands? Write a point."
    if problem:
        raise ValueError(where + problem)
    read = [math.nan if c is None else float(c.replace(",", ".")) for c in stripped]
    numbers = pd.Series(read, dtype=float)
    is_whole = given and len(given) == len(cells) and all(map(_INTEGER.fullmatch, given))
    return numbers.astype(np.int64) if is_whole else numbers


def csv_text(
    table: pd.DataFrame, *, index_label: str | None = None, float_format: str | None = None
) -> str:
    """The text that `write_csv` writes: lines end in a line feed on every system."""
    if index_label is not None:
        table = table.rename_axis(index_label).reset_index()
    return harmless(table).to_csv(index=False, float_format=float_format, lineterminator="\n")


def harmless(table: pd.DataFrame) -> pd.DataFrame:
    """A table that no spreadsheet program takes for formulas.

    Text that begins with = + - @, a tab or a line end gets an apostrophe before it, in cells and
    in headings, unless it is a number or an interval. `without_apostrophes` takes it away again.
    A line end within a cell becomes a line feed.

    References
    ----------
    OWASP, CSV injection, owasp.org/www-community/attacks/CSV_Injection.

    >>> list(harmless(pd.DataFrame({"trait": ["=cmd()", "-0.02 [-0.10, 0.06]"]}))["trait"])
    ["'=cmd()", '-0.02 [-0.10, 0.06]']
    """

    def changed(text: str) -> str:
        # A lone carriage return would end the row, because the csv module does not quote it.
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        return f"'{text}" if is_formula(text.lstrip("'")) else text

    return _each_text(table, changed)


def without_apostrophes(table: pd.DataFrame) -> pd.DataFrame:
    """A table as it was before `harmless`."""
    return _each_text(table, without_apostrophe)


def without_apostrophe(text: str) -> str:
    """A cell as it was before `harmless`."""
    return text[1:] if text[:1] == "'" and is_formula(text.lstrip("'")) else text


def is_formula(text: str) -> bool:
    """Whether a spreadsheet program may take a text for a formula."""
    begins = text.startswith(_FORMULA_SIGNS) or text.lstrip().startswith(_FORMULA_SIGNS)
    return begins and not _NO_FORMULA.fullmatch(text)


def _each_text(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Every text of a table changed, its headings too."""

    def changed(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    columns = [table.iloc[:, k] for k in range(table.shape[1])]
    new = [c if pd.api.types.is_numeric_dtype(c) else c.map(changed) for c in columns]
    whole = pd.concat(new, axis=1) if new else table
    return whole.set_axis([changed(name) for name in table.columns], axis=1)


# === Facts: JSON ===

MAX_JSON_BYTES: Final = 2**24
"""Largest file of facts (our choice; environment.json of a run has 2 kB)."""


def read_json(path: str | Path) -> dict[str, Any]:
    """The names and values of a JSON file.

    FileNotFoundError: no such file. ValueError: it is larger than 16 MB, not UTF-8, not JSON, or no
    object.
    """
    path = _existing(path, MAX_JSON_BYTES)
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} {error}. Get the file again.") from None


def parse_json(content: bytes) -> dict[str, Any]:
    """The same of the bytes of a file. ValueError: says what is wrong, without the file's name."""
    try:
        facts = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(facts, dict):
        raise ValueError("holds no names and values in { }")
    return facts


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Write a mapping as a JSON file."""
    with new_file(path) as partial:
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        partial.write_text(text, encoding="utf-8", newline="\n")


def _existing(path: str | Path, most_bytes: int) -> Path:
    """A file that is there, and not too large."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No file {path}.")
    if path.stat().st_size > most_bytes:
        raise ValueError(
            f"{path.name} is larger than {most_bytes // 2**10} kB. Is it the right file?"
        )
    return path


# === Settings: YAML ===

MAX_YAML_BYTES: Final = 2**18
"""Largest settings file (our choice; a column map of a hundred columns has 10 kB)."""

_MAX_MESSAGE: Final = 300  # characters of the parser's own words

_MAX_SHOWN: Final = 60  # characters of a value


def read_yaml(path: str | Path, *, has_numbers: bool = True) -> Any:
    """The content of a YAML file; None where it is empty.

    Without `has_numbers`, 09, 1.50 and 1e3 stay text, letter by letter, as headings and cells need
    it. FileNotFoundError: no such file. ValueError: it is larger than 256 kB, not UTF-8, not YAML,
    gives a key twice or uses an alias.
    """
    path = _existing(path, MAX_YAML_BYTES)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not YAML in UTF-8: {error}.") from None
    return parse_yaml(text, path.name, has_numbers=has_numbers)


def parse_yaml(text: str, name: str, *, has_numbers: bool = True) -> Any:
    """The content of YAML text; `name` is what messages call it. ValueError: as `read_yaml`.

    Numbers are those that people write: 7, -0.5, .5, 3e-3. All else is text and stays as it is:
    1_000, 0o17, 017, 0x1F, 1:30 and 2020-01-31 are other numbers, or days, to YAML 1.1.
    """
    try:
        return yaml.load(text, _PlainLoader if has_numbers else _TextLoader)
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:_MAX_MESSAGE]
        raise ValueError(f"{name} is not YAML: {reason}") from None
    except ValueError as error:  # a date such as 2020-13-45
        reason = str(error)[:_MAX_MESSAGE]
        raise ValueError(f"{name} is not YAML: {reason}. Put quotes around it.") from None


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML that takes no key twice, and no aliases, which can unfold without end."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "aliases (*) are not read here", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            given = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            twice = [str(key)[:50] for key, n in Counter(given).items() if n > 1]
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(twice[:10])} given twice", node.start_mark
            )
        return mapping


class _TextLoader(_PlainLoader):
    """The same, where numbers are text."""


def _resolvers(**patterns: str) -> dict[None, list[tuple[str, re.Pattern]]]:
    """Plain scalars that are no text, whatever letter they begin with."""
    return {
        None: [
            (f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z", re.ASCII))
            for tag, pattern in patterns.items()
        ]
    }


_WORDS: Final = {"null": "~|(?i:null)|", "bool": "(?i:yes|no|true|false|on|off)"}
_NUMBERS: Final = {
    "int": r"[-+]?(?:0|[1-9]\d*)",
    "float": r"[-+]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?\.inf|\.nan",
}
_PlainLoader.yaml_implicit_resolvers = _resolvers(**_WORDS, **_NUMBERS)
_TextLoader.yaml_implicit_resolvers = _resolvers(**_WORDS)


class _PlainDumper(yaml.SafeDumper):
    """Writes no aliases, and puts quotes around text that either reader would take for a number."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_tag, _pattern = _resolvers(float=_NUMBERS["float"])[None][0]
_PlainDumper.add_implicit_resolver(_tag, _pattern, list("-+.0123456789"))


def yaml_text(settings: Any) -> str:
    """YAML that `parse_yaml` reads back as it was."""
    return yaml.dump(settings, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)


def shown(value: Any) -> str:
    """A value as a message repeats it: in quotes where it is text, and cut where it is long.

    >>> shown("streß"), shown(10**9), shown("x" * 10**6)[-7:]
    ("'streß'", '1000000000', "xxx'...")
    """
    if isinstance(value, str):
        value = value[: 2 * _MAX_SHOWN]
    elif isinstance(value, int) and abs(value) >= 10**_MAX_SHOWN:
        return f"a number of more than {_MAX_SHOWN} digits"
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # whole numbers of thousands of digits within a list
        text = f"a {type(value).__name__}"
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}{text[-1]}..."


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """What a message adds to an unknown name: the nearest known one, "" where none is near."""
    near = difflib.get_close_matches(str(name)[:100], known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def unknown_settings(given: Iterable[object], known: Collection[str], place: str = "") -> list[str]:
    """One text for each setting that is not known, with the nearest known one, or all of them.

    >>> unknown_settings(["learn_rate", "seed"], ["seed", "learning_rate"])
    ["unknown setting 'learn_rate'; did you mean 'learning_rate'?"]
    """
    all_known = f"; known: {', '.join(known)}"
    return [
        f"unknown setting {shown(f'{place}{name}')}{did_you_mean(name, known) or all_known}"
        for name in given
        if name not in known
    ]
