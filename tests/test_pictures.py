"""Screens through the whole import: as files, and as DICOM Secondary Captures."""

import shutil

import numpy as np
import pandas as pd
import pytest
from dicom_writer import Header, rgb_capture, write
from PIL import Image, PngImagePlugin
from test_screens import draw_screen

import polarnet as pn
from polarnet import cli
from polarnet.readers.geometry import segments_to_disc
from polarnet.readers.mapfiles import read_maps
from polarnet.readers.profiles import Reading, load_profiles
from polarnet.suitability import difference


def level(mean):
    """A smooth map, mL/min/g, its segments from 0.8 to 1.2 of the mean."""
    return segments_to_disc(mean * np.linspace(0.8, 1.2, 17), 64)


MAPS = {"rest": level(1.0), "stress": level(2.4)}


@pytest.fixture
def screens(tmp_path):
    """Three studies as PNG, JPEG and DICOM, in a table."""
    folder = tmp_path / "screens"
    folder.mkdir()
    for map_type, values in MAPS.items():
        picture, *_ = draw_screen(values)
        Image.fromarray(picture).save(folder / f"A_{map_type}.png")
        Image.fromarray(draw_screen(1.02 * values)[0]).save(
            folder / f"B_{map_type}.jpg", quality=90
        )
        header = Header(accession="C", series_description=f"MBF {map_type}")
        write(rgb_capture(draw_screen(1.04 * values)[0], header), folder / f"I{len(map_type)}",
              "JPEG baseline" if map_type == "rest" else "explicit")  # fmt: skip
    table = tmp_path / "clinic.csv"
    table.write_text("study_id,patient_id,sex\nA,P1,1\nB,P2,0\nC,P3,1\n")
    return folder, table


def test_screens_come_back_and_say_so_everywhere(screens, tmp_path, capsys):
    """Mean error below 1.5 % of the scale of 4 mL/min/g; marked in table, report and cohort."""
    folder, table = screens
    out = tmp_path / "cohort"
    status = cli.main(["import", str(folder), "--clinical", str(table), "--unit", "mL/min/g",
                       "--scale", "0,4", "--keep-ids", "--out", str(out)])  # fmt: skip
    said = capsys.readouterr()
    assert status == 0, said.err
    cohort = pn.read_cohort(out)
    disc = pn.anatomy.disc_mask(64)
    for row, factor in enumerate((1.0, 1.02, 1.04)):
        for map_type, values in MAPS.items():
            error = np.abs(cohort.maps[map_type][row] - factor * values)[disc].mean()
            assert error < 0.015 * 4, (row, map_type)
    assert cohort.clinical["software"].tolist() == ["recovered-from-colour"] * 3
    assert cohort.software == "recovered-from-colour"
    assert "recovered-from-colour" in repr(cohort)
    report = pd.read_csv(out / "import_report.csv")
    files = report[report["kind"] == "file"]
    assert files["reason"].str.contains("% of it was covered and is filled").all()
    assert (files["status"] == "warned").all()


def test_software_that_is_stated_does_not_hide_the_mark(screens, tmp_path):
    folder, table = screens
    cohort = pn.read_exports(folder, table, unit="mL/min/g", scale=(0, 4), keep_ids=True,
                             software="Program 2")  # fmt: skip
    assert cohort.software == "Program 2, recovered-from-colour"


def test_without_a_scale_no_screen_is_read(screens):
    folder, table = screens
    with pytest.raises(ValueError, match=r"state what the ends of its colour bar mean, by --scale"):
        pn.read_exports(folder, table, unit="mL/min/g", keep_ids=True)


def test_a_profile_states_a_scale_for_each_map_type(screens, tmp_path):
    """The bar of 0 to 4 read as 0 to 8: twice the flow; no scale for rest: refused."""
    profile = tmp_path / "mine.yaml"
    profile.write_text("layout: screen\nscale: {stress: [0, 8]}\nunit: mL/min/g\n")
    reading = Reading(load_profiles([profile]))
    (found,), _ = read_maps(screens[0] / "A_stress.png", reading)
    disc = pn.anatomy.disc_mask(64)
    assert found.values[disc].mean() == pytest.approx(2 * MAPS["stress"][disc].mean(), rel=0.01)
    _, problems = read_maps(screens[0] / "A_rest.png", reading)
    assert "no scale is stated for rest screens: state it in a profile" in problems[0]


@pytest.mark.parametrize("scale", [(4, 0), (0, float("nan")), (-1, 4)])
def test_a_scale_that_cannot_be_is_refused(scale):
    with pytest.raises(ValueError, match="must rise from 0 or more"):
        load_profiles(["square"], scale=scale)


def test_pictures_that_cannot_be_are_refused_in_one_line(tmp_path):
    """Cut short, another format under the name, a film, too large, and no screen at all."""
    reading = Reading(load_profiles(["square"], scale=(0, 4)), unit="mL/min/g")
    picture, *_ = draw_screen(MAPS["rest"])
    Image.fromarray(picture).save(tmp_path / "whole_rest.png")
    content = (tmp_path / "whole_rest.png").read_bytes()
    (tmp_path / "cut_rest.png").write_bytes(content[: len(content) // 2])
    Image.fromarray(picture).save(tmp_path / "gif.gif")
    (tmp_path / "gif.gif").rename(tmp_path / "other_rest.png")
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    frames[0].save(tmp_path / "film_rest.png", save_all=True, append_images=frames[1:])
    Image.new("L", (9000, 9000)).save(tmp_path / "large_rest.png")
    Image.new("RGB", (400, 300)).save(tmp_path / "black_rest.png")
    text = PngImagePlugin.PngInfo()
    text.add_text("x", "y" * 2_000_000, zip=True)
    Image.new("RGB", (400, 300)).save(tmp_path / "text_rest.png", pnginfo=text)
    expected = {
        "cut": "damaged picture", "other": "damaged picture", "film": "is a film",
        "large": "9000 x 9000 pixels, too large", "black": "", "text": "",
    }  # fmt: skip
    for name, message in expected.items():
        found, problems = read_maps(tmp_path / f"{name}_rest.png", reading)
        assert found == [], name
        assert len(problems) == 1, name
        assert message in problems[0], (name, problems[0])
        assert "\n" not in problems[0]


def test_a_picture_must_say_its_map_type(tmp_path):
    picture, *_ = draw_screen(MAPS["rest"])
    Image.fromarray(picture).save(tmp_path / "S1.png")
    reading = Reading(load_profiles(["square"], scale=(0, 4)), unit="mL/min/g")
    _, problems = read_maps(tmp_path / "S1.png", reading)
    assert "does not tell the map type" in problems[0]


def test_scores_of_recovered_maps_say_so(make_cohort):
    cohort = make_cohort(software="recovered-from-colour")
    config = pn.ExperimentConfig(software="recovered-from-colour")
    assert difference(config, cohort) == "numbers recovered-from-colour of screens"


def test_a_report_of_recovered_maps_says_so(finished_run, tmp_path):
    run, _ = finished_run
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8")
    assert "polarnet phantom" in text
    config.write_text(text.replace("polarnet phantom", "X, recovered-from-colour"), "utf-8")
    page = pn.write_report(folder, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Recovered from colour." in page
