"""How files are to be read: what a product writes, as data, and what the user states."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from polarnet.files import read_yaml, shown, unknown_settings
from polarnet.readers.units import conversion
from polarnet.readers.words import section
from polarnet.traits import MAP_TYPES

LAYOUTS: Final = ("square", "rings", "segments", "screen")

_SIDES: Final = ("top", "bottom", "left", "right")
_CHOICES: Final = {
    "status": ("confirmed", "unconfirmed"),
    "layout": LAYOUTS,
    "anterior": _SIDES,
    "septum": _SIDES,
    "first_ring": ("apex", "base"),
    "direction": ("counterclockwise", "clockwise"),
    "rings_are": ("rows", "columns"),
}
_LISTS: Final = ("sides", "ring_ends", "disc", "bar")

_PROFILES: Final = Path(__file__).with_name("profiles")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How the maps of one product are to be read. ValueError: a setting does not fit."""

    name: str
    # "square" (a matrix as the map is drawn), "rings" (rings x sectors, rows may differ in length),
    # "segments" (a table of the 17 AHA segments) or "screen" (a screen shot in colour).
    layout: str
    # "unconfirmed" where no real export of the product was at hand.
    status: str = "confirmed"
    # As in the files; "" where the files or the user must say it.
    unit: str = ""
    # Regular expression of the whole file name without its ending, with the groups `study` and,
    # where one file is one map, `map`.
    files: str = r"(?P<study>.+)[_ -](?P<map>[^_ -]+)"
    # Map type -> words for it in file names, headers and descriptions of a series, lower case.
    map_words: tuple[tuple[str, tuple[str, ...]], ...] = tuple(section("map types").items())
    # Square: accepted numbers of rows, () for any; square and screen: sides of the picture where
    # the walls lie; square: radius of the ventricle as a share of half the side.
    sides: tuple[int, ...] = ()
    anterior: str = "top"
    septum: str = "left"
    disc_radius: float = 1.0
    # Rings: accepted shape, 0 for any; middle of the first sector, in degrees counter-clockwise
    # from the lateral wall (90 is anterior), and how sectors run, in our orientation; outer ends
    # as shares of the radius, from the apex, () for rings of equal width.
    rings: int = 0
    sectors: int = 0
    first_ring: str = "apex"
    first_sector_deg: float = 90.0
    direction: str = "counterclockwise"
    rings_are: str = "rows"
    ring_ends: tuple[float, ...] = ()
    # Screen: map type -> values at the ends of the colour bar; row, column and radius of the
    # ventricle, and top, left, bottom and right of the bar, in pixels, () where to be found.
    scale: tuple[tuple[str, tuple[float, float]], ...] = ()
    disc: tuple[float, float, float] | tuple[()] = ()
    bar: tuple[int, int, int, int] | tuple[()] = ()
    # Written into the cohort.
    manufacturer: str = ""
    software: str = ""

    def __post_init__(self) -> None:
        if problem := next(self._problems(), ""):
            raise ValueError(f"Profile {self.name}: {problem}.")

    def _problems(self) -> Iterator[str]:
        for known in fields(self):
            value = getattr(self, known.name)
            if known.name in _LISTS and not all(map(_is_number, value)):
                yield f"{known.name} must be a list of numbers"
            elif isinstance(known.default, int | float) and not _is_number(value):
                yield f"{known.name} must be a number"
            elif known.type is str and not isinstance(value, str):
                yield f"{known.name} must be text"
        for setting, choices in _CHOICES.items():
            if (value := getattr(self, setting)) not in choices:
                yield f"{setting} must be one of {', '.join(choices)}, but {shown(value)} was given"
        if len(self.disc) not in (0, 3) or len(self.bar) not in (0, 4):
            yield "disc needs row, column and radius, bar needs top, left, bottom and right"
        for map_type, of_bar in self.scale:
            are_two = len(of_bar) == 2 and all(map(_is_number, of_bar))
            if not are_two or not 0 <= of_bar[0] < of_bar[1] < math.inf:
                yield f"scale of {map_type} must rise from 0 or more, as in stress: [0, 4]"
        walls = {self.anterior, self.septum}
        if walls <= {"top", "bottom"} or walls <= {"left", "right"}:
            told = f"anterior ({self.anterior}) and septum ({self.septum})"
            yield f"{told} must be neighbouring sides of the picture"
        if not 0.1 <= self.disc_radius <= 1:
            yield f"disc_radius {self.disc_radius} must lie between 0.1 and 1"
        ends = self.ring_ends
        if ends and (list(ends) != sorted(set(ends)) or ends[0] <= 0 or ends[-1] != 1):
            yield "ring_ends must rise from above 0 to 1"
        try:
            conversion(self.unit)
            if "study" not in re.compile(self.files).groupindex:
                yield "files needs a group (?P<study>...)"
        except (re.error, ValueError) as error:
            yield f"files is no pattern ({error})" if isinstance(error, re.error) else str(error)
        owners: dict[Any, str] = {}
        for map_type, words in self.map_words:
            for word in words:
                if (owner := owners.setdefault(word, map_type)) != map_type:
                    yield f"{shown(word)} stands for {owner} and {map_type}"

    def map_type(self, word: str) -> str | None:
        """Map type that a word of a file name or header stands for, or None."""
        word = word.strip().casefold()
        return next((m for m, words in self.map_words if word in words), None)


@dataclass(frozen=True)
class Reading:
    """How files are to be read: by the first profile whose geometry fits; the unit that the user
    states, or ""; the heading of the column with the study, in tables with one row per study; and
    UID, number or description of a DICOM series, in small letters -> map type.
    """

    profiles: tuple[Profile, ...]
    unit: str = ""
    study_heading: str = ""
    series: Mapping[str, str] = field(default_factory=dict)

    @property
    def screen(self) -> Profile | None:
        """The profile of screens; None where nobody states what their colours mean."""
        return next((p for p in self.profiles if p.layout == "screen" and p.scale), None)

    @property
    def words(self) -> dict[str, tuple[str, ...]]:
        """Map type -> words for it in the description of a series."""
        words: dict[str, tuple[str, ...]] = {}
        for profile in self.profiles:
            for map_type, some in profile.map_words:
                # In a series description MPR is a way to cut a volume.
                words[map_type] = (*words.get(map_type, ()), *(w for w in some if w != "mpr"))
        return words


def profile_names() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(path.stem for path in _PROFILES.glob("*.yaml"))


def load_profile(name: str | Path) -> Profile:
    """A profile by its name, or of the user's own YAML file."""
    known = profile_names()
    path = _PROFILES / f"{name}.yaml" if str(name) in known else Path(name)
    if not path.is_file():
        raise ValueError(f"No profile '{name}': neither a YAML file nor one of {', '.join(known)}.")
    settings: Any = read_yaml(path)
    where = f"Profile {path.stem}"
    if not isinstance(settings, dict):
        raise ValueError(f"{where} holds no settings.")
    if unknown := unknown_settings(settings, [field.name for field in fields(Profile)]):
        raise ValueError(f"{where}: {'; '.join(unknown[:10])}.")
    for setting, given in settings.items():
        if setting in _LISTS:
            settings[setting] = _as_tuple(given)
        if setting in ("map_words", "scale"):
            if not isinstance(given, dict) or not set(given) <= set(MAP_TYPES):
                raise ValueError(
                    f"{where}: {setting} must hold lines like 'stress: [...]', for map types "
                    f"{', '.join(MAP_TYPES)}."
                )
            as_word = setting == "map_words"
            settings[setting] = tuple(
                (m, tuple(str(v).casefold() if as_word else v for v in _as_tuple(values)))
                for m, values in given.items()
            )
    try:
        return Profile(**{"name": path.stem, **settings})
    except TypeError as error:
        raise ValueError(f"{where}: {error}.") from None


def load_profiles(
    names: Sequence[str | Path], scale: tuple[float, float] | None = None
) -> tuple[Profile, ...]:
    """Profiles in the order given; with a scale of the colour bar, that of screens too."""
    profiles = [load_profile(name) for name in names]
    if scale is not None:
        if not any(profile.layout == "screen" for profile in profiles):
            profiles.append(load_profile("screen"))
        if own := [profile.name for profile in profiles if profile.scale]:
            raise ValueError(f"Profile {own[0]} states a scale of its own; leave --scale out.")
        stated = (("rest", scale), ("stress", scale))  # a reserve has another scale
        profiles = [replace(p, scale=stated) if p.layout == "screen" else p for p in profiles]
    return tuple(profiles)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)
