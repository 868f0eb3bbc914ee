"""The documentation as text: names of the API reference, links, length of lines."""

import ast
import configparser
import re
from pathlib import Path

import pytest

import polarnet as pn

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]


def imported(path):
    """Names that a stub or an `__init__` gives on."""
    tree = ast.parse((ROOT / "polarnet" / path).read_text(encoding="utf-8"))
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in nodes if node.module != "typing" for alias in node.names}


def defined(path):
    """Public functions and constants of a module."""
    tree = ast.parse((ROOT / "polarnet" / path).read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    names |= {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)}
    return {name for name in names if not name.startswith("_")}


def test_the_api_reference_lists_every_public_name():
    """Names are read from the sources, so that a new one is missed here."""
    text = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    entries = re.findall(r"^(?:   |``)([A-Za-z][\w.]*)(?:``)?$", text, re.M)
    listed = {entry.rpartition(".")[2] for entry in entries}
    rooms = ("__init__.pyi", "explain/__init__.pyi", "plotting/__init__.pyi",
             "report/__init__.pyi", "evaluation/__init__.py", "network/__init__.py",
             "readers/__init__.py", "phantom/__init__.py")  # fmt: skip
    public = set.union(*map(imported, rooms), defined("anatomy.py"))
    public |= {name for names in pn._ROOMS.values() for name in names.split()}
    modules = {"anatomy", "bundle", "evaluation", "explain", "network", "ood", "plotting", "report"}
    assert len(public) > 100
    assert public - listed - modules == set()


def test_the_page_on_design_has_every_room():
    """The layers of the import contract, and those of the page, are the same rows."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = contracts["importlinter:contract:rooms"]["layers"]
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rows = re.search(r"```text\n(.*?)```", text, re.S)[1].splitlines()
    shown = {room for row in rows for room in re.split(r"\s{2,}", row)[0].split(", ")}
    assert shown == set(re.findall(r"\w+", layers))


def prose(path):
    """Lines outside code and tables."""
    lines, is_code = [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        is_code ^= (is_fence := line.lstrip().startswith("```"))
        if not (is_code or is_fence or line.startswith("|")):
            lines.append(line)
    return lines


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_lines_of_a_page_end_at_100_characters(path):
    too_long = [line for line in prose(path) if len(line) > 100 and "http" not in line]
    assert too_long == []


def anchors(path):
    """What a page's headings are called in links."""
    headings = [line.lstrip("# ") for line in prose(path) if re.match("#{1,3} ", line)]
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_links_of_a_page_lead_to_a_file_and_to_a_heading(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith(("http", "auto_gallery/")):  # the gallery is made by `make docs`
            continue
        name, _, anchor = target.partition("#")
        other = (path.parent / name).resolve() if name else path
        assert other.exists(), target
        assert not anchor or anchor in anchors(other), target


def test_examples_say_that_their_maps_are_a_phantom():
    examples = [path.read_text("utf-8") for path in (ROOT / "docs" / "gallery").glob("plot_*.py")]
    assert len(examples) >= 12
    assert [text for text in examples if '"demo/' in text and "hantom" not in text] == []
