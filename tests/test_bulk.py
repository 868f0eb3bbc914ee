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
from polarnet.evaluation.table import read_scores
from polarnet.network.training import write_scores


@pytest.fixture
def folders(finished_run, phantom, tmp_path):
    return finished_run[0].folder, phantom.save(tmp_path / "cohort"), tmp_path / "scores.csv"


def test_parts_have_the_bytes_of_the_whole(folders, phantom, tmp_path):
    run, cohort, out = folders
    note = bulk.predict_in_parts(run, cohort, out, part=32)
    scores = pn.predict(run, phantom)
    write_scores(scores, tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    n_outside = int((scores.attrs["ood"] > 1).sum())
    said = f"maps of {n_outside} of {len(phantom)} studies are out of distribution"
    seen = scores.attrs["part"].isin(["train", "val"]).sum()
    of_training = f"{seen} of {len(phantom)} studies are of patients of the training"
    begins = "; ".join([scores.attrs["warning"], *[said] * (n_outside > 0), of_training])
    assert note.startswith(begins)
    assert {path.name for path in tmp_path.iterdir()} == {"cohort", "scores.csv", "whole.csv"}


def test_what_is_scored_stays_scored(folders, monkeypatch):
    run, cohort, out = folders
    bulk.predict_in_parts(run, cohort, out, part=32)
    whole, done, score = out.read_bytes(), [], bulk._score

    def stop_at_third(start, *rest):
        done.append(start)
        if len(done) == 3:
            raise KeyboardInterrupt
        return score(start, *rest)

    monkeypatch.setattr(bulk, "_score", stop_at_third)
    out.unlink()
    with pytest.raises(KeyboardInterrupt):
        bulk.predict_in_parts(run, cohort, out, part=32)
    assert not out.exists()
    bulk.predict_in_parts(run, cohort, out, part=32)
    assert done == [0, 32, 64, 64, 96]
    assert out.read_bytes() == whole


def test_parts_of_another_cohort_are_refused(folders, phantom, tmp_path, monkeypatch):
    run, cohort, out = folders
    monkeypatch.setattr(bulk, "_score", lambda *_: "no space")
    with pytest.raises(ValueError, match="4 parts failed, the others are kept: no space"):
        bulk.predict_in_parts(run, cohort, out, part=32)
    other = phantom.select(np.arange(50)).save(tmp_path / "other")
    with pytest.raises(ValueError, match=r"scores.csv.parts holds scores of another model"):
        bulk.predict_in_parts(run, other, out, part=32)


def test_parts_are_of_the_patients_that_the_table_names(folders, monkeypatch):
    """An edited patient id may make a study one of the training."""
    run, cohort, out = folders
    monkeypatch.setattr(bulk, "_score", lambda *_: "no space")
    with pytest.raises(ValueError, match="no space"):
        bulk.predict_in_parts(run, cohort, out, part=32)
    table = cohort / "cohort.csv"
    text = table.read_text(encoding="utf-8")
    first, second = text.splitlines()[1:3]
    patient = first.split(",")[1]
    edited = text.replace(second, second.replace(second.split(",")[1], patient, 1))
    table.write_text(edited, encoding="utf-8")
    with pytest.raises(ValueError, match=r"scores.csv.parts holds scores of another model"):
        bulk.predict_in_parts(run, cohort, out, part=32)


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
    assert list(read_scores(out)) == ["sex", "diabetes"]


def test_a_bundle_is_scored_in_parts_too(folders, phantom, tmp_path):
    run, cohort, out = folders
    path = write_bundle(run, phantom, tmp_path / "model.polarnet")
    bulk.predict_in_parts(path, cohort, out, part=32)
    write_scores(pn.predict(load_bundle(path), phantom), tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
