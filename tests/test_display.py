import pandas as pd
import pytest

from polarnet.display import Result, interval_text, p_text, trait_name

NAN = float("nan")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((0.8099, 0.7301, 0.8799), "0.81 [0.73, 0.88]"),  # sex, abstract of Yeung et al. 2022
        ((1.0, NAN, NAN), "1.00 [not estimable]"),
        ((NAN, NAN, NAN), "not reported"),
    ],
)
def test_an_interval_is_printed_as_in_the_abstract(given, text):
    assert interval_text(*given) == text


def test_differences_have_their_sign_and_no_p_value_is_zero():
    assert interval_text(-0.0512, -0.1, 0.0024, 3, is_signed=True) == "-0.051 [-0.100, +0.002]"
    assert [p_text(p) for p in (0.0, 0.00099, 0.001, 0.0499, 1.0, NAN)] == [
        "<0.001", "<0.001", "0.001", "0.050", "1.000", "",
    ]  # fmt: skip


def test_names_are_written_for_readers():
    assert trait_name("impaired_mfr") == "impaired MFR"
    assert trait_name("known_cad") == "known cad"


def test_a_result_shows_its_summary_as_text_and_escaped_in_a_notebook():
    class Found(Result):
        summary = pd.Series({"n": 3, "<b>": "<script>"}, name="Found <i>")

    assert repr(Found()) == "Found <i>: n 3; <b> <script>"
    assert Found()._repr_html_() == (
        "<p>Found &lt;i&gt;</p><table><tr><th>n</th><td>3</td></tr>"
        "<tr><th>&lt;b&gt;</th><td>&lt;script&gt;</td></tr></table>"
    )
