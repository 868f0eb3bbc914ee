"""Kept features: how large they may grow, and what goes first."""

import os
import time

import pytest

import polarnet as pn
from polarnet import cachefolder, cli
from polarnet.network import features, model
from polarnet.network.pipeline import input_maps


def keep(cache, name, n_bytes=300, hours_ago=5.0):
    folder = cache / (name * 24)
    folder.mkdir(parents=True)
    (folder / "x.npy").write_bytes(bytes(n_bytes))
    then = time.time() - 3600 * hours_ago
    os.utime(folder, (then, then))
    return folder


@pytest.fixture
def keep_features(phantom, resolved, tmp_path):
    config = resolved()
    built, maps = pn.network.build_model(config), input_maps(phantom, config)
    return lambda: features.trunk_features(built, config, model.DEEP, maps, tmp_path)


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    old, older, new = (
        keep(tmp_path, *facts) for facts in (("a", 300, 5), ("b", 300, 9), ("c", 300, 0.1))
    )
    stopped = keep(tmp_path / "progress", "d", 300, 20)
    (tmp_path / "my data").mkdir()
    assert cachefolder.trim(tmp_path, 1200) == []
    assert [one.folder for one in cachefolder.trim(tmp_path, 700)] == [stopped, older]
    assert [one.folder for one in cachefolder.trim(tmp_path, 1)] == [old]
    assert new.is_dir()  # it may be in use
    assert (tmp_path / "my data").is_dir()


def test_the_limit_holds_when_features_are_kept_and_those_in_use_are_not_the_oldest(
    keep_features, tmp_path, monkeypatch
):
    other = keep(tmp_path, "e")
    monkeypatch.setenv(cachefolder.LIMIT_VARIABLE, "1e-9")
    keep_features()
    assert not other.exists()
    (kept,) = cachefolder.kept_folders(tmp_path)
    os.utime(kept.folder, (0, 0))
    keep_features()
    assert cachefolder.kept_folders(tmp_path)[0].used > time.time() - 60
    assert kept.n_bytes == sum(path.stat().st_size for path in kept.folder.iterdir()) > 0


def test_a_limit_that_is_no_size_is_told_before_the_work(keep_features, monkeypatch):
    monkeypatch.setattr(features, "in_batches", pytest.fail)
    for text in ("-1", "0", "much", "nan"):
        monkeypatch.setenv(cachefolder.LIMIT_VARIABLE, text)
        with pytest.raises(ValueError, match=f"POLARNET_CACHE_GB must be .*, not '{text}'"):
            keep_features()


def test_the_command_shows_and_clears_what_is_ours(tmp_path, capsys):
    """Neither a file by the name of features, nor a link that leads elsewhere."""
    keep(tmp_path, "a", 10_000_000)
    (tmp_path / ("c" * 24)).write_text("a file")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x.npy").write_bytes(bytes(300))
    (tmp_path / ("d" * 24)).symlink_to(tmp_path / "mine", target_is_directory=True)
    (tmp_path / "progress").write_text("a file")
    left = {path.name for path in tmp_path.iterdir()} - {"a" * 24}
    assert cli.main(["cache", "--cache", str(tmp_path)]) == 0
    assert "0.01 GB in 1 folders" in capsys.readouterr().out
    assert cli.main(["cache", "--cache", str(tmp_path), "--clear"]) == 0
    assert "Removed 0.01 GB" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == left
    assert (tmp_path / "mine" / "x.npy").is_file()


def test_cache_none_keeps_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(cachefolder, "user_cache_path", lambda *_, **__: tmp_path / "home")
    with cachefolder.kept_in("user") as folder:
        assert folder == tmp_path / "home" / "features"
    with cachefolder.kept_in(tmp_path / "mine") as folder:
        assert folder == tmp_path / "mine"
    with cachefolder.kept_in(None) as folder:
        (folder / "x").touch()
    assert not folder.exists()
