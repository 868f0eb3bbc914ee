"""One study: what a cohort says of a single examination."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from polarnet.anatomy import disc_mean
from polarnet.htmltable import html_table


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

    def _repr_html_(self) -> str:
        means = {
            f"{map_type}, mean": f"{float(disc_mean(values)):.2f}"
            + ("" if map_type == "reserve" else f" {self.unit}")
            for map_type, values in self.maps.items()
        }
        labels = {
            str(trait): "not recorded" if pd.isna(label) else f"{label:.0f}"
            for trait, label in self.traits.items()
        }
        return html_table(f"Study {self.study_id}", means | labels)
