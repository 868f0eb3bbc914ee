"""Pages as a browser shows them: nothing is asked for, nothing overflows, every figure has a size.

The widths are those of a phone and of a laptop.
"""

import numpy as np
import pandas as pd
import pytest
from browser import look_at, needs_chromium
from matplotlib.figure import Figure

import polarnet as pn

WIDTHS = (390, 1280)


def check(found):
    assert found["errors"] == []
    assert found["requests"] == []
    assert found["n_images"] > 0
    assert found["sizeless"] == []
    assert found["without_alt"] == 0
    assert found["scroll_width"] <= found["width"]


@needs_chromium
@pytest.mark.parametrize("width", WIDTHS)
def test_the_look_finds_what_is_wrong(tmp_path, width):
    """A page with every fault that the other tests look for."""
    (tmp_path / "bad.html").write_text(
        "<title>bad</title><div style='width:3000px'>wide</div><img src='https://example.org/a'>"
        "<img alt='none' src='data:image/png;base64,AAAA'><script>console.error('oh')</script>",
        encoding="utf-8",
    )
    found = look_at(tmp_path / "bad.html", width)
    assert found["scroll_width"] >= 3000 > found["width"] >= 390
    assert found["requests"] == ["https://example.org/a"]
    assert "none" in found["sizeless"]
    assert found["without_alt"] == 1
    assert any("oh" in text for text in found["errors"])


@needs_chromium
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_an_explanation(tmp_path, width):
    figure = Figure(figsize=(7.2, 3))
    figure.subplots().plot([1, 2])
    table = pd.DataFrame({f"a_long_heading_{k}": np.arange(3) for k in range(30)})
    page = pn.write_explanation(
        tmp_path / "e.html", figures={"A line": figure}, tables={"A wide table": table},
        checks=[], facts={"trait": "sex", "method": "none"}, is_phantom=True,
    )  # fmt: skip
    check(look_at(page, width))
