"""Model files that would hang, fill the memory or run something: one clear line each."""

import json
import shutil

import pytest
from edited_run import exchange_files

import polarnet as pn


def _layer(tree, name):
    return next(x["config"] for x in tree["config"]["layers"] if x["config"]["name"] == name)


def _constant(layer, key, value):
    """Writes a value into a layer's constants; a function is given what stands there."""

    def change(tree):
        config = _layer(tree, layer)
        config[key] = value(config[key]) if callable(value) else value

    return change


def _code(tree):
    layer = next(x for x in tree["config"]["layers"] if x["config"]["name"] == "wide_standardised")
    layer["class_name"] = "Lambda"


NUMBERS = "standardised by something else than numbers"
SHARE = "share_of_trunk_sex"
SPOILT_MODELS = {
    "one factor short": (
        _constant("wide_standardised", "scale", lambda v: v[1:]),
        "20 wide features cannot be standardised by 19 factors and 20 offsets",
    ),
    "one factor for all": (
        _constant("wide_standardised", "scale", [1.0]), "by 1 factors and 20 offsets",
    ),
    "offsets of the other group": (
        _constant("deep_standardised", "offset", lambda v: v[:20]), "factors and 20 offsets",
    ),
    "a hundred thousand": (
        _constant("deep_standardised", "scale", [1.0] * 10**5), "not standardised as ours are",
    ),
    "no list": (_constant("wide_standardised", "scale", 1.0), "not standardised as ours are"),
    "NaN": (_constant("wide_standardised", "offset", [float("nan")] * 20), NUMBERS),
    "infinite": (_constant("wide_standardised", "scale", [float("inf")] * 20), NUMBERS),
    "infinite in float32": (_constant("wide_standardised", "scale", [1e300] * 20), NUMBERS),
    "400 digits": (_constant("wide_standardised", "scale", [10**400] * 20), NUMBERS),
    "text": (_constant("wide_standardised", "scale", ["1.0"] * 20), NUMBERS),
    "nested": (_constant("wide_standardised", "scale", [[1.0]] * 20), NUMBERS),
    "true": (_constant("wide_standardised", "scale", [True] * 20), NUMBERS),
    "nothing": (
        lambda tree: _layer(tree, "wide_standardised").pop("scale"), "not as polarnet writes it",
    ),
    "a share of 400 digits": (_constant(SHARE, "scale", 10**400), NUMBERS),
    "a share that is NaN": (_constant(SHARE, "scale", float("nan")), NUMBERS),
    "a negative share": (_constant(SHARE, "scale", -0.5), "-0.5 as a share of the trunk"),
    "a huge share": (_constant(SHARE, "scale", 1e20), "as a share of the trunk"),
    "two shares": (_constant(SHARE, "scale", [1.0, 1.0]), NUMBERS),
    "another offset of a share": (_constant(SHARE, "offset", 5.0), "offset 5.0, which no model"),
    "another window": (_constant("window", "scale", [2.0]), "its layer window has scale"),
    "code": (_code, "not as polarnet writes it|which no model made here has|has class"),
    "no tree": (lambda tree: tree.clear(), "not as polarnet writes it"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT_MODELS)
def test_a_spoilt_model_file_is_refused_in_one_line(finished_run, rewritten, tmp_path, name):
    """What it describes is compared, never built; its constants are read as bounded numbers."""
    change, told = SPOILT_MODELS[name]
    folder = shutil.copytree(finished_run[0].folder, tmp_path / "run")
    exchange_files(folder)

    def spoil(content):
        tree = json.loads(content)
        change(tree)
        return json.dumps(tree).encode()

    rewritten(folder / "model.keras", "config.json", spoil)
    with pytest.raises(ValueError, match=rf"model\.keras cannot be loaded: .*({told})") as caught:
        pn.load_run(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_model_file_of_endless_digits_is_refused(finished_run, rewritten, tmp_path):
    """Python reads no number of more than 4,300 digits."""
    folder = shutil.copytree(finished_run[0].folder, tmp_path / "run")
    exchange_files(folder)
    rewritten(folder / "model.keras", "config.json", lambda _: b'{"config": ' + b"9" * 10**5 + b"}")
    with pytest.raises(ValueError, match=r"model\.keras cannot be loaded") as caught:
        pn.load_run(folder)
    assert len(str(caught.value)) < 600
