import dataclasses
import socket

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import polarnet as pn
from polarnet.config import resolve_config
from polarnet.evaluation import table as tables
from polarnet.network import features, fitting, model, pipeline, precision, prediction, weights
from polarnet.network.encoding import clipped_share, encode


def _resolved(**changes):
    config = pn.ExperimentConfig(
        **{"weights": None, "input_size": 32, "precision": "float32"} | changes
    )
    return resolve_config(config, unit="mL/min/g", map_size=32)


def test_absolute_encoding_is_the_window_and_vgg16s_means():
    """By hand: 3 of 0-6 mL/min/g is grey 127.5; BGR means 103.939, 116.779, 123.68 (Keras)."""
    image = encode(np.full((1, 32, 32), 3.0, np.float32), _resolved()).numpy()
    assert image[0, 5, 5] == pytest.approx([127.5 - 103.939, 127.5 - 116.779, 127.5 - 123.68])


def test_relative_encoding_forgets_the_level():
    config = _resolved(scaling="relative")
    maps = np.random.default_rng(0).random((1, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(encode(maps, config), encode(3 * maps, config), atol=1e-3)
    absolute = _resolved()
    assert np.abs(encode(maps, absolute) - encode(3 * maps, absolute)).max() > 20


def test_colour_maps_have_8_bits():
    config = _resolved(palette="jet")
    ramp = np.linspace(0, 6, 1024, dtype=np.float32).reshape(1, 32, 32)
    colours = np.unique(encode(ramp, config).numpy().reshape(-1, 3), axis=0)
    assert 200 < len(colours) <= 256
    with pytest.raises(ValueError, match="matplotlib colour map"):
        encode(ramp, _resolved(palette="jett"))


def test_clipped_share_counts_disc_pixels_outside_the_window(phantom):
    values = np.where(pn.anatomy.disc_mask(32), 7.0, 0.0)[None]
    assert clipped_share(values, _resolved()) == 1.0
    assert clipped_share(values / 2, _resolved()) == 0.0


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


def test_grad_cam_runs_on_one_head(phantom):
    """What explanation needs: tf-keras-vis on a one-head sub-model of the flat graph."""
    from tf_keras_vis.gradcam import Gradcam

    config = _resolved()
    built = pn.build_model(config)
    one_head = keras.Model(built.inputs, built.get_layer("sex").output)
    image = encode(phantom.maps["stress"][:1], config)
    heat = Gradcam(one_head)(lambda output: output[:, 0], image, penultimate_layer="block2_conv2")
    assert heat.shape == (1, 32, 32)


def test_labels_that_were_not_recorded_do_not_move_the_loss():
    """By hand: -(ln .8 + ln .6) / 2 over the two recorded labels, the third has any score."""
    traits = pd.DataFrame({"sex": [1.0, 0.0, np.nan]})
    labels, sample_weights = pipeline.labels_and_weights(traits)
    expected = -(np.log(0.8) + np.log(0.6)) / 2
    for unrecorded in (0.01, 0.99):
        scores = np.array([[0.8], [0.4], [unrecorded]], np.float32)
        loss = keras.losses.BinaryCrossentropy()(
            labels["sex"], scores, sample_weight=sample_weights["sex"]
        )
        assert float(loss) == pytest.approx(expected, rel=1e-5)
        assert fitting.log_loss(traits.to_numpy(), scores) == pytest.approx(expected, rel=1e-5)


def test_a_trait_nobody_recorded_has_weight_zero():
    _, sample_weights = pipeline.labels_and_weights(pd.DataFrame({"sex": [np.nan, np.nan]}))
    assert sample_weights["sex"].ravel().tolist() == [0.0, 0.0]


def test_augmentation_keeps_walls_and_depends_on_the_study_not_the_batch():
    maps = np.where(pn.anatomy.segment_map(64) == 1, 2.0, 1.0)
    maps = np.where(pn.anatomy.disc_mask(64), maps, 0).astype(np.float32)
    stack = np.stack([maps] * 20)
    rows, epoch = np.arange(20), tf.constant(3, tf.int64)
    varied = pipeline.vary(tf.constant(stack), tf.constant(rows), epoch, seed=1).numpy()
    assert np.std(varied, axis=0).max() > 0.02
    assert (pn.segment_means(varied).argmax(axis=1) == 0).all()  # anterior stays anterior
    assert (varied[:, ~pn.anatomy.disc_mask(64)] == 0).all()
    alone = pipeline.vary(tf.constant(stack[7:8]), tf.constant(rows[7:8]), epoch, seed=1).numpy()
    np.testing.assert_allclose(alone[0], varied[7], atol=1e-6)


def test_augmentation_darkens_no_edge():
    """A constant map stays constant: nothing from outside the disc may leak in."""
    disc = pn.anatomy.disc_mask(64)
    stack = tf.constant(np.stack([np.where(disc, 1, 0)] * 30).astype(np.float32))
    rows, epoch = tf.range(30, dtype=tf.int64), tf.constant(0, tf.int64)
    grain, pipeline.GRAIN = pipeline.GRAIN, 0.0
    try:
        varied = pipeline.vary(stack, rows, epoch, seed=4).numpy()
    finally:
        pipeline.GRAIN = grain
    np.testing.assert_allclose(varied[:, disc], 1, atol=1e-5)


def test_augmentation_turns_about_the_apex_by_at_most_ten_degrees():
    """The centroid of a lit lateral spot may move by 10 degrees and 3 % of its radius."""
    spot = np.zeros((64, 64), np.float32)
    spot[31:33, 50:54] = 1
    stack = tf.constant(np.stack([spot] * 200))
    varied = pipeline.vary(stack, tf.range(200, dtype=tf.int64), tf.constant(0, tf.int64), seed=2)
    y, x = np.mgrid[:64, :64] - 31.5
    mass = varied.numpy().sum(axis=(1, 2))
    angle = np.degrees(np.arctan2((varied * y).numpy().sum(axis=(1, 2)) / mass,
                                  (varied * x).numpy().sum(axis=(1, 2)) / mass))  # fmt: skip
    assert 8 < np.abs(angle).max() < 11


def test_batches_cover_every_study_once_an_epoch_in_another_order():
    traits = pd.DataFrame({"sex": [0.0, 1.0] * 5})
    batches = pipeline.training_batches(
        lambda rows: rows.astype(np.float32)[:, None], traits, batch_size=4, epochs=2, seed=0
    )
    seen = np.concatenate([inputs.numpy().ravel() for inputs, _, _ in batches])
    first, second = seen[:10].tolist(), seen[10:].tolist()
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_features_are_computed_once(phantom, tmp_path, monkeypatch):
    config = _resolved()
    built = pn.build_model(config)
    built.experiment = config
    first = features.trunk_features(built, model.POOLED, phantom, tmp_path)

    def never(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(features, "encode", never)
    part = phantom.select(np.array([8, 3]))
    again = features.trunk_features(built, model.POOLED, part, tmp_path)
    np.testing.assert_array_equal(again[:], first[np.array([8, 3])])


def test_a_full_cache_is_named_and_left_clean(phantom, tmp_path, monkeypatch):
    """np.save on a full disk raises an OSError without a number."""

    def full(*_, **__):
        raise OSError("4096 requested and 0 written")

    monkeypatch.setattr(features.np, "save", full)
    built = pn.build_model(_resolved())
    built.experiment = _resolved()
    with pytest.raises(OSError, match=r"cannot be kept in .*--cache") as caught:
        features.trunk_features(built, model.POOLED, phantom, tmp_path)
    assert caught.value.errno == 28
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    "change",
    [{"window": (0.0, 5.0)}, {"scaling": "relative"}, {"palette": "jet"}, {"input_size": 48},
     {"pooling": "global"}, {"trunk": "block1"}, {"precision": "mixed_bfloat16"}],
)  # fmt: skip
def test_whatever_changes_features_changes_their_key(change):
    keys = []
    for config in (_resolved(), dataclasses.replace(_resolved(), **change)):
        built = pn.build_model(config)
        keys.append(features._key(model.below(built, model.POOLED), model.POOLED, config))
    assert keys[0] != keys[1]


def test_the_float32_twin_of_a_bf16_run_has_another_key():
    """A loaded model computes in float32 whatever its configuration says of the training."""
    config = _resolved(precision="mixed_bfloat16")
    keys = set()
    for precision_ in ("mixed_bfloat16", "float32"):
        built = pn.build_model(dataclasses.replace(config, precision=precision_))
        keys.add(features._key(model.below(built, model.POOLED), model.POOLED, config))
    assert len(keys) == 2


def test_other_weights_have_another_key():
    config = _resolved()
    keys = set()
    for seed in (0, 1):
        built = pn.build_model(dataclasses.replace(config, seed=seed))
        keys.add(features._key(model.below(built, model.POOLED), model.POOLED, config))
    assert len(keys) == 2


def test_a_feature_without_spread_does_not_explode():
    built = pn.build_model(pn.ExperimentConfig(weights=None, input_size=32))
    layer = built.get_layer(model.STANDARDISED)
    values = np.random.default_rng(0).normal(size=(50, layer.input.shape[-1])).astype(np.float32)
    values[:, 0] = 0
    model.standardise(built, values)
    values[0, 0] = 1
    assert np.abs(layer(values).numpy()).max() < 100


def test_bf16_scores_like_float32(phantom):
    config = _resolved()
    exact = pn.build_model(config)
    rounded = pn.build_model(dataclasses.replace(config, precision="mixed_bfloat16"))
    rounded.set_weights(exact.get_weights())
    image = encode(phantom.maps["stress"][:8], config)
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


def test_the_journey_writes_every_file_of_a_run(finished_run):
    run, (_, val, test) = finished_run
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        "config.yaml", "model.keras", "history.csv", "scores_val.csv", "scores_test.csv",
        "metrics.csv", "environment.json", "figures",
    }  # fmt: skip
    scores = pd.read_csv(run.folder / "scores_test.csv")
    assert list(scores["study_id"]) == list(test.patients.index)
    assert set(scores["warning"]) == {"trained on a phantom, not on patients"}
    assert set(pd.read_csv(run.folder / "metrics.csv")["data"]) == {"phantom, not patients"}
    assert len(pd.read_csv(run.folder / "scores_val.csv")) == len(val)


def test_a_loaded_model_scores_as_the_run_folder_says(finished_run):
    run, (_, _, test) = finished_run
    scores = pn.predict(pn.load_model(run.folder), test)
    written = pd.read_csv(run.folder / "scores_test.csv", index_col="study_id")
    np.testing.assert_allclose(scores, written[list(scores.columns)], atol=2e-6)


def test_any_keras_loads_the_model_file(finished_run):
    """Standard layers only, safe mode."""
    loaded = keras.saving.load_model(finished_run[0].folder / "model.keras", safe_mode=True)
    assert set(loaded.output) == {"sex", "diabetes"}


@pytest.mark.parametrize("mode", ["frozen", "finetuned"])
def test_same_seed_same_bytes(phantom, tiny, cache, tmp_path, mode):
    config = dataclasses.replace(tiny, mode=mode, finetune_learning_rate=1e-3)
    splits = pn.split_by_patient(phantom, seed=5)
    for name in ("first", "again"):
        pn.run_experiment(*splits, config, tmp_path / name, cache=cache, show_progress=False)
    for file in ("scores_test.csv", "scores_val.csv", "metrics.csv", "history.csv"):
        first, again = ((tmp_path / name / file).read_bytes() for name in ("first", "again"))
        assert first == again, file


def test_fine_tuning_moves_the_last_block_only(phantom, tiny, cache, tmp_path):
    config = dataclasses.replace(
        tiny, mode="finetuned", finetune_learning_rate=1e-3, finetune_epochs=2, patience=1, epochs=1
    )
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    pn.train(train, val, config, tmp_path / "run", cache=cache, show_progress=False)
    tuned = pn.load_model(tmp_path / "run")
    before = pn.build_model(config)
    for layer in before.layers:
        if "_conv" in layer.name:
            same = np.array_equal(
                layer.get_weights()[0], tuned.get_layer(layer.name).get_weights()[0]
            )
            assert same != layer.name.startswith("block5"), layer.name


def test_training_with_augmentation_runs(phantom, tiny, cache, tmp_path):
    config = dataclasses.replace(tiny, augment=True, epochs=1, trunk="block1")
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    run = pn.train(train, val, config, tmp_path / "run", cache=cache, show_progress=False)
    assert 0 < run.val_log_loss < 5


def test_the_kept_epoch_is_the_best_of_the_history(finished_run):
    run, (_, val, _) = finished_run
    history = pd.read_csv(run.folder / "history.csv")
    scores = pd.read_csv(run.folder / "scores_val.csv", index_col="study_id")
    traits = list(run.config.traits)
    kept = fitting.log_loss(val.traits[traits].to_numpy(), scores[traits].to_numpy())
    assert kept == pytest.approx(history["val_log_loss"].min(), abs=1e-5)


def test_an_interruption_leaves_nothing(phantom, tiny, cache, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting._Watch, "on_epoch_end", stop)
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    with pytest.raises(KeyboardInterrupt):
        pn.train(train, val, tiny, tmp_path / "run", cache=cache, show_progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"traits": ("gender",)}, "No trait gender in this cohort; it has impaired_mfr, sex"),
        ({"map_type": "reserve"}, None),
    ],
)
def test_what_cannot_be_trained_is_said_first(phantom, tiny, tmp_path, cache, change, message):
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    config = dataclasses.replace(tiny, **change)
    if message is None:
        train = dataclasses.replace(train, unit="percent", maps=dict(list(train.maps.items())[:2]))
        message = "No reserve maps in this cohort; it has rest, stress in percent"
    with pytest.raises(ValueError, match=message):
        pn.train(train, val, config, tmp_path / "run", cache=cache)
    assert not (tmp_path / "run").exists()


def test_a_trait_with_one_class_is_refused(phantom, tiny, tmp_path, cache):
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    train = dataclasses.replace(train, traits=train.traits.assign(diabetes=0.0))
    with pytest.raises(ValueError, match=r"both classes of diabetes, but all \d+ training studies"):
        pn.train(train, val, tiny, tmp_path / "run", cache=cache)


def test_a_trait_that_validation_lacks_is_refused(phantom, tiny, tmp_path, cache):
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    val = dataclasses.replace(val, traits=val.traits.assign(diabetes=np.nan))
    with pytest.raises(ValueError, match="No validation study has diabetes recorded"):
        pn.train(train, val, tiny, tmp_path / "run", cache=cache)


def test_a_test_cohort_that_does_not_fit_is_refused_before_training(phantom, tiny, tmp_path, cache):
    train, val, test = pn.split_by_patient(phantom, seed=5)
    bare = dataclasses.replace(test, traits=test.traits[["sex"]])
    with pytest.raises(ValueError, match="test cohort has no trait diabetes"):
        pn.run_experiment(train, val, bare, tiny, tmp_path / "run", cache=cache)
    with pytest.raises(ValueError, match="Patients in test and in training"):
        pn.run_experiment(train, val, train, tiny, tmp_path / "run", cache=cache)


def test_a_trait_cannot_have_the_name_of_a_layer(phantom, tiny, tmp_path, cache):
    named = dataclasses.replace(phantom, traits=phantom.traits.rename(columns={"sex": "hidden"}))
    train, val, _ = pn.split_by_patient(named, seed=5)
    config = dataclasses.replace(tiny, traits=("hidden",))
    with pytest.raises(ValueError, match="hidden cannot name a trait"):
        pn.train(train, val, config, tmp_path / "run", cache=cache)


def test_a_phantom_model_on_real_maps_warns(finished_run, make_cohort):
    with pytest.warns(UserWarning, match="trained on a phantom"):
        pn.predict(pn.load_model(finished_run[0].folder), make_cohort(size=32))


def test_the_table_follows_from_the_scores_as_written(finished_run):
    run, (_, _, test) = finished_run
    written = tables.read_scores(run.folder / "scores_test.csv")
    table = pn.evaluate(written, test.traits, test.patients)
    metrics = pd.read_csv(run.folder / "metrics.csv")
    stated = metrics[metrics["model"] == "network"].set_index("trait")["auroc"]
    np.testing.assert_allclose(table.set_index("trait")["auroc"], stated, rtol=1e-5)


def test_a_shared_patient_is_refused(phantom, tiny, tmp_path, cache):
    with pytest.raises(ValueError, match="Patients in training and validation: P3-"):
        pn.train(phantom, phantom, tiny, tmp_path / "run", cache=cache)


def test_maps_that_mean_something_else_are_refused(finished_run, make_cohort):
    trained = pn.load_model(finished_run[0].folder)
    with pytest.raises(ValueError, match="trained on maps in mL/min/g, this cohort is in percent"):
        pn.predict(trained, make_cohort(size=32, unit="percent"))
    with pytest.raises(ValueError, match="32 x 32 pixels, these are 16 x 16"):
        pn.predict(trained, make_cohort(size=16))


def test_another_tracer_is_said(finished_run, make_cohort):
    trained = pn.load_model(finished_run[0].folder)
    trained.experiment = dataclasses.replace(trained.experiment, software="A", tracer="N-13")
    with pytest.warns(UserWarning, match="tracer 'Rb-82', trained on 'N-13'"):
        scores = pn.predict(trained, make_cohort(size=32, tracer="Rb-82", software="A"))
    assert scores.attrs["warning"] == "tracer 'Rb-82', trained on 'N-13'"


def test_a_run_without_its_model_is_refused(finished_run, tmp_path):
    (tmp_path / "config.yaml").write_bytes((finished_run[0].folder / "config.yaml").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"model\.keras is missing"):
        pn.load_model(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"model\.keras cannot be loaded"):
        pn.load_model(tmp_path)


def test_frozen_end_is_below_everything_trained():
    assert prediction.frozen_end(pn.ExperimentConfig()) == "pooled"
    assert prediction.frozen_end(pn.ExperimentConfig(mode="finetuned")) == "block4_pool"
    shallow = pn.ExperimentConfig(mode="finetuned", trunk="block2")
    assert prediction.frozen_end(shallow) == "block1_pool"
    assert weights.IMAGENET_URL.endswith("notop.h5")
