"""Small clinical tables for tests: from text, mapped, refused."""

import pandas as pd
import pytest

from polarnet.readers.coding import apply_column_map
from polarnet.readers.columnmap import ColumnMap


def table_of(text):
    """A table as `as_table` gives it, first line of the file first."""
    header, *rows = [line.split(";") for line in text.splitlines()]
    cells = [[cell.strip() for cell in row] for row in rows]
    return pd.DataFrame(cells, columns=header, index=range(2, len(rows) + 2), dtype=str)


def mapped(text, columns=None, **changes):
    """The table of this text, mapped; the map has ids alone, but for the changes."""
    columns = columns or ColumnMap(study_id="Untersuchung", patient_id="PatNr", **changes)
    return apply_column_map(table_of(text), columns, "clinic.csv")


def refusal(call, *arguments, **changes):
    """The one line with which a call is refused."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (each caller compares the text)
        call(*arguments, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)
