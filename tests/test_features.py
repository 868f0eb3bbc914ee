import dataclasses

import numpy as np
import pytest

import polarnet as pn
from polarnet.network import features, model
from polarnet.network.pipeline import input_maps


def test_features_are_computed_once(phantom, tmp_path, monkeypatch, resolved):
    phantom = phantom.select(np.arange(10))
    config = resolved()
    built = pn.build_model(config)
    first = features.trunk_features(
        built, config, model.DEEP, input_maps(phantom, config), tmp_path
    )

    def never(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(features, "_keep", never)
    part = phantom.select(np.array([8, 3]))
    again = features.trunk_features(built, config, model.DEEP, input_maps(part, config), tmp_path)
    np.testing.assert_array_equal(again[:], first[np.array([8, 3])])


def test_a_full_cache_is_named_and_left_clean(phantom, tmp_path, monkeypatch, resolved):
    """np.save on a full disk raises an OSError without a number."""

    phantom = phantom.select(np.arange(10))

    def full(*_, **__):
        raise OSError("4096 requested and 0 written")

    monkeypatch.setattr(features.np, "save", full)
    config = resolved()
    built, maps = pn.build_model(config), input_maps(phantom, config)
    with pytest.raises(OSError, match=r"cannot be kept in .*--cache") as caught:
        features.trunk_features(built, config, model.DEEP, maps, tmp_path)
    assert caught.value.errno == 28
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    "change",
    [{"window": (0.0, 5.0)}, {"scaling": "relative"}, {"palette": "jet"}, {"input_size": 48},
     {"pooling": "global"}, {"trunk": "block1"}, {"precision": "mixed_bfloat16"}],
)  # fmt: skip
def test_whatever_changes_features_changes_their_key(change, resolved):
    keys = []
    for config in (resolved(), dataclasses.replace(resolved(), **change)):
        built = pn.build_model(config)
        keys.append(features._key(model.below(built, model.DEEP), model.DEEP, config))
    assert keys[0] != keys[1]


def test_the_float32_twin_of_a_bf16_run_has_another_key(resolved):
    """A loaded model computes in float32 whatever its configuration says of the training."""
    config = resolved(precision="mixed_bfloat16")
    keys = set()
    for precision_ in ("mixed_bfloat16", "float32"):
        built = pn.build_model(dataclasses.replace(config, precision=precision_))
        keys.add(features._key(model.below(built, model.DEEP), model.DEEP, config))
    assert len(keys) == 2


def test_other_weights_have_another_key(resolved):
    config = resolved()
    keys = set()
    for seed in (0, 1):
        built = pn.build_model(dataclasses.replace(config, seed=seed))
        keys.add(features._key(model.below(built, model.DEEP), model.DEEP, config))
    assert len(keys) == 2
