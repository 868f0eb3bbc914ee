import pytest

from polarnet.readers.tables import read_sheet


@pytest.mark.parametrize("kind", ["xlsx", "sav", "dta"])
def test_a_file_without_a_byte_is_empty(tmp_path, kind, refusal):
    (tmp_path / f"a.{kind}").touch()
    assert refusal(tmp_path / f"a.{kind}") == f"a.{kind} is empty."


def test_another_kind_of_file_is_told_what_is_read(tmp_path, refusal):
    for name in ("a.pdf", "a.xls", "a"):
        (tmp_path / name).write_text("x")
        assert ".csv, .tsv, .txt, .dat, .asc, .xlsx, .sav, .dta" in refusal(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="No table"):
        read_sheet(tmp_path / "none.csv")
    with pytest.raises(FileNotFoundError, match="No table"):
        read_sheet(tmp_path)
