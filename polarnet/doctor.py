"""The `polarnet doctor` command: what a helper would ask about this computer, and what to do.

Nothing is imported here that may itself be broken. TensorFlow is started by another process.
"""

import ctypes
import ctypes.util
import errno
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Final, NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from polarnet import __version__

LITTLE_BYTES: Final = {"FAULT": 1e8, "note": 2e9}
"""Free disk below which work stops, or soon will (our choice); the demo writes 40 MB."""

EXTRAS: Final = {
    "excel": "workbooks (.xlsx)",
    "spss": "SPSS and Stata files",
    "dicom": "compressed DICOM",
    "onnx": "polarnet export onnx",
    "cluster": "more than one of --workers",
}
"""What each extra is for."""

_FOLDERS: Final[tuple[tuple[str, Callable[[], Path], str], ...]] = (
    ("working folder", Path.cwd, "Work in a folder of your own, on a local disk."),
    ("cache", lambda: import_module("polarnet.cachefolder").cache_folder(), "Use --cache FOLDER."),
    ("temporary folder", lambda: Path(tempfile.gettempdir()).resolve(), "Set TEMP to another."),
)
_HEAVY: Final = ("tensorflow", "keras", "numpy", "pandas", "scipy")
_LONG_PATH: Final = 140  # files of a run lie up to 120 characters deeper; Windows may stop at 260
_PATIENCE_S: Final = 300.0  # antivirus programs read all of TensorFlow at its first start
_RUNTIME: Final = "Install the Microsoft Visual C++ Redistributable (x64), then restart Windows."
_CPUINFO: Final = Path("/proc/cpuinfo")
_START: Final = """
import json, tensorflow as tf
from polarnet.network.model import resolve_precision
gpus = [tf.config.experimental.get_device_details(gpu).get("device_name", "unnamed")
        for gpu in tf.config.list_physical_devices("GPU")]
print(json.dumps([", ".join(gpus) or "none (none is needed)", resolve_precision("auto")]))
"""


class Finding(NamedTuple):
    """What was looked at: level "ok", "note", or "FAULT" where work would stop; what to do."""

    level: str
    text: str
    advice: str = ""


def _judge(is_well: bool, text: str, advice: str, level: str = "FAULT") -> Finding:
    return Finding("ok", text) if is_well else Finding(level, text, advice)


def doctor(given: Namespace) -> None:
    """Print what was found. ValueError: something would stop the work."""
    print("You can send this text to whoever helps you: it names no user and no computer.")
    n_faults = 0
    for finding in examine(is_quick=given.quick):
        n_faults += finding.level == "FAULT"
        _tell(f"{finding.level:<7}{finding.text}")
        if finding.advice:
            _tell(f"    -> {finding.advice}")
    if n_faults:
        raise ValueError(
            f"{n_faults} of these would stop the work; each FAULT says what to do. "
            "Without internet, see docs/offline.md."
        )
    print("Nothing was found that would stop the work.")


def _tell(text: str) -> None:
    print(textwrap.fill(without_names(text), 96, subsequent_indent=" " * 7), flush=True)


def examine(*, is_quick: bool = False) -> Iterator[Finding]:
    """All findings; the start of TensorFlow comes last, because it takes seconds."""
    parts: list[Callable[[], Iterator[Finding]]] = [_software, _computer, _shadows, _weights]
    parts[2:2] = [partial(_folder, *place) for place in _FOLDERS]
    for part in parts:
        try:
            yield from part()
        except (OSError, ImportError, ValueError) as error:  # of a damaged description, too
            yield Finding("note", f"not all could be looked at: {error}")
    yield Finding("note", "TensorFlow was not started (--quick)") if is_quick else _tensorflow()


def without_names(text: str) -> str:
    """Text without names of the user, this computer and servers; home becomes ~."""
    home = Path.home()
    if len(home.parts) > 1:
        text = re.sub(rf"{re.escape(str(home))}(?![\w.-])", "~", text, flags=re.IGNORECASE)
    text = re.sub(r"\\\\[^\\\s]+", r"\\\\...", text)
    users = (os.environ.get(name, "") for name in ("USER", "USERNAME", "LOGNAME"))
    for name in {home.name, platform.node().split(".")[0], *users} - {""}:
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "...", text, flags=re.IGNORECASE)
    return text


# === The programs ===


def _software() -> Iterator[Finding]:
    """Python and packages, against what setup.cfg asks for."""
    own = next(iter(metadata.distributions(name="polarnet")), None)
    wanted = str(own.metadata["Requires-Python"] or "") if own else ""
    bits = 64 if sys.maxsize > 2**32 else 32
    version = ".".join(map(str, sys.version_info[:3]))
    text = f"Python {version}, {bits} bits, {platform.platform()}"
    yield Finding("ok", f"polarnet {__version__}; text is printed as {sys.stdout.encoding}")
    has_wheel = (sys.platform, platform.machine()) not in {("darwin", "x86_64"), ("win32", "ARM64")}
    is_fit = bits == 64 and has_wheel and SpecifierSet(wanted).contains(version)
    advice = f"There is no TensorFlow for it. Install Python {wanted} for 64 bits, on a Mac with "
    yield _judge(is_fit, text, f"{advice}Apple silicon or another computer.")
    if own is None:
        advice = "In the folder with setup.cfg: python -m pip install ."
        yield Finding("note", "polarnet is not installed; its packages were not checked", advice)
        return
    needs = [Requirement(text) for text in own.requires or ()]
    for extra, purpose in {"": "", **EXTRAS}.items():
        group, level = (f"{extra} ({purpose})", "note") if extra else ("packages", "FAULT")
        present = []
        for need in needs:
            if ("extra" in str(need.marker)) != bool(extra):
                continue
            if need.marker and not need.marker.evaluate({"extra": extra}):
                continue
            has = next((one.version for one in metadata.distributions(name=need.name)), None)
            if has and need.specifier.contains(has, prereleases=True):
                present.append(f"{need.name} {has}")
                continue
            lack = f"{has} instead of {need.specifier}" if has else "missing"
            by_pip = f"polarnet[{extra}]" if extra else f"{need.name}{need.specifier}"
            advice = f'python -m pip install "{by_pip}"'
            yield Finding(level, f"{group}: {need.name} {lack}", advice)
        if present:
            yield Finding("ok", f"{group}: {', '.join(present)}")


def _shadows() -> Iterator[Finding]:
    """What Python, started in this folder, would load in place of a package."""
    own = Path(__file__).resolve().parent
    for name in sorted({"polarnet", *_HEAVY} | sys.stdlib_module_names):
        is_folder = Path(name, "__init__.py").is_file() and Path(name).resolve() != own
        if is_folder or Path(f"{name}.py").is_file():
            advice = "Rename it, or work in another folder."
            yield Finding("FAULT", f"a {name} in this folder hides the right one in Python", advice)


def _tensorflow() -> Finding:
    """Start it in another process, which may crash."""
    print("       Starting TensorFlow ...", flush=True)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _START], check=False, timeout=_PATIENCE_S,
            capture_output=True, encoding="utf-8", errors="replace",
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip
        gpus, precision = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        advice = "Try again; let Python's folder be allowed in your antivirus program."
        return Finding("FAULT", f"TensorFlow did not start within {_PATIENCE_S:g} s", advice)
    except (IndexError, ValueError):
        said = done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"]
        advice = "Install it again: python -m pip install --force-reinstall tensorflow"
        if "DLL load failed" in done.stderr:
            advice = _RUNTIME
        elif done.returncode in (-4, 0xC000001D):  # an unknown instruction
            advice = "This processor is too old for TensorFlow. Use a newer computer."
        return Finding("FAULT", f"TensorFlow cannot be started: {said[-1][:300]}", advice)
    return Finding("ok", f"TensorFlow starts; it computes in {precision}; GPU: {gpus}")


# === The computer ===


def _computer() -> Iterator[Finding]:
    """Processor with the instructions that matter, memory, and what Windows may lack."""
    name, flags, n_bytes = platform.processor(), "", 0
    if sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        has = kernel.IsProcessorFeaturePresent  # by the numbers of winnt.h
        flags = " ".join(
            flag for flag, n in {"avx": 39, "avx2": 40, "avx512f": 41}.items() if has(n)
        )
        status = (ctypes.c_uint64 * 8)(64)  # MEMORYSTATUSEX: own length and load, then all memory
        n_bytes = status[1] if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else 0
        if not ctypes.util.find_library("msvcp140_1.dll"):
            yield Finding("FAULT", "no Visual C++ runtime, which TensorFlow needs", _RUNTIME)
    else:
        n_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        text = _CPUINFO.read_text("utf-8", "replace") if _CPUINFO.is_file() else ""
        facts = dict(re.findall(r"^(model name|flags)\s*: (.*)$", text, re.MULTILINE))
        name, flags = facts.get("model name", name), facts.get("flags", "")
    known = ("avx", "avx2", "avx512f", "avx512_bf16", "amx_bf16")
    shown = " ".join(flag for flag in known if flag in flags.split()) or "none known of AVX, bf16"
    text = f"{os.cpu_count()} cores of {name or 'an unknown processor'} ({shown})"
    is_fit = platform.machine().lower() not in ("x86_64", "amd64") or "avx" in flags.split()
    advice = "TensorFlow needs AVX, which processors have since about 2012."
    yield _judge(is_fit, text, advice, "FAULT" if flags else "note")
    text = f"memory: {n_bytes / 1e9:.0f} GB" if n_bytes > 0 else "memory: unknown"
    advice = "Close other programs; lower batch_size in YAML if the work stops."
    yield _judge(not 0 < n_bytes < 4e9, text, advice, "note")  # our choice


def _folder(name: str, where: Callable[[], Path], advice: str) -> Iterator[Finding]:
    """Whether one megabyte can be written there, and what else is known of the place."""
    try:
        there = folder = where()
        while not there.is_dir():
            there = there.parent
        free = shutil.disk_usage(there).free
        probe = there / f".polarnet_{os.getpid()}.partial"
        try:
            probe.write_bytes(bytes(2**20))
        finally:
            probe.unlink(missing_ok=True)
    except (OSError, ImportError) as error:
        reason = getattr(error, "strerror", None) or error
        if getattr(error, "errno", 0) == errno.ENOSPC:
            advice = f"Free some space. {advice}"
        yield Finding("FAULT", f"{name}: cannot be written ({reason})", advice)
        return
    level = next((level for level, few in LITTLE_BYTES.items() if free < few), "ok")
    text = f"{name} {folder}: can be written, {free / 1e9:.1f} GB free"
    yield _judge(level == "ok", text, f"Free some space. {advice}", level)
    if sys.platform == "win32":
        drive = there.resolve().anchor
        if drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(drive) == 4:
            yield Finding("note", f"{name}: a network drive, which is slow and may fail", advice)
        if len(str(folder)) > _LONG_PATH:
            text = f"{name}: a path of {len(str(folder))} characters; Windows may stop at 260"
            yield Finding("note", text, "Use a short folder, such as C:\\study.")


def _weights() -> Iterator[Finding]:
    """VGG16's blocks of the package, and whether Keras has fetched all of them."""
    here = Path(__file__).with_name("network")
    stated = re.findall("[0-9a-f]{64}", (here / "vgg16_blocks_1_2.txt").read_text("utf-8"))
    file = here / "vgg16_blocks_1_2.npz"
    is_sound = file.is_file() and [hashlib.sha256(file.read_bytes()).hexdigest()] == stated
    state = "as published" if is_sound else "damaged or missing"
    advice = "Install polarnet again, by pip with --force-reinstall --no-deps."
    yield _judge(is_sound, f"ImageNet weights of VGG16's blocks 1 and 2: {state}", advice)
    cache = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    is_kept = (cache / "models/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5").is_file()
    where = "in the cache of Keras" if is_kept else "not here"
    yield Finding("ok", f"ImageNet weights of all blocks, for trunk: block3 and above: {where}")
