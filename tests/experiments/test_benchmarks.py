"""What the benchmarks compare gives the same results; how fast they are is told by `make bench`."""

from argparse import Namespace


def test_a_cheaper_training_gives_the_same_scores(script, monkeypatch):
    """The usual script, all of VGG16 at every epoch, against features kept once; and fine-tuned,
    by `make bench QUICK=1`."""
    usual = script("benchmarks/usual_script")
    small = {"N_TRAIN": 32, "N_VAL": 1, "N_TEST": 40, "EPOCHS": 1, "CHECKED": 32}
    for name, value in small.items():
        monkeypatch.setattr(usual, name, value)
    assert usual.check("frozen", None)["difference"] < 1e-3


def test_the_bootstrap_gives_the_numbers_of_a_loop(script, monkeypatch):
    bootstrap = script("benchmarks/bootstrap_rate")
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1000)
    monkeypatch.setattr(bootstrap, "TIMED", 5)
    (row,) = bootstrap.measure(Namespace(repeats=1))
    assert row["is_same"]
