"""Whether an attribution map can be believed: checks with a verdict in words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """Result of one check of an attribution method.

    Parameters
    ----------
    name
        What was varied or compared, in a few words.
    is_passed
        None where it cannot be judged; the verdict says why.
    value, low, high
        Median over studies, with its 95 % interval; NaN where it cannot be judged.
    reference
        What the interval is held against.
    n
        Patients behind `value`, one study each.
    verdict
        One sentence, beginning with "passes", "fails" or "cannot be judged".
    """

    name: str
    is_passed: bool | None
    value: float
    low: float
    high: float
    reference: float
    n: int
    verdict: str
