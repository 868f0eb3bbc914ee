import dataclasses
import socket

import keras
import numpy as np
import pytest
import tensorflow as tf

import polarnet as pn
from polarnet.network import model, precision
from polarnet.network.encoding import encode


def test_segment_pooling_averages_each_wall():
    """A feature that is 1 in one segment of the disc gives 1 there and nearly 0 elsewhere."""
    lit = (pn.anatomy.segment_map(56) == 10).astype(np.float32).reshape(-1)
    pooled = lit @ model.segment_shares(56)
    assert pooled[9] > 0.9
    assert np.delete(pooled, 9).max() < 0.1


def test_heads_are_a_dict_by_name_whatever_their_order():
    built = pn.build_model(pn.ExperimentConfig(
        map_type="rest", traits=("smoking", "impaired_mfr", "sex"), weights=None, input_size=32
    ))  # fmt: skip
    assert [tensor.name for tensor in built.inputs] == ["rest"]
    assert set(built.output) == {"smoking", "impaired_mfr", "sex"}
    one_head = keras.Model(built.inputs, built.get_layer("sex").output)
    image = tf.random.stateless_normal((2, 32, 32, 3), (1, 2))
    np.testing.assert_array_equal(one_head(image), built(image)["sex"])


def test_the_graph_is_flat_and_the_trunk_frozen():
    built = pn.build_model(pn.ExperimentConfig(weights=None, input_size=32))
    assert not any(isinstance(layer, keras.Model) for layer in built.layers)
    trained = {weight.path.split("/")[0] for weight in built.trainable_weights}
    assert trained == {"hidden", *pn.TRAITS}


def test_grad_cam_runs_on_one_head(phantom, resolved):
    """What explanation needs: tf-keras-vis on a one-head sub-model of the flat graph."""
    from tf_keras_vis.gradcam import Gradcam

    config = resolved()
    built = pn.build_model(config)
    one_head = keras.Model(built.inputs, built.get_layer("sex").output)
    image = encode(phantom.maps["stress"][:1][..., None], config)
    heat = Gradcam(one_head)(lambda output: output[:, 0], image, penultimate_layer="block2_conv2")
    assert heat.shape == (1, 32, 32)


def test_a_feature_without_spread_does_not_explode():
    built = pn.build_model(pn.ExperimentConfig(weights=None, input_size=32))
    layer = built.get_layer(model.STANDARDISED)
    values = np.random.default_rng(0).normal(size=(50, layer.input.shape[-1])).astype(np.float32)
    values[:, 0] = 0
    model.standardise(built, values)
    values[0, 0] = 1
    assert np.abs(layer(values).numpy()).max() < 100


def test_bf16_scores_like_float32(phantom, resolved):
    config = resolved()
    exact = pn.build_model(config)
    rounded = pn.build_model(dataclasses.replace(config, precision="mixed_bfloat16"))
    rounded.set_weights(exact.get_weights())
    image = encode(phantom.maps["stress"][:8][..., None], config)
    model.standardise(exact, model.below(exact, model.POOLED)(image).numpy())
    rounded.set_weights(exact.get_weights())
    rounded.get_layer(model.STANDARDISED).finalize_state()
    for trait, scores in exact(image).items():
        np.testing.assert_allclose(rounded(image)[trait], scores, atol=0.01)


def test_auto_precision_asks_the_processor(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nflags\t\t: fpu avx2 avx512_bf16\n")
    assert precision._processor_has_bf16(info)
    info.write_text("processor : 0\nflags\t\t: fpu avx2\n")
    assert not precision._processor_has_bf16(info)
    assert not precision._processor_has_bf16(tmp_path / "none")
    assert precision.resolve_precision("float32") == "float32"


def test_a_blocked_download_says_how_to_fetch_the_file(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise OSError("Network is unreachable")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", refuse)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    before = socket.getdefaulttimeout()
    with pytest.raises(ConnectionError, match=r"fetch https://\S+notop\.h5, copy the file here"):
        pn.build_model(pn.ExperimentConfig(weights="imagenet", input_size=32))
    assert socket.getdefaulttimeout() == before


def test_a_wrong_weights_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No weights file .*none\.h5"):
        pn.build_model(pn.ExperimentConfig(weights=str(tmp_path / "none.h5")))
    (tmp_path / "text.weights.h5").write_text("no weights")
    with pytest.raises(ValueError, match="does not hold weights of VGG16"):
        pn.build_model(pn.ExperimentConfig(weights=str(tmp_path / "text.weights.h5")))


def test_weights_from_a_file_arrive(tmp_path):
    keras.utils.set_random_seed(1)
    trunk = keras.applications.VGG16(include_top=False, weights=None)
    trunk.save_weights(tmp_path / "vgg.weights.h5")
    built = pn.build_model(
        pn.ExperimentConfig(weights=str(tmp_path / "vgg.weights.h5"), input_size=32)
    )
    np.testing.assert_array_equal(
        built.get_layer("block2_conv2").get_weights()[0],
        trunk.get_layer("block2_conv2").get_weights()[0],
    )


@pytest.mark.realdata
def test_imagenet_weights_load_from_their_file(imagenet_weights):
    """First value of block1_conv1 in the published ImageNet weights: 0.4294709 (Keras' file)."""
    built = pn.build_model(pn.ExperimentConfig(weights=str(imagenet_weights), input_size=32))
    kernel = built.get_layer("block1_conv1").get_weights()[0]
    assert kernel[0, 0, 0, 0] == pytest.approx(0.4294709, abs=1e-6)


def test_a_head_of_any_name_starts_from_the_seed_alone(resolved):
    """Keras' own draw comes from a state that other threads of a process use too."""
    first, again = (model.build_model(resolved(traits=("known CAD", "sex"))) for _ in range(2))
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
