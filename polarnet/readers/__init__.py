"""From a folder of exports and a spreadsheet to a cohort."""

from polarnet.readers.clinicaltable import suggest_columns
from polarnet.readers.columnmap import load_column_map
from polarnet.readers.exports import PROFILES, import_exports, preview_exports, read_exports

__all__ = [
    "PROFILES",
    "import_exports",
    "load_column_map",
    "preview_exports",
    "read_exports",
    "suggest_columns",
]
