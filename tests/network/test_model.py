"""The model from the map to the probability: its image, its form, and its copies."""

import copy
import dataclasses
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import polarnet as pn
from polarnet.network import build_model, model
from polarnet.network.features import wide_features
from polarnet.network.pipeline import clinical_input, input_maps
from polarnet.suitability import check_trait_names


def stress_of(cohort):
    return cohort.maps["stress"][:][..., None]


# === Image ======================================================================================


def encode(maps, config):
    """The image that a model of these settings makes of maps."""
    given = keras.Input(maps.shape[1:])
    return keras.Model(given, model.encoded(given, config))(maps).numpy()


@pytest.mark.parametrize(
    ("map_type", "flow", "grey"),
    [("stress", 3.0, 127.5), ("stress", 9.0, 255.0),
     ("combined", [1.5, 3, 2], [127.5, 127.5, 63.75])],
)  # fmt: skip
def test_absolute_encoding_is_the_window_and_vgg16s_means(resolved, map_type, flow, grey):
    """By hand: 3 of 0-6 mL/min/g is grey 127.5, 9 is white; BGR means 103.939, 116.779, 123.68
    (Keras). Combined maps: 1.5 of 0-3, 3 of 0-6, 2 of 0-8; rest is blue, stress green, reserve red.
    """
    maps = np.ones((1, 32, 32, 1), np.float32) * np.array(flow, np.float32)
    image = encode(maps, resolved(map_type=map_type))
    assert image[0, 5, 5] == pytest.approx(np.array(grey) - [103.939, 116.779, 123.68], abs=1e-4)


def test_relative_encoding_forgets_the_level(resolved):
    config, absolute = resolved(scaling="relative"), resolved()
    maps = np.random.default_rng(0).random((1, 32, 32, 1)).astype(np.float32)
    np.testing.assert_allclose(encode(maps, config), encode(3 * maps, config), atol=1e-3)
    assert np.abs(encode(maps, absolute) - encode(3 * maps, absolute)).max() > 20


def test_colour_maps_have_8_bits(resolved):
    config = resolved(palette="jet")
    ramp = np.linspace(0, 6, 1024, dtype=np.float32).reshape(1, 32, 32, 1)
    image = encode(ramp, config)
    assert 200 < len(np.unique(image.reshape(-1, 3), axis=0)) <= 256
    # By hand: jet begins at (0, 0, 0.5) and ends at (0.5, 0, 0) of red, green, blue.
    darkest, brightest = image[0][[0, -1], [0, -1]] + [103.939, 116.779, 123.68]
    assert darkest == pytest.approx([127.5, 0, 0], abs=0.6)
    assert brightest == pytest.approx([0, 0, 127.5], abs=0.6)
    with pytest.raises(ValueError, match="matplotlib colour map"):
        encode(ramp, resolved(palette="jett"))


# === Form =======================================================================================


def test_segment_pooling_averages_each_wall():
    """A feature that is 1 in one segment of the disc gives 1 there and nearly 0 elsewhere."""
    lit = (pn.anatomy.segment_map(56) == 10).astype(np.float32).reshape(-1)
    pooled = lit @ model.segment_shares(56)
    assert pooled[9] > 0.9
    assert np.delete(pooled, 9).max() < 0.1


def test_heads_are_a_dict_by_name_in_a_flat_graph_with_a_frozen_trunk(few, drawn):
    traits = ("smoking", "impaired_mfr", "sex")
    built, maps = drawn(map_type="rest", traits=traits).model, few.maps["rest"][:][..., None]
    assert [tensor.name for tensor in built.inputs] == ["rest"]
    assert set(built.output) == set(traits)
    one_head = keras.Model(built.input, built.get_layer("sex").output)
    np.testing.assert_array_equal(one_head(maps), built(maps)["sex"])
    assert not np.array_equal(built(maps)["sex"], built(maps)["smoking"])
    assert not any(isinstance(layer, keras.Model) for layer in built.layers)
    assert {weight.path.split("/")[0] for weight in built.trainable_weights} == set(traits)


@pytest.mark.parametrize("map_type", ["rest", "combined"])
def test_what_a_bullseye_shows_is_segment_means_lowest_highest_and_mean(
    phantom, resolved, map_type
):
    """By hand, with NumPy: mean of the pixels of each AHA segment; of combined maps one by one."""
    config = resolved(map_type=map_type, trunk="block1")
    maps, regions = input_maps(phantom, config)[:5], pn.anatomy.segment_map(32)
    means = np.stack([maps[:, regions == k].mean(axis=1) for k in range(1, 18)], axis=-1)
    ends = [means.min(axis=2), means.max(axis=2), means.mean(axis=2)]
    wide = wide_features(build_model(config), maps)
    assert wide.shape == (5, 20 * len(config.map_types))
    expected = np.concatenate([means.reshape(5, -1), *ends], axis=1)
    np.testing.assert_allclose(wide, expected, rtol=1e-4, atol=1e-4)


def test_groups_are_standardised_and_the_share_weighs_the_trunk_of_its_own_trait(phantom, drawn):
    """By hand, with NumPy: z-scores over the root of their number; a variance below a thousandth of
    the mean one counts as that. Then the head's own weights on wide features and on .3 times deep
    ones, and one sigmoid.
    """
    built, maps, scaled = drawn(phantom, share=0.3).model, stress_of(phantom), {}
    for group in (model.WIDE, model.DEEP):
        rows = model.below(built, group)(maps).numpy().astype(float)
        variance = np.maximum(rows.var(axis=0), rows.var(axis=0).mean() / 1000)
        expected = (rows - rows.mean(axis=0)) / np.sqrt(rows.shape[1] * variance)
        scaled[group] = model.below(built, f"{group}_standardised")(maps).numpy()
        np.testing.assert_allclose(scaled[group], expected, atol=1e-4)
    assert (scaled[model.WIDE] ** 2).sum(axis=1).mean() == pytest.approx(1, abs=1e-4)
    kernel, bias = built.get_layer("sex").get_weights()
    logits = scaled[model.WIDE] @ kernel[:20] + 0.3 * scaled[model.DEEP] @ kernel[20:] + bias
    np.testing.assert_allclose(built(maps)["sex"], 1 / (1 + np.exp(-logits)), atol=1e-5)


def test_clinical_columns_are_standardised_and_what_is_missing_is_0_and_marked(few, drawn):
    """By hand: ages 50, 60, 70, of one patient unknown, have SD 8.165 (root of 200 / 3); the bmi of
    one patient is all that is known of it, so it counts as 0."""
    table = few.clinical.assign(age=[50, np.nan, 60, 70], bmi=[np.nan, 31, np.nan, np.nan])
    cohort = dataclasses.replace(few, clinical=table)
    run = drawn(cohort, clinical=("age", "bmi"), traits=("sex",))
    given = given_to(run, cohort)
    end = run.model.get_layer("clinical_encoded").output
    encoded = keras.Model(run.model.input, end)(given).numpy()
    expected = [[-1.224745, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1], [1.224745, 0, 0, 1]]
    np.testing.assert_allclose(encoded, expected, atol=1e-5)
    joined = keras.Model(run.model.input, run.model.get_layer("all_of_sex").output)(given)
    np.testing.assert_allclose(joined[:, -4:], 3 * np.array(expected), atol=1e-5)
    without = keras.Model(run.model.input, run.model.get_layer("groups_of_sex").output)(given)
    np.testing.assert_array_equal(joined[:, :-4], without)


def test_a_feature_without_spread_does_not_explode():
    values = np.random.default_rng(0).normal(size=(50, 40)).astype(np.float32)
    values[:, 0] = 0
    standards = model.standards_of_features({"deep": values})
    values[0, 0] = 1
    assert np.abs(standards.apply("deep", values)).max() < 100


@pytest.mark.parametrize(
    "changes",
    [{"palette": "jet"}, {"scaling": "relative"}, {"map_type": "combined"}, {"trunk": "block3"},
     {"mode": "scratch"}, {"pooling": "global", "trunk": "block1"}, {"clinical": ("age",)}],
)  # fmt: skip
def test_no_trait_may_have_the_name_of_a_layer(resolved, changes):
    built = build_model(resolved(traits=("sex",), **changes))
    for name in {layer.name for layer in built.layers} - {"sex"}:
        with pytest.raises(ValueError, match="cannot name a trait"):
            check_trait_names([name])
    check_trait_names(["sex", "block_left", "small vessel disease", "known CAD"])


def test_an_untrained_trunk_comes_from_the_seed_alone_and_settings_must_be_resolved(resolved):
    """Keras' own draw comes from a state that other threads of a process use too."""
    with pytest.raises(ValueError, match="not resolved: a cohort decides size and window"):
        build_model(pn.ExperimentConfig())
    first, again, other = (build_model(resolved(seed=seed)).get_weights() for seed in (0, 0, 1))
    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))


# === Precision ==================================================================================


def test_bf16_scores_like_float32(few, drawn, resolved):
    run = drawn(traits=("sex",))
    config = resolved(traits=("sex",), trunk="block1", precision="mixed_bfloat16")
    rounded, maps = model.in_precision(run.model, config), stress_of(few)
    exact = run.model(maps)["sex"]
    np.testing.assert_allclose(rounded(maps)["sex"], exact, atol=0.02)
    again = model.in_precision(rounded, run.config)
    np.testing.assert_allclose(again(maps)["sex"], exact, atol=1e-6)


def test_auto_precision_asks_the_processor(tmp_path):
    info = tmp_path / "cpuinfo"
    assert not model._processor_has_bf16(info)
    for flags, is_able in (("fpu avx2 avx512_bf16", True), ("fpu avx2", False)):
        info.write_text(f"processor : 0\nflags\t\t: {flags}\n")
        assert model._processor_has_bf16(info) == is_able


@pytest.mark.parametrize(
    ("capability", "processor", "chosen"),
    [((7, 5), True, "float32"), ((8, 0), False, "mixed_bfloat16"), (None, True, "float32"),
     ("no GPU", True, "mixed_bfloat16"), ("no GPU", False, "float32")],
)  # fmt: skip
def test_the_device_that_works_chooses_the_precision(monkeypatch, capability, processor, chosen):
    """A GPU of capability 7.5 (Turing) has no bf16, whatever the processor beside it has."""
    gpus = [] if capability == "no GPU" else ["GPU:0", "GPU:1"]
    details = {"compute_capability": capability} if capability else {}
    found = {"GPU:0": details, "GPU:1": {"compute_capability": (9, 0)}}
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", found.__getitem__)
    monkeypatch.setattr(model, "_processor_has_bf16", lambda: processor)
    assert model.resolve_precision("auto") == chosen
    assert model.resolve_precision("float32") == "float32"


# === Copies =====================================================================================

WITHOUT_POLARNET = """
import sys
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1], safe_mode=True)
given = dict(np.load(sys.argv[2]))
scores = model.predict(given if len(given) > 1 else given["stress"], verbose=0)
np.savez(sys.argv[3], **scores)
assert not [name for name in sys.modules if name.startswith("polarnet")]
"""


def given_to(run, cohort):
    """What the model of a run is given: maps, or maps and clinical columns by name."""
    maps, clinical = input_maps(cohort, run.config)[:], clinical_input(cohort, run.config)
    return {run.config.map_type: maps} | clinical if clinical else maps


def assert_same(found, scores):
    """Scores by trait, whatever order they come in."""
    for trait in scores:
        np.testing.assert_allclose(np.ravel(found[trait]), scores[trait], atol=1e-5, err_msg=trait)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")  # its heir is a package
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"map_type": "combined"},
        {"palette": "jet"},
        {"scaling": "relative"},
        {"clinical": ("age", "bmi")},
    ],
    ids=["single", "combined", "palette", "relative", "clinical"],
)
def test_the_model_alone_its_copies_and_its_exports_score_as_predict_does(
    few, drawn, tmp_path, settings
):
    """By name of trait; TensorFlow's SavedModel, and TFLite."""
    run = drawn(traits=("sex", "known CAD"), input_size=48, **settings)
    built, maps, scores = run.model, given_to(run, few), pn.predict(run, few)
    assert scores.to_numpy().std(axis=0).min() > 0.01
    assert_same(built.predict(maps, verbose=0), scores)
    clone = keras.models.clone_model(built)
    clone.set_weights(built.get_weights())
    for again in (clone, copy.deepcopy(built), pickle.loads(pickle.dumps(built))):
        assert_same(again(maps), scores)
    built.export(tmp_path / "saved", verbose=False)
    saved = tf.saved_model.load(tmp_path / "saved")
    assert_same(saved.serve(maps), scores)
    # Of a Keras model with two inputs TensorFlow 2.21 can convert the SavedModel only.
    content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved")).convert()
    runner = tf.lite.Interpreter(model_content=content).get_signature_runner("serving_default")
    named = maps if run.config.clinical else dict.fromkeys(runner.get_input_details(), maps)
    assert_same(runner(**named), scores)


@pytest.mark.parametrize("kind", ["finished_run", "clinical_run"])
def test_keras_alone_scores_the_same(kind, request, tmp_path):
    """In a process that never imports this package, from the files of a run and of its maps."""
    run, (_, _, test) = request.getfixturevalue(kind)
    given = given_to(run, test)
    np.savez(tmp_path / "given.npz", **given if run.config.clinical else {"stress": given})
    arguments = [run.folder / "model.keras", tmp_path / "given.npz", tmp_path / "scores.npz"]
    subprocess.run(
        [sys.executable, "-c", WITHOUT_POLARNET, *map(str, arguments)],
        check=True, cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    assert_same(np.load(tmp_path / "scores.npz"), pn.predict(run, test))
