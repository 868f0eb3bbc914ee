import pandas as pd

from polarnet.display import Result, ResultTable, interval_text, p_text, trait_name

NAN = float("nan")


def test_numbers_and_names_are_printed_as_in_the_abstract():
    """Sex, abstract of Yeung et al. 2022; differences have their sign; no p-value is zero."""
    assert interval_text(0.8099, 0.7301, 0.8799) == "0.81 [0.73, 0.88]"
    assert interval_text(1.0, NAN, NAN) == "1.00 [not estimable]"
    assert interval_text(NAN, NAN, NAN) == "not reported"
    assert (
        interval_text(-0.0512, -0.1, 0.0024, digits=3, is_signed=True) == "-0.051 [-0.100, +0.002]"
    )
    assert [p_text(p) for p in (0.0, 0.00099, 0.001, 0.0499, 1.0, NAN)] == [
        "<0.001", "<0.001", "0.001", "0.050", "1.000", "",
    ]  # fmt: skip
    assert (trait_name("impaired_mfr"), trait_name("known_cad")) == ("impaired MFR", "known cad")


def test_a_result_shows_its_summary_as_text_and_escaped_in_a_notebook():
    class Found(Result):
        summary = pd.Series({"n": 3, "<b>": "<script>"}, name="Found <i>")

    assert repr(Found()) == "Found <i>: n 3; <b> <script>"
    assert Found()._repr_html_() == (
        "<p>Found &lt;i&gt;</p><table><tr><th>n</th><td>3</td></tr>"
        "<tr><th>&lt;b&gt;</th><td>&lt;script&gt;</td></tr></table>"
    )


def test_a_table_of_results_prints_within_80_columns_and_keeps_its_columns():
    table = ResultTable(
        {"data": "phantom, not patients", "trait": ["sex", "smoking"], "model": "17 segments",
         "n_pos": [41, 9], "n_neg": [56, 88], "auroc": [0.812, None], "ci_low": [0.731, None],
         "ci_high": [0.884, None], "difference": [0.1, None], "difference_low": [-0.05, None],
         "difference_high": [0.25, None], "p_adjusted": [0.0004, None], "note": "x" * 90}
    )  # fmt: skip
    heading, first, second = repr(table).splitlines()
    assert max(map(len, (heading, first, second))) <= 80
    assert "41 / 56 0.81 [0.73, 0.88] +0.10 [-0.05, +0.25]" in first
    assert "9 / 88      not reported" in second
    assert table["note"].str.len().max() == 90
    assert type(table[["trait", "auroc"]]) is pd.DataFrame
