import dataclasses

import numpy as np
import pytest

import polarnet as pn
from polarnet.config import resolve_config


def test_a_saved_configuration_reads_back_the_same(tmp_path):
    config = pn.ExperimentConfig(traits=("a", "ß"), window=(0, 5), seed=3, weights=None)
    config.save(tmp_path / "c.yaml")
    assert pn.load_config(tmp_path / "c.yaml") == config


def test_changes_win_over_the_file(tmp_path):
    (tmp_path / "c.yaml").write_text("map_type: rest\nseed: 4\n")
    config = pn.load_config(tmp_path / "c.yaml", seed=9)
    assert (config.map_type, config.seed) == ("rest", 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("map_typ: rest", "unknown setting 'map_typ'; did you mean 'map_type'"),
        ("map_type: streß", "map_type must be one of rest, stress, reserve"),
        ("share: -2", "share must be a number between 0 and 10, but -2 was given"),
        ("share: .nan", "share must be a number between 0 and 10"),
        (
            "hidden_units: 64\nl2: 1",
            "is of an earlier version, whose networks had a hidden layer (hidden_units, l2)",
        ),
        ("epochs: 10.5", "epochs must be a whole number between"),
        ("augment: 'no'", "augment must be true or false"),
        ("window: [5, 0]", "window must be two ascending numbers"),
        ("input_size: 100", "input_size must be a multiple of 16"),
        ("traits: sex", "must be a list of names"),
        ("traits: [sex, sex]", "each once"),
        ("val: 0.6\ntest: 0.6", "sum to less than 1"),
        ("epochs: many", "epochs must be a whole number between"),
        ("- a", "must hold lines like"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"c\.yaml") as caught:
        pn.load_config(tmp_path / "c.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numpy_numbers_and_paths_are_written_as_plain_ones(tmp_path):
    config = pn.ExperimentConfig(weights=tmp_path, val=np.float64(0.2), seed=np.int64(3))
    config.save(tmp_path / "c.yaml")
    assert pn.load_config(tmp_path / "c.yaml") == config
    assert pn.ExperimentConfig(weights="none").weights is None


def test_settings_of_a_finished_run_do_not_bring_their_window_along():
    done = resolve_config(pn.ExperimentConfig(), unit="mL/min/g", map_size=64)
    with pytest.raises(ValueError, match="of a run in mL/min/g, the cohort is in percent"):
        resolve_config(done, unit="percent", map_size=64)
    other = dataclasses.replace(done, map_type="rest")
    with pytest.raises(ValueError, match="is not that of rest maps"):
        resolve_config(other, unit="mL/min/g", map_size=64)


def test_the_last_block_follows_the_mode():
    assert pn.ExperimentConfig().last_block == "block2"
    assert pn.ExperimentConfig(mode="finetuned").last_block == "block2"
    assert pn.ExperimentConfig(mode="scratch", weights=None).last_block == "small"
    assert pn.ExperimentConfig(trunk="block3", mode="finetuned").last_block == "block3"


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        pn.ExperimentConfig().seed = 3


def test_a_combined_window_is_three_pairs():
    windows = [[0, 3], [0, 6], [0, 8]]
    config = pn.ExperimentConfig(map_type="combined", window=windows)
    assert config.windows == ((0.0, 3.0), (0.0, 6.0), (0.0, 8.0))
    with pytest.raises(ValueError, match="three pairs of ascending numbers"):
        pn.ExperimentConfig(map_type="combined", window=(0, 3))
    with pytest.raises(ValueError, match="two ascending numbers"):
        pn.ExperimentConfig(map_type="rest", window=windows)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="has no VGG16"):
        pn.ExperimentConfig(mode="scratch", weights="imagenet")
    with pytest.raises(ValueError, match="palette is grey"):
        pn.ExperimentConfig(map_type="combined", palette="jet")
