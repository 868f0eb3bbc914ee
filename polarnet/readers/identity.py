"""Headings, dates and ids that may identify a person, and the pseudonyms in their place."""

import base64
import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Final

from filelock import FileLock
from platformdirs import user_config_path

from polarnet.files import new_file
from polarnet.ids import normal_id
from polarnet.readers.words import entry, section

# === Headings ===

_PERSON: Final = re.compile(
    rf"\b({'|'.join(word for words in section('persons').values() for word in words)})\b"
)
_THING: Final = re.compile("|".join(entry("things with a name")))


def names_a_person(column: str) -> bool:
    """True where a column's heading promises names, birth dates, addresses or hospital numbers."""
    words = header_words(column)
    if re.search(r"\b(sex|gender)\b.*\bat birth\b", words):
        return False
    found = [match[0] for match in _PERSON.finditer(words)]
    if _THING.search(words):
        found = [word for word in found if not re.search(r"(name|nom|naam|nombre|nome)s?$", word)]
    return bool(found)


def header_words(column: str) -> str:
    """A heading in small letters without accents, its words apart.

    >>> header_words("PatNr (Straße)")
    'pat nr strasse'
    """
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", column)
    return " ".join(re.findall(r"[^\W_]+", _without_accents(parts.casefold())))


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


# === Dates ===

_MONTH: Final = rf"({'|'.join(entry('months'))})\.?"

_DATE: Final = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([ t]\d{1,2}:\d{2}(:\d{2})?(\.\d+)?)?"
    r"|\d{1,2}(?P<mark>[./])\d{1,2}(?P=mark)(\d{2}|\d{4})( \d{1,2}:\d{2}(:\d{2})?)?"
    r"|\d{1,2}-\d{1,2}-\d{4}"
    r"|\d{1,2}:\d{2}(:\d{2})?"
)
"""Days and times of day in numbers."""

_MONTH_DATE: Final = re.compile(
    rf"\d{{1,2}}[-. /]{{1,2}}{_MONTH}([-. /]{{1,2}}(\d{{2}}|\d{{4}}))?"
    rf"|{_MONTH}[-. /]{{1,2}}(\d{{2}}|\d{{4}})"
)
"""What a spreadsheet makes of an id such as MAR-12 or 1-2, in six languages."""

_CLINICAL_DATE: Final = re.compile(
    rf"\d{{1,2}}[-. /]?{_MONTH}[-. /,]{{0,2}}(\d{{2}}|\d{{4}})"
    rf"|{_MONTH}[-. /]{{1,2}}\d{{1,2}}(st|nd|rd|th)?[-. /,]{{1,2}}(\d{{2}}|\d{{4}})"
    r"|(19|20)\d{2}(?P<between>[-./]?)(0[1-9]|1[0-2])(?P=between)(0[1-9]|[12]\d|3[01])(\d{6})?"
    r"|-?\d+ days?, \d{1,2}:\d{2}:\d{2}(\.\d+)?"
)
"""Days as registries and statistics programs write them; ids may look like these."""

_DAY_WITHIN: Final = re.compile(
    r"(?<![\d.,])((19|20)\d{2}[-/](0?[1-9]|1[0-2])[-/](0?[1-9]|[12]\d|3[01])"
    r"|(0?[1-9]|[12]\d|3[01])[./-](0?[1-9]|1[0-2])[./-](19|20)?\d{2}"
    r"|(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])/(19|20)?\d{2})(?![\d])"
    r"|(?<!\d)(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])(19|20)\d{2}(?!\d)"
    rf"|(?<!\d)\d{{1,2}}[-. ]{{1,2}}{_MONTH}[-. ]{{1,2}}(19|20)\d{{2}}(?!\d)"
)
"""Days beside a time, a zone or words."""

ROUNDED: Final = re.compile(r"\d[.,]\d+e\+\d+")
"""What a spreadsheet makes of an id of more than eleven digits."""


def is_date(cell: str) -> bool:
    """True for a day or a time of day, as spreadsheets write them."""
    text = _without_accents(cell.strip())
    # In capitals it is what the clinic typed; a spreadsheet would have written Mar-12.
    by_month = not text.isupper() and _MONTH_DATE.fullmatch(text.lower()) is not None
    return by_month or _DATE.fullmatch(text.lower()) is not None


def tells_a_day(cell: str) -> bool:
    """True for what may be a day where a clinical value should stand; ids are never asked so."""
    text = _without_accents(cell.strip().lower())
    whole = is_date(cell) or _CLINICAL_DATE.fullmatch(text) is not None
    return whole or _DAY_WITHIN.search(text) is not None


# === Pseudonyms ===

# Characters after the letter, 60 bits (our choice): among a million ids two are the same with a
# probability of 4 in ten million.
_LENGTH: Final = 12

_KEY: Final = re.compile(rb"([0-9a-f]{64})\r?\n?")
"""32 bytes, as long as SHA-256's result, which RFC 2104 recommends for HMAC."""


def pseudonym(key: bytes, kind: str, id: str) -> str:
    """What stands in the place of the id of a "patient" or "study": P or S, and a-z and 2-7.

    HMAC-SHA256 of kind and id, cut to 60 bits and written in base32: the same patient always gets
    the same one, and whoever lacks the key cannot tell whose it is. ValueError: the id is empty.
    References: RFC 2104 (HMAC); RFC 4648, section 6 (base32).
    """
    text = normal_id(id)
    if not text:
        raise ValueError(f"An empty {kind} id has no pseudonym. Give every row an id.")
    # The kind keeps a patient and a study of the same number apart.
    code = hmac.new(key, f"{kind}\0{text}".encode(), hashlib.sha256).digest()
    return kind[0].upper() + base64.b32encode(code).decode("ascii").lower()[:_LENGTH]


def load_key(path: str | Path | None = None) -> tuple[bytes, Path, bool]:
    """The key of the pseudonyms, its file, and whether that was made just now.

    The key is never shown: with it, a list of all hospital numbers tells whose pseudonym is whose.
    By default the file is `pseudonym.key` in the user's configuration folder; it is never
    overwritten, because with a new key known patients would become others. ValueError: it is
    damaged, or cannot be read or made.
    """
    path = Path(path or user_config_path("polarnet", appauthor=False) / "pseudonym.key")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A key that is there may lie where nobody can write.
        is_new = not path.exists()
        if is_new:
            # Of several processes at once, one makes it and the others find it.
            with FileLock(path.with_name(f".{path.name}.lock")):
                is_new = not path.exists()
                if is_new:
                    with new_file(path) as partial:
                        write_private(partial, secrets.token_hex(32) + "\n")
        with path.open("rb") as file:
            content = file.read(128)
    except (OSError, NotImplementedError) as error:  # a file system without locks is the latter
        raise ValueError(
            f"The key file {path} cannot be read or made ({error}). Name another file, or ask for "
            "access to this one."
        ) from None
    match = _KEY.fullmatch(content)
    if match is None:
        raise ValueError(
            f"{path} is not a key: it has {len(content)} characters, expected 64 of 0-9 and a-f. "
            "Put your copy of it back. If you have none and no cohort was made with it, delete it."
        )
    return bytes.fromhex(match[1].decode()), path, is_new


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, from the first byte on; or FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        with suppress(OSError):  # some network drives cannot
            os.fsync(file.fileno())
