import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.cohort import stack, write_cohorts
from polarnet.files import new_folder


def test_reserve_is_stress_over_rest_and_guarded():
    """By hand: 3/1; 2/0.1 clipped at 10; 0.5/0.1 where rest is below its floor of 0.1."""
    values = stack.flow_reserve(np.array([3.0, 2.0, 0.5]), np.array([1.0, 0.0, 0.05]))
    assert values.tolist() == [3.0, 10.0, 5.0]


def test_global_mfr_is_the_ratio_of_means_not_the_mean_of_ratios(make_cohort):
    disc = pn.anatomy.disc_mask(16)
    rest = np.where(disc, 1.0, 0.0)
    rest[:, :8] *= 0.5
    cohort = make_cohort(2)
    maps = {
        "rest": np.stack([rest, 1.1 * rest]).astype(np.float32),
        "stress": np.stack([disc * 2.0, disc * 3.0]).astype(np.float32),
    }
    cohort = make_cohort(2, maps=maps)
    assert cohort.global_mfr().to_numpy() == pytest.approx([2 / 0.75, 3 / (1.1 * 0.75)], rel=1e-6)


def test_percent_cohorts_have_no_reserve(make_cohort):
    cohort = make_cohort(unit="percent")
    assert list(cohort.maps) == ["rest", "stress"]
    with pytest.raises(ValueError, match="in percent"):
        cohort.global_mfr()


def test_every_offender_is_named_at_once(make_cohort):
    cohort = make_cohort()
    maps = {name: values.copy() for name, values in cohort.maps.items() if name != "reserve"}
    maps["rest"][0, 8, 8] = np.nan
    maps["rest"][1, 8, 8] = -1
    maps["stress"][3] = maps["stress"][2]
    maps["stress"][4] *= 20
    ids = pd.Index(["S0", "S1", "S2", "S3", "S4", "S1"], name="study_id")
    traits = pd.DataFrame({"sex": [0, 1, 2, "x", "", np.nan]}, index=ids)
    with pytest.raises(ValueError, match="Not a sound cohort") as caught:
        make_cohort(
            maps=maps,
            traits=traits,
            patients=cohort.patients.set_axis(ids),
            clinical=pd.DataFrame(index=ids),
            truth=pd.DataFrame(index=ids),
        )
    message = str(caught.value)
    for part in (
        "study_id given twice: S1",
        "sex must be 0, 1 or empty: S2 (2), S3 (x)",
        "rest has NaN or infinite values inside the disc: S0",
        "rest has negative values inside the disc: S1",
        "same under two patients: S2 and S3",
        "stress is above 10 mL/min/g, is the unit right?: S4 (41.6)",
    ):
        assert part in message
    assert "\n" not in message


def test_the_same_map_twice_in_one_patient_is_allowed(make_cohort):
    cohort = make_cohort(2)
    maps = {m: np.stack([cohort.maps[m][0]] * 2) for m in ("rest", "stress")}
    patients = pd.Series(["P0", "P0"], index=cohort.patients.index)
    assert len(make_cohort(2, maps=maps, patients=patients)) == 2


def test_stacks_of_another_shape_are_refused(make_cohort):
    with pytest.raises(ValueError, match="must have shape"):
        make_cohort(maps={"rest": np.ones((6, 16, 16)), "stress": np.ones((6, 16, 15))})


def test_a_saved_cohort_reads_back_the_same(phantom, tmp_path):
    phantom.save(tmp_path / "Kohorte ü")
    again = pn.read_cohort(tmp_path / "Kohorte ü", verify=True)
    pd.testing.assert_frame_equal(again.traits, phantom.traits)
    pd.testing.assert_frame_equal(again.truth, phantom.truth)
    pd.testing.assert_frame_equal(again.clinical, phantom.clinical)
    pd.testing.assert_series_equal(again.patients, phantom.patients, check_names=False)
    for map_type in again.maps:
        np.testing.assert_array_equal(again.maps[map_type], phantom.maps[map_type])
    assert isinstance(again.maps["stress"], np.memmap)
    assert again.is_phantom


def test_a_hundred_thousand_studies_open_without_being_read(tmp_path):
    """The map files are holes of the right size: reading them would take 3 GB of memory."""
    n, size = 100_000, 64
    ids = pd.Index([f"S{k}" for k in range(n)], name="study_id")
    table = pd.DataFrame({"patient_id": ids, "sex": 1.0}, index=ids)
    table.to_csv(tmp_path / "cohort.csv")
    files = {}
    for name in ("rest.npy", "stress.npy"):
        np.lib.format.open_memmap(tmp_path / name, "w+", np.float32, (n, size, size)).flush()
        files[name] = {"bytes": (tmp_path / name).stat().st_size, "sha256": ""}
    description = {
        "format": 1, "n_studies": n, "size": size, "unit": "mL/min/g", "tracer": "",
        "stress_agent": "", "software": "", "traits": ["sex"], "clinical": [], "truth": [],
        "files": files, "study_ids": list(ids),
    }  # fmt: skip
    (tmp_path / "cohort.json").write_text(json.dumps(description))
    cohort = pn.read_cohort(tmp_path)
    half = cohort.select(np.arange(0, n, 2))
    assert len(half) == n // 2
    assert isinstance(half.maps["stress"].values, np.memmap)
    assert half.maps["reserve"][:3].shape == (3, size, size)


def test_a_file_cut_short_is_named(phantom, tmp_path):
    folder = phantom.save(tmp_path / "cohort")
    whole = (folder / "stress.npy").read_bytes()
    (folder / "stress.npy").write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"stress\.npy has \d+ bytes instead of \d+"):
        pn.read_cohort(folder)


def test_a_changed_file_is_found_when_asked(phantom, tmp_path):
    folder = phantom.save(tmp_path / "cohort")
    path = folder / "stress.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    pn.read_cohort(folder)
    with pytest.raises(ValueError, match="not what was written"):
        pn.read_cohort(folder, verify=True)


def test_a_shortened_table_is_refused(phantom, tmp_path):
    folder = phantom.save(tmp_path / "cohort")
    lines = (folder / "cohort.csv").read_text().splitlines()
    (folder / "cohort.csv").write_text("\n".join(lines[:-1]))
    n = len(phantom)
    with pytest.raises(ValueError, match=rf"lacks S3-000{n} \({n - 1} rows, {n} studies\)"):
        pn.read_cohort(folder)


def test_a_sorted_table_keeps_labels_with_their_maps(phantom, tmp_path):
    """A spreadsheet's sort button must not hand one patient's labels to another's map."""
    folder = phantom.save(tmp_path / "cohort")
    table = pd.read_csv(folder / "cohort.csv").sort_values("age")
    table["split"] = "train"
    table.to_csv(folder / "cohort.csv", index=False)
    again = pn.read_cohort(folder)
    pd.testing.assert_frame_equal(again.traits, phantom.traits)
    assert set(again.clinical["split"]) == {"train"}


def test_a_percent_cohort_refuses_reserve(make_cohort):
    flat = np.ones((6, 16, 16), np.float32) * np.arange(1, 7)[:, None, None]
    with pytest.raises(ValueError, match="have no flow reserve"):
        make_cohort(maps={"reserve": flat}, unit="percent")


def test_maps_become_float32_and_empty_outside_the_disc(make_cohort):
    flat = np.ones((6, 16, 16)) * np.arange(1, 7)[:, None, None]
    stored = make_cohort(maps={"stress": flat}).maps["stress"]
    assert stored.dtype == np.float32
    assert (stored[:, ~pn.anatomy.disc_mask(16)] == 0).all()
    assert (stored[2][pn.anatomy.disc_mask(16)] == 3).all()


def test_a_patient_without_id_is_an_offender(make_cohort):
    patients = make_cohort().patients.copy()
    patients.iloc[3] = np.nan
    with pytest.raises(ValueError, match="no patient_id: S3"):
        make_cohort(patients=patients)


def test_a_replaced_table_is_checked_again(phantom):
    with pytest.raises(ValueError, match="sex must be 0, 1 or empty"):
        dataclasses.replace(phantom, traits=phantom.traits.assign(sex=7.0))


def test_guarded_pixels_are_counted(make_cohort):
    maps = {m: np.array(make_cohort().maps[m]) for m in ("rest", "stress")}
    maps["rest"][2, 8, 8] = 0.05
    assert make_cohort(maps=maps).count_guarded() == 1


def test_an_edited_table_is_checked_again(phantom, tmp_path):
    folder = phantom.save(tmp_path / "cohort")
    table = pd.read_csv(folder / "cohort.csv")
    table["sex"] = table["sex"].astype(object)
    table.loc[4, "sex"] = "f"
    table.to_csv(folder / "cohort.csv", index=False)
    with pytest.raises(ValueError, match=r"sex must be 0, 1 or empty: S3-000005 \(f\)"):
        pn.read_cohort(folder)


def test_an_interrupted_save_leaves_no_cohort(phantom, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("polarnet.cohort.folder.json.dumps", stop)
    with pytest.raises(KeyboardInterrupt):
        phantom.save(tmp_path / "cohort")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_save_leaves_does_not_read_as_a_cohort(phantom, tmp_path, monkeypatch):
    """A killed process cannot tidy up: its folder stays, without cohort.json."""
    monkeypatch.setattr("polarnet.files.shutil.rmtree", lambda *_, **__: None)
    monkeypatch.setattr("polarnet.cohort.folder.json.dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        phantom.save(tmp_path / "cohort")
    (left,) = tmp_path.iterdir()
    assert left.name != "cohort"
    with pytest.raises(FileNotFoundError, match="not a cohort folder"):
        pn.read_cohort(left)


def test_a_full_folder_is_never_overwritten(tmp_path):
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="not empty"), new_folder(tmp_path):
        pass
    assert (tmp_path / "precious.txt").read_text() == "keep"


def test_rows_of_a_cohort_keep_their_maps_together(phantom):
    some = phantom.select(np.array([5, 2, 9]))
    study = some[1]
    assert study.study_id == phantom.patients.index[2]
    np.testing.assert_array_equal(study.maps["stress"], phantom.maps["stress"][2])
    np.testing.assert_array_equal(study.maps["reserve"], phantom.maps["reserve"][2])


def test_stack_reads_like_an_array(phantom):
    stack_ = phantom.maps["reserve"]
    whole = np.asarray(stack_)
    np.testing.assert_array_equal(stack_[3:9:2], whole[3:9:2])
    np.testing.assert_array_equal(stack_[np.array([1, 0]), 4, 5], whole[[1, 0], 4, 5])
    np.testing.assert_array_equal(stack_[..., 0], whole[..., 0])
    np.testing.assert_array_equal(stack_[[0, 1], [2, 3]], whole[[0, 1], [2, 3]])
    np.testing.assert_array_equal(stack_[-3:, 4:6, 5], whole[-3:, 4:6, 5])
    np.testing.assert_array_equal(stack_[whole > 3], whole[whole > 3])
    np.testing.assert_array_equal(stack_.mean(axis=(1, 2)), whole.mean(axis=(1, 2)))
    np.testing.assert_array_equal(stack_ * 2 + 1, whole * 2 + 1)
    assert float(np.mean(stack_)) == float(whole.mean())
    assert (stack_.shape, stack_.dtype, len(stack_)) == (whole.shape, whole.dtype, len(whole))


def test_cohorts_joined_in_memory_and_on_disk_are_the_same(phantom, tmp_path):
    parts = [phantom.select(np.arange(len(phantom)) % 2 == k) for k in (0, 1)]
    joined, written = pn.Cohort.concat(parts), write_cohorts(parts, tmp_path / "joined")
    assert list(joined.patients.index) == [study for p in parts for study in p.patients.index]
    for cohort in (joined, written):
        assert np.array_equal(cohort.maps["reserve"][: len(parts[0])], parts[0].maps["reserve"])
        pd.testing.assert_frame_equal(cohort.traits, pd.concat([p.traits for p in parts]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "percent"}, "two kinds cannot be one cohort: unit mL/min/g and percent"),
        ({"size": 20}, r"rest \(16, 16\) and \(20, 20\)"),
        ({}, "study_id given twice: S0"),
    ],
)
def test_cohorts_that_do_not_fit_are_not_joined(make_cohort, tmp_path, change, message):
    parts = [make_cohort(), make_cohort(**change)]
    for join in (pn.Cohort.concat, lambda parts: write_cohorts(parts, tmp_path / "joined")):
        with pytest.raises(ValueError, match=message):
            join(parts)
    assert list(tmp_path.iterdir()) == []


def test_nothing_cannot_be_joined():
    with pytest.raises(ValueError, match="no studies"):
        pn.Cohort.concat([])


def test_a_map_under_two_patients_is_found_across_parts(make_cohort, tmp_path):
    def renamed(cohort, letter):
        names = pd.Index([letter + study for study in cohort.patients.index], name="study_id")
        tables = {t: getattr(cohort, t).set_axis(names) for t in ("traits", "clinical", "truth")}
        maps = {m: np.asarray(cohort.maps[m]) for m in ("rest", "stress")}
        patients = pd.Series(names, index=names)
        return dataclasses.replace(cohort, maps=maps, patients=patients, **tables)

    parts = [renamed(make_cohort(), letter) for letter in "AB"]
    for join in (pn.Cohort.concat, lambda parts: write_cohorts(parts, tmp_path / "joined")):
        with pytest.raises(ValueError, match="the same under two patients: AS0 and BS0"):
            join(parts)
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_fails_midway_leaves_nothing(make_cohort, tmp_path):
    def parts():
        yield make_cohort()
        raise OSError("the second part cannot be read")

    with pytest.raises(OSError, match="second part"):
        write_cohorts(parts(), tmp_path / "joined")
    assert list(tmp_path.iterdir()) == []
