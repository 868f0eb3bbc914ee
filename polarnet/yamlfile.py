"""The one way YAML is read: safe, bounded, without aliases, numbers as people write them."""

import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

import yaml

MAX_YAML_BYTES: Final = 2**20
"""Largest settings file (our choice; a column map of a hundred columns has 10 kB)."""

_MAX_MESSAGE: Final = 300  # characters of the parser's own words


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML file; None where it is empty.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: it is larger than 1 MB, not UTF-8, not YAML, gives a key twice or uses an alias.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No file {path}.")
    if path.stat().st_size > MAX_YAML_BYTES:
        raise ValueError(f"{path.name} is larger than 1 MB. Is it a file of settings?")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not YAML in UTF-8: {error}.") from None
    return parse_yaml(text, path.name)


def parse_yaml(text: str, name: str) -> Any:
    """The content of YAML text; `name` is what messages call it.

    "1e-3" is a number here; YAML 1.1 would take it for text, because it has no point.

    Raises
    ------
    ValueError: as `read_yaml`.
    """
    try:
        return yaml.load(text, _PlainLoader)
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


_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+"), list("-+0123456789")
)
