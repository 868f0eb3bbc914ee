import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import polarnet as pn

ROOT = Path(__file__).parents[1]


def test_every_public_name_is_there():
    for name in pn.__all__:
        assert getattr(pn, name) is not None


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(AttributeError, match=r"has no 'evalute'; it has .*evaluate"):
        pn.evalute  # noqa: B018


def test_the_wheel_holds_the_package_and_runs_where_nothing_else_is(tmp_path):
    """Built from the tree, installed without dependencies: help needs none of them."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", tmp_path, ROOT], check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("polarnet-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "polarnet/report/page.html" in names
    assert "polarnet/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "experiments", "assets"))]
    venv.create(tmp_path / "empty", with_pip=True)
    windows = sys.platform == "win32"
    python = tmp_path / "empty" / ("Scripts/python.exe" if windows else "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True)
    done = subprocess.run(
        [python, "-m", "polarnet", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"polarnet {pn.__version__}"


def test_the_readme_example_runs(tmp_path, monkeypatch, cache):
    """As printed, but with a smaller phantom, an untrained trunk and fewer epochs."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert code.count("\n") == 12
    code = code.replace("n_patients=400", "n_patients=80")
    code = code.replace('weights="imagenet"', "weights=None, input_size=32, epochs=2")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("polarnet.cachefolder.user_cache_path", lambda *_, **__: cache)
    space = {}
    exec(code, space)
    assert (tmp_path / "runs" / "stress" / "model.keras").is_file()
    assert list(space["table"]["trait"]) == list(pn.TRAITS)


def test_the_changelog_names_this_version():
    assert f"## {pn.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {pn.__version__}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
