"""One study: what a cohort says of a single examination."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class Study:
    """One examination.

    Attributes
    ----------
    maps
        Map type -> array of shape (size, size), float32; 0 outside the disc.
    traits
        Trait -> 1.0, 0.0 or NaN (not recorded).
    clinical
        Whatever else the table says of this study.
    unit
        Of rest and stress: "mL/min/g" or "percent". Reserve has none.
    """

    study_id: str
    patient_id: str
    maps: Mapping[str, np.ndarray]
    traits: pd.Series
    clinical: pd.Series
    unit: str

    def __repr__(self) -> str:
        recorded = ", ".join(f"{k} {v:.0f}" for k, v in self.traits.dropna().items())
        return f"Study {self.study_id}: {', '.join(self.maps)} in {self.unit}; {recorded}"
