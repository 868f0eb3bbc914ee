"""What is a file, whatever its name says: told by its first bytes."""

from pathlib import Path
from typing import Final

_FIRST_ELEMENT: Final = b"\x02\x00\x00\x00UL"
"""With which a DICOM file begins that lost its preamble: the length of its group 2."""

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
}
"""How files of other kinds begin, and what is said of them."""

_IDENTIFYING: Final = tuple(n.to_bytes(2, "little") for n in (0, 1, 5, 8, 0x12, 0x16, 0x18))
"""Elements of group 8 with which a DICOM dataset may begin."""


def is_dicom(path: Path) -> bool:
    """Whether a file says that it is DICOM: `DICM` behind 128 bytes (PS3.10, 7.1).

    Or behind none, where the first element is that of the file's own group: the numbers in it are
    as certain.
    """
    return _beginning(path)[128:132] == b"DICM" or lacks_preamble(path)


def lacks_preamble(path: Path) -> bool:
    """Whether a DICOM file begins with its first element."""
    head = _beginning(path)
    return head.startswith(_FIRST_ELEMENT) and head[128:132] != b"DICM"


def disguise(path: Path) -> str:
    """What a file is that has the ending of another kind, and what to do; "" where it is not known.

    Programs and mail servers take endings away, or give others.
    """
    head = _beginning(path)
    for start, what in _BEGINNINGS.items():
        if head.startswith(start):
            return what
    if head.startswith(b"\x08\x00") and head[2:4] in _IDENTIFYING:
        return (
            "is DICOM without the beginning of a DICOM file, as old programs save it: save it "
            "again with it, for example by dcmconv of DCMTK"
        )
    return ""


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(132)
