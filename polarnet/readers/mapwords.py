"""Which words stand for rest, stress and reserve, where a profile has none of its own?"""

from typing import Final

# "Baseline" may be a visit, and an agent may be that of the whole examination: a heading or name
# that says another map beside it names two, and is refused.
MAP_WORDS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "rest",
        (
            "rest", "resting", "rst", "baseline", "ruhe", "repos", "rust", "reposo", "rmbf",
            "restmbf", "mbfrest",
        ),
    ),
    (
        "stress",
        (
            "stress", "str", "peak", "hyperemia", "hyperaemia", "hyperemic", "hyperaemic",
            "adenosine", "regadenoson", "dipyridamole", "belastung", "estres", "smbf",
            "stressmbf", "mbfstress",
        ),
    ),
    ("reserve", ("reserve", "mfr", "cfr", "mpr", "reserva")),
)  # fmt: skip
"""Map type -> words for it, in small letters."""
