"""What is said of a study whose maps are unlike those of the training."""

from typing import Any, Final

import pandas as pd

UNLIKE: Final = "map unlike the training maps"
"""How the note on a study begins."""


class Shares(pd.Series):
    """study_id -> distance as a share of the threshold: a Series that may lie in `attrs`.

    pandas compares the attrs of tables that are put together, and wants one answer: two of these
    are equal as a whole.
    """

    @property
    def _constructor(self) -> type["Shares"]:
        return Shares

    def __eq__(self, other: Any) -> Any:
        return self.equals(other) if isinstance(other, Shares) else super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


def unfamiliar_note(share: float) -> str:
    """What to say of a study at this share of the threshold; nothing where it is familiar.

    >>> unfamiliar_note(1.83)
    'map unlike the training maps (1.8 times the distance that validation maps keep)'
    >>> unfamiliar_note(0.9)
    ''
    """
    if share <= 1:
        return ""
    shown = f"{share:.1f}" if share < 100 else "over 100"
    return f"{UNLIKE} ({shown} times the distance that validation maps keep)"
