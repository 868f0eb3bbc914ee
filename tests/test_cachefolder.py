"""Kept features: how large they may grow, and what goes first."""

import os
import time

import pytest

import polarnet as pn
from polarnet import cachefolder, cli
from polarnet.network import features, model
from polarnet.network.pipeline import input_maps


def keep(cache, name, n_bytes, hours_ago):
    folder = cache / (name * 24)
    folder.mkdir(parents=True)
    (folder / "x.npy").write_bytes(bytes(n_bytes))
    then = time.time() - 3600 * hours_ago
    os.utime(folder, (then, then))
    return folder


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    old, older, new = (
        keep(tmp_path, *facts) for facts in (("a", 300, 5), ("b", 300, 9), ("c", 300, 0.1))
    )
    stopped = keep(tmp_path / "progress", "d", 300, 20)
    (tmp_path / "my data").mkdir()
    assert cachefolder.trim(tmp_path, 1200) == []
    assert [one.folder for one in cachefolder.trim(tmp_path, 700)] == [stopped, older]
    assert [one.folder for one in cachefolder.trim(tmp_path, 1)] == [
        old
    ]  # the new one may be in use
    assert new.is_dir()
    assert (tmp_path / "my data").is_dir()


def test_features_in_use_are_not_the_oldest(phantom, resolved, tmp_path, monkeypatch):
    config = resolved()
    built, maps = pn.network.build_model(config), input_maps(phantom, config)
    features.trunk_features(built, config, model.DEEP, maps, tmp_path)
    (kept,) = cachefolder.kept_folders(tmp_path)
    os.utime(kept.folder, (0, 0))
    features.trunk_features(built, config, model.DEEP, maps, tmp_path)
    assert cachefolder.kept_folders(tmp_path)[0].used > time.time() - 60
    assert kept.n_bytes == sum(path.stat().st_size for path in kept.folder.iterdir()) > 0


def test_the_limit_holds_when_features_are_kept(phantom, resolved, tmp_path, monkeypatch):
    other = keep(tmp_path, "e", 300, 5)
    monkeypatch.setenv(cachefolder.LIMIT_VARIABLE, "1e-9")
    config = resolved()
    built, maps = pn.network.build_model(config), input_maps(phantom, config)
    features.trunk_features(built, config, model.DEEP, maps, tmp_path)
    assert not other.exists()


@pytest.mark.parametrize("text", ["-1", "0", "much", "nan"])
def test_a_limit_that_is_no_size_is_refused(monkeypatch, text):
    monkeypatch.setenv(cachefolder.LIMIT_VARIABLE, text)
    with pytest.raises(ValueError, match=f"POLARNET_CACHE_GB must be .*, not '{text}'"):
        cachefolder.limit_bytes()


def test_the_command_shows_and_clears_what_is_ours(tmp_path, capsys):
    keep(tmp_path, "a", 10_000_000, 1)
    (tmp_path / "notes.txt").touch()
    assert cli.main(["cache", "--cache", str(tmp_path)]) == 0
    assert "0.01 GB in 1 folders" in capsys.readouterr().out
    assert cli.main(["cache", "--cache", str(tmp_path), "--clear"]) == 0
    assert "Removed 0.01 GB" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_misspelt_limit_is_told_before_the_work(phantom, resolved, tmp_path, monkeypatch):
    monkeypatch.setenv(cachefolder.LIMIT_VARIABLE, "abc")
    monkeypatch.setattr(features, "_keep", pytest.fail)
    config = resolved()
    built, maps = pn.network.build_model(config), input_maps(phantom, config)
    with pytest.raises(ValueError, match="POLARNET_CACHE_GB must be a number"):
        features.trunk_features(built, config, model.DEEP, maps, tmp_path)


def test_odd_content_of_the_cache_folder_is_left_alone(tmp_path, monkeypatch):
    """A file by the name of features, a link that leads elsewhere, a folder that vanishes."""
    kept = keep(tmp_path, "a", 300, 5)
    gone = keep(tmp_path, "b", 300, 6)
    (tmp_path / ("c" * 24)).write_text("a file")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "x.npy").write_bytes(bytes(300))
    (tmp_path / ("d" * 24)).symlink_to(mine, target_is_directory=True)
    (tmp_path / "progress").write_text("a file")
    iterdir = cachefolder.Path.iterdir

    def vanished(path):
        if path == gone:
            raise FileNotFoundError(path)
        return iterdir(path)

    monkeypatch.setattr(cachefolder.Path, "iterdir", vanished)
    assert [one.folder for one in cachefolder.kept_folders(tmp_path)] == [kept]
    assert cachefolder.clear(tmp_path) == 300
    assert (mine / "x.npy").is_file()


def test_cache_none_keeps_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(cachefolder, "user_cache_path", lambda *_, **__: tmp_path / "home")
    with cachefolder.kept_in("user") as folder:
        assert folder == tmp_path / "home" / "features"
    with cachefolder.kept_in(tmp_path / "mine") as folder:
        assert folder == tmp_path / "mine"
    with cachefolder.kept_in(None) as folder:
        (folder / "x").touch()
    assert not folder.exists()
