"""What does the name of a file tell: whose map, and is it rest, stress or reserve?"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from polarnet.readers.profiles import Profile, default_of
from polarnet.traits import MAP_TYPES

NO_MAP_TYPE: Final = (
    f"its name does not tell the map type ({', '.join(MAP_TYPES)}); it should be like S001_rest"
)

ROWS_WITHOUT_MAP_TYPE: Final = (
    f"its rows do not say which map they are ({', '.join(MAP_TYPES)}): call the columns rest_1 to "
    "rest_17, or add a column 'map'"
)

_OF_THE_KIND: Final = (
    "mbf", "flow", "fluss", "map", "maps", "karte", "polar", "polarmap", "polarmaps", "bullseye",
    "pet", "abs", "matrix", "export",
)  # fmt: skip
"""Words of a name that are neither the study nor the map type."""

_SEPARATORS: Final = " _.-+&,"
"""What stands between words of a name, and is no part of an id at its ends."""


def name_tells(path: Path, profile: Profile) -> tuple[str, str]:
    """Study and map type in the name of a file, "" for what it does not tell.

    By the profile's own pattern, where it has one. Else the only word for a map type tells it,
    wherever it stands, and what is left is the study; a folder may be named for either.

    Raises
    ------
    ValueError: the name has words for several map types.
    """
    if match := re.fullmatch(profile.files, path.stem, re.IGNORECASE):
        groups = match.groupdict()
        if map_type := profile.map_type(groups.get("map") or ""):
            _, other = _without_words(groups["study"], profile)
            if other not in ("", map_type):
                raise ValueError(f"its name says {other} and {map_type} at once")
            return groups["study"].strip(), map_type
    if profile.files != default_of("files"):
        return "", ""
    left, in_name = _without_words(path.stem, profile)
    if not in_name:
        return path.stem, profile.map_type(path.parent.name) or ""
    return left or path.parent.name, in_name


def study_in_name(path: Path, profile: Profile) -> str:
    """Study in the name of a file that holds several maps, whichever of them it is called after.

    By the profile's own pattern, where it has one; else the name without words for map types, or
    the folder's, where nothing else is left.
    """
    if profile.files != default_of("files"):
        match = re.fullmatch(profile.files, path.stem, re.IGNORECASE)
        return match["study"].strip() if match else path.stem
    left = path.stem
    for _, words in profile.map_words:
        left = _removed(left, words)
    return left.strip(_SEPARATORS) or path.parent.name


def _without_words(stem: str, profile: Profile) -> tuple[str, str]:
    """What is left of a name without its word for a map type, and that type, "" for none."""
    found = {}
    left = stem
    for map_type, words in profile.map_words:
        shorter = _removed(left, words)
        if shorter != left:
            found[map_type] = left = shorter
    if len(found) > 1:
        raise ValueError(f"its name says {' and '.join(found)} at once")
    if not found:
        return stem, ""
    left = _removed(left, _OF_THE_KIND)
    return left.strip(_SEPARATORS), next(iter(found))


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
