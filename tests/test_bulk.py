"""Scores in parts: the same as at once, and none is computed twice."""

import numpy as np
import pytest

import polarnet as pn
from polarnet import bulk
from polarnet.network.training import write_scores


@pytest.fixture
def folders(finished_run, phantom, tmp_path):
    return finished_run[0].folder, phantom.save(tmp_path / "cohort"), tmp_path / "scores.csv"


def test_parts_have_the_bytes_of_the_whole(folders, phantom, tmp_path):
    run, cohort, out = folders
    note = bulk.predict_in_parts(run, cohort, out, part=32)
    scores = pn.predict(pn.load_model(run), phantom)
    write_scores(scores, tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert note == scores.attrs["warning"]
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
