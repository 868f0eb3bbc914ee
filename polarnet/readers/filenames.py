"""Name, ending and first bytes of a file: its kind, its study and its map type."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from polarnet.readers.profiles import Profile
from polarnet.readers.words import entry, section
from polarnet.traits import MAP_TYPES

NO_MAP_TYPE: Final = (
    f"its name does not tell the map type ({', '.join(MAP_TYPES)}); it should be like S001_rest"
)

ROWS_WITHOUT_MAP_TYPE: Final = (
    f"its rows do not say which map they are ({', '.join(MAP_TYPES)}): call the columns rest_1 to "
    "rest_17, or add a column 'map'"
)

_OF_THE_KIND: Final = entry("words of no study")
"""Words of a name that are neither the study nor the map type."""

_SEPARATORS: Final = " _.-+&,"
"""What stands between words of a name, and is no part of an id at its ends."""

_KINDS: Final = {
    "array": (".npy", ".npz", ".mat"),
    "table": (".csv", ".tsv", ".txt", ".dat", ".asc", ".xlsx"),
    "picture": (".png", ".jpg", ".jpeg"),
}

_OTHER_ENDINGS: Final = {
    ending: said for said, endings in section("other endings").items() for ending in endings
}
"""Endings that a message may repeat, because they are part of nobody's name, and what it says."""

_BEGINNINGS: Final = {
    b"PK\x03\x04": "is an archive or a workbook: unpack it, or give it the ending .xlsx",
    b"\x1f\x8b": "is a gzip archive: unpack it",
    b"Rar!": "is a RAR archive: unpack it",
    b"7z\xbc\xaf": "is a 7-Zip archive: unpack it",
    b"%PDF": "is a PDF document, which holds no numbers of a map",
    b"\x89PNG": "is a picture: give it the ending .png",
    b"\xff\xd8\xff": "is a picture: give it the ending .jpg",
    b"\x93NUMPY": "is an array of NumPy: give it the ending .npy",
    b"MATLAB 5.0": "is a MATLAB file: give it the ending .mat",
    b"\x89HDF": "is an HDF5 file: save it in MATLAB by save -v7",
    b"\xd0\xcf\x11\xe0": "is an old Office file: save it as .xlsx",
    b"\x02\x00\x00\x00UL": "is DICOM that lost its preamble: save it again, as by dcmconv of DCMTK",
}
"""How files of other kinds begin, and what is said of them: programs and mail servers take endings
away, or give others."""


def file_kind(path: Path) -> str:
    """ "array", "table", "picture" or "dicom"; ValueError: none, what it is and what to do.

    Endings that nobody knows may be part of a person's name and are not repeated.
    """
    ending = path.suffix.lower()
    kind = next((kind for kind, endings in _KINDS.items() if ending in endings), "")
    if kind in ("array", "picture"):
        return kind
    with path.open("rb") as file:
        head = file.read(132)
    if head[128:] == b"DICM":
        return "dicom"
    said = _OTHER_ENDINGS.get(ending, "")
    what = next((what for start, what in _BEGINNINGS.items() if head.startswith(start)), "")
    if what and ending != ".xlsx" and not said:
        raise ValueError(what)
    if kind:
        return kind
    if ending in (".dcm", ".ima"):
        raise ValueError("has the ending of DICOM and is none: was it cut short or encrypted?")
    raise ValueError(f"{ending} {said}" if said else "a file of this ending is no export of maps")


def name_tells(path: Path, profile: Profile) -> tuple[str, str]:
    """Study and map type in the name of a file, "" for what it does not tell.

    By the profile's own pattern, where it has one. Else the only word for a map type tells it,
    wherever it stands, and the rest of the name is the study; a folder may be named for either.
    ValueError: the name has words for several map types.
    """
    match = re.fullmatch(profile.files, path.stem, re.IGNORECASE)
    groups = match.groupdict() if match else {}
    study, map_type = groups.get("study", ""), profile.map_type(groups.get("map") or "")
    left, said = _without_map_words(study if map_type else path.stem, profile)
    told = dict.fromkeys((*said, *([map_type] if map_type else [])))
    is_own = profile.files != Profile.files
    if len(told) > 1 and (map_type or not is_own):
        raise ValueError(f"its name says {' and '.join(told)} at once")
    if map_type:
        return study.strip(), map_type
    if is_own:
        return "", ""
    if not said:
        return path.stem, profile.map_type(path.parent.name) or ""
    return _removed(left, _OF_THE_KIND).strip(_SEPARATORS) or path.parent.name, said[0]


def study_in_name(path: Path, profile: Profile) -> str:
    """Study in the name of a file that holds several maps, whichever of them it is called after."""
    if profile.files != Profile.files:
        match = re.fullmatch(profile.files, path.stem, re.IGNORECASE)
        return match["study"].strip() if match else path.stem
    left, _ = _without_map_words(path.stem, profile)
    return left.strip(_SEPARATORS) or path.parent.name


def _without_map_words(stem: str, profile: Profile) -> tuple[str, list[str]]:
    """What is left of a name without words for map types, and these types."""
    said = []
    for map_type, words in profile.map_words:
        shorter = _removed(stem, words)
        said += [map_type] if shorter != stem else []
        stem = shorter
    return stem, said


def _removed(text: str, words: tuple[str, ...]) -> str:
    """A name without these words: apart from other letters, or set off by a capital."""
    apart, set_off = _patterns(words)
    left = set_off.sub(" ", apart.sub(" ", text))
    return re.sub(r"[\s_-]* [\s_-]*", " ", left) if left != text else text


@lru_cache(maxsize=64)
def _patterns(words: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Kept, because a folder has thousands of names and a profile a few words."""
    longest_first = sorted(words, key=len, reverse=True)
    one_of = "|".join(map(re.escape, longest_first))
    capital = "|".join(re.escape(word.capitalize()) for word in longest_first)
    return (
        re.compile(rf"(?<![^\W\d_])(?:{one_of})(?![^\W\d_])", re.IGNORECASE),
        re.compile(rf"(?<=[a-z\d])(?:{capital})(?![a-z])"),
    )
