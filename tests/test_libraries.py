import sys

import pytest


@pytest.mark.parametrize(
    ("package", "kind", "extra"), [("openpyxl", "xlsx", "excel"), ("pyreadstat", "sav", "spss")]
)
def test_a_package_that_is_not_installed_is_named(
    tmp_path, monkeypatch, package, kind, extra, refusal
):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / f"a.{kind}").write_text("x")
    assert f"pip install polarnet[{extra}]" in refusal(tmp_path / f"a.{kind}")


@pytest.mark.parametrize("kind", ["xlsx", "sav", "dta"])
def test_a_damaged_file_is_one_clear_line(tmp_path, kind, refusal):
    path = tmp_path / f"a.{kind}"
    path.write_text("Maier,1950-01-01\n" * 100)
    message = refusal(path)
    assert "save it" in message
    assert "Maier" not in message
