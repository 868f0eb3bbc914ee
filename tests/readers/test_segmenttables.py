"""Tables of the 17 AHA segments: what is flow is read, all else is refused with its reason."""

import random
import time

import numpy as np
import openpyxl
import pytest

from polarnet.anatomy import SEGMENTS
from polarnet.readers.headings import segment_of
from polarnet.readers.mapfiles import read_maps, read_numbers
from polarnet.readers.profiles import Reading, load_profile

REST = [round(1 + k / 100, 2) for k in range(1, 18)]
STRESS = [round(2 + k / 100, 2) for k in range(1, 18)]
OTHER = [0.5] * 17
BOTH = {"rest": REST, "stress": STRESS}
NUMBERS = [str(k) for k in range(1, 18)]
NAMES = [name.capitalize() for name in SEGMENTS]
READING = Reading((load_profile("square"), load_profile("aha17")), "mL/min/g")


def write(path, rows, separator=","):
    """Rows as a text file or, by its ending, as a worksheet with numbers for numbers."""
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append([_typed(str(cell)) for cell in row])
        book.save(path)
    else:
        lines = (separator.join(map(str, row)) for row in rows)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _typed(cell):
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell


def tall(head, *columns, labels=NUMBERS):
    """Rows with a row per segment, below heading lines that are written as they are."""
    return [*([line] for line in head), *zip(labels, *columns, strict=True)]


def wide(*marks, behind=(), studies=("P1", "P2", "P3")):
    """Rows with a row per study and 17 columns for each mark."""
    head = ["study_id", *(f"{mark}{k}" for mark in marks for k in NUMBERS), *behind]
    flows = [f"{value:.2f}" for value in [*REST, *STRESS][: 17 * len(marks)]]
    return [head, *([study, *flows, *["61"] * len(behind)] for study in studies)]


@pytest.fixture
def flows(tmp_path):
    """Map type -> the 17 numbers as they were read of rows."""

    def read(rows, separator=","):
        found = read_numbers(write(tmp_path / "S1_rest.csv", rows, separator), READING)
        assert not any(one.problem for one in found), [one.problem for one in found]
        return {one.map_type: one.values.tolist() for one in found}

    return read


@pytest.fixture
def why(tmp_path):
    """Why nothing of some rows is read."""

    def read(rows, separator=",", name="a.csv", reading=READING):
        found, problems = read_maps(write(tmp_path / name, rows, separator), reading)
        assert not found
        return "; ".join(problems)

    return read


# === One row per segment ===

FACTS = ["Patient Name:,MUELLER^HANS", "Study Date:,03/12/2024", "Software,Imaginary 1,2"]
SIDE_BY_SIDE = ["Rest,,,Stress,", "Segment,MBF,,Segment,MBF"]
UPTAKE = [",Rest,,Stress,", "Segment,Uptake (%),MBF (ml/min/g),Uptake (%),MBF (ml/min/g)"]
WORDS = [("Baseline MBF", "Hyperemic MBF"), ("Resting", "Peak"), ("Rst", "Str"), ("RMBF", "SMBF"),
         ("restMBF", "stressMBF"), ("Rest", "Adenosine"), ("rest flow", "Regadenoson flow"),
         ("MBF_rest", "Dipyridamole"), ("Rest MBF", "Hyperaemic MBF")]  # fmt: skip
WALLS = [name.split()[1] if " " in name else "" for name in NAMES]
LEVELS = [name.split()[0] for name in NAMES]
LABELS = {
    "number in brackets": [f"{name} ({k})" for k, name in enumerate(NAMES, 1)],
    "hash": [f"#{k}" for k in NUMBERS],
    "S": [f"S{k:0>3}" for k in NUMBERS],
    "wall first": [" ".join(reversed(name.split())) for name in NAMES],
    "mid-ventricular": [name.replace("Mid ", "Mid-ventricular ") for name in NAMES],
    "German": [n.replace("Mid ", "Mittventrikulär ").replace("Apical", "Apikal") for n in NAMES],
    "two words": [name.replace("oseptal", "o-septal") for name in NAMES],
}
KINETIC = [",Rest,,,Stress,,", "Segment,K1,k2,MBF,K1,k2,MBF"]
READ = {
    "kinetic constants": tall(KINETIC, OTHER, OTHER, REST, OTHER, OTHER, STRESS),
    "uptake": tall(UPTAKE, OTHER, REST, OTHER, STRESS),
    "scores": tall(["Segment,Stress Score,Rest MBF,Stress MBF"], OTHER, REST, STRESS),
    "spreads": tall(["Segment,Rest SD,Rest mean,Stress mean,Stress SD"],
                    OTHER, REST, STRESS, OTHER),
    "units": tall(["AHA-Größe,Rest [cc/min/g],Stress cc/min/g"], REST, STRESS),
    "side by side": tall(SIDE_BY_SIDE, REST, [""] * 17, NUMBERS, STRESS),
    "facts above": tall([*FACTS, "Segment,Rest MBF,Stress MBF"], REST, STRESS),
    "a level between": tall(["Segment,Rest,Stress", "Basal"], REST, STRESS),
    **{f"{r}, {s}": tall([f"Segment,{r},{s}"], REST, STRESS) for r, s in WORDS},
    **{w: tall(["Segment,Rest,Stress"], REST, STRESS, labels=k) for w, k in LABELS.items()},
    **{w: tall([f"{w},Rest,Stress"], REST, STRESS)
       for w in ("segment_id", "AHA", "Seg.", "Wandsegment")},
    "numbers and names": tall(["Nr,Wand,Rest,Stress"], NAMES, REST, STRESS),
    "one row per map": [["Segment", *NUMBERS], ["Rest MBF", *REST], ["Stress MBF", *STRESS]],
    "level and wall": tall(["Level,Wall,Rest,Stress"], WALLS, REST, STRESS, labels=LEVELS),
    # A merged cell has its text in the first row, or column, only.
    "headings merged over two rows": tall(["Segment,MBF,", ",Rest,Stress"], REST, STRESS),
    "a map merged over two rows": tall(["Segment,Rest,,", ",,Stress,Stress SD"],
                                       REST, STRESS, OTHER),
    "merged levels": tall(["Level,Wall,Rest,Stress"], WALLS, REST, STRESS,
        labels=[x if x not in LEVELS[:k] else "" for k, x in enumerate(LEVELS)]),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_the_columns_of_flow_are_read_by_segment(flows, case):
    assert flows(READ[case]) == BOTH


@pytest.mark.parametrize(
    ("head", "columns", "found"),
    [(["Segment,Rest,SUV"], [REST, STRESS], {"rest": REST}),
     (["Segment,Rest,Coronary Flow Reserve (Stress/Rest)"], [REST, STRESS],
      {"rest": REST, "reserve": STRESS}),
     (["Stress", "Segment,MBF (ml/min/g)"], [STRESS], {"stress": STRESS}),
     (["Segment,Segment MBF"], [REST], {"": REST}),
     (["Segment,Score,MBF"], [OTHER, REST], {"": REST}),
     (["Segment,Rest"], [[f'"0,{100 + k}"' for k in range(17)]],
      {"rest": [k / 1000 for k in range(100, 117)]})],
)  # fmt: skip
def test_one_map_or_a_reserve_is_read(flows, head, columns, found):
    assert flows(tall(head, *columns)) == found


def test_the_upper_of_two_rows_of_a_worksheet_may_name_the_last_column(tmp_path):
    rows = [["Segment", "MBF", "", "MFR"], ["", "Rest", "Stress", ""]]
    rows += zip(NUMBERS, REST, STRESS, [2.0] * 17, strict=True)
    found = read_numbers(write(tmp_path / "S1.xlsx", rows), READING)
    assert {one.map_type: one.values.tolist() for one in found} == BOTH | {"reserve": [2.0] * 17}


@pytest.mark.parametrize(
    ("label", "segment"),
    [("LVBasalAnterior", 1), ("Basal Anterior (LAD)", 1), ("Bas antsep", 2),
     ("BasalAnteroseptal_LAD", 2), ("basal ant.-sept.", 2), ("Basal inferior septum", 3),
     ("4. Basal inferior (RCA)", 4), ("LVMyoMidAnterior", 7), ("medial infsept", 9),
     ("Mid Inferolateral [LCX]", 11), ("médian inféro-latéral", 11), ("Mid lat ant", 12),
     ("Distal Anterior", 13), ("apicale settale", 14), ("Apic inf", 15), ("Apical Lat", 16),
     ("LVApex", 17), ("Apex (LAD)", 17), ("Ap Sept", 14), ("AP_INF", 15), ("Seg 04", 4),
     ("#4", 4), ("Basal inferior (4)", 4), ("Mid-ventricular antero-septal", 8),
     *[(label, None) for label in (
         "Total", "Apical", "Basal", "Lateral", "LAD", "Basal posterior", "Proximal anterior",
         "Distal apex", "Apical anteroseptal", "Mid septal", "Basal anterior inferior", "BA",
         "Basal antero", "Basal anterior anteroseptal", "Basal anterior (LAD/RCA)",
         "Mid basal anterior")]],
)  # fmt: skip
def test_short_names_name_their_segment_and_unclear_ones_none(label, segment):
    """Cerqueira et al., Circulation 2002;105:539-542."""
    assert segment_of(label) == segment


OTHERS = ["Score", "SSS", "SRS", "SD", "Std", "normal limit", "SUV", "Extent", "TPD", "Motion",
          "Thickening", "Counts", "K1", "k2", "Defect", "Severity", "z"]  # fmt: skip
UNKNOWN = ["strain", "NH3 retention", "T1", "velocity", "TAC", "glucose"]
IS_RATIO = "a flow reserve is a ratio without unit"
REFUSED = [
    ([",Rest,", "Segment,MBF,Flow"], [REST, STRESS], "has 2 columns for rest"),
    (["Segment,Rest 1,Rest 2,Stress"], [REST, REST, STRESS], "has 2 columns for rest"),
    (["Segment,Flow reserve (ml/min/g)"], [REST], IS_RATIO),
    (["Segment,Flow reserve [ml/min/100g]"], [REST], IS_RATIO),
    (["Segment,Score,Pressure"], [OTHER, REST], "has columns of score, and none of flow"),
    (SIDE_BY_SIDE, [REST, [""] * 17, NUMBERS[::-1], STRESS], "two columns of segments"),
    ([*FACTS, "Segment,A,B"], [REST, STRESS], "does not say which column"),
    (["Segment,Rest"], [[f'"1,{100 + k}"' for k in range(17)]], "may be 1.234 or 1234"),
    (["Segment,Rest"], [[*REST[:16], "1.2 ml/min/100g"]], "only some of its values"),
    (["Segment,Rest"], [[*REST[:4], "1.20 ± 0.10", *REST[5:]]], "segment 5: not a number"),
    (["Segment,Rest"], [[*REST[:4], "<0.10", *REST[5:]]], "segment 5: not a number"),
    *[([f"Segment,Rest {word},Stress {word}"], [REST, STRESS],
       f"has columns of {word.casefold().split()[0]}, and none of flow") for word in OTHERS],
    # Never by a list of what is known not to be flow alone.
    *[([f"Segment,Rest {word},Stress {word}"], [REST, STRESS],
       "a quantity that is not known here, and none of flow") for word in UNKNOWN],
    *[([f"Segment,Rest {written}"], [REST], f"unit '{unit}' is not known")
      for written, unit in (("(kBq/ml)", "kBq/ml"), ("[Bq/cc]", "Bq/cc"), ("(mm)", "mm"),
                            ("(%ID/g)", "%ID/g"), ("(a.u.)", "a.u."), ("(10 mCi)", "mCi"))],
    (["Segment,Rest", ",mm"], [REST], "unit 'mm' is not known"),
    (["Segment,Rest", ",kBq/ml"], [REST], "unit 'kBq/ml' is not known"),
    (["Segment,MFR (kBq/ml)"], [STRESS], "unit 'kBq/ml' is not known"),
]  # fmt: skip


@pytest.mark.parametrize(("head", "columns", "reason"), REFUSED)
def test_what_is_no_flow_or_not_clear_is_refused_with_its_reason(why, head, columns, reason):
    told = why(tall(head, *columns))
    assert reason in told
    assert "MUELLER" not in told


@pytest.mark.parametrize(
    ("labels", "reason"),
    [(range(17), "lacks 17; has 0"), (["1", *NUMBERS[2:]], "lacks 2"), (range(1, 17), "lacks 17"),
     ([f"{name} ({17 - k})" for k, name in enumerate(NAMES)], "17 and the name of segment 1"),
     (range(1, 21), "has 18, 19, 20. No map is made of other divisions"),
     ([*NUMBERS, "4"], "has segment 4 twice"),
     (range(1, 100), "has 18, 19, 20, 21, 22 and 77 more")],
)  # fmt: skip
def test_other_numberings_and_divisions_are_refused(why, labels, reason):
    assert reason in why(tall(["Segment,Rest"], range(len(labels)), labels=labels))


HEADINGS = ["study_id", "patient_id", "Patient", "ID", "subject", "Case", "Patienten-Nr.", "Nr", "",
            "N° patient", "Paciente", "Frame", "frame no", "Zeit", "Time (s)", "Datum", "Name",
            "index"]  # fmt: skip


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("label", ["{}", "S{:0>3}", "S-{}"])
def test_seventeen_numbered_patients_or_frames_are_no_segments(why, heading, label):
    labels = [label.format(k) for k in NUMBERS]
    told = why(tall([f"{heading},rest,stress"], REST, STRESS, labels=labels))
    assert "a heading that is not that of segments" in told
    assert "rest_1 to rest_17" in told


TERRITORIES = [f"{m}_{v}" for m in ("rest", "stress") for v in ("LAD", "LCX", "RCA")]


@pytest.mark.parametrize(
    "rows",
    [[["Region", "Rest", "Stress"], *([v, "0.9", "2.2"] for v in ("LAD", "LCx", "RCA"))],
     [["study_id", *TERRITORIES], *([f"X{k}", *["0.9"] * 6] for k in range(17))],
     [["Phase", "Segment", "MBF"], *([s, k, 1.5] for s in ("Rest", "Stress") for k in NUMBERS)]],
)  # fmt: skip
def test_tables_of_territories_and_several_rows_per_study_are_refused(why, rows):
    told = why(rows)
    assert "one row per study with columns rest_1 to rest_17" in told
    assert "territories are too few for a map" in told


def test_the_unit_that_the_user_states_must_be_one_of_flow(why):
    rows = tall(["Segment,Rest"], REST)
    assert "its unit 'ratio' is none of flow" in why(
        rows, reading=Reading(READING.profiles, "ratio")
    )
    assert "its unit is not known" in why(rows, reading=Reading(READING.profiles))


@pytest.mark.parametrize("cell", ["a" + 60_000 * " " + "b", 20_000 * "stress"])
def test_a_cell_made_to_stall_a_pattern_is_refused_at_once(why, cell):
    start = time.process_time()
    why([["Segment", cell], [cell, 1], *([k, 1] for k in NUMBERS)], ";")
    assert time.process_time() - start < 5


@pytest.mark.parametrize("spoilt", [["failed"] * 17, [""] * 17, [*REST[:16], "failed"], NUMBERS])
def test_one_spoilt_column_never_makes_a_map_vanish(tmp_path, spoilt):
    """Numbers of segments are no flow."""
    rows = tall(["Segment,Rest,Stress"], spoilt, STRESS)
    found, problems = read_maps(write(tmp_path / "a.csv", rows), READING)
    assert [one.map_type for one in found] == ["stress"]
    assert len(problems) == 1


def test_every_numeric_column_not_used_is_noted_and_names_are_not_repeated(tmp_path):
    head = ["Segment,Rest,Stress-Rest,Frau Mustermann,Comment"]
    path = write(tmp_path / "a.csv", tall(head, REST, OTHER, OTHER, ["fine"] * 17))
    assert read_maps(path, READING)[0][0].note == "not used: 'Stress-Rest', column 4"


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("ml/min/gm", 1), ("ccm/g/min", 1), ("ml/min/g tissue", 1), ("ml/min/(100.g)", 0.01),
     ("mL/(min·g)", 1), ("ml/(100 g min)", 0.01), ("ml / min / 100 g", 0.01),
     ("mL·min⁻¹·g⁻¹", 1)],
)  # fmt: skip
def test_usual_spellings_of_units_are_known_over_and_in_cells(tmp_path, unit, factor):
    values = [value / factor for value in REST]
    for rows in (
        tall([f"Segment,Rest ({unit})"], values),
        tall(["Segment,Rest"], [f"{value} {unit}" for value in values]),
    ):
        (found,), problems = read_maps(write(tmp_path / "a.csv", rows), READING)
        assert (problems, found.unit_in_file) == ([], unit)
        assert found.values.max() == pytest.approx(1.17, abs=0.01)


def test_equal_values_everywhere_are_noted_of_a_picture_alone(tmp_path):
    for rows, is_told in (
        (np.ones((16, 16)).tolist(), True),
        (tall(["Segment,Rest"], REST), False),
    ):
        (found,), _ = read_maps(write(tmp_path / "S1_rest.csv", rows), READING)
        assert ("all its values are the same" in found.note) == is_told


# === One row per study ===


@pytest.mark.parametrize(
    ("rows", "reason"),
    [([["study_id", *(f"SSS{k}" for k in NUMBERS)], ["P1", *["2"] * 17]], "has columns of sss"),
     ([wide("rest_")[0], ["", *["kBq/ml"] * 17], wide("rest_")[1]], "unit 'kBq/ml' is not known"),
     (wide("MBF_B_", "MBF_S_"), "marks its columns by B and S"),
     *[(wide(*marks), "marks its columns by R and S: call them rest and stress")
       for marks in (("R", "S"), ("R_MBF_", "S_MBF_"), ("R_Seg", "S_Seg"))],
     (wide("segment_"), "rows do not say which map"), (wide("segment_"), "add a column 'map'"),
     ([["study", *wide("rest_")[0]], ["P1", *wide("rest_")[1]]], "2 columns that may be the study"),
     (wide("rest_", studies=[""]), "row 2: no study id"),
     ([["study_id", "phase", *wide("", studies=[])[0][1:]], ["P1", "Rest SD", *REST]],
      "row 2: is sd, no flow"),
     ([["x", *wide("rest_")[0][1:]], *wide("rest_")[1:]], "does not say in which one column"),
     *[([[corner, *NUMBERS], ["Rest", *REST], ["Stress", *STRESS]], "is numbered under a heading")
       for corner in ("Patient", "Frame", "")],
     ([["ID", *NUMBERS], ["Strain", *REST]], "does not say in which one column"),
     ([wide("rest_")[0][:-1], wide("rest_")[1][:-1]], "lacks 17"),
     ([["study", "rest_1", *wide("rest_")[0][1:]], ["P1", 1, *REST]], "two columns for segment 1")],
)  # fmt: skip
def test_a_row_per_study_that_is_not_clear_is_refused(why, rows, reason):
    assert reason in why(rows, name="all.csv")


def _headed(pattern):
    """The 17 names of the AHA, each with its number and the vessel that feeds it."""
    ring = ["LAD", "LAD", "RCA", "RCA", "LCx", "LCx"]
    vessels = [*ring, *ring, "LAD", "LAD", "RCA", "LCx", "LAD"]
    return [
        pattern.format(n=n, name=name, vessel=vessel, camel=name.title().replace(" ", ""))
        for n, (name, vessel) in enumerate(zip(SEGMENTS, vessels, strict=True), start=1)
    ]


@pytest.mark.parametrize(
    "pattern",
    ["{map} {n}. {name}", "{map} {n} - {name} ({vessel})", "{name} ({n}) {map}",
     "{map}LV{camel}", "{map} {name} {n}", "{map}_{name}", "{map}_{camel} (LAD)", "{map}_{n}"],
)  # fmt: skip
def test_headings_of_a_row_per_study_may_carry_number_name_and_vessel(flows, pattern):
    head = [name for m in ("Rest", "Stress") for name in _headed(pattern.replace("{map}", m))]
    facts = [["Database", "", ""], ["Created by", "MUELLER"]]
    assert flows([*facts, ["study_id", *head], ["S1", *REST, *STRESS]], ";") == BOTH


def test_a_heading_with_the_number_of_another_segment_is_no_column_of_it(why):
    head = _headed("rest {n}. {name}")
    head[:2] = ["rest 2. basal anterior", "rest 1. basal anteroseptal"]
    assert why([["study_id", *head], ["S1", *REST]], ";")


@pytest.mark.parametrize("marks", [("rMBF_", "sMBF_"), ("restMBF", "stressMBF")])
def test_headings_of_a_row_per_study_may_join_map_and_quantity(flows, marks):
    assert flows(wide(*marks, studies=["P1"])) == BOTH


def test_s_alone_still_means_segment_and_a_summary_row_is_no_study(tmp_path):
    rows = wide("S", studies=["U1", "Mean ± SD", "Mean", "N = 2", "Min/Max", "SD-01"])
    found = read_numbers(write(tmp_path / "S1_rest.csv", rows), READING)
    assert [one.study for one in found] == ["U1", "SD-01"]


# === Shifted rows: values would stand one place further ===


def square(side=16):
    """Cells of a map whose corners are empty, no two of them alike."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    outside = np.hypot(x, y) > side / 2 + 1
    return np.where(outside, "", np.char.mod("%.2f", 2 + 0.05 * x + 0.01 * y)).tolist()


def table():
    rows = zip(NUMBERS, REST, STRESS, strict=True)
    return [["Segment", "Rest", "Stress"], *([n, f"{r:.2f}", f"{s:.2f}"] for n, r, s in rows)]


TABLES = {
    "S1_rest": (square, 4, 6),
    "S1": (table, 5, 1),
    "all": (lambda: wide("rest_", "stress_", behind=["age"]), 2, 5),
}
"""Name of a file -> its rows, and a row and a column of it."""


@pytest.fixture
def read(tmp_path):
    """Values by study and map type, and what is refused."""

    def read(name, rows, separator=","):
        found, problems = read_maps(write(tmp_path / name, rows, separator), READING)
        return {(one.study, one.map_type): one.values for one in found}, "; ".join(problems)

    return read


def changed(rows, row, place, change):
    """Rows of which one has a cell too few or too many."""
    if change == "lost":
        del rows[row][place]
    else:
        rows[row].insert(*((place, "2.5") if change == "more" else (len(rows[row]), "")))
    return rows


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [("S1_rest", "more", "row 5 has 17 cells, most rows 16"),
     ("S1_rest", "blank at the end", "row 5 has 17 cells, most rows 16"),
     ("S1_rest", "lost", "row 5 has 15 cells, most rows 16"),
     ("S1", "lost", "row 6 has 2 cells, its heading 3"),
     ("S1", "blank at the end", "row 6 has 4 cells, its heading 3"),
     ("all", "lost", "row 3: has 35 cells, its heading 36")],
)  # fmt: skip
def test_a_longer_or_shorter_row_of_a_text_is_refused_with_its_line(read, name, change, reason):
    make, row, place = TABLES[name]
    maps, told = read(f"{name}.csv", changed(make(), row, place, change))
    assert reason in told
    assert {study for study, _ in maps} == ({"P1", "P3"} if name == "all" else set())


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("change", ["more", "lost"])
def test_a_shifted_row_of_a_worksheet_is_refused(read, name, change):
    make, row, place = TABLES[name]
    whole, told = read(f"{name}.xlsx", make())
    assert whole
    assert not told
    maps, told = read(f"{name}.xlsx", changed(make(), row, place, change))
    assert f"row {row + 1}" in told
    assert all(np.array_equal(whole[key], maps[key]) for key in maps)


@pytest.mark.parametrize("name", ["S1", "all"])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("cell", ["", "2"])
def test_shifted_headings_of_a_worksheet_are_refused(why, name, place, cell):
    rows = TABLES[name][0]()
    rows[0].insert(place, cell)
    assert why(rows, name=f"{name}.xlsx")


@pytest.mark.parametrize("name", TABLES)
def test_the_same_separator_behind_every_row_does_no_harm(read, name):
    rows = TABLES[name][0]()
    plain, _ = read(f"{name}.csv", rows, ";")
    ended, told = read(f"{name}.csv", [[*row, ""] for row in rows], ";")
    assert plain
    assert not told
    assert all(np.array_equal(plain[key], ended[key]) for key in plain)


def test_decimal_commas_in_a_table_separated_by_commas_are_refused(why):
    head, *rows = table()
    rows = [[row[0], *row[1].split("."), *row[2].split(".")] for row in rows]
    told = why([head, *rows])
    assert "row 2 has 5 cells, its heading 3" in told
    assert "semicolons between the columns" in told
    halves = [[f"2,{(3 * i + j) % 10}" for j in range(8)] for i in range(16)]
    assert "halves of numbers with a decimal comma" in why(halves, name="S1_rest.csv")


def test_rings_of_different_length_are_read_where_the_profile_allows_it_and_a_lost_sector_is_not(
    tmp_path, why
):
    (tmp_path / "rings.yaml").write_text("layout: rings\n", encoding="utf-8")
    reading = Reading((load_profile(tmp_path / "rings.yaml"),), "mL/min/g")
    rings = [[f"{2 + j / n:.3f}" for j in range(n)] for n in (6, 12, 18, *[36] * 9)]
    (found,), _ = read_maps(write(tmp_path / "S1_rest.csv", rings), reading)
    assert found.note == "its rings have 6 to 36 sectors"
    del rings[7][3]
    told = why(rings, name="S1_rest.csv", reading=reading)
    assert told.startswith("its rows have 6 to 36 cells, as no rings have")


def _mutated(rows, separator, chance):
    """Text of a table of which one cell, separator or line is damaged."""
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
    return [[line] for line in lines]


def test_no_damaged_table_is_read_with_other_values(read):
    chance = random.Random(5)
    n_read = n_refused = 0
    for name, (make, _, _) in TABLES.items():
        for separator in ",;\t":
            whole, _ = read(f"{name}.csv", make(), separator)
            assert whole
            for _ in range(24):
                lines = _mutated(make(), separator, chance)
                maps, _ = read(f"{name}.csv", lines)
                assert all(np.allclose(maps[key], whole[key]) for key in maps), lines
                n_read, n_refused = n_read + bool(maps), n_refused + (not maps)
    assert n_read > 20
    assert n_refused > 100
