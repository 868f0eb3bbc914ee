"""Cohort folders: written whole or not at all; edited, exchanged, cut or damaged by people."""

import json

import numpy as np
import pandas as pd
import pytest

import polarnet as pn

IDS = [f"S{k}" for k in range(6)]


@pytest.fixture
def folder(make_cohort, tmp_path):
    """Six studies with age and site, some labels not recorded."""
    clinical = pd.DataFrame(
        {"age": [50.5, np.nan, 52, 53, 54, 55.25], "site": ["A", "007", None, "NA", "1", "2"]}, IDS
    )
    traits = pd.DataFrame({"sex": [0, 1, np.nan, 1, 0, 1], "smoking": [1, 0, 0, 1, 1, 0]}, IDS)
    return make_cohort(clinical=clinical, traits=traits, truth=None).save(tmp_path / "Kohorte ü")


def _edit(folder, change):
    path = folder / "cohort.csv"
    path.write_bytes(change(path.read_text(encoding="utf-8")).encode())


def _describe(folder, **changes):
    path = folder / "cohort.json"
    facts = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(facts), encoding="utf-8")


def _refused(folder, told, **options):
    with pytest.raises(ValueError, match=told) as caught:
        pn.read_cohort(folder, **options)
    assert "\n" not in str(caught.value)


def _same(first, second):
    for name in ("traits", "clinical", "truth"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))
    pd.testing.assert_series_equal(first.patients, second.patients)


# === Written whole ==============================================================================


def test_a_saved_cohort_reads_back_the_same(phantom, tmp_path):
    phantom.save(tmp_path / "Kohorte ü")
    again = pn.read_cohort(tmp_path / "Kohorte ü", verify=True)
    _same(again, phantom)
    for map_type in phantom.maps:
        np.testing.assert_array_equal(again.maps[map_type], phantom.maps[map_type])
    assert isinstance(again.maps["stress"], np.memmap)
    assert again.is_phantom


def test_a_hundred_thousand_studies_open_without_being_read(tmp_path):
    """The map files are holes of the right size: reading them would take 3 GB of memory. The
    folder is as version 0.1 wrote it: no checksum of the table or of first maps, no text columns.
    """
    n, size = 100_000, 64
    ids = [f"S{k}" for k in range(n)]
    pd.DataFrame({"study_id": ids, "patient_id": ids}).to_csv(tmp_path / "cohort.csv", index=False)
    facts = {"format": 1, "n_studies": n, "size": size, "unit": "mL/min/g", "study_ids": ids}
    facts |= dict.fromkeys(("tracer", "stress_agent", "software"), "")
    facts |= {"traits": [], "clinical": [], "truth": [], "files": {}}
    for name in ("rest.npy", "stress.npy"):
        np.lib.format.open_memmap(tmp_path / name, "w+", np.float32, (n, size, size)).flush()
        facts["files"][name] = {"bytes": (tmp_path / name).stat().st_size, "sha256": ""}
    (tmp_path / "cohort.json").write_text(json.dumps(facts))
    half = pn.read_cohort(tmp_path).select(np.arange(0, n, 2))
    assert len(half) == n // 2
    assert isinstance(half.maps["stress"].values, np.memmap)
    assert half.maps["reserve"][:3].shape == (3, size, size)


def test_a_save_that_ends_early_leaves_no_cohort(phantom, tmp_path, monkeypatch):
    """An interruption tidies up; a killed process cannot, and leaves no cohort.json."""

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("polarnet.cohort.folder.json.dumps", stop)
    with pytest.raises(KeyboardInterrupt):
        phantom.save(tmp_path / "cohort")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("polarnet.files.shutil.rmtree", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        phantom.save(tmp_path / "cohort")
    (left,) = tmp_path.iterdir()
    assert left.name != "cohort"
    with pytest.raises(FileNotFoundError, match="not a cohort folder"):
        pn.read_cohort(left)


def test_a_name_in_two_tables_is_not_saved(make_cohort, tmp_path):
    traits = make_cohort().traits
    for clinical in (traits, traits.set_axis(["study_id"], axis=1)):
        with pytest.raises(ValueError, match="names of their own"):
            make_cohort(clinical=clinical).save(tmp_path / "cohort")
    assert list(tmp_path.iterdir()) == []


# === The table that people edit (more of it in test_files) ======================================


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ";").replace(".", ","),  # Excel in German
        lambda text: "\ufeff" + text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        # A spreadsheet's sort button must not hand one patient's labels to another's map.
        lambda text: "\n".join([*text.split("\n")[:1], *sorted(text.split("\n")[1:])[::-1]]),
    ],
)
def test_a_table_saved_by_a_spreadsheet_says_the_same(folder, change):
    before = pn.read_cohort(folder)
    assert list(before.clinical["site"].fillna("-")) == ["A", "007", "-", "NA", "1", "2"]
    _edit(folder, change)
    _same(before, pn.read_cohort(folder))


def test_columns_may_be_added_and_one_of_0_and_1_named_as_a_trait(folder):
    cells = ["cad,split", "1,train", ",train", "0,val", "1,val", "1,test", "0,test"]
    _edit(folder, lambda text: "\n".join(map(",".join, zip(text.split("\n"), cells, strict=False))))
    cohort = pn.read_cohort(folder).with_traits(["cad"])
    np.testing.assert_array_equal(cohort.traits["cad"], [1, np.nan, 0, 1, 1, 0])
    assert "cad" not in cohort.clinical
    assert list(cohort.clinical["split"].unique()) == ["train", "val", "test"]


def test_a_table_cut_anywhere_in_its_last_row_is_refused(folder):
    text = (folder / "cohort.csv").read_text(encoding="utf-8")
    assert text.endswith("S5,P5,1.0,0.0,55.25,2\n")
    for cut in range(1, 18):
        _edit(folder, lambda _, cut=cut: text[: -1 - cut])
        for verify in (False, True):
            _refused(folder, r"cohort\.csv was cut within its last row", verify=verify)
        _edit(folder, lambda text, cut=cut: text.rstrip(",") + "\n" * (cut > 1))
        _refused(folder, r"cells|cut within")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("S3,P3,1.0,", "S3,P3,", r"heading has 6 cells, but line 5 \(5\)"),
        ("S3,P3", ",P3", "no study_id in rows: 4"),
        ("S3,P3", "S3,", "no patient_id: S3"),
        ("S3,P3", "S2,P3", "study_id given twice: S2"),
        ("S3,P3", "T3,P3", "lacks S3"),
        ("S5,P5,1.0,0.0,55.25,2\n", "", r"lacks S5 \(5 rows, 6 studies\)"),
        ("S3,P3,1.0", "S3,P3,2", r"sex must be 0, 1 or empty: S3 \(2\)"),
        ("S3,P3,1.0", "S3,P3,f", r"sex must be 0, 1 or empty: S3 \(f\)"),
        ("smoking", "smoker", "lacks the columns smoking"),
        ("study_id,", "id,", "lacks the columns study_id"),
    ],
)
def test_a_spoilt_table_says_what_is_wrong(folder, old, new, told):
    _edit(folder, lambda text: text.replace(old, new))
    _refused(folder, told)


def test_verification_says_that_the_table_was_edited(folder):
    _edit(folder, lambda text: text.replace("50.5", "51.5"))
    assert pn.read_cohort(folder).clinical["age"].iloc[0] == 51.5
    with pytest.warns(UserWarning, match=r"cohort\.csv was edited since it was written"):
        pn.read_cohort(folder, verify=True)


# === Maps that were exchanged, cut or damaged ===================================================


def test_a_file_cut_short_is_named_and_a_changed_one_found_when_asked(folder):
    path = folder / "stress.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    pn.read_cohort(folder)
    _refused(folder, "not what was written", verify=True)
    path.write_bytes(whole[:-100])
    _refused(folder, r"stress\.npy has \d+ bytes instead of \d+")


def test_files_of_a_cohort_that_were_exchanged_are_found_without_being_read(folder):
    for old, new in (("rest.npy", "kept"), ("stress.npy", "rest.npy"), ("kept", "stress.npy")):
        (folder / old).rename(folder / new)
    _refused(folder, r"rest\.npy holds other maps")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"False", b"True "), (b"'<f4'", b"'>f4'"), (b"'<f4'", b"'|O4'"),
        (b"(6, 16, 16)", b"(6, 16, 1e)"), (b"(6, 16, 16)", b"(3, 32, 16)"),
        (b"(6, 16, 16)", b"(9**99, 16)"), (b"\x93N", b"\x80\x04"), (b"\x93NUM", b"PK\x03\x04"),
        # The header ends sooner, so that its blanks are taken for pixels; or far beyond.
        (b"v\x00", b"r\x00"), (b"v\x00", b"\xff\xff"), (b"\x00\x00\x80?", b"\x00\x80?\x00"),
    ],
)  # fmt: skip
def test_a_damaged_map_file_of_the_same_length_is_refused(folder, old, new):
    whole = (folder / "rest.npy").read_bytes()
    assert old in whole
    (folder / "rest.npy").write_bytes(whole.replace(old, new, 1))
    _refused(folder, r"rest\.npy", verify=True)


# === The description ============================================================================


def test_a_description_that_gives_the_maps_to_other_studies_is_refused(folder):
    """Where the table is as written, its order is that of the maps."""
    _describe(folder, study_ids=[*IDS[1:], IDS[0]])
    _refused(folder, r"cohort\.json names the studies in another order")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("n_studies", (10**12, "6", 6.0, True, -6, None)), ("size", (10**12, [16], 0)),
        ("study_ids", (["S0"], 6, [0, 1, 2, 3, 4, 5])), ("traits", ("sex", [1], None)),
        ("clinical", ({"age": 1},)), ("truth", (3,)), ("text", ("site",)),
        ("table", ([], {"sha256": 1})), ("unit", (1, "mSv")), ("tracer", (None,)),
        ("software", (["x"],)), ("format", ("1", 2)),
        ("files", ([], None, {}, *({name: facts} for name, facts in (
            ("rest.npy", None), ("rest.npy", {}), ("rest.npy", {"bytes": 5}),
            ("rest.npy", {"bytes": "5", "sha256": ""}), ("../rest.npy", {"bytes": 5, "sha256": ""}),
            ("/etc/passwd", {"bytes": 5, "sha256": ""}), ("cohort.csv", {"bytes": 5, "sha256": ""}),
        )))),
    ],
)  # fmt: skip
def test_a_description_with_anything_wrong_is_refused_in_one_line(folder, name, values):
    for value in values:
        _describe(folder, **{name: value})
        _refused(folder, r"cohort|Unit|at least one|rest\.npy")


def test_a_description_that_is_none_is_refused_in_one_line(folder):
    for text in ("", "[" * 100_000, '{"format": 1}', "{}"):
        (folder / "cohort.json").write_text(text, encoding="utf-8")
        _refused(folder, r"cohort\.json")
