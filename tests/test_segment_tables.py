"""Segment tables as exports write them: what is flow is read, what is not is refused by name."""

import time

import numpy as np
import pytest

from polarnet.readers.mapfiles import read_maps, read_numbers
from polarnet.readers.profiles import Reading, load_profile

REST = [1 + k / 100 for k in range(1, 18)]
STRESS = [2 + k / 100 for k in range(1, 18)]
READING = Reading((load_profile("square"), load_profile("aha17")), "mL/min/g")

NAMES = """Basal anterior,Basal anteroseptal,Basal inferoseptal,Basal inferior,Basal inferolateral,
Basal anterolateral,Mid anterior,Mid anteroseptal,Mid inferoseptal,Mid inferior,Mid inferolateral,
Mid anterolateral,Apical anterior,Apical septal,Apical inferior,Apical lateral,Apex"""
NAMES = NAMES.replace("\n", "").split(",")


def table(path, head, *columns, labels=range(1, 18)):
    """A text table: heading lines, then a row a segment."""
    rows = [
        ",".join(map(str, (label, *values)))
        for label, *values in zip(labels, *columns, strict=True)
    ]
    path.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")
    return path


def maps_of(path):
    """Map type -> the 17 numbers as they were read."""
    found = read_numbers(path, READING)
    assert not any(numbers.problem for numbers in found), [n.problem for n in found]
    return {numbers.map_type: numbers.values.tolist() for numbers in found}


def refusal(path, reading=READING):
    """Why nothing of a file is read."""
    try:
        found, problems = read_maps(path, reading)
    except ValueError as error:
        return str(error)
    assert not found
    return "; ".join(problems)


def notes_of(path):
    found, problems = read_maps(path, READING)
    assert not problems
    return {found_map.map_type: found_map.note for found_map in found}


OTHERS = [0.5] * 17


def test_under_a_merged_heading_the_flow_column_is_read(tmp_path):
    head = [",Rest,,,Stress,,", "Segment,K1,k2,MBF,K1,k2,MBF"]
    path = table(tmp_path / "a.csv", head, OTHERS, OTHERS, REST, OTHERS, OTHERS, STRESS)
    assert maps_of(path) == {"rest": REST, "stress": STRESS}


def test_under_a_merged_heading_percent_uptake_gives_way_to_flow(tmp_path):
    head = [",Rest,,Stress,", "Segment,Uptake (%),MBF (ml/min/g),Uptake (%),MBF (ml/min/g)"]
    path = table(tmp_path / "a.csv", head, OTHERS, REST, OTHERS, STRESS)
    assert maps_of(path) == {"rest": REST, "stress": STRESS}


def test_a_merged_heading_with_two_possible_columns_is_refused(tmp_path):
    path = table(tmp_path / "a.csv", [",Rest,", "Segment,MBF,Flow"], REST, STRESS)
    assert "has 2 columns for rest" in refusal(path)


@pytest.mark.parametrize("word", ["strain", "NH3 retention", "T1", "velocity", "TAC", "glucose"])
def test_a_quantity_that_nobody_knows_is_no_flow(tmp_path, word):
    """Never by a list of what is known not to be flow alone."""
    path = table(tmp_path / "a.csv", [f"Segment,Rest {word},Stress {word}"], REST, STRESS)
    assert "has columns of a quantity that is not known here, and none of flow" in refusal(path)


@pytest.mark.parametrize("unit", ["(ml/min/g)", "[ml/min/100g]"])
def test_a_reserve_in_a_unit_of_flow_is_refused(tmp_path, unit):
    path = table(tmp_path / "a.csv", [f"Segment,Flow reserve {unit}"], REST)
    assert "a flow reserve is a ratio without unit" in refusal(path)


@pytest.mark.parametrize("cell", ["a" + 60_000 * " " + "b", 20_000 * "stress"])
def test_a_cell_made_to_stall_a_pattern_is_refused_at_once(tmp_path, cell):
    path = tmp_path / "a.csv"
    path.write_text(f"Segment;{cell}\n{cell};1\n" + "".join(f"{k};1\n" for k in range(1, 18)))
    start = time.process_time()
    refusal(path)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "word",
    ["Score", "SSS", "SRS", "SD", "Std", "normal limit", "SUV", "Extent", "TPD", "Motion",
     "Thickening", "Counts", "K1", "k2", "Defect", "Severity", "z"],
)  # fmt: skip
def test_other_quantities_at_stress_are_no_flow(tmp_path, word):
    path = table(tmp_path / "a.csv", [f"Segment,Rest {word},Stress {word}"], REST, STRESS)
    assert f"has columns of {word.casefold().split()[0]}, and none of flow" in refusal(path)


def test_scores_beside_flow_are_named_and_left_out(tmp_path):
    head = ["Segment,Stress Score,Rest MBF,Stress MBF"]
    path = table(tmp_path / "a.csv", head, OTHERS, REST, STRESS)
    assert maps_of(path) == {"rest": REST, "stress": STRESS}
    assert notes_of(path)["stress"] == "not used: 'Stress Score'"


def test_beside_scores_a_column_must_say_that_it_is_flow(tmp_path):
    path = table(tmp_path / "S1_rest.csv", ["Segment,Score,Pressure"], OTHERS, REST)
    assert "has columns of score, and none of flow" in refusal(path)
    path = table(tmp_path / "S1_rest.csv", ["Segment,Score,MBF"], OTHERS, REST)
    assert list(maps_of(path).values()) == [REST]


def test_a_row_a_study_of_scores_is_refused_by_name(tmp_path):
    path = tmp_path / "S1_stress.csv"
    head = ",".join(f"SSS{k}" for k in range(1, 18))
    path.write_text(f"study_id,{head}\nP1{',2' * 17}\n", encoding="utf-8")
    assert "has columns of sss" in refusal(path)


@pytest.mark.parametrize(
    ("head", "unit"),
    [
        (["Segment,Rest (kBq/ml)"], "kBq/ml"),
        (["Segment,Rest [Bq/cc]"], "Bq/cc"),
        (["Segment,Rest", ",kBq/ml"], "kBq/ml"),
        (["Segment,Rest (mm)"], "mm"),
        (["Segment,Rest (%ID/g)"], "%ID/g"),
        (["Segment,Rest (a.u.)"], "a.u."),
    ],
)
def test_an_unknown_unit_is_quoted_whatever_the_user_states(tmp_path, head, unit):
    assert f"unit '{unit}' is not known" in refusal(table(tmp_path / "a.csv", head, REST))


def test_an_unknown_unit_over_reserve_is_refused_too(tmp_path):
    path = table(tmp_path / "a.csv", ["Segment,MFR (kBq/ml)"], STRESS)
    assert "unit 'kBq/ml' is not known" in refusal(path)


def test_units_of_a_wide_table_that_are_not_known_are_quoted(tmp_path):
    path = tmp_path / "a.csv"
    head = ",".join(f"rest_{k}" for k in range(1, 18))
    row = ",".join(map(str, REST))
    path.write_text(f"study_id,{head}\n{',kBq/ml' * 17}\nU1,{row}\n", encoding="utf-8")
    assert "unit 'kBq/ml' is not known" in refusal(path)


def test_a_heading_that_is_a_unit_too_does_not_hide_the_others(tmp_path):
    path = table(tmp_path / "a.csv", ["Segment,Rest,SUV"], REST, STRESS)
    assert maps_of(path) == {"rest": REST}


def test_headings_with_units_are_no_row_of_units(tmp_path):
    path = table(tmp_path / "a.csv", ["AHA-Größe,Rest [cc/min/g],Stress cc/min/g"], REST, STRESS)
    assert maps_of(path) == {"rest": REST, "stress": STRESS}


def test_one_spoilt_cell_never_makes_a_map_vanish(tmp_path):
    spoilt = [["failed"] * 17, [""] * 17, [*REST[:16], "failed"]]
    for column in spoilt:
        path = table(tmp_path / "a.csv", ["Segment,Rest,Stress"], column, STRESS)
        found, problems = read_maps(path, READING)
        assert [m.map_type for m in found] == ["stress"]
        assert len(problems) == 1


def test_segment_mbf_is_a_heading_of_flow(tmp_path):
    path = table(tmp_path / "a_rest.csv", ["Segment,Segment MBF"], REST)
    assert list(maps_of(path).values()) == [REST]


def test_what_was_injected_is_no_unit(tmp_path):
    path = table(tmp_path / "a.csv", ["Segment,Rest (10 mCi),Stress (30 mCi)"], REST, STRESS)
    assert maps_of(path) == {"rest": REST, "stress": STRESS}


def test_commas_that_may_be_thousands_are_refused(tmp_path):
    quoted = [f'"1,{100 + k}"' for k in range(17)]
    path = table(tmp_path / "a.csv", ["Segment,Rest"], quoted)
    assert "may be 1.234 or 1234" in refusal(path)


def test_a_leading_zero_shows_that_the_comma_is_decimal(tmp_path):
    quoted = [f'"0,{100 + k}"' for k in range(17)]
    path = table(tmp_path / "a.csv", ["Segment,Rest"], quoted)
    assert maps_of(path)["rest"][0] == 0.1


def test_tables_side_by_side_are_read_without_their_second_segments(tmp_path):
    head = ["Rest,,,Stress,", "Segment,MBF,,Segment,MBF"]
    path = table(tmp_path / "a.csv", head, REST, [""] * 17, range(1, 18), STRESS)
    assert maps_of(path) == {"rest": REST, "stress": STRESS}


def test_second_segments_in_another_order_are_refused(tmp_path):
    head = ["Rest,,,Stress,", "Segment,MBF,,Segment,MBF"]
    path = table(tmp_path / "a.csv", head, REST, [""] * 17, range(17, 0, -1), STRESS)
    assert "two columns of segments" in refusal(path)


def test_numbers_of_segments_are_no_map(tmp_path):
    path = table(tmp_path / "a.csv", ["Segment,Stress,MFR"], STRESS, range(1, 18))
    found, problems = read_maps(path, READING)
    assert [m.map_type for m in found] == ["stress"]
    assert problems == ["its values are 1 to 17, the numbers of the segments"]


@pytest.mark.parametrize(
    ("rest", "stress"),
    [("Baseline MBF", "Hyperemic MBF"), ("Resting", "Peak"), ("Rst", "Str"), ("RMBF", "SMBF"),
     ("restMBF", "stressMBF"), ("Rest", "Adenosine"), ("rest flow", "Regadenoson flow"),
     ("MBF_rest", "Dipyridamole"), ("Rest MBF", "Hyperaemic MBF")],
)  # fmt: skip
def test_usual_words_for_rest_and_stress_are_known(tmp_path, rest, stress):
    path = table(tmp_path / "a.csv", [f"Segment,{rest},{stress}"], REST, STRESS)
    assert maps_of(path) == {"rest": REST, "stress": STRESS}


def test_coronary_flow_reserve_may_say_stress_over_rest(tmp_path):
    head = ["Segment,Rest,Coronary Flow Reserve (Stress/Rest)"]
    assert set(maps_of(table(tmp_path / "a.csv", head, REST, STRESS))) == {"rest", "reserve"}


def test_every_numeric_column_not_used_is_noted_and_names_are_not_repeated(tmp_path):
    head = ["Segment,Rest,Stress-Rest,Frau Mustermann,Comment"]
    path = table(tmp_path / "a.csv", head, REST, OTHERS, OTHERS, ["fine"] * 17)
    assert notes_of(path)["rest"] == "not used: 'Stress-Rest', column 4"


def wide(path, *marks, study="U1"):
    head = ",".join(f"{mark}{k}" for mark in marks for k in range(1, 18))
    rows = [",".join(map(str, [*REST, *STRESS][: 17 * len(marks)])) for _ in range(2)]
    path.write_text(f"study_id,{head}\nU1,{rows[0]}\n{study},{rows[1]}\n", encoding="utf-8")
    return path


def test_columns_marked_r_and_s_are_rest_and_stress(tmp_path):
    found = read_numbers(wide(tmp_path / "S1_rest.csv", "MBF_R_", "MBF_S_", study="SD"), READING)
    assert {n.map_type: n.values.tolist() for n in found} == {"rest": REST, "stress": STRESS}


def test_s_beside_another_letter_is_no_segment(tmp_path):
    path = wide(tmp_path / "S1_rest.csv", "MBF_B_", "MBF_S_")
    assert "marks its columns by B and S" in refusal(path)


def test_s_alone_still_means_segment(tmp_path):
    assert len(read_maps(wide(tmp_path / "S1_rest.csv", "S"), READING)[0]) == 2


@pytest.mark.parametrize("name", ["Mean ± SD", "Mean", "N = 2", "Min/Max"])
def test_a_summary_row_is_no_study(tmp_path, name):
    found = read_numbers(wide(tmp_path / "a.csv", "rest_", study=name), READING)
    assert [numbers.study for numbers in found] == ["U1"]


def test_facts_above_the_headings_are_skipped_and_never_repeated(tmp_path):
    head = ["Patient Name:,MUELLER^HANS", "Study Date:,03/12/2024", "Software,Imaginary 1,2",
            "Segment,Rest MBF,Stress MBF"]  # fmt: skip
    path = table(tmp_path / "a.csv", head, REST, STRESS)
    assert maps_of(path) == {"rest": REST, "stress": STRESS}
    path = table(tmp_path / "b.csv", [*head[:-1], "Segment,A,B"], REST, STRESS)
    assert "does not say which column" in refusal(path)
    assert "MUELLER" not in refusal(path)


def test_facts_above_a_row_a_study_are_skipped(tmp_path):
    path = wide(tmp_path / "a.csv", "rest_", "stress_")
    path.write_text("Database,,,\nCreated by,MUELLER\n" + path.read_text(), encoding="utf-8")
    assert maps_of(path) == {"rest": REST, "stress": STRESS}


def test_a_title_names_the_only_column(tmp_path):
    path = table(tmp_path / "a.csv", ["Stress", "Segment,MBF (ml/min/g)"], STRESS)
    assert maps_of(path) == {"stress": STRESS}


def test_a_level_between_headings_and_segments_does_no_harm(tmp_path):
    path = table(tmp_path / "a.csv", ["Segment,Rest,Stress", "Basal"], REST, STRESS)
    assert maps_of(path) == {"rest": REST, "stress": STRESS}


LABELS = {
    "number in brackets": [f"{name} ({k})" for k, name in enumerate(NAMES, 1)],
    "hash": [f"#{k}" for k in range(1, 18)],
    "wall first": [" ".join(reversed(name.split())) for name in NAMES],
    "mid-ventricular": [name.replace("Mid ", "Mid-ventricular ") for name in NAMES],
    "German": [
        name.replace("Mid ", "Mittventrikulär ").replace("Apical", "Apikal") for name in NAMES
    ],
    "two words": [name.replace("oseptal", "o-septal") for name in NAMES],
}


@pytest.mark.parametrize("way", LABELS)
def test_segments_are_known_by_level_and_wall(tmp_path, way):
    path = table(tmp_path / "a.csv", ["Segment,Rest,Stress"], REST, STRESS, labels=LABELS[way])
    assert maps_of(path) == {"rest": REST, "stress": STRESS}


def test_level_and_wall_may_stand_in_two_columns(tmp_path):
    walls = [name.split()[1] if " " in name else "" for name in NAMES]
    levels = [name.split()[0] for name in NAMES]
    # A merged cell has its text in the first row only.
    merged = [level if level not in levels[:k] else "" for k, level in enumerate(levels)]
    for labels in (levels, merged):
        path = table(tmp_path / "a.csv", ["Level,Wall,Rest"], walls, REST, labels=labels)
        assert maps_of(path) == {"rest": REST}


def test_a_name_and_a_number_that_differ_are_refused(tmp_path):
    labels = [f"{name} ({18 - k})" for k, name in enumerate(NAMES, 1)]
    path = table(tmp_path / "a.csv", ["Segment,Rest"], REST, labels=labels)
    assert "the number 17 and the name of segment 1" in refusal(path)


def test_columns_by_name_of_segment_are_read(tmp_path):
    path = tmp_path / "a.csv"
    head = ",".join(f"rest_{name.lower().replace(' ', '_')}" for name in NAMES)
    path.write_text(f"study_id,{head}\nU1,{','.join(map(str, REST))}\n", encoding="utf-8")
    assert maps_of(path) == {"rest": REST}


def test_the_mean_is_read_beside_its_spread(tmp_path):
    head = ["Segment,Rest SD,Rest mean,Stress mean,Stress SD"]
    path = table(tmp_path / "a.csv", head, OTHERS, REST, STRESS, OTHERS)
    assert maps_of(path) == {"rest": REST, "stress": STRESS}


def test_a_row_a_map_is_read(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"{m},{','.join(map(str, v))}" for m, v in (("Rest MBF", REST), ("Stress MBF", STRESS))]
    head = ",".join(map(str, range(1, 18)))
    path.write_text("\n".join([f"Segment,{head}", *rows]), encoding="utf-8")
    assert maps_of(path) == {"rest": REST, "stress": STRESS}


@pytest.mark.parametrize("first", ["Phase", "study_id"])
def test_several_rows_a_study_are_refused_with_what_to_do(tmp_path, first):
    path = tmp_path / "a.csv"
    rows = [f"{s},{k},1.5\n" for s in ("Rest", "Stress") for k in range(1, 18)]
    path.write_text(f"{first},Segment,MBF\n{''.join(rows)}", encoding="utf-8")
    assert "several rows a study" in refusal(path)


def test_numbers_with_their_unit_are_read(tmp_path):
    percent = [f"{50 + k}%" for k in range(17)]
    (rest,) = read_numbers(table(tmp_path / "a.csv", ["Segment,Rest"], percent), READING)
    assert (rest.values[0], rest.unit) == (50, "%")
    flows = [f"{value} ml/min/g" for value in REST]
    (rest,) = read_numbers(table(tmp_path / "b.csv", ["Segment,Rest"], flows), READING)
    assert (rest.values.tolist(), rest.unit) == (REST, "ml/min/g")


@pytest.mark.parametrize(
    ("cell", "why"),
    [("1.20 ± 0.10", "segment 5: a mean with its spread"), ("<0.10", "segment 5: a limit")],
)
def test_a_cell_that_is_no_single_number_is_told_by_segment(tmp_path, cell, why):
    values = [*REST[:4], cell, *REST[5:]]
    assert why in refusal(table(tmp_path / "a.csv", ["Segment,Rest"], values))


def test_units_in_some_cells_only_are_refused(tmp_path):
    values = [*REST[:4], "1.2 ml/min/100g", *REST[5:]]
    assert "only some of its values" in refusal(table(tmp_path / "a.csv", ["Segment,Rest"], values))


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("ml/min/gm", 1), ("ccm/g/min", 1), ("ml/min/g tissue", 1), ("ml/min/(100.g)", 0.01),
     ("mL/(min·g)", 1), ("ml/(100 g min)", 0.01)],
)  # fmt: skip
def test_usual_spellings_of_units_are_known(tmp_path, unit, factor):
    values = [value / factor for value in REST]
    path = table(tmp_path / "a.csv", [f"Segment,Rest ({unit})"], values)
    (found,), problems = read_maps(path, READING)
    assert not problems
    assert found.unit_in_file == unit
    assert found.values.max() == pytest.approx(1.17, abs=0.01)


def test_plainly_headed_tables_are_told_the_true_reason(tmp_path):
    path = table(tmp_path / "a.csv", ["Segment,Rest 1,Rest 2,Stress"], REST, REST, STRESS)
    assert "has 2 columns for rest" in refusal(path)


def test_a_table_of_something_else_is_asked_about(tmp_path):
    path = table(tmp_path / "a.csv", ["No,Rest"], range(99), labels=range(1, 100))
    message = refusal(path)
    assert "has 18, 19, 20, 21, 22 and 77 more. Is this a table of segments?" in message


def test_segments_counted_from_zero_are_told(tmp_path):
    path = table(tmp_path / "a.csv", ["Segment,Rest"], REST, labels=range(17))
    assert "numbers its segments 0 to 16" in refusal(path)


def test_a_unit_that_is_none_of_flow_is_quoted(tmp_path):
    path = table(tmp_path / "a.csv", ["Segment,Rest"], REST)
    assert "its unit 'ratio' is none of flow" in refusal(path, Reading(READING.profiles, "ratio"))
    assert "its unit is not known" in refusal(path, Reading(READING.profiles))


def test_rows_that_do_not_say_their_map_are_told_what_to_do(tmp_path):
    message = refusal(wide(tmp_path / "all.csv", "segment_"))
    assert "rows do not say which map" in message
    assert "add a column 'map'" in message


def test_equal_values_everywhere_are_noted(tmp_path):
    path = tmp_path / "S1_rest.csv"
    np.savetxt(path, np.ones((16, 16)), delimiter=",")
    assert "all its values are the same" in notes_of(path)["rest"]
    assert "the same" not in notes_of(table(tmp_path / "a.csv", ["Segment,Rest"], REST))["rest"]
