"""A folder as a clinic may have it: all of it is accounted for, nothing identifies anyone."""

import numpy as np
import openpyxl
import pandas as pd
import pytest
import scipy.io

from polarnet import cli
from polarnet.cohort import read_cohort
from polarnet.readers.geometry import segments_to_disc

N = 60
COLUMNS = """
study_id: Untersuchung
patient_id: PatNr
mfr: "Global MFR"
traits:
  sex: {column: Geschlecht, one: [w, F], zero: [m, M]}
  diabetes: {column: HbA1c, rule: ">= 48"}
  smoking: {column: Raucher, one: ["ja"], zero: ["nein", "ex"]}
clinical:
  age: Alter
provenance:
  tracer: Tracer
exclude:
  prior bypass: {column: CABG, values: ["ja"]}
missing: ["k.A."]
"""


def _maps(number):
    """Rest and stress of study `number`, 17 segments each, mL/min/g."""
    rng = np.random.default_rng(number)
    rest = 1.0 + 0.3 * rng.random(17)
    return {"rest": rest, "stress": rest * (2.2 + 0.8 * rng.random(17))}


def _rings(values):
    """20 rings of 36 sectors, the first from the anterior wall on."""
    picture = segments_to_disc(values, 128)
    radius, angle = np.meshgrid(
        (np.arange(20) + 0.5) / 20 * 63, np.radians(90 + np.arange(0, 360, 10))
    )
    row, column = 63.5 - radius * np.sin(angle), 63.5 + radius * np.cos(angle)
    return picture[row.round().astype(int), column.round().astype(int)].T


@pytest.fixture
def clinic(tmp_path):
    """60 studies in five formats, 7 broken files, 4 rows without maps and what else happens."""
    folder = tmp_path / "Exporte 2024"
    (folder / "npz").mkdir(parents=True)
    # 1-15 square CSV; 16-30 square with decimal comma, 16 to 20 in mL/min/100g without saying so;
    # 31-40 .npz; 41-50 20 x 36; 51-60 one XLSX with one row per study.
    for k in range(1, 51):
        drawn = {m: segments_to_disc(v, 48 if k > 30 else 32) for m, v in _maps(k).items()}
        if 31 <= k <= 40:
            np.savez(folder / "npz" / f"U{k:03d}.npz", **drawn)
            continue
        for m, values in drawn.items():
            name = f"{'u' if k == 27 else 'U'}{k:03d}_{m}.{'txt' if k > 40 else 'csv'}"
            if k <= 15:
                np.savetxt(folder / name, values, delimiter=",", fmt="%.4f")
            elif k <= 30:
                rows = [[f"{v * (100 if k <= 20 else 1):.4f}" for v in row] for row in values]
                text = "\n".join(map(";".join, rows)).replace(".", ",")
                (folder / name).write_text(text, encoding="utf-8-sig")
            else:
                np.savetxt(folder / name, _rings(_maps(k)[m]), fmt="%.4f")
    heads = [f"{m}_{s}" for m in ("rest", "stress") for s in range(1, 18)]
    rows = [[f"U{k:03d}", *np.concatenate([*_maps(k).values()]).tolist()] for k in range(51, 61)]
    _workbook(folder / "segmente.xlsx", [["study_id", *heads], ["", *["cc/min/g"] * 34], *rows])
    # Seven broken files, and one file under two names.
    for name, row in (("U902", "1," * 31 + "x"), ("U904", "nan," * 31 + "1"),
                      ("U905", "-1," * 31 + "1")):  # fmt: skip
        (folder / f"{name}_rest.csv").write_text("\n".join([row] * 32), encoding="utf-8")
    (folder / "U901_rest.csv").touch()
    (folder / "U903_rest.npy").write_bytes(b"\x93NUMPY\x01\x00cut")
    scipy.io.savemat(folder / "U906.mat", {"text": "Mustermann, Erika"})
    (folder / "Befund Mustermann.pdf").write_bytes(b"%PDF")
    (folder / "U001_stress (Kopie).csv").write_bytes((folder / "U001_stress.csv").read_bytes())
    # 60 rows, 4 without maps, an id made a date, a bypass, an id in two spellings.
    table = [["Untersuchung", "PatNr", "Name", "Geschlecht", "HbA1c", "Raucher", "Alter",
              "Global MFR", "CABG", "Tracer"]]  # fmt: skip
    for k in range(1, N + 1):
        table.append([f"U{k:03d}", f"77{k:04d}", "Mustermann", "w" if k % 2 else "M",
                      "k.A." if k % 7 == 0 else 40 + k % 20, ["ja", "nein", "ex"][k % 3],
                      50 + k % 30, None, "ja" if k == 5 else "nein", "N-13"])  # fmt: skip
    for id in ("U801", "U802", "U803", "U804", pd.Timestamp("2024-03-12"), "u803"):
        table.append([id, f"77{len(table)}9", "Muster", "m", 41, "nein", 60, None, "nein", "N-13"])
    (tmp_path / "columns.yaml").write_text(COLUMNS, encoding="utf-8")
    return folder, _workbook(tmp_path / "Klinik.xlsx", table), tmp_path / "columns.yaml"


def _workbook(path, rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_one_command_accounts_for_every_file_and_row(clinic, tmp_path, capsys):
    folder, table, columns = clinic
    out = tmp_path / "cohort"
    status = cli.main([
        "import", str(folder), "--clinical", str(table), "--columns", str(columns),
        "--unit", "mL/min/g", "--profile", "square", "--profile", "pmod-20x36",
        "--profile", "aha17", "--key", str(tmp_path / "key"), "--out", str(out),
    ])  # fmt: skip
    said = capsys.readouterr()
    assert status == 0, said.err
    report = pd.read_csv(out / "import_report.csv", keep_default_na=False)
    files = report[report["kind"] == "file"]
    n_files = sum(path.is_file() for path in folder.rglob("*"))
    assert set(files["number"].astype(int)) == set(range(1, n_files + 1))
    rows = report[report["kind"] == "row"]
    assert set(rows["number"].astype(int)) == set(range(2, N + 8))
    # By hand: without the bypass (5) and the five (16 to 20) whose unit nobody said.
    cohort = read_cohort(out)
    assert len(cohort) == N - 1 - 5
    expected = {
        ("refused", "Is it in mL/min/100g"): 10,
        ("refused", "its study is excluded, or its row refused"): 2,
        ("warned", "other case than in the table"): 2,
        ("refused", "no row of the table has its study id"): 1,  # the copy
        ("refused", "is empty"): 1,
        ("refused", "row 1 column 32 is not a number"): 1,
        ("refused", "is not a readable .npy file"): 1,
        ("refused", "row 1 column 1 is not a number"): 1,
        ("refused", "has negative values inside the disc"): 1,
        ("refused", "holds no array of real numbers"): 1,
        ("refused", ".pdf is no export of maps"): 1,
        ("read", ""): 2 * (N - 1 - 5) - 2,
    }
    for (verdict, reason), n in expected.items():
        is_so = (files["status"] == verdict) & files["reason"].str.contains(reason, regex=False)
        assert is_so.sum() == n, (verdict, reason)
    assert sum(expected.values()) == len(files)
    reasons = rows[rows["status"] == "refused"].set_index("number")["reason"].to_dict()
    assert reasons.pop(6) == "excluded: prior bypass"
    assert "study id is a date" in reasons.pop(66)
    assert {line for line, reason in reasons.items() if reason == "no map"} == {62, 63, 64, 65, 67}
    refused = {line for line, reason in reasons.items() if reason == "its maps are refused"}
    assert refused == {17, 18, 19, 20, 21}  # lines of studies 16 to 20
    for text in (said.out, said.err, report.to_csv(), (out / "cohort.csv").read_text(),
                 (out / "cohort.json").read_text()):  # fmt: skip
        for secret in ("Mustermann", "U001", "U017", "7700", "2024-03-12"):
            assert secret not in text
