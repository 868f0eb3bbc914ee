import collections
import pkgutil
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import lazy_loader
import mypy.api
import pytest

import polarnet as pn

ROOT = Path(__file__).parents[1]


def test_every_public_name_is_there():
    for name in pn.__all__:
        assert getattr(pn, name) is not None
    assert set(pn.__all__) <= set(dir(pn))
    assert len(pn.__all__) - 1 <= 30  # beside __version__: what can be held in one's head


@pytest.mark.parametrize("name", pn._MOVED)
def test_a_name_that_moved_says_where_it_is_and_is_there(name):
    place = pn._MOVED[name]
    with pytest.raises(AttributeError, match=re.escape(f"is now {place}")):
        getattr(pn, name)
    if place.startswith("experiments/"):
        assert (ROOT / place).exists()
    else:
        assert pkgutil.resolve_name(re.sub(r"^pn\.", "polarnet.", place)) is not None
    if place.startswith("pn."):  # there without a further import
        part = pn
        for one in place.split(".")[1:]:
            assert one in dir(part)
            part = getattr(part, one)


def test_the_name_of_a_file_occurs_once():
    names = [path.name for path in (ROOT / "polarnet").rglob("*.py") if path.stem != "__init__"]
    assert [name for name, n in collections.Counter(names).items() if n > 1] == []


def test_a_type_checker_sees_what_each_public_name_is(tmp_path):
    """Never Any, and no name that does not exist; with what `make lint` has kept, in a second."""
    lines = ["import polarnet as pn", *(f"reveal_type(pn.{name})" for name in pn.__all__)]
    (tmp_path / "use.py").write_text("\n".join([*lines, "pn.evalute", ""]), encoding="utf-8")
    said, errors, code = mypy.api.run(
        [f"--config-file={ROOT / 'pyproject.toml'}", f"--cache-dir={ROOT / '.mypy_cache'}",
         str(tmp_path / "use.py")]
    )  # fmt: skip
    assert (code, errors) == (1, "")
    *notes, unknown, _ = said.splitlines()
    assert 'no attribute "evalute"' in unknown
    types = {name: note.partition("Revealed type is ")[2].strip('"')
             for name, note in zip(pn.__all__, notes, strict=True)}  # fmt: skip
    assert {name for name, shown in types.items() if shown in ("", "Any")} == set()
    assert types["auroc"].endswith("-> polarnet.evaluation.roc.Interval")
    assert types["train"].endswith("-> polarnet.network.run.Run")
    assert types["Cohort"].endswith("-> polarnet.cohort.cohort.Cohort")
    assert types["anatomy"].endswith("ModuleType")


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(AttributeError, match=r"has no 'evalute'; it has .*evaluate"):
        pn.evalute  # noqa: B018


def test_the_wheel_holds_the_package_and_runs_where_nothing_else_is(tmp_path):
    """Built from the tree, installed beside lazy_loader alone: help needs nothing else."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", tmp_path, ROOT], check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("polarnet-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "polarnet/report/templates/runs.html" in names
    assert {"polarnet/py.typed", "polarnet/__init__.pyi"} <= set(names)
    assert not [name for name in names if name.startswith(("tests", "experiments", "assets"))]
    venv.create(tmp_path / "empty")
    windows = sys.platform == "win32"
    python = tmp_path / "empty" / ("Scripts/python.exe" if windows else "bin/python")
    install = ["--python", python, "install", "--quiet", "--no-deps", wheel]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True)
    (library,) = (tmp_path / "empty").glob("[Ll]ib/**/site-packages")
    shutil.copytree(Path(lazy_loader.__file__).parent, library / "lazy_loader")
    done = subprocess.run(
        [python, "-m", "polarnet", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"polarnet {pn.__version__}"


def test_the_readme_example_runs(tmp_path, monkeypatch, cache):
    """As printed, but with a smaller phantom, an untrained trunk and fewer epochs."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert code.count("\n") == 10
    code = code.replace("n_patients=400", "n_patients=80")
    code = code.replace(
        'weights="imagenet"', 'weights=None, input_size=32, epochs=2, trunk="block1"'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("polarnet.cachefolder.user_cache_path", lambda *_, **__: cache)
    space = {}
    exec(code, space)
    assert (tmp_path / "runs" / "stress" / "model.keras").is_file()
    assert list(space["scores"].columns) == list(pn.TRAITS)


def test_the_changelog_names_this_version():
    assert f"## {pn.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {pn.__version__}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
