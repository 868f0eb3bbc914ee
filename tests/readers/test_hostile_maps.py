"""Maps that would hang, fill the memory or run something: one clear line each, quickly."""

import json
import re
import subprocess
import sys
import zipfile

import numpy as np
import openpyxl
import pytest


def _square(path, cell):
    path.write_text("\n".join([",".join([cell] * 16)] * 16), encoding="utf-8")


def _bomb(path):
    """A workbook of 1 GB of zeros in 5 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(2**30))


def _sparse(path):
    with path.open("wb") as file:
        file.truncate(2 * 2**30)


def _formula(path):
    book = openpyxl.Workbook()
    book.active.append(["segment", "stress"])
    book.active.append(["1", "=cmd()"])
    book.save(path)


def _huge_array(path):
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)


# Of the process itself: what getrusage tells of a child begins with its parent's memory.
IMPORT_EACH = """
import contextlib, io, json, re, sys, time
from pathlib import Path
from polarnet import cli
status, told = Path("/proc/self/status"), {}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    said, start = io.StringIO(), time.process_time()
    line = ["import", str(folder), "--unit", "mL/min/g", "--keep-ids", "--out", sys.argv[2]]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = cli.main(line)
    peak = int(re.search("VmHWM:\\s+(\\d+)", status.read_text())[1]) if status.exists() else 0
    told[folder.name] = [code, said.getvalue(), time.process_time() - start, peak]
print(json.dumps(told))
"""

HOSTILE = {
    "A_rest.csv": (lambda path: _square(path, "nan"), "row 1 column 1 is not a number"),
    "B_rest.csv": (lambda path: _square(path, "inf"), "row 1 column 1 is not a number"),
    "C_rest.csv": (lambda path: _square(path, "-0.5"), "negative values inside the disc"),
    "D_rest.csv": (lambda path: _square(path, "=cmd()"), "256 cells are formulas"),
    "E_rest.csv": (lambda path: path.write_text("1," * 10**6), "more than 20,000 columns|fits no"),
    "F_rest.xlsx": (_bomb, "unpack"),
    "G_rest.csv": (_sparse, "2,048 MB, more than the 64 MB"),
    "H_rest.xlsx": (_formula, "formula"),
    "I_rest.npy": (_huge_array, "not a readable"),
    "J_rest.csv": (lambda path: path.write_text("1,1\n" * 2_000_000), "may be two columns"),
    "K_rest.mat": (lambda path: path.write_bytes(b"MATLAB 7.3 MAT-file" + bytes(200)), "7.3"),
    "L_rest.npy": (lambda path: path.write_bytes(b"\x80\x04cos\nsystem\n."), "not a readable"),
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """File -> exit code, what was said, processor seconds, KiB at the peak so far."""
    place = tmp_path_factory.mktemp("hostile")
    for name, (make, _) in HOSTILE.items():
        (place / "maps" / name).mkdir(parents=True)
        make(place / "maps" / name / name)
    command = [sys.executable, "-c", IMPORT_EACH, str(place / "maps"), str(place / "cohort")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
    assert not (place / "cohort").exists()
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_map_is_refused_quickly_and_in_one_line(refusals, name):
    """Each import of one file: exit 2, one line, 30 seconds of the processor, under 1 GB."""
    code, said, seconds, peak = refusals[name]
    assert code == 2
    assert said.count("\n") == 1
    assert re.search(HOSTILE[name][1], said), said
    assert seconds < 30
    assert peak < 2**20  # KiB
