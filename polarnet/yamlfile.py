"""The one way YAML is read: safe, bounded, without aliases, numbers as people write them."""

import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

import yaml

MAX_YAML_BYTES: Final = 2**18
"""Largest settings file (our choice; a column map of a hundred columns has 10 kB)."""

_MAX_MESSAGE: Final = 300  # characters of the parser's own words

_MAX_SHOWN: Final = 60  # characters of a value


def read_yaml(path: str | Path, *, has_numbers: bool = True) -> Any:
    """The content of a YAML file; None where it is empty.

    Parameters
    ----------
    has_numbers
        False: 09, 1.50 and 1e3 stay text, letter by letter, as headings and cells need it.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: it is larger than 256 kB, not UTF-8, not YAML, gives a key twice or uses an alias.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No file {path}.")
    if path.stat().st_size > MAX_YAML_BYTES:
        raise ValueError(f"{path.name} is larger than 256 kB. Is it a file of settings?")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not YAML in UTF-8: {error}.") from None
    return parse_yaml(text, path.name, has_numbers=has_numbers)


def parse_yaml(text: str, name: str, *, has_numbers: bool = True) -> Any:
    """The content of YAML text; `name` is what messages call it.

    Numbers are those that people write: 7, -0.5, .5, 3e-3. All else is text and stays as it is:
    1_000, 0o17, 017, 0x1F, 1:30 and 2020-01-31 are other numbers, or days, to YAML 1.1.

    Raises
    ------
    ValueError: as `read_yaml`.
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


_NUMBERS: Final = {
    "tag:yaml.org,2002:int": r"[-+]?(?:0|[1-9]\d*)",
    "tag:yaml.org,2002:float": (
        r"[-+]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?\.inf|\.nan"
    ),
}
_WORDS: Final = {
    "tag:yaml.org,2002:null": r"~|null|Null|NULL|",
    "tag:yaml.org,2002:bool": "|".join(
        form for word in ("yes", "no", "true", "false", "on", "off")
        for form in (word, word.capitalize(), word.upper())
    ),
}  # fmt: skip


class _TextLoader(_PlainLoader):
    """The same, where numbers are text."""


def _resolvers(patterns: dict[str, str]) -> dict[None, list[tuple[str, re.Pattern]]]:
    """Plain scalars that are no text, whatever letter they begin with."""
    return {None: [(tag, re.compile(rf"(?:{p})\Z", re.ASCII)) for tag, p in patterns.items()]}


_PlainLoader.yaml_implicit_resolvers = _resolvers(_WORDS | _NUMBERS)
_TextLoader.yaml_implicit_resolvers = _resolvers(_WORDS)


class _PlainDumper(yaml.SafeDumper):
    """Writes no aliases, and puts quotes around text that either reader would take for a number."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_PlainDumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(rf"(?:{_NUMBERS['tag:yaml.org,2002:float']})\Z", re.ASCII),
    list("-+.0123456789"),
)


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
