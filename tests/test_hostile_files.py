"""Files that would hang, fill the memory or run something: one clear line each, quickly."""

import re
import subprocess
import sys
import zipfile

import numpy as np
import openpyxl
import pytest

import polarnet as pn


def _square(path, cell):
    path.write_text("\n".join([",".join([cell] * 16)] * 16), encoding="utf-8")


def _bomb(path):
    """A workbook of 1 GB of zeros in 1 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
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
IMPORT_AND_TELL = """
import re, sys
from pathlib import Path
from polarnet import cli
code = cli.main(sys.argv[1:])
status = Path("/proc/self/status")
print(re.search("VmHWM:\\s+(\\d+)", status.read_text())[1] if status.exists() else 0)
sys.exit(code)
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
    "I_rest.npy": (_huge_array, "too large for a map"),
    "J_rest.csv": (lambda path: path.write_text("1,1\n" * 2_000_000), "fits no|more than"),
    "K_rest.mat": (lambda path: path.write_bytes(b"MATLAB 7.3 MAT-file" + bytes(200)), "7.3"),
    "L_rest.npy": (lambda path: path.write_bytes(b"\x80\x04cos\nsystem\n."), "not a readable"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_map_is_refused_quickly_and_in_one_line(tmp_path, name):
    """Each alone, in a process of its own: exit 2, one line, under 1 GB; it does not hang."""
    folder = tmp_path / "maps"
    folder.mkdir()
    make, reason = HOSTILE[name]
    make(folder / name)
    command = [sys.executable, "-c", IMPORT_AND_TELL, "import", str(folder), "--unit", "mL/min/g",
               "--keep-ids", "--out", str(tmp_path / "cohort")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert re.search(reason, done.stderr), done.stderr
    assert int(done.stdout.split()[-1]) < 2**20  # KiB
    assert not (tmp_path / "cohort").exists()


@pytest.mark.parametrize(
    ("n_rows", "message"),
    [(16, "16 segments, without an apex"), (20, "20 segments, another division"),
     (18, r"has not the 17 AHA segments: has 18")],
)  # fmt: skip
def test_other_divisions_are_recognised_and_refused(tmp_path, n_rows, message):
    lines = "".join(f"{k};2,5\n" for k in range(1, n_rows + 1))
    (tmp_path / "S1_stress.csv").write_text("segment;stress\n" + lines, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        pn.read_exports(tmp_path, unit="mL/min/g", keep_ids=True)
