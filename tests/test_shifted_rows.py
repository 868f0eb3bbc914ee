"""A row with a cell too many or too few is refused: its values would stand one place further."""

import random

import numpy as np
import openpyxl
import pytest

from polarnet.readers.mapfiles import read_maps
from polarnet.readers.profiles import Reading, load_profile

READING = Reading((load_profile("square"), load_profile("aha17")), "mL/min/g")
REST = [0.8 + k / 50 for k in range(17)]
STRESS = [2.1 + k / 50 for k in range(17)]


def square(side=16, blank=""):
    """Cells of a map whose corners are empty, no two of them alike."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    flow = 2 + 0.05 * x + 0.01 * y
    outside = np.hypot(x, y) > side / 2 + 1
    return np.where(outside, blank, np.char.mod("%.2f", flow)).tolist()


def tall():
    """A row per segment."""
    rows = [[str(k + 1), f"{REST[k]:.2f}", f"{STRESS[k]:.2f}"] for k in range(17)]
    return [["Segment", "Rest", "Stress"], *rows]


def wide(*behind):
    """A row per study."""
    head = [f"{m}_{k}" for m in ("rest", "stress") for k in range(1, 18)]
    flows = [f"{value:.2f}" for value in (*REST, *STRESS)]
    return [["study", *head, *behind], *[[f"P{s}", *flows, *["61"] * len(behind)] for s in "123"]]


def read(path, rows, separator=","):
    """Maps by study and type, and what is refused."""
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append([_typed(cell) for cell in row])
        book.save(path)
    else:
        text = rows if isinstance(rows, str) else "\n".join(map(separator.join, rows)) + "\n"
        path.write_text(text, encoding="utf-8")
    found, problems = read_maps(path, READING)
    return {(m.study, m.map_type): m.values for m in found}, "; ".join(problems)


def _typed(cell):
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell


def test_a_decimal_comma_in_a_table_separated_by_commas_is_refused_with_its_line(tmp_path):
    rows = [row if place == 0 else [row[0], *row[1].split("."), *row[2].split(".")]
            for place, row in enumerate(tall())]  # fmt: skip
    maps, why = read(tmp_path / "S1.csv", rows)
    assert not maps
    assert "row 2 has 5 cells, its heading 3" in why
    assert "semicolons between the columns" in why


@pytest.mark.parametrize("change", ["too many", "lost", "blank at the end"])
def test_a_row_of_a_matrix_that_is_longer_or_shorter_is_refused(tmp_path, change):
    rows = square()
    if change == "lost":
        del rows[4][6]
    else:
        rows[4].insert(*((6, "2.5") if change == "too many" else (16, "")))
    maps, why = read(tmp_path / "S1_rest.csv", rows)
    assert not maps
    assert f"row 5 has {15 if change == 'lost' else 17} cells, most rows 16" in why


def test_a_study_whose_row_is_shifted_is_refused_and_the_others_are_read(tmp_path):
    rows = wide()
    del rows[2][5]
    maps, why = read(tmp_path / "all.csv", rows)
    assert {study for study, _ in maps} == {"P1", "P3"}
    assert "row 3: has 34 cells, its heading 35" in why


def test_a_row_of_one_segment_with_a_lost_cell_refuses_the_table(tmp_path):
    rows = tall()
    del rows[5][1]
    assert "row 6 has 2 cells, its heading 3" in read(tmp_path / "S1.csv", rows)[1]
    rows[5].append("")
    rows[5].append("")
    assert "row 6 has 4 cells" in read(tmp_path / "S1.csv", rows)[1]


@pytest.mark.parametrize("rows", [tall(), wide(), square()])
def test_the_same_separator_behind_every_row_does_no_harm(tmp_path, rows):
    plain, _ = read(tmp_path / "S1_rest.csv", rows, ";")
    ended, why = read(tmp_path / "S1_rest.csv", [[*row, ""] for row in rows], ";")
    assert plain
    assert not why
    assert all(np.array_equal(plain[key], ended[key]) for key in plain)


def test_whole_numbers_that_may_be_halves_of_decimals_are_refused(tmp_path):
    flows = [[f"2,{(3 * i + j) % 10}" for j in range(8)] for i in range(16)]
    maps, why = read(tmp_path / "S1_rest.csv", flows)
    assert not maps
    assert "halves of numbers with a decimal comma" in why


@pytest.mark.parametrize("change", ["too many", "lost"])
def test_a_shifted_row_of_a_worksheet_is_refused(tmp_path, change):
    tables = {"S1_rest": (square(), 4, 6), "S1": (tall(), 4, 1), "all": (wide("age"), 2, 5)}
    for name, (rows, row, place) in tables.items():
        whole, why = read(tmp_path / f"{name}.xlsx", rows)
        assert whole
        assert not why
        if change == "lost":
            del rows[row][place]
        else:
            rows[row].insert(place, "2.5")
        maps, why = read(tmp_path / f"{name}.xlsx", rows)
        assert f"row {row + 1}" in why
        assert all(np.array_equal(whole[key], maps[key]) for key in maps)


def test_rings_of_different_length_are_read_where_the_profile_allows_it_and_a_lost_sector_is_not(
    tmp_path,
):
    (tmp_path / "rings.yaml").write_text("layout: rings\n", encoding="utf-8")
    reading = Reading((load_profile(tmp_path / "rings.yaml"),), "mL/min/g")
    rings = [[f"{2 + j / n:.3f}" for j in range(n)] for n in (6, 12, 18, *[36] * 9)]
    path = tmp_path / "S1_rest.csv"
    path.write_text("\n".join(map(",".join, rings)), encoding="utf-8")
    (found,), _ = read_maps(path, reading)
    assert found.note == "its rings have 6 to 36 sectors"
    del rings[7][3]
    path.write_text("\n".join(map(",".join, rings)), encoding="utf-8")
    assert read_maps(path, reading) == (
        [], ["row 8 has 35 cells, most rows 36. A cell is lost or one too many: export the table "
             "again"]
    )  # fmt: skip


def _mutated(rows, separator, chance):
    """Text of a table of which one cell, separator or line is damaged."""
    rows = [list(row) for row in rows]
    place = chance.randrange(len(rows))
    row, cell = rows[place], chance.randrange(len(rows[place]))
    how = chance.choice(["cell lost", "cell more", "comma", "separator", "cut", "joined"])
    if how == "cell lost":
        del row[cell]
    elif how == "cell more":
        row.insert(cell, chance.choice(["", "1.5", "2"]))
    elif how == "cut":
        del row[max(cell, 1) :]
    lines = [separator.join(row) for row in rows]
    old, new = {"comma": chance.choice([".,", ",."]),
                "separator": [separator, chance.choice(",;\t .")]}.get(how, "  ")  # fmt: skip
    places = [k for k, letter in enumerate(lines[place]) if letter == old]
    if places and old.strip():
        k = chance.choice(places)
        lines[place] = f"{lines[place][:k]}{new}{lines[place][k + 1 :]}"
    if how == "joined" and place + 1 < len(lines):
        lines[place : place + 2] = ["".join(lines[place : place + 2])]
    return "\n".join(lines)


def test_no_damaged_table_is_read_with_other_values(tmp_path):
    chance = random.Random(5)
    n_read = n_refused = 0
    tables = {"S1_rest": square(), "S1": tall(), "all": wide("age")}
    for name, rows in tables.items():
        for separator in ",;\t":
            whole, _ = read(tmp_path / f"{name}.csv", rows, separator)
            assert whole
            for _ in range(24):
                text = _mutated(rows, separator, chance)
                maps, _ = read(tmp_path / f"{name}.csv", text)
                assert all(np.allclose(maps[key], whole[key]) for key in maps), text
                n_read, n_refused = n_read + bool(maps), n_refused + (not maps)
    assert n_read > 20
    assert n_refused > 100


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("cell", ["", "2"])
def test_shifted_headings_of_a_worksheet_are_refused(tmp_path, place, cell):
    for name, rows in (("S1", tall()), ("all", wide("age"))):
        rows[0].insert(place, cell)
        maps, why = read(tmp_path / f"{name}.xlsx", rows)
        assert not maps
        assert why
