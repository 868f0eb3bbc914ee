import numpy as np
import pandas as pd
import pytest

import polarnet as pn


def test_values_arrive_where_they_were(export_folder):
    folder, table = export_folder
    cohort = pn.read_exports(folder, table, unit="mL/min/g")
    written = np.loadtxt(folder / "S3_stress.csv", delimiter=",")
    disc = pn.anatomy.disc_mask(16)
    np.testing.assert_allclose(cohort.maps["stress"][2][disc], written[disc], rtol=1e-6)
    assert (cohort.maps["stress"][2][~disc] == 0).all()
    assert cohort.traits["sex"].tolist() == [1, 0, 1, 0, 1, 0]
    assert cohort.clinical["age"].tolist() == [51, 52, 53, 54, 55, 56]


def test_npy_files_read_like_csv(export_folder):
    folder, table = export_folder
    before = pn.read_exports(folder, table, unit="mL/min/g")
    for path in folder.glob("*_rest.csv"):
        np.save(path.with_suffix(".npy"), np.loadtxt(path, delimiter=","))
        path.unlink()
    after = pn.read_exports(folder, table, unit="mL/min/g")
    np.testing.assert_array_equal(before.maps["rest"], after.maps["rest"])


def test_impaired_mfr_takes_column_then_number_then_maps(export_folder):
    """Maps give MFR 2.5 everywhere; the table's number and 0/1 come first where they stand."""
    folder, table = export_folder
    frame = pd.read_csv(table).assign(
        impaired_mfr=[1, np.nan, np.nan, np.nan, 0, np.nan],
        mfr=[2.5, 1.99, 2.0, np.nan, 1.0, np.nan],
    )
    frame.to_csv(table, index=False)
    said = []
    cohort = pn.read_exports(folder, table, unit="mL/min/g", tell=said.append)
    assert cohort.traits["impaired_mfr"].tolist() == [1, 1, 0, 0, 0, 0]
    assert cohort.clinical["impaired_mfr_source"].tolist() == [
        "column", "mfr number", "mfr number", "maps", "column", "maps",
    ]  # fmt: skip
    disagreeing = {line.split(":")[0] for line in said if "disagree" in line}
    assert disagreeing == {"S1", "S2", "S5"}


def test_a_decimal_comma_in_mfr_is_an_error_not_an_empty_cell(export_folder):
    folder, table = export_folder
    frame = pd.read_csv(table).assign(mfr=["2.4", "1;8", "<1.5", "", "NA", "3"])
    frame.to_csv(table, index=False)
    with pytest.raises(ValueError, match=r"mfr must be a number .*: S2 \(1;8\), S3 \(<1.5\)"):
        pn.read_exports(folder, table, unit="mL/min/g")


def test_named_traits_leave_flow_reserve_out(export_folder):
    folder, table = export_folder
    frame = pd.read_csv(table).assign(impaired_mfr=[0, 1, 2, 0, 1, 0])
    frame.to_csv(table, index=False)
    cohort = pn.read_exports(folder, table, unit="mL/min/g", traits=["sex"])
    assert list(cohort.traits) == ["sex"]
    with pytest.raises(ValueError, match=r"impaired_mfr must be 0, 1 or empty: S3 \(2"):
        pn.read_exports(folder, table, unit="mL/min/g")


def test_nothing_that_names_a_person_is_taken_over(export_folder):
    folder, table = export_folder
    frame = pd.read_csv(table).assign(Surname="Muster", date_of_birth="1950-01-01", MRN="12")
    frame.to_csv(table, index=False)
    said = []
    cohort = pn.read_exports(folder, table, unit="percent", tell=said.append)
    assert list(cohort.clinical) == ["age"]
    assert "Surname, date_of_birth, MRN" in said[0]


def test_ids_stay_what_they_are(export_folder):
    folder, table = export_folder
    for path in list(folder.glob("S1_*")) + list(folder.glob("S2_*")):
        path.rename(folder / path.name.replace("S1", "001").replace("S2", "NA"))
    text = table.read_text().replace("S1,P1", "001,P1").replace("S2,P2", "NA,P2")
    table.write_text("\ufeff" + text.replace("\n", "\r\n") + ",,,\r\n", encoding="utf-8")
    cohort = pn.read_exports(folder, table, unit="percent")
    assert list(cohort.patients.index[:2]) == ["001", "NA"]
    assert len(cohort) == 6


def test_a_trait_in_capitals_is_not_another_trait(export_folder):
    folder, table = export_folder
    table.write_text(table.read_text().replace("sex", "Sex"))
    with pytest.raises(ValueError, match="lower case: Sex"):
        pn.read_exports(folder, table, unit="percent")


def test_percent_maps_compute_no_reserve(export_folder):
    folder, table = export_folder
    cohort = pn.read_exports(folder, table, unit="percent")
    assert list(cohort.traits) == ["sex"]
    assert "reserve" not in cohort.maps


def test_without_a_table_each_study_is_a_patient(export_folder):
    cohort = pn.read_exports(export_folder[0], unit="percent")
    assert cohort.patients.tolist() == ["S1", "S2", "S3", "S4", "S5", "S6"]
    assert cohort.traits.empty


def test_maps_without_a_row_are_left_out_aloud(export_folder):
    folder, table = export_folder
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    said = []
    cohort = pn.read_exports(folder, table, unit="percent", tell=said.append)
    assert len(cohort) == 5
    assert said == ["Left out, not in clinical.csv: S6"]


def test_a_missing_map_names_study_and_type(export_folder):
    folder, table = export_folder
    (folder / "S2_rest.csv").unlink()
    (folder / "S4_stress.csv").unlink()
    with pytest.raises(ValueError, match=r"S2 \(rest\), S4 \(stress\)"):
        pn.read_exports(folder, table, unit="mL/min/g")


def test_every_unreadable_file_is_named(export_folder):
    folder, table = export_folder
    (folder / "S1_rest.csv").write_text("\n".join(["1," * 15 + "x"] * 16))
    np.savetxt(folder / "S2_rest.csv", np.ones((15, 16)), delimiter=",")
    (folder / "S3_rest.csv").write_text("")
    with pytest.raises(ValueError, match="Nothing was imported") as caught:
        pn.read_exports(folder, table, unit="mL/min/g")
    message = str(caught.value)
    assert "S1_rest.csv row 1 column 16: 'x' is not a number" in message
    assert "S2_rest.csv is 15 x 16, expected a square matrix" in message
    assert "S3_rest.csv is empty" in message


def test_a_map_of_another_size_is_named(export_folder):
    folder, table = export_folder
    np.savetxt(folder / "S5_rest.csv", np.ones((20, 20)), delimiter=",")
    with pytest.raises(ValueError, match=r"S5_rest\.csv is 20 x 20, the others are 16 x 16"):
        pn.read_exports(folder, table, unit="mL/min/g")


def test_a_pickle_is_never_opened(export_folder):
    folder, table = export_folder
    (folder / "S1_rest.csv").unlink()
    np.save(folder / "S1_rest.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="not a readable"):
        pn.read_exports(folder, table, unit="mL/min/g")


def test_a_slip_in_a_label_is_named(export_folder):
    folder, table = export_folder
    table.write_text(table.read_text().replace("S4,P4,0", "S4,P4,female"))
    with pytest.raises(
        ValueError, match=r"clinical\.csv: sex must be 0, 1 or empty: S4 \(female\)"
    ):
        pn.read_exports(folder, table, unit="mL/min/g")


def test_two_files_for_one_map_are_an_error(export_folder):
    folder, table = export_folder
    np.save(folder / "S1_rest.npy", np.ones((16, 16)))
    with pytest.raises(ValueError, match=r"S1_rest\.csv and S1_rest\.npy"):
        pn.read_exports(folder, table, unit="mL/min/g")


def test_wrong_paths_say_what_is_expected(tmp_path, export_folder):
    with pytest.raises(FileNotFoundError, match="No folder"):
        pn.read_exports(tmp_path / "nowhere", unit="percent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="named like"):
        pn.read_exports(tmp_path / "empty", unit="percent")
    with pytest.raises(FileNotFoundError, match="No clinical table"):
        pn.read_exports(export_folder[0], tmp_path / "none.csv", unit="percent")


def test_an_unknown_unit_is_refused(export_folder):
    with pytest.raises(ValueError, match=r"mL/min/g, percent, but 'ml' was given"):
        pn.read_exports(*export_folder, unit="ml")


@pytest.mark.realdata
def test_real_maps_are_where_their_regions_say(spectf):
    """Segment means follow the 22 region values that the maps were drawn from (roi_layout.csv)."""
    cohort = pn.read_exports(spectf / "maps", spectf / "clinical.csv", unit="percent")
    assert (len(cohort), int(cohort.traits["abnormal"].sum())) == (160, 127)
    regions = pd.read_csv(spectf / "regions.csv").set_index("study_id").loc[cohort.patients.index]
    segments = cohort.segment_means("stress")
    for column, segment in (("F5S", 7), ("F8S", 10), ("F7S", 11), ("F4S", 14), ("F3S", 15)):
        assert np.corrcoef(regions[column], segments[:, segment - 1])[0, 1] > 0.9
