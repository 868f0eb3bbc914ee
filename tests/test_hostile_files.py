"""Files that would hang, fill the memory or run something: one clear line each, quickly."""

import json
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import openpyxl
import pytest
from edited_run import exchange_files

import polarnet as pn


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
    "I_rest.npy": (_huge_array, "too large for a map"),
    "J_rest.csv": (lambda path: path.write_text("1,1\n" * 2_000_000), "fits no|more than"),
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


def _layer(tree, name):
    return next(x["config"] for x in tree["config"]["layers"] if x["config"]["name"] == name)


def _constant(layer, key, value):
    """Writes a value into a layer's constants; a function is given what stands there."""

    def change(tree):
        config = _layer(tree, layer)
        config[key] = value(config[key]) if callable(value) else value

    return change


def _code(tree):
    layer = next(x for x in tree["config"]["layers"] if x["config"]["name"] == "wide_standardised")
    layer["class_name"] = "Lambda"


NUMBERS = "standardised by something else than numbers"
SHARE = "share_of_trunk_sex"
SPOILT_MODELS = {
    "one factor short": (
        _constant("wide_standardised", "scale", lambda v: v[1:]),
        "20 wide features cannot be standardised by 19 factors and 20 offsets",
    ),
    "one factor for all": (
        _constant("wide_standardised", "scale", [1.0]), "by 1 factors and 20 offsets",
    ),
    "offsets of the other group": (
        _constant("deep_standardised", "offset", lambda v: v[:20]), "factors and 20 offsets",
    ),
    "a hundred thousand": (
        _constant("deep_standardised", "scale", [1.0] * 10**5), "not standardised as ours are",
    ),
    "no list": (_constant("wide_standardised", "scale", 1.0), "not standardised as ours are"),
    "NaN": (_constant("wide_standardised", "offset", [float("nan")] * 20), NUMBERS),
    "infinite": (_constant("wide_standardised", "scale", [float("inf")] * 20), NUMBERS),
    "infinite in float32": (_constant("wide_standardised", "scale", [1e300] * 20), NUMBERS),
    "400 digits": (_constant("wide_standardised", "scale", [10**400] * 20), NUMBERS),
    "text": (_constant("wide_standardised", "scale", ["1.0"] * 20), NUMBERS),
    "nested": (_constant("wide_standardised", "scale", [[1.0]] * 20), NUMBERS),
    "true": (_constant("wide_standardised", "scale", [True] * 20), NUMBERS),
    "nothing": (
        lambda tree: _layer(tree, "wide_standardised").pop("scale"), "not the form of ours",
    ),
    "a share of 400 digits": (_constant(SHARE, "scale", 10**400), NUMBERS),
    "a share that is NaN": (_constant(SHARE, "scale", float("nan")), NUMBERS),
    "a negative share": (_constant(SHARE, "scale", -0.5), "-0.5 as a share of the trunk"),
    "a huge share": (_constant(SHARE, "scale", 1e20), "as a share of the trunk"),
    "two shares": (_constant(SHARE, "scale", [1.0, 1.0]), NUMBERS),
    "another offset of a share": (_constant(SHARE, "offset", 5.0), "offset 5.0, which no model"),
    "another window": (_constant("window", "scale", [2.0]), "layer window has scale"),
    "code": (_code, "not the form of ours|which no model made here has|has class"),
    "no tree": (lambda tree: tree.clear(), "not the form of ours"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT_MODELS)
def test_a_spoilt_model_file_is_refused_in_one_line(finished_run, rewritten, tmp_path, name):
    """What it describes is compared, never built; its constants are read as bounded numbers."""
    change, told = SPOILT_MODELS[name]
    folder = shutil.copytree(finished_run[0].folder, tmp_path / "run")
    exchange_files(folder)

    def spoil(content):
        tree = json.loads(content)
        change(tree)
        return json.dumps(tree).encode()

    rewritten(folder / "model.keras", "config.json", spoil)
    with pytest.raises(ValueError, match=rf"model\.keras cannot be loaded: .*({told})") as caught:
        pn.load_run(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_model_file_of_endless_digits_is_refused(finished_run, rewritten, tmp_path):
    """Python reads no number of more than 4,300 digits."""
    folder = shutil.copytree(finished_run[0].folder, tmp_path / "run")
    exchange_files(folder)
    rewritten(folder / "model.keras", "config.json", lambda _: b'{"config": ' + b"9" * 10**5 + b"}")
    with pytest.raises(ValueError, match=r"model\.keras cannot be loaded") as caught:
        pn.load_run(folder)
    assert len(str(caught.value)) < 600


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
