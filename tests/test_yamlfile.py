"""YAML: nothing silently becomes another value, nothing unfolds, no message is long."""

import dataclasses

import pytest

import polarnet as pn
from plan import load_plan
from polarnet.files import parse_yaml, shown, yaml_text
from polarnet.readers.clinic.columnfile import load_column_map
from polarnet.readers.profiles import load_profile


@pytest.mark.parametrize(
    ("text", "value"),
    [("3e-3", 0.003), ("3E5", 300000.0), (".5", 0.5), ("-0.25", -0.25), ("7", 7), ("+7", 7),
     ("1.", 1.0), ("0", 0), ("-1e+2", -100.0), ("yes", True), ("False", False), ("~", None)],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text, value):
    found = parse_yaml(f"a: {text}", "a.yaml")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    ["1_000", "0o17", "017", "08", "0x1F", "0b11", "1:30", "12:30:45", "2020-01-31",
     "2020-13-45", "2001-12-14t21:59:43Z", "1e", "e3", "1.2.3", "١٢", "y", "N", "<<", "="],
)  # fmt: skip
def test_what_is_another_number_or_a_day_to_yaml_stays_text(text):
    assert parse_yaml(f"a: {text}", "a.yaml") == {"a": text}
    assert parse_yaml(f"[{text}]", "a.yaml") == [text]


@pytest.mark.parametrize("text", ["1e3", "08", "1:30", "yes", "~", "2020-01-31", "", ".5", "1_0"])
def test_text_that_looks_like_something_else_comes_back_as_it_was_written(text):
    """Also twice the same list, for which PyYAML would write an alias that is not read."""
    same = [text]
    settings = {"a": text, "b": same, "c": same}
    assert parse_yaml(yaml_text(settings), "a.yaml") == settings


def test_cells_of_a_column_map_stay_letter_by_letter(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text("study_id: 007\npatient_id: 1.50\nmissing: [09, 1e3, 99, 1_000, 1:30]\n")
    columns = load_column_map(path)
    assert (columns.study_id, columns.patient_id) == ("007", "1.50")
    assert columns.missing == ("09", "1e3", "99", "1_000", "1:30")


@pytest.mark.parametrize(
    ("line", "text"),
    [("tracer: no", "tracer must be text, but False"), ("software: 4.10", "software must be text"),
     ("tracer: 82", "tracer must be text, but 82"), ("weights: off", "weights must be text"),
     ("unit: [a]", "unit must be text"), ("traits: [yes]", "Put quotes around yes"),
     ("traits: [sex, 1.50]", "traits must be a list of names"), ("traits: {sex: 1}", "a list"),
     ("traits: [~]", "a list of names"), ("traits: []", "a list of names"), ("traits: 5", "a list"),
     ("epochs: 1_000", "epochs must be a whole number between 1 and 100000, but '1_000'"),
     ("seed: 1:30", "but '1:30' was given"), ("seed: 017", "but '017' was given"),
     ("share: .nan", "but nan was given"), ("epochs: .inf", "but inf was given"),
     ("epochs: 100001", "but 100001"), ("share: 1048576", "but 1048576 was given"),
     ("input_size: 65536", "but 65536 was given"), ("map_size: 1000000", "but 1000000 was given"),
     ("window: [0, .inf]", "ascending numbers"), ("window: 7", "ascending numbers"),
     ("map_type: combined\nwindow: 7", "ascending numbers"), ("palette: [a]", "palette must be"),
     ("augment: 1", "augment must be true or false, but 1 was given")],
)  # fmt: skip
def test_a_setting_never_becomes_another_value(tmp_path, line, text):
    path = tmp_path / "c.yaml"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"c\.yaml") as caught:
        pn.load_config(path)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_come_back_from_their_file(tmp_path):
    config = pn.ExperimentConfig(
        traits=("017", "1e3", "ja/nein"), tracer="1e5", software="4.10", learning_rate=3e-5
    )
    config.save(tmp_path / "c.yaml")
    assert pn.load_config(tmp_path / "c.yaml") == config
    assert dataclasses.replace(config, traits=(7,)).traits == ("7",)


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
    [(pn.load_config, "map_type: "), (pn.load_config, "traits: "), (pn.load_config, "seed: "),
     (pn.load_config, "window: "), (pn.load_config, "augment: "), (pn.load_config, "? "),
     (load_profile, "layout: "), (load_profile, "layout: square\nmap_words: "),
     (load_profile, "? "), (load_plan, "shares: "), (load_plan, "full: "), (load_column_map, "? ")],
)  # fmt: skip
def test_no_message_is_as_long_as_the_value_it_is_about(tmp_path, read, line, value):
    path = tmp_path / "a.yaml"
    path.write_text(f"{line}{value}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"\S") as caught:
        read(path)
    assert len(str(caught.value)) < 1500
    assert "\n" not in str(caught.value)


def test_shown_values_are_cut():
    assert shown("a'b") == '"a\'b"'
    assert len(shown(["x" * 50] * 10)) < 70
    assert shown([10**5000]) == "a list"
    assert shown(-(10**5000)) == "a number of more than 60 digits"
