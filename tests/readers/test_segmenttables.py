"""Tables of the 17 AHA segments: what is flow is read, all else is refused with its reason."""

import random
import time

import numpy as np
import openpyxl
import pytest

from polarnet.anatomy import SEGMENTS, segment_means
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


def tall(path, head, *columns, labels=NUMBERS):
    """A row per segment, below heading lines that are written as they are."""
    rows = [[line] for line in head] + list(zip(labels, *columns, strict=True))
    return write(path, rows)


def wide(*marks, behind=(), studies=("P1", "P2", "P3")):
    """Rows of a table with a row per study and 17 columns for each mark."""
    head = ["study_id", *(f"{mark}{k}" for mark in marks for k in NUMBERS), *behind]
    flows = [f"{value:.2f}" for value in [*REST, *STRESS][: 17 * len(marks)]]
    return [head, *([study, *flows, *["61"] * len(behind)] for study in studies)]


def flows_of(path, reading=READING):
    """Map type -> the 17 numbers as they were read."""
    found = read_numbers(path, reading)
    assert not any(numbers.problem for numbers in found), [n.problem for n in found]
    return {numbers.map_type: numbers.values.tolist() for numbers in found}


def why(path, reading=READING):
    """Why nothing of a file is read."""
    found, problems = read_maps(path, reading)
    assert not found
    return "; ".join(problems)


def notes(path):
    found, problems = read_maps(path, READING)
    assert not problems
    return {one.map_type: one.note for one in found}


# === A row per segment ===

FLOW_AND_UPTAKE = "Segment,Uptake (%),MBF (ml/min/g),Uptake (%),MBF (ml/min/g)"
FACTS = ["Patient Name:,MUELLER^HANS", "Study Date:,03/12/2024", "Software,Imaginary 1,2"]
SIDE_BY_SIDE = ["Rest,,,Stress,", "Segment,MBF,,Segment,MBF"]
QUOTIENT = "Segment,Rest,Coronary Flow Reserve (Stress/Rest)"
KINETIC = [OTHER, OTHER, REST, OTHER, OTHER, STRESS]

READ = {
    "flow among kinetic constants": ([",Rest,,,Stress,,", "Segment,K1,k2,MBF,K1,k2,MBF"], KINETIC),
    "flow beside uptake": ([",Rest,,Stress,", FLOW_AND_UPTAKE], [OTHER, REST, OTHER, STRESS]),
    "scores beside flow": (["Segment,Stress Score,Rest MBF,Stress MBF"], [OTHER, REST, STRESS]),
    "means beside spreads": (["Segment,Rest SD,Rest mean,Stress mean,Stress SD"],
                             [OTHER, REST, STRESS, OTHER]),
    "units": (["AHA-Größe,Rest [cc/min/g],Stress cc/min/g"], [REST, STRESS]),
    "doses": (["Segment,Rest (10 mCi),Stress (30 mCi)"], [REST, STRESS]),
    "side by side": (SIDE_BY_SIDE, [REST, [""] * 17, NUMBERS, STRESS]),
    "facts above": ([*FACTS, "Segment,Rest MBF,Stress MBF"], [REST, STRESS]),
    "a level between": (["Segment,Rest,Stress", "Basal"], [REST, STRESS]),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_the_columns_of_flow_are_read(tmp_path, case):
    head, columns = READ[case]
    assert flows_of(tall(tmp_path / "a.csv", head, *columns)) == BOTH


@pytest.mark.parametrize(
    ("rest", "stress"),
    [("Baseline MBF", "Hyperemic MBF"), ("Resting", "Peak"), ("Rst", "Str"), ("RMBF", "SMBF"),
     ("restMBF", "stressMBF"), ("Rest", "Adenosine"), ("rest flow", "Regadenoson flow"),
     ("MBF_rest", "Dipyridamole"), ("Rest MBF", "Hyperaemic MBF")],
)  # fmt: skip
def test_usual_words_for_rest_and_stress_are_known(tmp_path, rest, stress):
    assert flows_of(tall(tmp_path / "a.csv", [f"Segment,{rest},{stress}"], REST, STRESS)) == BOTH


@pytest.mark.parametrize(
    ("head", "columns", "flows"),
    [(["Segment,Rest,SUV"], [REST, STRESS], {"rest": REST}),
     ([QUOTIENT], [REST, STRESS], {"rest": REST, "reserve": STRESS}),
     (["Stress", "Segment,MBF (ml/min/g)"], [STRESS], {"stress": STRESS}),
     (["Segment,Segment MBF"], [REST], {"": REST}),
     (["Segment,Score,MBF"], [OTHER, REST], {"": REST})],
)  # fmt: skip
def test_one_map_or_a_reserve_is_read(tmp_path, head, columns, flows):
    assert flows_of(tall(tmp_path / "S1_rest.csv", head, *columns)) == flows


LONG_CELLS = ["a" + 60_000 * " " + "b", 20_000 * "stress"]
OTHERS = ["Score", "SSS", "SRS", "SD", "Std", "normal limit", "SUV", "Extent", "TPD", "Motion",
          "Thickening", "Counts", "K1", "k2", "Defect", "Severity", "z"]  # fmt: skip
UNKNOWN = ["strain", "NH3 retention", "T1", "velocity", "TAC", "glucose"]

REFUSED = [
    ([",Rest,", "Segment,MBF,Flow"], [REST, STRESS], "has 2 columns for rest"),
    (["Segment,Rest 1,Rest 2,Stress"], [REST, REST, STRESS], "has 2 columns for rest"),
    (["Segment,Flow reserve (ml/min/g)"], [REST], "a flow reserve is a ratio without unit"),
    (["Segment,Flow reserve [ml/min/100g]"], [REST], "a flow reserve is a ratio without unit"),
    (["Segment,Score,Pressure"], [OTHER, REST], "has columns of score, and none of flow"),
    (SIDE_BY_SIDE, [REST, [""] * 17, NUMBERS[::-1], STRESS], "two columns of segments"),
    ([*FACTS, "Segment,A,B"], [REST, STRESS], "does not say which column"),
    (["Segment,Rest"], [[f'"1,{100 + k}"' for k in range(17)]], "may be 1.234 or 1234"),
    (["Segment,Rest"], [[*REST[:16], "1.2 ml/min/100g"]], "only some of its values"),
    (["Segment,Rest"], [[*REST[:4], "1.20 ± 0.10", *REST[5:]]], "segment 5: a mean with its"),
    (["Segment,Rest"], [[*REST[:4], "<0.10", *REST[5:]]], "segment 5: a limit"),
    *[([f"Segment,Rest {word},Stress {word}"], [REST, STRESS],
       f"has columns of {word.casefold().split()[0]}, and none of flow") for word in OTHERS],
    # Never by a list of what is known not to be flow alone.
    *[([f"Segment,Rest {word},Stress {word}"], [REST, STRESS],
       "a quantity that is not known here, and none of flow") for word in UNKNOWN],
    *[([f"Segment,Rest {written}"], [REST], f"unit '{unit}' is not known")
      for written, unit in (("(kBq/ml)", "kBq/ml"), ("[Bq/cc]", "Bq/cc"), ("(mm)", "mm"),
                            ("(%ID/g)", "%ID/g"), ("(a.u.)", "a.u."))],
    (["Segment,Rest", ",kBq/ml"], [REST], "unit 'kBq/ml' is not known"),
    (["Segment,MFR (kBq/ml)"], [STRESS], "unit 'kBq/ml' is not known"),
]  # fmt: skip


@pytest.mark.parametrize(("head", "columns", "reason"), REFUSED)
def test_what_is_no_flow_or_not_clear_is_refused_with_its_reason(tmp_path, head, columns, reason):
    told = why(tall(tmp_path / "a.csv", head, *columns))
    assert reason in told
    assert "MUELLER" not in told


@pytest.mark.parametrize(
    ("labels", "reason"),
    [(range(17), "numbers its segments 0 to 16"),
     ([f"{name} ({17 - k})" for k, name in enumerate(NAMES)], "17 and the name of segment 1"),
     (["1", *NUMBERS[2:]], "lacks 2"), (range(1, 17), "16 segments, without an apex"),
     (range(1, 21), "20 segments, another division"),
     ([*NUMBERS, "4"], "has segment 4 twice"),
     (range(1, 100), "has 18, 19, 20, 21, 22 and 77 more. Is this a table of segments?")],
)  # fmt: skip
def test_other_numberings_and_divisions_are_refused_by_name(tmp_path, labels, reason):
    assert reason in why(
        tall(tmp_path / "a.csv", ["Segment,Rest"], range(len(labels)), labels=labels)
    )


def test_the_unit_that_the_user_states_must_be_one_of_flow(tmp_path):
    path = tall(tmp_path / "a.csv", ["Segment,Rest"], REST)
    assert "its unit 'ratio' is none of flow" in why(path, Reading(READING.profiles, "ratio"))
    assert "its unit is not known" in why(path, Reading(READING.profiles))


@pytest.mark.parametrize("cell", LONG_CELLS)
def test_a_cell_made_to_stall_a_pattern_is_refused_at_once(tmp_path, cell):
    path = write(
        tmp_path / "a.csv", [["Segment", cell], [cell, 1], *([k, 1] for k in NUMBERS)], ";"
    )
    start = time.process_time()
    why(path)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("spoilt", [["failed"] * 17, [""] * 17, [*REST[:16], "failed"]])
def test_one_spoilt_cell_never_makes_a_map_vanish(tmp_path, spoilt):
    found, problems = read_maps(
        tall(tmp_path / "a.csv", ["Segment,Rest,Stress"], spoilt, STRESS), READING
    )
    assert [m.map_type for m in found] == ["stress"]
    assert len(problems) == 1


def test_numbers_of_segments_are_no_map(tmp_path):
    path = tall(tmp_path / "a.csv", ["Segment,Stress,MFR"], STRESS, NUMBERS)
    found, problems = read_maps(path, READING)
    assert [m.map_type for m in found] == ["stress"]
    assert problems == ["its values are 1 to 17, the numbers of the segments"]


def test_every_numeric_column_not_used_is_noted_and_names_are_not_repeated(tmp_path):
    head = ["Segment,Rest,Stress-Rest,Frau Mustermann,Comment"]
    path = tall(tmp_path / "a.csv", head, REST, OTHER, OTHER, ["fine"] * 17)
    assert notes(path)["rest"] == "not used: 'Stress-Rest', column 4"


def test_numbers_may_have_their_unit_or_a_decimal_comma(tmp_path):
    cells = {"%": [f"{100 * v:.0f}%" for v in REST], "ml/min/g": [f"{v} ml/min/g" for v in REST]}
    for unit, column in cells.items():
        (rest,) = read_numbers(tall(tmp_path / "a.csv", ["Segment,Rest"], column), READING)
        assert (rest.values[0], rest.unit) == (101 if unit == "%" else 1.01, unit)
    quoted = [f'"0,{100 + k}"' for k in range(17)]
    assert flows_of(tall(tmp_path / "a.csv", ["Segment,Rest"], quoted))["rest"][0] == 0.1


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("ml/min/gm", 1), ("ccm/g/min", 1), ("ml/min/g tissue", 1), ("ml/min/(100.g)", 0.01),
     ("mL/(min·g)", 1), ("ml/(100 g min)", 0.01)],
)  # fmt: skip
def test_usual_spellings_of_units_are_known(tmp_path, unit, factor):
    values = [value / factor for value in REST]
    (found,), problems = read_maps(
        tall(tmp_path / "a.csv", [f"Segment,Rest ({unit})"], values), READING
    )
    assert (problems, found.unit_in_file) == ([], unit)
    assert found.values.max() == pytest.approx(1.17, abs=0.01)


def test_equal_values_everywhere_are_noted_of_a_picture_alone(tmp_path):
    path = write(tmp_path / "S1_rest.csv", np.ones((16, 16)).tolist())
    assert "all its values are the same" in notes(path)["rest"]
    assert "the same" not in notes(tall(tmp_path / "a.csv", ["Segment,Rest"], REST))["rest"]


# === Which rows are segments ===

GERMAN = [n.replace("Mid ", "Mittventrikulär ").replace("Apical", "Apikal") for n in NAMES]
LABELS = {
    "number in brackets": [f"{name} ({k})" for k, name in enumerate(NAMES, 1)],
    "hash": [f"#{k}" for k in NUMBERS],
    "wall first": [" ".join(reversed(name.split())) for name in NAMES],
    "mid-ventricular": [name.replace("Mid ", "Mid-ventricular ") for name in NAMES],
    "German": GERMAN,
    "two words": [name.replace("oseptal", "o-septal") for name in NAMES],
}


@pytest.mark.parametrize("way", LABELS)
def test_segments_are_known_by_level_and_wall(tmp_path, way):
    path = tall(tmp_path / "a.csv", ["Segment,Rest,Stress"], REST, STRESS, labels=LABELS[way])
    assert flows_of(path) == BOTH


def test_level_and_wall_may_stand_in_two_columns(tmp_path):
    walls = [name.split()[1] if " " in name else "" for name in NAMES]
    levels = [name.split()[0] for name in NAMES]
    # A merged cell has its text in the first row only.
    merged = [level if level not in levels[:k] else "" for k, level in enumerate(levels)]
    for labels in (levels, merged):
        path = tall(tmp_path / "a.csv", ["Level,Wall,Rest"], walls, REST, labels=labels)
        assert flows_of(path) == {"rest": REST}


def counted(path, heading, labels=NUMBERS, beside=None):
    """Map types that are read of rows numbered under a heading, and what is refused."""
    more = [beside] if beside else []
    rows = [[heading, *more, "rest", "stress"]]
    rows += [[label, *["61"] * len(more), rest, stress]
             for label, rest, stress in zip(labels, REST, STRESS, strict=True)]  # fmt: skip
    maps, problems = read_maps(write(path, rows, ";"), READING)
    return [found.map_type for found in maps], "; ".join(problems)


@pytest.mark.parametrize(
    "heading",
    ["study_id", "patient_id", "Patient", "ID", "subject", "Case", "Patienten-Nr.", "Fall-Nr",
     "N° patient", "Paciente", "Frame", "frame no", "Zeit", "Time (s)", "Datum", "Name", "index"],
)  # fmt: skip
def test_seventeen_numbered_patients_or_frames_are_no_segments(tmp_path, heading):
    maps, reason = counted(tmp_path / "flow.csv", heading)
    assert not maps
    assert "a heading that is not that of segments" in reason
    assert "rest_1 to rest_17" in reason


@pytest.mark.parametrize("label", ["S{:03d}", "S{:02d}", "S-{}"])
@pytest.mark.parametrize("heading", ["study_id", "Nr", ""])
def test_ids_that_begin_with_s_are_segments_under_a_heading_of_segments_alone(
    tmp_path, heading, label
):
    labels = [label.format(k) for k in range(1, 18)]
    assert counted(tmp_path / "flow.csv", heading, labels)[0] == []
    assert counted(tmp_path / "flow.csv", "Segment", labels)[0] == ["rest", "stress"]


@pytest.mark.parametrize(
    ("heading", "is_said"),
    [("Segment", False), ("segment_id", False), ("AHA", False), ("Seg.", False),
     ("Wandsegment", False), ("Nr", True), ("#", True), ("", True)],
)  # fmt: skip
def test_numbers_under_segments_or_nothing_are_segments_which_is_said(tmp_path, heading, is_said):
    path = tmp_path / "S1.csv"
    assert counted(path, heading) == (["rest", "stress"], "")
    told = notes(path).values()
    assert all(("taken for the 17 AHA segments of one study" in note) == is_said for note in told)


@pytest.mark.parametrize(
    "beside", ["age", "Patient", "Datum", "time", "BMI", "LVEF", "Gruppe"]
)  # fmt: skip
@pytest.mark.parametrize("heading", ["", "Nr"])
def test_what_a_person_has_beside_numbers_makes_them_people(tmp_path, beside, heading):
    assert counted(tmp_path / "S1.csv", heading, beside=beside)[0] == []
    assert counted(tmp_path / "S1.csv", "Segment", beside=beside)[0] == ["rest", "stress"]


@pytest.mark.parametrize(
    ("heading", "cells", "n_read"),
    [("Nr", [2 * letter for letter in "abcdefghijklmnopq"], 0),
     ("Segment", [2 * letter for letter in "abcdefghijklmnopq"], 2),
     ("#", [f"±0.{k:02d}" for k in range(17)], 2)],
)  # fmt: skip
def test_a_text_of_its_own_in_each_row_makes_numbered_rows_people(tmp_path, heading, cells, n_read):
    """Initials do, a spread does not."""
    path = tall(tmp_path / "S1.csv", [f"{heading},SD,rest,stress"], cells, REST, STRESS)
    assert len(read_maps(path, READING)[0]) == n_read


TERRITORIES = [f"{m}_{v}" for m in ("rest", "stress") for v in ("LAD", "LCX", "RCA")]


@pytest.mark.parametrize(
    "rows",
    [[["study_id", *TERRITORIES], *([f"S{k}", *["0.9"] * 6] for k in range(n))] for n in (3, 17)]
    + [[["Region", "Rest", "Stress"], *([v, "0.9", "2.2"] for v in ("LAD", "LCx", "RCA"))]],
)
def test_a_table_of_territories_is_told_so(tmp_path, rows):
    assert "territories (LAD, LCx, RCA) only" in why(write(tmp_path / "terr.csv", rows))


# === A row per study, or per map ===


@pytest.mark.parametrize(
    ("first", "reason"), [("Patient", "columns that are numbered"), ("Frame", "columns that are"),
                          ("ID", "columns that are numbered")]
)  # fmt: skip
def test_patients_across_the_columns_are_no_segments(tmp_path, first, reason):
    rows = [[first, *NUMBERS], ["Rest", *REST], ["Stress", *STRESS]]
    assert reason in why(write(tmp_path / "S1.csv", rows))


@pytest.mark.parametrize(("corner", "is_said"), [("", True), ("Nr", True), ("Segment", False)])
def test_a_row_per_map_is_read_and_what_nothing_calls_segments_is_said(tmp_path, corner, is_said):
    rows = [[corner, *NUMBERS], ["Rest MBF", *REST], ["Stress MBF", *STRESS]]
    path = write(tmp_path / "S1.csv", rows)
    assert flows_of(path) == BOTH
    told = notes(path).values()
    assert all(("taken for the 17 AHA segments" in note) == is_said for note in told)


@pytest.mark.parametrize("first", ["Phase", "study_id"])
def test_several_rows_per_study_are_refused_with_what_to_do(tmp_path, first):
    rows = [[s, k, 1.5] for s in ("Rest", "Stress") for k in NUMBERS]
    path = write(tmp_path / "a.csv", [[first, "Segment", "MBF"], *rows])
    assert "several rows per study" in why(path)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [([["study_id", *(f"SSS{k}" for k in NUMBERS)], ["P1", *["2"] * 17]], "has columns of sss"),
     ([wide("rest_")[0], ["", *["kBq/ml"] * 17], wide("rest_")[1]], "unit 'kBq/ml' is not known"),
     (wide("MBF_B_", "MBF_S_"), "marks its columns by B and S"),
     (wide("segment_"), "rows do not say which map"), (wide("segment_"), "add a column 'map'"),
     ([["study", *wide("rest_")[0]], ["P1", *wide("rest_")[1]]], "2 columns that may be the study"),
     (wide("rest_", studies=[""]), "row 2: no study id"),
     ([["study_id", "phase", *wide("", studies=[])[0][1:]], ["P1", "Rest SD", *REST]],
      "row 2: is sd, no flow"),
     ([["Parameter", *(f"Segment {n}" for n in NUMBERS)], ["Strain", *REST]],
      "row 2: its parameter is not called flow"),
     ([["x", *wide("rest_")[0][1:]], *wide("rest_")[1:]], "does not say in which one column"),
     ([wide("rest_")[0][:-1], wide("rest_")[1][:-1]], "16 segments, without an apex"),
     ([["study", "rest_1", *wide("rest_")[0][1:]], ["P1", 1, *REST]], "two columns for segment 1")],
)  # fmt: skip
def test_a_row_per_study_that_is_not_clear_is_refused(tmp_path, rows, reason):
    assert reason in why(write(tmp_path / "all.csv", rows))


@pytest.mark.parametrize("marks", [("MBF_R_", "MBF_S_"), ("rest_", "stress_")])
def test_marks_of_rest_and_stress_are_read_below_facts(tmp_path, marks):
    rows = [["Database", "", ""], ["Created by", "MUELLER"], *wide(*marks, studies=["U1"])]
    assert flows_of(write(tmp_path / "S1_rest.csv", rows)) == BOTH


def test_s_alone_still_means_segment(tmp_path):
    assert len(read_maps(write(tmp_path / "S1_rest.csv", wide("S")), READING)[0]) == 3


@pytest.mark.parametrize("name", ["Mean ± SD", "Mean", "N = 2", "Min/Max"])
def test_a_summary_row_is_no_study(tmp_path, name):
    found = read_numbers(write(tmp_path / "a.csv", wide("rest_", studies=["U1", name])), READING)
    assert [numbers.study for numbers in found] == ["U1"]


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
     "{map}LV{camel}", "{map} {name} {n}", "{letter}{n}", "{map}_{name}", "{map}_{camel} (LAD)"],
)  # fmt: skip
def test_headings_of_a_row_per_study_may_carry_number_name_and_vessel(tmp_path, pattern):
    head = ["study_id"]
    for map_type in ("Rest", "Stress"):
        said = pattern.replace("{map}", map_type).replace("{letter}", map_type[0].lower())
        head += _headed(said)
    maps, problems = read_maps(
        write(tmp_path / "all.csv", [head, ["S1", *REST, *STRESS]], ";"), READING
    )
    assert not problems
    found = {one.map_type: segment_means(one.values) for one in maps}
    np.testing.assert_allclose([found["rest"], found["stress"]], [REST, STRESS], atol=1e-3)


def test_a_heading_with_the_number_of_another_segment_is_no_column_of_it(tmp_path):
    head = _headed("rest {n}. {name}")
    head[:2] = ["rest 2. basal anterior", "rest 1. basal anteroseptal"]
    assert why(write(tmp_path / "all.csv", [["study_id", *head], ["S1", *REST]], ";"))


def test_a_numbered_series_of_columns_that_is_not_understood_is_said(tmp_path):
    note = notes(write(tmp_path / "all.csv", wide("stress", "res", studies=["S1"])))["stress"]
    assert note.startswith("not used: column 19, column 20, ")
    assert note.endswith(" and 12 more")


# === Shifted rows: values would stand one place further ===


def square(side=16):
    """Cells of a map whose corners are empty, no two of them alike."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    outside = np.hypot(x, y) > side / 2 + 1
    return np.where(outside, "", np.char.mod("%.2f", 2 + 0.05 * x + 0.01 * y)).tolist()


def table():
    return [["Segment", "Rest", "Stress"],
            *([n, f"{r:.2f}", f"{s:.2f}"] for n, r, s in zip(NUMBERS, REST, STRESS, strict=True))
            ]  # fmt: skip


TABLES = {
    "S1_rest": (square, 4, 6),
    "S1": (table, 5, 1),
    "all": (lambda: wide("rest_", "stress_", behind=["age"]), 2, 5),
}
"""Name of a file -> its rows, and a row and a column of it."""


def read(path, rows, separator=","):
    """Values by study and map type, and what is refused."""
    found, problems = read_maps(write(path, rows, separator), READING)
    return {(m.study, m.map_type): m.values for m in found}, "; ".join(problems)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [("S1_rest", "more", "row 5 has 17 cells, most rows 16"),
     ("S1_rest", "blank at the end", "row 5 has 17 cells, most rows 16"),
     ("S1_rest", "lost", "row 5 has 15 cells, most rows 16"),
     ("S1", "lost", "row 6 has 2 cells, its heading 3"),
     ("S1", "blank at the end", "row 6 has 4 cells, its heading 3"),
     ("all", "lost", "row 3: has 35 cells, its heading 36")],
)  # fmt: skip
def test_a_longer_or_shorter_row_of_a_text_is_refused_with_its_line(tmp_path, name, change, reason):
    make, row, place = TABLES[name]
    rows = make()
    if change == "lost":
        del rows[row][place]
    else:
        rows[row].insert(
            place if change == "more" else len(rows[row]), "2.5"[: 3 * (change == "more")]
        )
    maps, told = read(tmp_path / f"{name}.csv", rows)
    assert reason in told
    assert {study for study, _ in maps} == ({"P1", "P3"} if name == "all" else set())


def test_a_decimal_comma_in_a_table_separated_by_commas_is_told_how_to_mend(tmp_path):
    head, *rows = table()
    rows = [[row[0], *row[1].split("."), *row[2].split(".")] for row in rows]
    told = why(write(tmp_path / "S1.csv", [head, *rows]))
    assert "row 2 has 5 cells, its heading 3" in told
    assert "semicolons between the columns" in told


@pytest.mark.parametrize("name", TABLES)
def test_the_same_separator_behind_every_row_does_no_harm(tmp_path, name):
    rows = TABLES[name][0]()
    plain, _ = read(tmp_path / f"{name}.csv", rows, ";")
    ended, told = read(tmp_path / f"{name}.csv", [[*row, ""] for row in rows], ";")
    assert plain
    assert not told
    assert all(np.array_equal(plain[key], ended[key]) for key in plain)


def test_whole_numbers_that_may_be_halves_of_decimals_are_refused(tmp_path):
    flows = [[f"2,{(3 * i + j) % 10}" for j in range(8)] for i in range(16)]
    assert "halves of numbers with a decimal comma" in why(write(tmp_path / "S1_rest.csv", flows))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("change", ["more", "lost"])
def test_a_shifted_row_of_a_worksheet_is_refused(tmp_path, name, change):
    make, row, place = TABLES[name]
    rows = make()
    whole, told = read(tmp_path / f"{name}.xlsx", rows)
    assert whole
    assert not told
    if change == "lost":
        del rows[row][place]
    else:
        rows[row].insert(place, "2.5")
    maps, told = read(tmp_path / f"{name}.xlsx", rows)
    assert f"row {row + 1}" in told
    assert all(np.array_equal(whole[key], maps[key]) for key in maps)


@pytest.mark.parametrize("name", ["S1", "all"])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("cell", ["", "2"])
def test_shifted_headings_of_a_worksheet_are_refused(tmp_path, name, place, cell):
    rows = TABLES[name][0]()
    rows[0].insert(place, cell)
    assert why(write(tmp_path / f"{name}.xlsx", rows))


def test_rings_of_different_length_are_read_where_the_profile_allows_it_and_a_lost_sector_is_not(
    tmp_path,
):
    (tmp_path / "rings.yaml").write_text("layout: rings\n", encoding="utf-8")
    reading = Reading((load_profile(tmp_path / "rings.yaml"),), "mL/min/g")
    rings = [[f"{2 + j / n:.3f}" for j in range(n)] for n in (6, 12, 18, *[36] * 9)]
    (found,), _ = read_maps(write(tmp_path / "S1_rest.csv", rings), reading)
    assert found.note == "its rings have 6 to 36 sectors"
    del rings[7][3]
    told = why(write(tmp_path / "S1_rest.csv", rings), reading)
    assert told == (
        "row 8 has 35 cells, most rows 36. A cell is lost or one too many: export the table again"
    )


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


def test_no_damaged_table_is_read_with_other_values(tmp_path):
    chance = random.Random(5)
    n_read = n_refused = 0
    for name, (make, _, _) in TABLES.items():
        for separator in ",;\t":
            whole, _ = read(tmp_path / f"{name}.csv", make(), separator)
            assert whole
            for _ in range(24):
                lines = _mutated(make(), separator, chance)
                maps, _ = read(tmp_path / f"{name}.csv", lines)
                assert all(np.allclose(maps[key], whole[key]) for key in maps), lines
                n_read, n_refused = n_read + bool(maps), n_refused + (not maps)
    assert n_read > 20
    assert n_refused > 100
