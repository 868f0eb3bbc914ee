"""From a folder of exports and a spreadsheet to a cohort."""

from polarnet.readers.exports import read_exports

__all__ = ["read_exports"]
