import pandas as pd
import pytest

from polarnet.readers.clinicaltable import read_clinical, suggest_columns


@pytest.fixture
def taken(tmp_path):
    """What is taken over of columns beside the ids, without a column map, and what was told."""

    def read(columns, n=6):
        path = tmp_path / "clinical.csv"
        ids = {"study_id": [f"S{k}" for k in range(n)], "patient_id": [f"P{k}" for k in range(n)]}
        pd.DataFrame(ids | {name: cells * (n // 2) for name, cells in columns.items()}).to_csv(
            path, index=False
        )
        said = []
        return read_clinical(path, tell=said.append), said

    return read


@pytest.mark.parametrize(
    ("heading", "cells"),
    [("ref", ["Dr. Anna Meier", "Dr. Bob"]), ("ward", ["Meier", "Huber"]),
     ("hosp", [4711000, 4711001]), ("ymd", [20240312, 20240313]), ("visit", [2023, 2024]),
     ("d2", ["12MAR2024", "13MAR2024"]), ("d3", ["Mar 12, 2024", "Mar 13, 2024"]),
     ("serial", [45363, 45364]), ("born", [1940, 1950]), ("call", ["+41 79", "x"]),
     ("=cmd()", [0, 1])],
)  # fmt: skip
def test_without_a_column_map_nothing_that_may_identify_is_taken_over(taken, heading, cells):
    """The tester's cohort.csv had names of physicians, hospital numbers and birth years."""
    clinical, said = taken({heading: cells})
    assert clinical.table.empty
    assert len(said) == 1
    assert said[0].startswith("Left out, because without a column map only")
    assert f"columns {heading}. Name those" in said[0]
    assert heading == "=cmd()" or str(cells[0]) not in said[0]


@pytest.mark.parametrize(
    "cells", [[20240312, 20240313], [">89", "50"], ["Meier", "Huber"], ["2024-03-12", "50"]]
)
def test_a_well_known_column_without_numbers_is_left_out(taken, cells):
    clinical, said = taken({"age": cells})
    assert clinical.table.empty
    assert said == ["Left out, because not all of their cells are plain numbers: columns age"]


def test_a_row_of_units_leaves_numbers_what_they_are(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("study_id,patient_id,age\n,,years\nS1,P1,50\n")
    assert read_clinical(path).table["age"].tolist() == [50]


@pytest.mark.parametrize(
    "heading",
    ["age", "Age (years)", "BMI", "weight_kg", "Height [cm]", "Heart rate", "HR rest", "stress_HR",
     "SBP", "Systolic blood pressure", "restSBP", "LVEF", "LVEF (%)", "Ejection fraction",
     "NTproBNP", "NT-proBNP (ng/L)", "HbA1c", "eGFR", "LDL-C", "Creatinine (umol/L)", "CAC score"],
)  # fmt: skip
def test_well_known_numbers_are_taken_over(taken, heading):
    clinical, said = taken({heading: [60, 61.5]})
    assert clinical.table[heading].tolist() == [60, 61.5] * 3
    assert said == []


def test_labels_split_mfr_and_provenance_are_taken_over(taken):
    clinical, said = taken({"scar": [0, 1], "mfr": [2.1, 1.9], "split": ["train", "test"],
                            "tracer": ["Rb-82", "N-13"]})  # fmt: skip
    assert list(clinical.table) == ["scar", "mfr", "tracer", "split"]
    assert (clinical.traits, said) == (["scar"], [])


def test_a_sheet_before_the_table_is_told_of(tmp_path):
    """The first worksheet may be a data dictionary: the map then is about the wrong one."""
    with pd.ExcelWriter(tmp_path / "a.xlsx") as writer:
        pd.DataFrame({"Variable": ["study_id"], "Meaning": ["scan"]}).to_excel(
            writer, sheet_name="Dictionary", index=False
        )
        pd.DataFrame({"study_id": ["S1"]}).to_excel(writer, sheet_name="Data", index=False)
    first = suggest_columns(tmp_path / "a.xlsx").splitlines()[0]
    assert first == "# a.xlsx: the first visible worksheet was read, 1 more were not"


@pytest.mark.parametrize("heading", ["comorbid___1", "Risks (choice=DM)", "form_complete"])
def test_without_a_map_boxes_of_forms_are_no_labels(taken, heading):
    clinical, said = taken({heading: [0, 1]})
    assert clinical.traits == []
    assert said == [
        f"Left out, because a box on a form that nobody filled is 0 too: columns {heading}. "
        "Name in a column map those of which 0 means no"
    ]


def test_labels_that_are_not_0_and_1_are_refused_with_the_way_to_a_column_map(taken):
    with pytest.raises(ValueError, match="--suggest-columns writes a first column map"):
        taken({"diabetes": ["Y", "N"]})
