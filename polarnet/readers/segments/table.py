"""Which 17 numbers does a table hold: one study a file, or one study a row."""

from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.profiles import Profile
from polarnet.readers.segments.columns import read_columns
from polarnet.readers.segments.rows import read_rows
from polarnet.readers.sheets import Sheet


def read_segments(sheet: Sheet, profile: Profile, study_heading: str = "") -> list[ExportedMap]:
    """Maps of a segment table.

    Parameters
    ----------
    sheet
        Rows labelled 1 to 17, or by the AHA names, with a column for each map; or a row a study
        with 17 columns for each map, numbered 1 to 17.
    profile
        Tells the words for the map types.
    study_heading
        Of the column with the study, where it is none of the usual ones.

    Raises
    ------
    ValueError: segments are missing, doubled or of another division, or the study or the map is
        not told.
    """
    rows = read_rows(sheet, profile, study_heading)
    return read_columns(sheet, profile) if rows is None else rows
