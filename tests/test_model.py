"""The model from the map to the probability: its form, its weights, and its copies."""

import copy
import dataclasses
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import polarnet as pn
from polarnet.network import model
from polarnet.network.features import wide_features
from polarnet.network.pipeline import input_maps
from polarnet.network.training import resolved_config
from polarnet.network.weights import IMAGENET_URL, PACKAGED_BLOCKS, vgg16_trunk
from polarnet.suitability import check_trait_names

TRAITS = ("sex", "known CAD")


def drawn_run(cohort, config):
    """A run with standards of the cohort, a share of .3, and heads that are drawn, not trained."""
    base = pn.build_model(config)
    maps = input_maps(cohort, config)[:]
    groups = {name: model.below(base, name)(maps).numpy() for name in (model.WIDE, model.DEEP)}
    shares = dict.fromkeys(config.traits, 0.3)
    built = pn.build_model(config, model.standards_of_features(groups, shares))
    built.set_weights(base.get_weights())
    rng = np.random.default_rng(0)
    for trait in config.traits:
        head = built.get_layer(model.head_name(trait))
        head.set_weights([rng.normal(size=w.shape) for w in head.get_weights()])
    return pn.Run(Path("run"), config, built, pd.DataFrame({"share": shares}))


# === Form =======================================================================================


def test_segment_pooling_averages_each_wall():
    """A feature that is 1 in one segment of the disc gives 1 there and nearly 0 elsewhere."""
    lit = (pn.anatomy.segment_map(56) == 10).astype(np.float32).reshape(-1)
    pooled = lit @ model.segment_shares(56)
    assert pooled[9] > 0.9
    assert np.delete(pooled, 9).max() < 0.1


def test_heads_are_a_dict_by_name_whatever_their_order(phantom, resolved):
    config = resolved(map_type="rest", traits=("smoking", "impaired_mfr", "sex"), trunk="block1")
    built = drawn_run(phantom, config).model
    assert [tensor.name for tensor in built.inputs] == ["rest"]
    assert set(built.output) == {"smoking", "impaired_mfr", "sex"}
    one_head = keras.Model(built.input, built.get_layer("sex").output)
    maps = phantom.maps["rest"][:2][..., None]
    np.testing.assert_array_equal(one_head(maps), built(maps)["sex"])
    assert not np.array_equal(built(maps)["sex"], built(maps)["smoking"])


def test_the_graph_is_flat_and_the_trunk_frozen(resolved):
    built = pn.build_model(resolved())
    assert not any(isinstance(layer, keras.Model) for layer in built.layers)
    assert {weight.path.split("/")[0] for weight in built.trainable_weights} == set(pn.TRAITS)


def test_what_a_bullseye_shows_is_segment_means_lowest_highest_and_mean(phantom, resolved):
    """By hand, with NumPy: mean of the pixels of each AHA segment; of combined maps one by one."""
    for map_type in ("rest", "combined"):
        config = resolved(map_type=map_type, trunk="block1")
        maps = input_maps(phantom, config)[:5]
        regions = pn.anatomy.segment_map(32)
        means = np.stack([maps[:, regions == k].mean(axis=1) for k in range(1, 18)], axis=-1)
        expected = np.concatenate(
            [means.reshape(5, -1), means.min(axis=2), means.max(axis=2), means.mean(axis=2)],
            axis=1,
        )  # fmt: skip
        wide = wide_features(pn.build_model(config), maps)
        assert wide.shape == (5, 20 * len(config.map_types))
        np.testing.assert_allclose(wide, expected, rtol=1e-4, atol=1e-4)


def test_each_group_of_features_has_mean_0_and_length_1(phantom, resolved):
    """By hand, with NumPy: z-scores over the root of their number; a variance below a thousandth of
    the mean one counts as that."""
    built = drawn_run(phantom, resolved(traits=("sex",))).model
    maps = phantom.maps["stress"][:][..., None]
    for group in (model.WIDE, model.DEEP):
        rows = model.below(built, group)(maps).numpy().astype(float)
        variance = np.maximum(rows.var(axis=0), rows.var(axis=0).mean() / 1000)
        expected = (rows - rows.mean(axis=0)) / np.sqrt(rows.shape[1] * variance)
        values = model.below(built, f"{group}_standardised")(maps)
        np.testing.assert_allclose(values, expected, atol=1e-4)
        if group == model.WIDE:
            assert (expected**2).sum(axis=1).mean() == pytest.approx(1)


def test_the_share_weighs_the_trunk_of_its_own_trait(phantom, resolved):
    """By hand: the head's own weights on wide features and on .3 times deep ones, one sigmoid."""
    built = drawn_run(phantom, resolved(traits=TRAITS)).model
    maps = phantom.maps["stress"][:4][..., None]
    wide, deep = (model.below(built, f"{group}_standardised")(maps).numpy()
                  for group in (model.WIDE, model.DEEP))  # fmt: skip
    kernel, bias = built.get_layer("sex").get_weights()
    logits = wide @ kernel[:20] + 0.3 * deep @ kernel[20:] + bias
    np.testing.assert_allclose(built(maps)["sex"], 1 / (1 + np.exp(-logits)), atol=1e-5)


def test_standards_of_another_length_are_refused(resolved):
    """A single number would be spread over all features."""
    wrong = model.Standards({"wide": [1.0] * 17}, {"wide": [0.0]})
    with pytest.raises(ValueError, match=r"20 wide features .* by 17 factors and 1 offsets"):
        pn.build_model(resolved(trunk="block1"), wrong)


def test_a_feature_without_spread_does_not_explode():
    values = np.random.default_rng(0).normal(size=(50, 40)).astype(np.float32)
    values[:, 0] = 0
    standards = model.standards_of_features({"deep": values})
    values[0, 0] = 1
    scaled = values * standards.factors["deep"] + standards.offsets["deep"]
    assert np.abs(scaled).max() < 100


def test_settings_that_no_cohort_resolved_make_no_model():
    with pytest.raises(ValueError, match="not resolved: a cohort decides size and window"):
        pn.build_model(pn.ExperimentConfig())


@pytest.mark.parametrize(
    "changes",
    [{"palette": "jet"}, {"scaling": "relative"}, {"map_type": "combined"}, {"trunk": "block3"},
     {"mode": "scratch"}, {"pooling": "global", "trunk": "block1"}],
)  # fmt: skip
def test_no_trait_may_have_the_name_of_a_layer(resolved, changes):
    built = pn.build_model(resolved(traits=("sex",), **changes))
    for name in {layer.name for layer in built.layers} - {"sex"}:
        with pytest.raises(ValueError, match="cannot name a trait"):
            check_trait_names([name])
    check_trait_names(["sex", "block_left", "small vessel disease", "known CAD"])


def test_grad_cam_runs_on_one_head(phantom, resolved):
    """What explanation needs: tf-keras-vis on a one-head sub-model, in the frame of the map."""
    from tf_keras_vis.gradcam import Gradcam

    built = drawn_run(phantom, resolved(traits=("sex",), input_size=48)).model
    one_head = keras.Model(built.input, built.get_layer("sex").output)
    maps = phantom.maps["stress"][:1][..., None]
    heat = Gradcam(one_head)(lambda output: output[:, 0], maps, penultimate_layer="block2_conv2")
    assert heat.shape == (1, 32, 32)
    assert np.ptp(heat) > 0


def test_an_untrained_trunk_comes_from_the_seed_alone(resolved):
    """Keras' own draw comes from a state that other threads of a process use too."""
    first, again, other = (
        pn.build_model(resolved(traits=TRAITS, seed=seed)).get_weights() for seed in (0, 0, 1)
    )
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any(not np.array_equal(one, two) for one, two in zip(first, other, strict=True))


# === Precision ==================================================================================


def test_bf16_scores_like_float32(phantom, resolved):
    run = drawn_run(phantom, resolved(traits=("sex",)))
    config = dataclasses.replace(run.config, precision="mixed_bfloat16")
    rounded = model.in_precision(run.model, config)
    maps = phantom.maps["stress"][:8][..., None]
    exact = run.model(maps)["sex"]
    np.testing.assert_allclose(rounded(maps)["sex"], exact, atol=0.02)
    again = model.in_precision(rounded, run.config)
    np.testing.assert_allclose(again(maps)["sex"], exact, atol=1e-6)


def test_auto_precision_asks_the_processor(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nflags\t\t: fpu avx2 avx512_bf16\n")
    assert model._processor_has_bf16(info)
    info.write_text("processor : 0\nflags\t\t: fpu avx2\n")
    assert not model._processor_has_bf16(info)
    assert not model._processor_has_bf16(tmp_path / "none")
    assert model.resolve_precision("float32") == "float32"


# === Copies =====================================================================================

WITHOUT_POLARNET = """
import sys
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1], safe_mode=True)
scores = model.predict(np.load(sys.argv[2]), verbose=0)
np.savez(sys.argv[3], **scores)
assert not [name for name in sys.modules if name.startswith("polarnet")]
"""


@pytest.fixture(
    scope="module",
    params=[{}, {"map_type": "combined"}, {"palette": "jet"}, {"scaling": "relative"}],
    ids=["single", "combined", "palette", "relative"],
)
def scored(request, phantom):
    """A run, maps as a user has them, and what `predict` says of them."""
    settings = {"weights": None, "input_size": 48, "precision": "float32", "traits": TRAITS}
    config = resolved_config(pn.ExperimentConfig(**settings | request.param), phantom)
    run, few = drawn_run(phantom, config), phantom.select(np.arange(6))
    scores = pn.predict(run, few)
    assert scores.to_numpy().std(axis=0).min() > 0.01
    maps = [few.maps[map_type] for map_type in config.map_types]
    return run.model, np.stack(maps, axis=-1), scores


def assert_same(found, scores):
    """Scores by trait, whatever order they come in."""
    for trait in scores:
        np.testing.assert_allclose(np.ravel(found[trait]), scores[trait], atol=1e-5, err_msg=trait)


def test_the_model_alone_scores_as_predict_does(scored):
    built, maps, scores = scored
    assert_same(built.predict(maps, verbose=0), scores)


def test_copies_in_memory_score_the_same(scored):
    built, maps, scores = scored
    clone = keras.models.clone_model(built)
    clone.set_weights(built.get_weights())
    for again in (clone, copy.deepcopy(built), pickle.loads(pickle.dumps(built))):
        assert_same(again(maps), scores)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")  # its heir is a package
def test_exports_score_the_same(scored, tmp_path):
    """TensorFlow's SavedModel, and TFLite."""
    built, maps, scores = scored
    built.export(tmp_path / "saved", verbose=False)
    saved = tf.saved_model.load(tmp_path / "saved")
    assert_same(saved.serve(maps), scores)
    content = tf.lite.TFLiteConverter.from_keras_model(built).convert()
    runner = tf.lite.Interpreter(model_content=content).get_signature_runner()
    (name,) = runner.get_input_details()
    assert_same(runner(**{name: maps}), scores)


def test_keras_alone_scores_the_same(finished_run, tmp_path):
    """In a process that never imports this package, from the files of a run and of its maps."""
    run, (_, _, test) = finished_run
    np.save(tmp_path / "maps.npy", test.maps["stress"][:][..., None])
    arguments = [run.folder / "model.keras", tmp_path / "maps.npy", tmp_path / "scores.npz"]
    subprocess.run(
        [sys.executable, "-c", WITHOUT_POLARNET, *map(str, arguments)],
        check=True, cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    assert_same(np.load(tmp_path / "scores.npz"), pn.predict(run, test))


def test_a_bare_model_is_refused_in_one_line(finished_run):
    """It knows no unit; nothing is guessed."""
    run, (_, _, test) = finished_run
    bare = pn.load_model(run.folder)
    assert not {"experiment", "reference", "familiarity", "seen"} & set(vars(bare))
    for ask in (lambda: pn.predict(bare, test), lambda: pn.attribution(bare, test, "sex")):
        with pytest.raises(ValueError, match=r"use pn\.load_run\(folder\), or model\.predict") as e:
            ask()
        assert "\n" not in str(e.value)


# === Weights ====================================================================================


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """No connection, and nothing that an earlier one fetched."""

    def refuse(*_, **__):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))


@pytest.mark.parametrize("trunk", [None, *PACKAGED_BLOCKS])
@pytest.mark.parametrize("mode", ["frozen", "finetuned"])
def test_imagenet_needs_no_network_up_to_block_2(no_network, resolved, trunk, mode):
    """First value of block1_conv1 in the published ImageNet weights: 0.4294709 (Keras' file)."""
    built = pn.build_model(resolved(weights="imagenet", trunk=trunk, mode=mode))
    kernel = built.get_layer("block1_conv1").get_weights()[0]
    assert kernel[0, 0, 0, 0] == pytest.approx(0.4294709, abs=1e-6)


def test_a_blocked_download_says_how_to_fetch_the_file(no_network, resolved):
    before = socket.getdefaulttimeout()
    told = r"could not be downloaded \(.*unreachable.*\)\. .*fetch https://\S+notop\.h5, copy the"
    with pytest.raises(ConnectionError, match=told) as caught:
        pn.build_model(resolved(weights="imagenet", trunk="block3"))
    assert "\n" not in str(caught.value)
    assert socket.getdefaulttimeout() == before
    assert IMAGENET_URL.endswith("notop.h5")


def test_the_packaged_weights_are_260160_numbers():
    """By hand: 3 x 3 kernels of 3-64-64-128-128 channels, with biases."""
    layers = vgg16_trunk(keras.Input((32, 32, 3)), "imagenet", "block2")
    n = sum(layer.count_params() for layer in layers.values())
    assert n == 9 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 128) + 64 + 64 + 128 + 128 == 260_160


@pytest.mark.realdata
def test_the_packaged_weights_are_those_of_keras(imagenet_weights):
    published = keras.applications.VGG16(include_top=False, weights=str(imagenet_weights))
    for name, layer in vgg16_trunk(keras.Input((32, 32, 3)), "imagenet", "block2").items():
        for ours, theirs in zip(
            layer.get_weights(), published.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.realdata
def test_imagenet_weights_load_from_their_file(imagenet_weights, resolved):
    built = pn.build_model(resolved(weights=str(imagenet_weights)))
    packaged = pn.build_model(resolved(weights="imagenet"))
    for one, other in zip(built.get_weights(), packaged.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_wrong_weights_file_is_named(tmp_path, resolved):
    with pytest.raises(FileNotFoundError, match=r"No weights file .*none\.h5"):
        pn.build_model(resolved(weights=str(tmp_path / "none.h5")))
    (tmp_path / "text.weights.h5").write_text("no weights")
    with pytest.raises(ValueError, match="does not hold weights of VGG16"):
        pn.build_model(resolved(weights=str(tmp_path / "text.weights.h5")))


def test_weights_from_a_file_arrive(tmp_path, resolved):
    keras.utils.set_random_seed(1)
    trunk = keras.applications.VGG16(include_top=False, weights=None)
    trunk.save_weights(tmp_path / "vgg.weights.h5")
    built = pn.build_model(resolved(weights=str(tmp_path / "vgg.weights.h5")))
    np.testing.assert_array_equal(
        built.get_layer("block2_conv2").get_weights()[0],
        trunk.get_layer("block2_conv2").get_weights()[0],
    )
