"""The workflows and hooks say the same as setup.cfg, and may do no more than they need."""

import configparser
import re
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_ruff_has_one_version_everywhere(setup):
    (pin,) = re.findall("^ruff ?(==.*)$", setup["options.extras_require"]["dev"], re.MULTILINE)
    pin = pin.replace(" ", "")
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"ruff{pin}" in constraints
    (repository,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    hooks = [hook["additional_dependencies"] for hook in repository["hooks"]]
    assert hooks == [[f"ruff{pin}"]] * 2


def test_every_python_that_is_allowed_is_tested_on_three_systems(setup):
    matrix = read(ROOT / ".github/workflows/tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    allowed = SpecifierSet(setup["options"]["python_requires"])
    assert matrix["python"] == [f"3.{n}" for n in range(20) if f"3.{n}" in allowed]
    assert [name.split("-")[0] for name in matrix["system"]] == ["ubuntu", "windows", "macos"]


def test_the_workflows_run_what_make_runs():
    told = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    made = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(or $(N),2)", "2")
    lint = made.partition("\nlint:")[2].partition("\n\n")[0]
    for line in re.findall(r"\$\(BIN\)/(.*)", lint):
        assert f"          {line}\n" in told
    (options,) = re.findall("TEST := (.*)", made)
    assert f"python {options}\n" in told
    for name in ("docs", "release"):
        told = (ROOT / f".github/workflows/{name}.yml").read_text(encoding="utf-8")
        assert {f"\n{target}:" in made for target in re.findall("run: make (.*)", told)} == {True}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_alone_and_names_the_version_of_what_it_uses(path):
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        publishes = (path.stem, name) == ("release", "publish")
        assert job.get("permissions") == ({"id-token": "write"} if publishes else None)
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert re.fullmatch(r"[\w/-]+@(v\d+|release/v1)", step.get("uses", "a/b@v1"))
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"] == {"persist-credentials": False}
    assert "secrets." not in path.read_text(encoding="utf-8")
