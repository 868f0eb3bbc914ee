"""Features of the trunk are computed once, and kept under all that changes them."""

import dataclasses
import shutil

import numpy as np
import pytest

from polarnet.network import build_model, features, model
from polarnet.network.pipeline import input_maps


@pytest.fixture
def few(phantom):
    return phantom.select(np.arange(10))


def kept(cohort, config, cache, built=None):
    built = build_model(config) if built is None else built
    return features.trunk_features(built, config, model.DEEP, input_maps(cohort, config), cache)


def test_features_are_computed_once(few, tmp_path, monkeypatch, resolved):
    first = kept(few, resolved(), tmp_path)
    monkeypatch.setattr(features, "_keep", pytest.fail)
    again = kept(few.select(np.array([8, 3])), resolved(), tmp_path)
    np.testing.assert_array_equal(again[:], first[np.array([8, 3])])


def test_a_full_cache_is_named_and_left_clean(few, tmp_path, monkeypatch, resolved):
    """np.save on a full disk raises an OSError without a number."""

    def full(*_, **__):
        raise OSError("4096 requested and 0 written")

    monkeypatch.setattr(features.np, "save", full)
    with pytest.raises(OSError, match=r"cannot be kept in .*--cache") as caught:
        kept(few, resolved(), tmp_path)
    assert caught.value.errno == 28
    assert not list(tmp_path.rglob("*.*"))


def key(config, precision=None):
    built = build_model(dataclasses.replace(config, precision=precision or config.precision))
    return features._key(model.below(built, model.DEEP), model.DEEP, config)


@pytest.mark.parametrize(
    "change",
    [{"window": (0.0, 5.0)}, {"scaling": "relative"}, {"palette": "jet"}, {"input_size": 48},
     {"pooling": "global"}, {"trunk": "block1"}, {"precision": "mixed_bfloat16"}, {"seed": 1}],
)  # fmt: skip
def test_whatever_changes_features_changes_their_key(change, resolved):
    """The seed changes the weights of an untrained trunk."""
    assert key(resolved()) != key(dataclasses.replace(resolved(), **change))


def test_the_float32_twin_of_a_bf16_run_has_another_key(resolved):
    """A loaded model computes in float32 whatever its configuration says of the training."""
    config = resolved(precision="mixed_bfloat16")
    assert key(config) != key(config, "float32")


# === Spoilt features ===


def spoil_value(path):
    shard = np.load(path)
    shard["features"][3, 0] += 1
    np.save(path, shard)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def swap_rows(path):
    shard = np.load(path)
    shard["features"] = shard["features"][::-1].copy()
    np.save(path, shard)


def swap_ids(path):
    shard = np.load(path)
    shard["map"][:2] = shard["map"][1::-1].copy()
    np.save(path, shard)


def other_shape(path):
    shard = np.load(path)
    other = np.empty(
        len(shard), [("map", "V16"), ("features", "f4", (len(shard[0]["features"]), 1))]
    )
    other["map"], other["features"] = shard["map"], shard["features"][..., None]
    np.save(path, other)


def features_alone(path):
    np.save(path, np.load(path)["features"])


@pytest.mark.parametrize(
    "spoil", [spoil_value, cut, swap_rows, swap_ids, other_shape, features_alone]
)
def test_spoilt_features_are_computed_again(make_cohort, tmp_path, resolved, spoil):
    config = resolved()
    built, maps = build_model(config), input_maps(make_cohort(size=32), config)
    whole = features.trunk_features(built, config, model.DEEP, maps, tmp_path)[:]
    spoil(next(tmp_path.rglob("*.npy")))
    with pytest.warns(UserWarning, match="computed again"):
        again = features.trunk_features(built, config, model.DEEP, maps, tmp_path)[:]
    np.testing.assert_array_equal(again, whole)
    features.trunk_features(built, config, model.DEEP, maps, tmp_path)  # sound again, and quiet


def test_features_of_another_model_are_not_used(make_cohort, tmp_path, resolved):
    maps = input_maps(make_cohort(size=32), resolved())
    kept = {}
    for palette in ("grey", "jet"):
        config = resolved(palette=palette)
        built = build_model(config)
        rows = features.trunk_features(built, config, model.DEEP, maps, tmp_path / palette)
        kept[palette] = rows[:]
    mine, other = (next((tmp_path / p).iterdir()) for p in ("jet", "grey"))
    for path in mine.iterdir():
        path.unlink()
    for path in other.iterdir():
        shutil.copy(path, mine)
    with pytest.warns(UserWarning, match="computed again"):
        again = features.trunk_features(built, config, model.DEEP, maps, tmp_path / "jet")[:]
    np.testing.assert_array_equal(again, kept["jet"])
