"""How far a polar map is from the maps that a network was trained on.

A network gives a probability for whatever it is shown: a map turned round, one in another unit, a
photograph. What training maps look like is kept in the run folder, so that others can be marked.

Three things are looked at in each map: its *pattern* (mean of 32 sectors, as shares of the mean of
the disc), its *texture* (level, and how much neighbours at three distances differ) and its
*orientation* (whether the pattern is likelier if it is turned by quarters or mirrored, or likelier
about a flat map, than as it is: most turned maps, and smooth noise, lie within the spread of
patterns, so that distance alone does not find them).
"""

from polarnet.familiarity.distance import Familiarity, fit_familiarity
from polarnet.familiarity.files import FILE, read_familiarity, write_familiarity
from polarnet.familiarity.notes import UNLIKE, Shares, unfamiliar_note

__all__ = [
    "FILE", "UNLIKE", "Familiarity", "Shares", "fit_familiarity", "read_familiarity",
    "unfamiliar_note", "write_familiarity",
]  # fmt: skip
