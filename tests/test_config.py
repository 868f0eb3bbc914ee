"""Settings of a run: read as they were written, or refused in one clear line."""

import dataclasses

import numpy as np
import pytest

import polarnet as pn
from polarnet.config import resolve_config
from polarnet.readers.columnmap import load_column_map
from polarnet.readers.profiles import load_profile


@pytest.mark.parametrize(
    "settings",
    [
        {"traits": ("a", "ß"), "window": (0, 5), "seed": 3, "weights": None},
        {"traits": ("017", "1e3", "ja/nein"), "tracer": "1e5", "software": "4.10",
         "learning_rate": 3e-5},
        {"clinical": ("age", "7")},
        {"val": np.float64(0.2), "seed": np.int64(3)},
        {"map_type": "combined", "window": [[0, 3], [0, 6], [0, 8]]},
    ],
    ids=["plain", "text like numbers", "clinical", "numpy", "three windows"],
)  # fmt: skip
def test_a_saved_configuration_reads_back_the_same(tmp_path, settings):
    config = pn.ExperimentConfig(**{"weights": tmp_path} | settings)
    config.save(tmp_path / "c.yaml")
    assert pn.ExperimentConfig.load(tmp_path / "c.yaml") == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 4


def test_changes_win_over_the_file_and_the_last_block_follows_the_mode(tmp_path):
    (tmp_path / "c.yaml").write_text("map_type: rest\nseed: 4\n")
    config = pn.ExperimentConfig.load(tmp_path / "c.yaml", seed=9)
    assert (config.map_type, config.seed) == ("rest", 9)
    assert pn.ExperimentConfig(weights="none").weights is None
    assert pn.ExperimentConfig(traits=(7,)).traits == ("7",)
    for settings, block in (({}, "block2"), ({"mode": "finetuned"}, "block2"),
                            ({"mode": "scratch", "weights": None}, "small"),
                            ({"trunk": "block3", "mode": "finetuned"}, "block3")):  # fmt: skip
        assert pn.ExperimentConfig(**settings).last_block == block


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("map_typ: rest", "unknown setting 'map_typ'; did you mean 'map_type'"),
        ("map_type: streß", "map_type must be one of rest, stress, reserve"),
        ("share: -2", "share must be a number between 0 and 10, but -2 was given"),
        ("share: .nan", "share must be a number between 0 and 10, but nan was given"),
        ("hidden_units: 64", "earlier version, whose networks had a hidden layer"),
        ("epochs: many", "epochs must be a whole number between"),
        ("epochs: 10.5", "but 10.5 was given"),
        ("epochs: 1_000", "epochs must be a whole number between 1 and 100000, but '1_000'"),
        ("epochs: .inf", "but inf was given"),
        ("seed: 1:30", "but '1:30' was given"),
        ("seed: 017", "but '017' was given"),
        ("input_size: 100", "input_size must be a multiple of 16"),
        ("input_size: 65536", "but 65536 was given"),
        ("map_size: 1000000", "but 1000000 was given"),
        ("augment: 1", "augment must be true or false, but 1 was given"),
        ("window: [5, 0]", "window must be two ascending numbers"),
        ("window: [0, .inf]", "ascending numbers"),
        ("window: 7", "ascending numbers"),
        ("window: [[0, 3], [0, 6], [0, 8]]", "two ascending numbers"),
        ("map_type: combined\nwindow: 7", "ascending numbers"),
        ("map_type: combined\nwindow: [0, 3]", "three pairs of ascending numbers"),
        ("map_type: combined\npalette: jet", "palette is grey"),
        ("mode: scratch", "has no VGG16"),
        ("palette: [a]", "palette must be"),
        ("tracer: no", "tracer must be text in quotes, of at most 4096 characters, but False"),
        ("software: 4.10", "software must be text"),
        ("weights: off", "weights must be text"),
        ("unit: [a]", "unit must be text"),
        ("traits: sex", "must be a list of names"),
        ("traits: [sex, sex]", "each once"),
        ("traits: [yes]", "Put quotes around yes"),
        ("traits: [sex, 1.50]", "traits must be a list of names"),
        ("traits: [~]", "a list of names"),
        ("traits: []", "a list of names"),
        ("clinical: age", "clinical must be a list of names"),
        ("clinical: [age, age]", "each once"),
        ("clinical: ['=age']", "cannot name a clinical column"),
        ("clinical: [age, sex]", "sex cannot be both a clinical column and a trait"),
        ("clinical: [age]\nmode: scratch\nweights: none", "Mode scratch reads maps alone"),
        ("val: 0.6\ntest: 0.6", "sum to less than 1"),
        ("- a", "must hold lines like"),
        ("a: [", "is not YAML"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_clear_line_and_no_setting_becomes_another_value(
    tmp_path, text, message
):
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"c\.yaml") as caught:
        pn.ExperimentConfig.load(tmp_path / "c.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["=cmd()", "\tsex", "\nsex", "@SUM(1)", "\uff1d1+1", "sex\r", " sex", "a\x00b", "+a",
             "", "x" * 201, "\ud800"],
)  # fmt: skip
def test_a_trait_name_that_does_harm_in_a_table_is_refused(name):
    with pytest.raises(ValueError, match="cannot name a trait") as caught:
        pn.ExperimentConfig(traits=("diabetes", name))
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


_LONG = {
    "scalar": "x" * 50_000,
    "digits": "9" * 20_000,
    "list": "[" + "x," * 3000 + "]",
    "deep": "[" * 500 + "]" * 500,
    "mapping": "{" + ",".join(f"k{k}: 1" for k in range(1000)) + "}",
    "aliases": "[&a [x, x], *a]",
}


@pytest.mark.parametrize("value", _LONG.values(), ids=_LONG)
@pytest.mark.parametrize(
    ("read", "line"),
    [*((pn.ExperimentConfig.load, line)
       for line in ("map_type: ", "traits: ", "seed: ", "window: ", "augment: ", "? ")),
     (load_profile, "layout: "), (load_profile, "layout: square\nmap_words: "),
     (load_profile, "? "), (load_column_map, "? ")],
)  # fmt: skip
def test_no_message_is_as_long_as_the_value_it_is_about(tmp_path, read, line, value):
    path = tmp_path / "a.yaml"
    path.write_text(f"{line}{value}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"\S") as caught:
        read(path)
    assert len(str(caught.value)) < 1500
    assert "\n" not in str(caught.value)


def test_settings_of_a_finished_run_do_not_bring_their_window_along():
    done = resolve_config(pn.ExperimentConfig(), unit="mL/min/g", map_size=64)
    assert done.windows == ((0.0, 6.0),)
    with pytest.raises(ValueError, match="of a run in mL/min/g, the cohort is in percent"):
        resolve_config(done, unit="percent", map_size=64)
    other = dataclasses.replace(done, map_type="rest")
    with pytest.raises(ValueError, match="is not that of rest maps"):
        resolve_config(other, unit="mL/min/g", map_size=64)
