"""Small clinical tables for tests: from text, mapped, refused."""

import pandas as pd
import pytest

from polarnet.readers.clinicaltable import apply_column_map
from polarnet.readers.columnmap import ColumnMap

CLINIC_MAP = """\
study_id: Untersuchung
patient_id: PatNr
mfr: Global MFR
traits:
  sex: {column: Geschlecht, one: [w, F], zero: [m, M]}
  diabetes: {column: HbA1c, rule: ">= 48"}
  smoking: {column: Raucher, one: ja, zero: [nein, ex]}
clinical:
  age: Alter
  finding: Befund
provenance:
  tracer: Tracer
exclude:
  prior bypass: {column: CABG, values: ["ja", 1]}
  artefact: {column: Raucher, values: [nein]}
split: Gruppe
missing: {"*": "k.A.", Alter: [99]}
decimal_comma: true
"""


def table_of(text):
    """A table as `as_table` gives it, first line of the file first."""
    header, *rows = [line.split(";") for line in text.splitlines()]
    cells = [[cell.strip() for cell in row] for row in rows]
    return pd.DataFrame(cells, columns=header, index=range(2, len(rows) + 2), dtype=str)


def column_of(heading, *cells):
    """Text of a table with ids and one more column."""
    rows = "".join(f"s{k};{k};{cell}\n" for k, cell in enumerate(cells))
    return f"Untersuchung;PatNr;{heading}\n{rows}"


def mapped(text, columns=None, delimiter="", **changes):
    """The table of this text, mapped; the map has ids alone, but for the changes."""
    columns = columns or ColumnMap(study_id="Untersuchung", patient_id="PatNr", **changes)
    return apply_column_map(table_of(text), columns, "clinic.csv", delimiter)


def refusal(call, *arguments, **changes):
    """The one line with which a call is refused."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (each caller compares the text)
        call(*arguments, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)
