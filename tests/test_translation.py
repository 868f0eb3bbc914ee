import pytest
from clinic_tables import mapped, refusal, table_of

from polarnet.readers.coding import apply_column_map
from polarnet.readers.columnmap import ColumnMap, TraitCoding
from polarnet.readers.suggestion import suggest_column_map


def test_values_that_the_map_does_not_explain_are_told_per_column():
    text = "Untersuchung;PatNr;x;y\n" + "".join(
        f"s{k};{k};{x};{y}\n"
        for k, (x, y) in enumerate([("d", "48"), ("d", "hoch"), ("Anna Meier", "49"), ("ja", "")])
    )
    message = refusal(
        mapped,
        text,
        traits={
            "sex": TraitCoding("x", one=("ja",), zero=("nein",)),
            "dm": TraitCoding("y", rule="> 48"),
        },
    )
    assert message == (
        "clinic.csv: x (sex) has cells that its coding does not explain: 'd' (2), "
        "1 other value (not shown, it may identify patients); y (dm) has cells that its coding "
        "does not explain: 'hoch' (1). "
        "Mend the table or the column map."
    )


@pytest.mark.parametrize("n", [8, 9, 20, 21])
def test_many_unexplained_values_are_counted_and_very_many_never_shown(n):
    text = "Untersuchung;PatNr;x\n" + "".join(f"s{k};{k};w{k:02d}\n" for k in range(n))
    message = refusal(mapped, text, traits={"x": TraitCoding("x", one=("a",), zero=("b",))})
    assert message.count("'w") == (8 if n <= 20 else 0)
    assert ("1 more values" in message) == (n == 9)
    assert ("21 different values" in message) == (n == 21)


NAMES = ["Maier", "Dr. Anna Meier", "Hans Huber", "Bob", "Prof", "meier hans", "4711000",
         "Ö. Åkesson", "12.03.1950", "hochgradigverdickt", "MEIER"]  # fmt: skip


@pytest.mark.parametrize("cell", NAMES)
def test_a_cell_that_may_be_a_name_is_counted_and_not_repeated(cell):
    text = f"Untersuchung;PatNr;x\na;1;{cell}\nb;2;no\n"
    message = refusal(mapped, text, traits={"x": TraitCoding("x", one=("a",), zero=("no",))})
    assert "1 value (not shown" in message
    assert cell not in message
    suggested = suggest_column_map(table_of(text.replace(";x", ";Raucher")))
    assert "# found: 'no', 1 other value (not shown" in suggested.replace('"no"', "'no'")
    assert cell not in suggested


@pytest.mark.parametrize(
    "cell", ["2", "T2D", "Former", "hoch", ">89", "ex", "Nein", "?", "1,5", "1=Yes", "0, no"]
)
def test_short_codes_and_words_that_name_nobody_are_repeated(cell):
    message = refusal(mapped, f"Untersuchung;PatNr;x\na;1;{cell}\n",
                      traits={"x": TraitCoding("x", one=("a",), zero=("b",))})  # fmt: skip
    assert f"'{cell}' (1)" in message


@pytest.mark.parametrize("n", [12, 14])
def test_problems_of_many_columns_are_counted(n):
    names = [f"x{k}" for k in range(n)]
    text = f"Untersuchung;PatNr;{';'.join(names)}\na;1{';?' * n}\n"
    message = refusal(
        mapped, text, traits={x: TraitCoding(x, one=("a",), zero=("b",)) for x in names}
    )
    assert message.count("does not explain") == 12
    assert ("and 2 more columns. Mend" in message) == (n == 14)


def test_a_flow_reserve_is_a_positive_number():
    text = "Untersuchung;PatNr;m\na;1;2,5\nb;2;Maier\nc;3;-1\nd;4;inf\ne;5;0\n"
    message = refusal(mapped, text, mfr="m")
    assert "m (mfr) is no number in line 3, 5" in message
    assert "m (mfr) is not above 0 in line 4, 6" in message
    assert "Maier" not in message


def test_points_and_commas_in_one_table_are_refused():
    text = "Untersuchung;PatNr;m;a\na;1;2,5;1.5\n"
    message = refusal(mapped, text, mfr="m", clinical={"a": "a"})
    assert "1 numbers have a comma" in message
    assert "decimal_comma in the column map" in message


def test_numbers_in_the_other_way_never_become_text():
    text = "Untersuchung;PatNr;m;a\na;1;2,5;1.5\nb;2;2;7\n"
    message = refusal(mapped, text, mfr="m", clinical={"a": "a"}, decimal_comma=True)
    assert "a (clinical a) is no finite number with a decimal comma in line 2" in message
    assert "in line 3" in refusal(
        mapped, "Untersuchung;PatNr;a\na;1;1\nb;2;inf\n", clinical={"a": "a"}
    )


THOUSANDS = "Untersuchung;PatNr;bnp\na;1;1,234\nb;2;12,500\nc;3;875\n"


@pytest.mark.parametrize("delimiter", [",", "\t", ""])
def test_commas_that_may_separate_thousands_are_asked_about(delimiter):
    """NT-proBNP of 1,234 ng/L is 1234, and a flow reserve of 1,234 is below 2."""
    columns = ColumnMap(study_id="Untersuchung", patient_id="PatNr", clinical={"bnp": "bnp"})
    with pytest.raises(ValueError, match=r"bnp has numbers .* decimal_comma: false or true"):
        apply_column_map(table_of(THOUSANDS), columns, "a", delimiter)
    result = apply_column_map(table_of(THOUSANDS), columns, "a", ";")
    assert result.table["bnp"].tolist() == [1.234, 12.5, 875]
    result = apply_column_map(table_of(THOUSANDS + "d;4;2,5\n"), columns, "a", delimiter)
    assert result.table["bnp"].tolist() == [1.234, 12.5, 875, 2.5]


@pytest.mark.parametrize(("decimal_comma", "first"), [(False, 1234), (True, 1.234)])
def test_what_the_map_says_of_commas_is_done(decimal_comma, first):
    result = mapped(THOUSANDS, clinical={"bnp": "bnp"}, decimal_comma=decimal_comma,
                    traits={"high": TraitCoding("bnp", rule="> 1000")})  # fmt: skip
    assert result.table["bnp"]["a"] == first
    assert result.table["high"]["a"] == (first > 1000)


def test_a_number_with_two_commas_never_becomes_text():
    text = "Untersuchung;PatNr;a\na;1;2,5\nb;2;1,234,567\n"
    assert "a (clinical a) is no finite" in refusal(mapped, text, clinical={"a": "a"})


@pytest.mark.parametrize("cell", ["=1+1", "+41 79", "@ward", "- keine"])
def test_a_formula_is_refused_where_it_would_be_taken_over(cell):
    text = f"Untersuchung;PatNr;dm;note\na;1;1;{cell}\nb;2;0;x\n"
    coding = TraitCoding("dm", one=("1",), zero=("0",))
    assert mapped(text, traits={"dm": coding}).table["dm"].tolist() == [1, 0]
    for used in ({"clinical": {"note": "note"}}, {"provenance": {"tracer": "note"}},
                 {"split": "note"}):  # fmt: skip
        message = refusal(mapped, text, **used)
        assert "note (" in message
        assert "begin like one (= + - @), in line 2" in message
        assert cell not in message
    assert "study_id" in refusal(mapped, text.replace("a;1", f"{cell};1"))


def test_plus_and_minus_can_be_coded():
    text = "Untersuchung;PatNr;dm\na;1;+\nb;2;-\nc;3;+++\n"
    coding = TraitCoding("dm", one=("+", "+++"), zero=("-",))
    assert mapped(text, traits={"dm": coding}).table["dm"].tolist() == [1, 0, 1]


def test_a_name_that_a_spreadsheet_would_compute_is_refused():
    with pytest.raises(ValueError, match="1 names begin like a formula"):
        ColumnMap(study_id="a", patient_id="b", clinical={"=cmd()": "c"})


@pytest.mark.parametrize(
    "day", ["12MAR2024", "12mar24", "Mar 12, 2024", "March 12 2024", "20240312", "12-MAR-2024",
            "2024/03/12", "20240312101500", "1 day, 2:00:00"]
)  # fmt: skip
def test_days_of_registries_are_not_taken_over(day):
    message = refusal(mapped, f"Untersuchung;PatNr;a\na;1;{day}\n", clinical={"a": "a"})
    assert "holds dates in line 2" in message


@pytest.mark.parametrize("id", ["20240312", "12MAR2024"])
def test_ids_that_resemble_the_days_of_registries_stay_ids(id):
    assert mapped(f"Untersuchung;PatNr\n{id};1\n").table.index.tolist() == [id]


@pytest.mark.parametrize("value", ["20241399", "123456", "1950", "Mark 12", "2024031"])
def test_numbers_that_are_no_days_are_taken_over(value):
    assert not mapped(f"Untersuchung;PatNr;a\na;1;{value}\n", clinical={"a": "a"}).table.empty


def test_dates_are_not_taken_over():
    text = "Untersuchung;PatNr;a\na;1;50\nb;2;1950-03-04\n"
    message = refusal(mapped, text, clinical={"a": "a"})
    assert "holds dates in line 3" in message
    assert "1950" not in message


FILL_DOWN = "; if its cell was merged with those above, fill it downwards"


def test_rows_without_a_clear_id_are_refused_by_line_and_never_repeated():
    ids = ["U1", "12-Mar", "", "Mar-12", "2026-12-03 00:00:00", "U2", "1,23E+11", "U2", "-",
           "u1", "U3", "U4", "\u00dc", "U\u0308", "NA"]  # fmt: skip
    patients = ["1"] * 10 + ["", "3. Mrz", "1", "1", "1"]
    text = "Untersuchung;PatNr\n" + "".join(
        f"{study};{patient}\n" for study, patient in zip(ids, patients, strict=True)
    )
    result = mapped(text)
    assert result.table.index.tolist() == ["U1", "u1", "NA"]
    reasons = dict(result.refused)
    assert list(reasons) == [3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15]
    for line in (3, 5, 6):
        assert reasons[line].startswith("study id is a date")
    assert reasons[4] == reasons[10] == "no study id" + FILL_DOWN
    assert reasons[7] == "study id given twice, also in line 9"
    assert reasons[9] == "study id given twice, also in line 7"
    assert reasons[8].startswith("study id was rounded")
    assert reasons[12] == "no patient id" + FILL_DOWN
    assert reasons[13].startswith("patient id is a date")
    assert reasons[14] == "study id given twice, also in line 15"


def test_rows_that_are_refused_need_no_explanation():
    result = mapped(
        "Untersuchung;PatNr;x\na;1;ja\n;2;???\n",
        traits={"x": TraitCoding("x", one=("ja",), zero=("nein",))},
    )
    assert result.table["x"].tolist() == [1]
