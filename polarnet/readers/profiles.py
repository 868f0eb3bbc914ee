"""How files are to be read: what a product writes, as data, and what the user states."""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

from polarnet.files import parse_yaml, shown
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
_LARGEST_FILE: Final = 1_000_000  # bytes


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
        self._check_types()
        for setting, choices in _CHOICES.items():
            if getattr(self, setting) not in choices:
                raise ValueError(
                    f"Profile {self.name}: {setting} must be one of {', '.join(choices)}, but "
                    f"{shown(getattr(self, setting))} was given."
                )
        if ({self.anterior, self.septum} <= {"top", "bottom"}) or (
            {self.anterior, self.septum} <= {"left", "right"}
        ):
            raise ValueError(
                f"Profile {self.name}: anterior ({self.anterior}) and septum ({self.septum}) must "
                "be neighbouring sides of the picture."
            )
        if not 0.1 <= self.disc_radius <= 1:
            raise ValueError(
                f"Profile {self.name}: disc_radius {self.disc_radius} must lie between 0.1 and 1."
            )
        ends = self.ring_ends
        if ends and (list(ends) != sorted(set(ends)) or ends[0] <= 0 or ends[-1] != 1):
            raise ValueError(f"Profile {self.name}: ring_ends must rise from above 0 to 1.")
        try:
            groups = re.compile(self.files).groupindex
        except re.error as error:
            raise ValueError(f"Profile {self.name}: files is no pattern ({error}).") from None
        if "study" not in groups:
            raise ValueError(f"Profile {self.name}: files needs a group (?P<study>...).")

    def _check_types(self) -> None:
        for setting in ("disc_radius", "first_sector_deg", "rings", "sectors"):
            value = getattr(self, setting)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"Profile {self.name}: {setting} must be a number.")
        if self.rings < 0 or self.sectors < 0:
            raise ValueError(f"Profile {self.name}: rings and sectors cannot be negative.")
        for setting in ("sides", "ring_ends", "disc", "bar"):
            values = getattr(self, setting)
            if not isinstance(values, tuple) or not all(isinstance(v, int | float) for v in values):
                raise ValueError(f"Profile {self.name}: {setting} must be a list of numbers.")
        if len(self.disc) not in (0, 3) or len(self.bar) not in (0, 4):
            raise ValueError(
                f"Profile {self.name}: disc needs row, column and radius, bar needs top, left, "
                "bottom and right."
            )
        for map_type, (low, high) in self.scale:
            if not math.isfinite(low) or not math.isfinite(high) or not 0 <= low < high:
                raise ValueError(
                    f"Profile {self.name}: scale of {map_type} must rise from 0 or more, but "
                    f"{low:g} to {high:g} was given."
                )
        for setting in ("name", "unit", "files", "manufacturer", "software", *_CHOICES):
            if not isinstance(getattr(self, setting), str):
                raise ValueError(f"Profile {self.name}: {setting} must be text.")
        try:
            conversion(self.unit)
        except ValueError as error:
            raise ValueError(f"Profile {self.name}: {error}.") from None
        owners: dict[str, str] = {}
        for map_type, words in self.map_words:
            for word in words:
                if owners.setdefault(word, map_type) != map_type:
                    raise ValueError(
                        f"Profile {self.name}: {shown(word)} stands for {owners[word]} and "
                        f"{map_type}."
                    )

    def map_type(self, word: str) -> str | None:
        """Map type that a word of a file name or header stands for, or None."""
        word = word.strip().casefold()
        return next((m for m, words in self.map_words if word in words), None)


@dataclass(frozen=True)
class Reading:
    """How files are to be read.

    Attributes
    ----------
    profiles
        Tried in order; the first whose geometry fits is used.
    unit
        As stated by the user; "" where file or profile say it.
    study_heading
        Of the column with the study, in tables with one row per study.
    series
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
    return sorted(
        path.name.removesuffix(".yaml")
        for path in resources.files("polarnet.readers").joinpath("profiles").iterdir()
        if path.name.endswith(".yaml")
    )


def load_profile(name: str | Path) -> Profile:
    """A profile by its name, or of the user's own YAML file.

    Raises
    ------
    ValueError: no such profile or file, an unknown setting (the nearest known one is named), or a
        value that does not fit.
    """
    if str(name) in profile_names():
        text = (
            resources.files("polarnet.readers")
            .joinpath("profiles", f"{name}.yaml")
            .read_text(encoding="utf-8")
        )
        return _profile(str(name), text)
    path = Path(name)
    if not path.is_file():
        raise ValueError(
            f"No profile '{name}': neither a YAML file nor one of {', '.join(profile_names())}."
        )
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"{path.name} is too large for a profile.")
    try:
        return _profile(path.stem, path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not UTF-8 text. Save it as UTF-8.") from None


def load_profiles(
    names: Sequence[str | Path], scale: tuple[float, float] | None = None
) -> tuple[Profile, ...]:
    """Profiles in the order given; with a scale, that of screens too.

    Parameters
    ----------
    scale
        Values at the low and the high end of the colour bar of rest and stress screens, or None. A
        reserve has another scale, which only a profile states.

    Raises
    ------
    ValueError: as `load_profile`; the scale does not rise from 0 or more; or a profile states its
        own.
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


def _profile(name: str, text: str) -> Profile:
    settings = parse_yaml(text, f"Profile {name}")
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
    settings = {"name": name} | {key: _as_tuple(value) for key, value in settings.items()}
    for listed in ("sides", "ring_ends"):
        if isinstance(settings.get(listed), int | float):
            settings[listed] = (settings[listed],)
    if "map_words" in settings:
        words = _by_map_type(name, settings, "map_words", "rest: [ruhe]")
        if odd := [
            w for found in words.values() for w in _as_list(found) if not isinstance(w, str)
        ]:
            raise ValueError(
                f"Profile {name}: map_words must be text, but {shown(odd[0])} was given; put "
                "quotes around it."
            )
        settings["map_words"] = tuple(
            (map_type, tuple(w.casefold() for w in _as_list(found)))
            for map_type, found in words.items()
        )
    if "scale" in settings:
        scales = _by_map_type(name, settings, "scale", "stress: [0, 4]")
        if not all(_is_pair(ends) for ends in scales.values()):
            raise ValueError(f"Profile {name}: scale must hold lines like 'stress: [0, 4]'.")
        settings["scale"] = tuple((map_type, tuple(ends)) for map_type, ends in scales.items())
    try:
        return Profile(**settings)
    except TypeError as error:
        raise ValueError(f"Profile {name}: {error}.") from None


def _by_map_type(name: str, settings: dict[str, Any], setting: str, example: str) -> dict[str, Any]:
    """A setting that has a line for each map type."""
    found = settings[setting]
    if not isinstance(found, dict):
        raise ValueError(f"Profile {name}: {setting} must hold lines like '{example}'.")
    if unknown := [map_type for map_type in found if map_type not in MAP_TYPES]:
        raise ValueError(f"Profile {name}: {setting} has unknown map types {shown(unknown)}.")
    return found


def _is_pair(value: Any) -> bool:
    is_list = isinstance(value, list) and len(value) == 2
    return is_list and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
