"""Features of the trunk are computed once, and kept under all that changes them."""

import dataclasses

import numpy as np
import pytest

import polarnet as pn
from polarnet.network import build_model, features, model
from polarnet.network.pipeline import input_maps


@pytest.fixture
def kept(phantom, resolved, tmp_path):
    """Features of some studies of the phantom."""

    def keep(rows=range(10)):
        config, some = resolved(), phantom.select(np.array(rows))
        maps = input_maps(some, config)
        return features.trunk_features(build_model(config), config, model.DEEP, maps, tmp_path)

    return keep


def test_features_are_computed_once(kept, monkeypatch):
    first = kept()
    monkeypatch.setattr(features, "_write_shard", pytest.fail)
    np.testing.assert_array_equal(kept([8, 3])[:], first[np.array([8, 3])])


def test_a_full_cache_is_named_and_left_clean(kept, tmp_path, monkeypatch):
    """np.save on a full disk raises an OSError without a number."""

    def full(*_, **__):
        raise OSError("4096 requested and 0 written")

    monkeypatch.setattr(features.np, "save", full)
    with pytest.raises(OSError, match=r"cannot be kept in .*--cache") as caught:
        kept()
    assert caught.value.errno == 28
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    "change",
    [{"window": (0.0, 5.0)}, {"scaling": "relative"}, {"palette": "jet"}, {"input_size": 48},
     {"pooling": "global"}, {"trunk": "block1"}, {"precision": "mixed_bfloat16"}, {"seed": 1}, {}],
)  # fmt: skip
def test_whatever_changes_features_changes_their_key(change, resolved):
    """The seed changes an untrained trunk; a loaded model of a bf16 run computes in float32."""

    def key(config, built):
        return features._key(model.below(built, model.DEEP), model.DEEP, config)

    config, exact = resolved(precision="mixed_bfloat16"), build_model(resolved())
    if change:
        config = dataclasses.replace(resolved(), **change)
        assert key(config, build_model(config)) != key(resolved(), exact)
    else:
        assert key(config, build_model(config)) != key(config, exact)


def test_what_is_kept_lies_below_everything_trained():
    for changes, end in (
        ({}, "deep"), ({"mode": "finetuned"}, "block1_pool"),
        ({"mode": "finetuned", "trunk": "block1"}, None),
        ({"mode": "finetuned", "trunk": "block5"}, "block4_pool"),
        ({"mode": "scratch", "weights": None}, None),
    ):  # fmt: skip
        assert features.kept_end(pn.ExperimentConfig(**changes)) == end


def changed(change):
    """Writes another array into a file."""

    def spoil(path):
        shard = np.load(path)
        np.save(path, shard if (new := change(shard)) is None else new)

    return spoil


def more(shard):
    shard["features"][3, 0] += 1


def rows_exchanged(shard):
    shard["features"] = shard["features"][::-1].copy()


def ids_exchanged(shard):
    shard["map"][:2] = shard["map"][1::-1].copy()


def of_another_model(path):
    """Sound there, under the name that it has there."""
    other = path.parent.parent / "other" / path.name
    other.parent.mkdir()
    path.rename(other)
    other.rename(path.parent / f"{features._digest(other)}.npy")


@pytest.mark.parametrize(
    "spoil",
    [changed(more), changed(rows_exchanged), changed(ids_exchanged), changed(lambda s: s[:-1]),
     changed(lambda shard: shard["features"]), of_another_model,
     lambda path: path.write_bytes(path.read_bytes()[:-100])],
)  # fmt: skip
def test_spoilt_features_are_computed_again(kept, tmp_path, spoil):
    whole = kept()[:]
    spoil(next(tmp_path.rglob("*.npy")))
    with pytest.warns(UserWarning, match="computed again"):
        again = kept()[:]
    np.testing.assert_array_equal(again, whole)
    kept()  # sound again, and quiet
