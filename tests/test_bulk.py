"""Scores in parts: the same as at once, and none is computed twice."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
from edited_run import exchange_settings

import polarnet as pn
from polarnet import bulk
from polarnet.bundle import load_bundle, write_bundle
from polarnet.network.training import write_scores


@pytest.fixture
def folders(finished_run, phantom, tmp_path):
    return finished_run[0].folder, phantom.save(tmp_path / "cohort"), tmp_path / "scores.csv"


def test_parts_of_a_run_or_bundle_have_the_bytes_of_the_whole(folders, phantom, tmp_path):
    run, cohort, out = folders
    bundle = write_bundle(run, phantom, tmp_path / "model.polarnet")
    for model, scores in ((run, pn.predict(run, phantom)),
                          (bundle, pn.predict(load_bundle(bundle), phantom))):  # fmt: skip
        note = bulk.predict_in_parts(model, cohort, out, part=32)
        write_scores(scores, tmp_path / "whole.csv")
        assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
        n_outside = int((scores.attrs["ood"] > 1).sum())
        seen = scores.attrs["part"].isin(["train", "val"]).sum()
        said = [scores.attrs["warning"],
                *[f"maps of {n_outside} of {len(phantom)} studies are out of distribution"]
                * (n_outside > 0),
                f"{seen} of {len(phantom)} studies are of patients of the training"]  # fmt: skip
        assert note.startswith("; ".join(said))
    assert not (tmp_path / "scores.csv.parts").exists()


def test_what_is_scored_stays_scored_and_other_parts_are_refused(
    folders, phantom, tmp_path, monkeypatch
):
    """Parts are of a cohort and of the patients that its table names: an edited patient id may
    make a study one of the training."""
    run, cohort, out = folders
    with pytest.raises(IsADirectoryError, match="cohort is a folder"):  # before it is scored
        bulk.predict_in_parts(run, cohort, cohort)
    assert not (tmp_path / "cohort.parts").exists()
    bulk.predict_in_parts(run, cohort, out, part=32)
    whole, done, score = out.read_bytes(), [], bulk._score

    def stop_at_third(start, *rest):
        done.append(start)
        return "no space" if len(done) == 3 else score(start, *rest)

    monkeypatch.setattr(bulk, "_score", stop_at_third)
    out.unlink()
    with pytest.raises(ValueError, match="1 parts failed, the others are kept: no space"):
        bulk.predict_in_parts(run, cohort, out, part=32)
    assert not out.exists()
    table = cohort / "cohort.csv"
    text = table.read_text(encoding="utf-8")
    first, second = (line.split(",")[1] for line in text.splitlines()[1:3])
    table.write_text(text.replace(second, first, 1), encoding="utf-8")
    other = phantom.select(np.arange(50)).save(tmp_path / "other")
    for wrong in (cohort, other):
        with pytest.raises(ValueError, match=r"scores.csv.parts holds scores of another model"):
            bulk.predict_in_parts(run, wrong, out, part=32)
    table.write_text(text, encoding="utf-8")
    bulk.predict_in_parts(run, cohort, out, part=32)
    assert done == [0, 32, 64, 96, 64]
    assert out.read_bytes() == whole


def test_parts_have_one_header_where_no_map_is_outside_in_some(folders, tmp_path):
    """Neither the cohort nor the first part has anything to say; the second part has."""
    run, _, out = folders
    loaded = pn.load_run(run)
    config = dataclasses.replace(loaded.config, software="", tracer="", stress_agent="")
    copied = tmp_path / "run"
    shutil.copytree(run, copied)
    exchange_settings(copied, config)
    usual = pn.make_phantom_cohort(60, seed=4, size=32)
    maps = {m: np.asarray(usual.maps[m]).copy() for m in ("rest", "stress")}
    maps["stress"][40] = 9 * pn.anatomy.disc_mask(32)  # flat, and higher than any flow
    mixed = dataclasses.replace(usual, maps=maps, software="", tracer="", stress_agent="")
    keep = np.r_[np.flatnonzero(loaded.distribution.distances(mixed.maps) <= 1)[:32], 40]
    cohort = mixed.select(keep).save(tmp_path / "mixed")
    note = bulk.predict_in_parts(copied, cohort, out, part=32)
    assert note == "maps of 1 of 33 studies are out of distribution"
    assert out.read_text(encoding="utf-8").splitlines()[0] == "study_id,sex,diabetes,part,warning"
    written = pd.read_csv(out, index_col="study_id")["warning"]
    assert written.iloc[:32].isna().all()
    assert written.iloc[32].startswith("out-of-distribution map (")
