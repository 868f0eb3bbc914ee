"""Each fault is provoked, and named with what to do about it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest

from polarnet import cli, doctor

ON_WINDOWS = sys.platform == "win32"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def found(about, *, is_quick=True):
    """The one finding about something."""
    (one,) = [f for f in doctor.examine(is_quick=is_quick) if about in f.text]
    return one


def test_a_sound_computer_has_no_fault_and_shows_no_names(tmp_path, capsys, monkeypatch):
    home = tmp_path / "homes" / "Müller"
    (home / "Studie").mkdir(parents=True)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("USERNAME", "drmueller")
    monkeypatch.setattr("platform.node", lambda: "ward7.hospital.example")
    monkeypatch.setattr("platform.platform", lambda: "Linux on ward7 of drmueller")
    monkeypatch.chdir(home / "Studie")
    assert cli.main(["doctor", "--quick"]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert f"working folder ~{os.sep}Studie: can be written" in said
    assert not [name for name in ("Müller", "drmueller", "ward7", str(tmp_path)) if name in said]
    server = doctor.without_names(r"cache \\server9\drmueller\cache: slow")
    assert server == r"cache \\...\...\cache: slow"


def test_nothing_is_imported_that_may_be_broken(tmp_path):
    for name in ("numpy", "pandas", "tensorflow", "platformdirs"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('broken')", encoding="utf-8")
    code = "import sys; from polarnet import cli; sys.exit(cli.main(['doctor', '--quick']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "FAULT  cache: cannot be written (broken)" in done.stdout
    assert "FAULT  a pandas in this folder hides the right one" in done.stdout
    assert done.stderr.startswith("polarnet: 4 of these would stop the work; each FAULT says what")
    assert done.stderr.count("\n") == 1
    code = "import sys; from polarnet import cli; sys.exit(cli.main(['cache']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "polarnet doctor says what to do" in done.stderr


@pytest.mark.skipif(ON_WINDOWS, reason="a folder of Windows is not closed by its mode")
def test_no_write_permission_is_a_fault(monkeypatch):
    with tempfile.TemporaryDirectory() as closed:
        monkeypatch.chdir(closed)
        Path(closed).chmod(0o555)
        if is_root := os.geteuid() == 0:  # who may write everywhere
            os.seteuid(65534)
        try:
            one = found("working folder")
        finally:
            if is_root:
                os.seteuid(0)
        monkeypatch.undo()
        assert list(Path(closed).iterdir()) == []
    assert (one.level, one.text) == (
        "FAULT", "working folder: cannot be written (Permission denied)",
    )  # fmt: skip
    assert one.advice == "Work in a folder of your own, on a local disk."


def test_a_disk_that_fills_up_is_a_fault(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    one = found("working folder")
    assert (one.level, one.advice[:16]) == ("FAULT", "Free some space.")


@pytest.mark.parametrize(("free", "level"), [(5e7, "FAULT"), (1e9, "note"), (3e9, "ok")])
def test_little_space_is_told(monkeypatch, free, level):
    disk = namedtuple("disk", "total used free")(1e12, 1e12 - free, free)
    monkeypatch.setattr("shutil.disk_usage", lambda _: disk)
    one = found("working folder")
    assert one.level == level
    assert one.advice.startswith("" if level == "ok" else "Free some space.")


@pytest.mark.skipif(ON_WINDOWS, reason="Windows is asked by other means")
@pytest.mark.parametrize(
    ("cpuinfo", "level", "shown"),
    [
        (None, "note", "an unknown processor (none known"),
        ("model name\t: Old CPU\nflags\t\t: fpu sse2\n", "FAULT", "Old CPU (none known"),
        ("model name\t: CPU\nflags\t\t: fpu avx avx2\n", "ok", "CPU (avx avx2)"),
    ],
)
def test_an_unknown_or_old_processor_is_told(tmp_path, monkeypatch, cpuinfo, level, shown):
    path = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        path.write_text(cpuinfo, encoding="utf-8")
    monkeypatch.setattr(doctor, "_CPUINFO", path)
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    one = found(" cores of ")
    assert one.level == level
    assert shown in one.text
    assert ("needs AVX" in one.advice) == (level != "ok")


def test_packages_that_are_missing_or_old_are_told(tmp_path, monkeypatch):
    """Of a made-up description of polarnet, which stands before the right one."""
    described = tmp_path / "site" / "polarnet-9.dist-info" / "METADATA"
    described.parent.mkdir(parents=True)
    described.write_text(
        "Metadata-Version: 2.1\nName: polarnet\nVersion: 9\nRequires-Python: <3\n"
        "Requires-Dist: not-there-at-all>=2\nRequires-Dist: numpy>=99\nRequires-Dist: pandas\n"
        'Requires-Dist: neither-there; extra == "excel"\n',
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    told = {one.text: one for one in doctor.examine(is_quick=True)}
    one = told["packages: not-there-at-all missing"]
    assert (one.level, one.advice) == ("FAULT", 'python -m pip install "not-there-at-all>=2"')
    (old,) = [text for text in told if text.startswith("packages: numpy")]
    assert (told[old].level, old.endswith("instead of >=99")) == ("FAULT", True)
    one = told["excel (workbooks (.xlsx)): neither-there missing"]
    assert (one.level, one.advice) == ("note", 'python -m pip install "polarnet[excel]"')
    assert "Install Python <3 for 64 bits" in found(" bits, ").advice


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_damaged_weights_are_a_fault(tmp_path, monkeypatch, damage):
    assert found("blocks 1 and 2").level == "ok"
    copy = shutil.copytree(Path(doctor.__file__).with_name("network"), tmp_path / "network")
    file = copy / "vgg16_blocks_1_2.npz"
    content = bytearray(file.read_bytes())
    content[5000] ^= 1
    file.write_bytes(content)
    if damage == "missing":
        file.unlink()
    monkeypatch.setattr(doctor, "__file__", str(tmp_path / "doctor.py"))
    one = found("blocks 1 and 2: damaged or missing")
    assert (one.level, "--force-reinstall" in one.advice) == ("FAULT", True)


@pytest.mark.parametrize(
    ("code", "told", "advice"),
    [
        (
            "raise ImportError('DLL load failed while importing it')",
            "DLL load failed",
            "Visual C++",
        ),
        ("raise ImportError('cut')", "cannot be started: ImportError: cut", "--force-reinstall"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "ended with code", "too old"),
    ],
    ids=["runtime", "install", "processor"],
)
def test_a_tensorflow_that_does_not_start_is_a_fault(tmp_path, monkeypatch, code, told, advice):
    if ON_WINDOWS and "SIGILL" in code:
        pytest.skip("Windows ends a process by other codes")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "tensorflow.py").write_text(code, encoding="utf-8")
    paths = [str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    one = found("TensorFlow cannot be started", is_quick=False)
    assert (one.level, told in one.text, advice in one.advice) == ("FAULT", True, True)


def test_the_traps_of_windows_are_told(tmp_path, monkeypatch):
    """As far as another system can play Windows: what it would answer is made up here."""

    class Kernel:
        def IsProcessorFeaturePresent(self, number):
            return number == 39

        def GlobalMemoryStatusEx(self, status):
            status._obj[1] = 3 * 10**9
            return True

        def GetDriveTypeW(self, drive):
            return 4

    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    monkeypatch.setattr("ctypes.windll", SimpleNamespace(kernel32=Kernel()), raising=False)
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    told = {one.text: one for one in doctor.examine(is_quick=True)}
    assert told["no Visual C++ runtime, which TensorFlow needs"].level == "FAULT"
    assert told["memory: 3 GB"].level == "note"
    assert told["working folder: a network drive, which is slow and may fail"].level == "note"
    assert f"working folder: a path of {len(str(deep))} characters; Windows may stop at 260" in told
    assert any("(avx)" in text and one.level == "ok" for text, one in told.items())
