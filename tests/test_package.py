import collections
import email
import pkgutil
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import lazy_loader
import mypy.api
import pytest
from packaging.specifiers import SpecifierSet

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


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The files of the source archive, and the wheel that is built from it."""
    made = tmp_path_factory.mktemp("archives")
    (ROOT / "polarnet.egg-info" / "SOURCES.txt").unlink(missing_ok=True)  # or it is added to
    code = "import sys; from setuptools import build_meta as b; b.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, made], cwd=ROOT, check=True, capture_output=True)
    (archive,) = made.glob("polarnet-*.tar.gz")
    with tarfile.open(archive) as content:
        files = [Path(one.name).relative_to(archive.name[:-7]) for one in content if one.isfile()]
        content.extractall(made, filter="data")
    source = made / f"polarnet-{pn.__version__}"
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", made, source], check=True,
    )  # fmt: skip
    return files, *made.glob("polarnet-*.whl")


def test_the_wheel_holds_the_package_alone_and_runs_where_nothing_else_is(archives, tmp_path):
    """Installed beside lazy_loader alone: help needs nothing else."""
    wheel = archives[1]
    names = set(zipfile.ZipFile(wheel).namelist())
    info = f"polarnet-{pn.__version__}.dist-info/"
    assert {name for name in names if not name.startswith(info)} == {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "polarnet").rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert f"{info}licenses/LICENSE" in names
    assert wheel.stat().st_size < 2e6
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


def test_the_source_archive_holds_what_the_tests_need_and_no_data(archives):
    paths = archives[0]
    assert {path.parts[0] for path in paths} == {
        ".github", ".pre-commit-config.yaml", "assets", "docs", "experiments", "polarnet",
        "polarnet.egg-info", "tests", "CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in",
        "Makefile", "PKG-INFO", "README.md", "constraints.txt", "pyproject.toml", "setup.cfg",
    }  # fmt: skip
    assert {path.suffix for path in paths if path.parts[0] in ("experiments", "tests")} == {
        ".ipynb", ".md", ".py", ".yaml",
    }  # fmt: skip
    assert {"test_package.py", "test_dicom.py"} <= {path.name for path in paths}
    assert not [path for path in paths if {"__pycache__", "generated"} & set(path.parts)]


def test_the_metadata_say_what_a_package_index_shows(archives):
    with zipfile.ZipFile(archives[1]) as wheel:
        text = wheel.read(f"polarnet-{pn.__version__}.dist-info/METADATA").decode()
    told = email.message_from_string(text)
    assert told["Version"] == pn.__version__
    assert told["License-Expression"] == "Apache-2.0 AND CC-BY-4.0"
    assert told["Requires-Python"] == "<3.14,>=3.11"
    versions = re.findall(r"Python :: (3\.\d+)\n", text)
    assert versions == [f"3.{minor}" for minor in range(20) if f"3.{minor}" in
                        SpecifierSet(told["Requires-Python"])]  # fmt: skip
    assert told["Project-URL"] == "Paper, https://doi.org/10.1007/s12350-022-02920-x"
    assert told.get_payload().startswith("# polarnet")


def test_the_readme_example_runs(tmp_path, monkeypatch, cache):
    """As printed, but with a smaller phantom, an untrained trunk and fewer epochs."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert code.count("\n") == 11
    code = code.replace("n_patients=400", "n_patients=80")
    code = code.replace(
        'weights="imagenet"', 'weights=None, input_size=32, epochs=2, trunk="block1"'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("polarnet.cachefolder.user_cache_path", lambda *_, **__: cache)
    space = {}
    exec(code, space)
    assert (tmp_path / "runs" / "stress" / "model.keras").is_file()
    assert list(space["table"]["trait"]) == list(pn.TRAITS)


def test_the_changelog_names_this_version():
    assert f"## {pn.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {pn.__version__}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
