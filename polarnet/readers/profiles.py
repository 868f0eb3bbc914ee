"""How files are to be read: what a product writes, as data, and what the user states."""

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from polarnet.files import read_yaml, shown
from polarnet.readers.units import conversion
from polarnet.readers.words import section
from polarnet.traits import MAP_TYPES

LAYOUTS: Final = ("square", "rings", "segments", "screen")

_CHOICES: Final = {
    "status": ("confirmed", "unconfirmed"),
    "layout": LAYOUTS,
    "anterior": ("top", "bottom", "left", "right"),
    "septum": ("top", "bottom", "left", "right"),
    "first_ring": ("apex", "base"),
    "direction": ("counterclockwise", "clockwise"),
    "rings_are": ("rows", "columns"),
}
_PROFILES: Final = Path(__file__).with_name("profiles")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How the maps of one product are to be read.

    Attributes
    ----------
    name
        Of the profile.
    status
        "unconfirmed" where no real export of the product was at hand.
    layout
        "square" (a matrix as the map is drawn), "rings" (rings x sectors, rows may differ in
        length), "segments" (a table of the 17 AHA segments) or "screen" (a screen shot in colour).
    unit
        As in the files; "" where the files or the user must say it.
    files
        Regular expression of the whole file name without its ending, with groups `study` and,
        where one file is one map, `map`.
    map_words
        Map type -> words for it in file names, headers and descriptions of a series, lower case.
    sides
        Square: accepted numbers of rows; () for any.
    anterior, septum
        Square and screen: side of the picture where the wall lies.
    disc_radius
        Square: radius of the ventricle as a share of half the side.
    rings, sectors
        Rings: accepted shape; 0 for any.
    first_ring
        Rings: whether the first ring is the apex or the base.
    first_sector_deg
        Rings: middle of the first sector, in degrees counter-clockwise from the lateral wall (90 is
        anterior) in our orientation.
    direction
        Rings: how sectors run, seen with anterior up and septum left.
    rings_are
        Rings: "rows" or "columns" of the file.
    ring_ends
        Rings: outer ends as shares of the radius, from the apex; () for rings of equal width.
    scale
        Screen: map type -> values at the low and the high end of the colour bar.
    disc
        Screen: row, column and radius of the ventricle in pixels; () where it is to be found.
    bar
        Screen: top, left, bottom and right of the colour bar in pixels; () where it is to be found.
    manufacturer, software
        Written into the cohort.
    """

    name: str
    layout: str
    status: str = "confirmed"
    unit: str = ""
    files: str = r"(?P<study>.+)[_ -](?P<map>[^_ -]+)"
    map_words: tuple[tuple[str, tuple[str, ...]], ...] = tuple(section("map types").items())
    sides: tuple[int, ...] = ()
    anterior: str = "top"
    septum: str = "left"
    disc_radius: float = 1.0
    rings: int = 0
    sectors: int = 0
    first_ring: str = "apex"
    first_sector_deg: float = 90.0
    direction: str = "counterclockwise"
    rings_are: str = "rows"
    ring_ends: tuple[float, ...] = ()
    scale: tuple[tuple[str, tuple[float, float]], ...] = ()
    disc: tuple[float, float, float] | tuple[()] = ()
    bar: tuple[int, int, int, int] | tuple[()] = ()
    manufacturer: str = ""
    software: str = ""

    def __post_init__(self) -> None:
        if problem := next(self._problems(), ""):
            raise ValueError(f"Profile {self.name}: {problem}.")

    def _problems(self) -> Iterator[str]:
        for setting in ("disc_radius", "first_sector_deg", "rings", "sectors"):
            if not _is_number(getattr(self, setting)):
                yield f"{setting} must be a number"
        if self.rings < 0 or self.sectors < 0:
            yield "rings and sectors cannot be negative"
        for setting in ("sides", "ring_ends", "disc", "bar"):
            values = getattr(self, setting)
            if not isinstance(values, tuple) or not all(map(_is_number, values)):
                yield f"{setting} must be a list of numbers"
        if len(self.disc) not in (0, 3) or len(self.bar) not in (0, 4):
            yield "disc needs row, column and radius, bar needs top, left, bottom and right"
        for map_type, of_bar in self.scale:
            if len(of_bar) != 2 or not all(map(_is_number, of_bar)):
                yield "scale must hold lines like 'stress: [0, 4]'"
            elif not all(map(math.isfinite, of_bar)) or not 0 <= of_bar[0] < of_bar[1]:
                told = f"{of_bar[0]:g} to {of_bar[1]:g} was given"
                yield f"scale of {map_type} must rise from 0 or more, but {told}"
        for setting in ("name", "unit", "files", "manufacturer", "software", *_CHOICES):
            if not isinstance(getattr(self, setting), str):
                yield f"{setting} must be text"
        for setting, choices in _CHOICES.items():
            if (value := getattr(self, setting)) not in choices:
                yield f"{setting} must be one of {', '.join(choices)}, but {shown(value)} was given"
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
        except re.error as error:
            yield f"files is no pattern ({error})"
        except ValueError as error:
            yield str(error)
        owners: dict[str, str] = {}
        for map_type, words in self.map_words:
            for word in words:
                if not isinstance(word, str):
                    told = f"{shown(word)} was given; put quotes around it"
                    yield f"map_words must be text, but {told}"
                elif (owner := owners.setdefault(word, map_type)) != map_type:
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
    """A profile by its name, or of the user's own YAML file.

    ValueError: no such profile or file, an unknown setting (the nearest known one is named), or a
    value that does not fit.
    """
    known = profile_names()
    path = _PROFILES / f"{name}.yaml" if str(name) in known else Path(name)
    if not path.is_file():
        raise ValueError(f"No profile '{name}': neither a YAML file nor one of {', '.join(known)}.")
    settings: Any = read_yaml(path)
    name = path.stem
    if not isinstance(settings, dict):
        raise ValueError(f"Profile {name} holds no settings.")
    known = [field.name for field in fields(Profile)]
    for setting in settings:
        if setting not in known:
            near = difflib.get_close_matches(str(setting)[:100], known, 1)
            hint = f"; did you mean '{near[0]}'?" if near else "."
            raise ValueError(
                f"Profile {name}: unknown setting {shown(setting)}{hint} Known: {', '.join(known)}."
            )
    for setting, example in (("map_words", "rest: [ruhe]"), ("scale", "stress: [0, 4]")):
        if setting in settings:
            settings[setting] = _by_map_type(name, setting, settings[setting], example)
    for setting in ("sides", "ring_ends", "disc", "bar"):
        if setting in settings:
            settings[setting] = _as_tuple(settings[setting])
    settings.setdefault("name", name)
    try:
        return Profile(**settings)
    except TypeError as error:
        raise ValueError(f"Profile {name}: {error}.") from None


def load_profiles(
    names: Sequence[str | Path], scale: tuple[float, float] | None = None
) -> tuple[Profile, ...]:
    """Profiles in the order given; with a scale, that of screens too.

    `scale` has the values at the ends of the colour bar of rest and stress screens; a reserve has
    another one, which only a profile states. ValueError: as `load_profile`; the scale does not rise
    from 0 or more; or a profile states its own.
    """
    profiles = [load_profile(name) for name in names]
    if scale is not None:
        if not any(profile.layout == "screen" for profile in profiles):
            profiles.append(load_profile("screen"))
        if own := [profile.name for profile in profiles if profile.scale]:
            raise ValueError(f"Profile {own[0]} states a scale of its own; leave --scale out.")
        stated = (("rest", scale), ("stress", scale))
        profiles = [replace(p, scale=stated) if p.layout == "screen" else p for p in profiles]
    return tuple(profiles)


def _by_map_type(name: str, setting: str, given: Any, example: str) -> tuple[Any, ...]:
    """A setting that has a line for each map type; words in small letters."""
    if not isinstance(given, dict):
        raise ValueError(f"Profile {name}: {setting} must hold lines like '{example}'.")
    if unknown := [map_type for map_type in given if map_type not in MAP_TYPES]:
        raise ValueError(f"Profile {name}: {setting} has unknown map types {shown(unknown)}.")
    return tuple(
        (map_type, tuple(v.casefold() if isinstance(v, str) else v for v in _as_tuple(values)))
        for map_type, values in given.items()
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)
