"""The map types and traits of the paper, in its order, and how a 0/1 column is to be read."""

from typing import Final

MAP_TYPES: Final = ("rest", "stress", "reserve")
"""Rest MBF and stress MBF in mL/min/g (or percent), flow reserve without unit."""

COMBINED: Final = "combined"
"""Rest, stress and reserve map of a study together, in this order."""

IMPAIRED_MFR: Final = "impaired_mfr"

TRAITS: Final = (IMPAIRED_MFR, "sex", "diabetes", "hypertension", "dyslipidemia", "smoking")
"""Targets named in the abstract of Yeung et al. 2022 (doi 10.1007/s12350-022-02920-x)."""

CODED_ONE_MEANS: Final = {
    IMPAIRED_MFR: "flow reserve below 2.0",
    "sex": "female",
    "diabetes": "diagnosis or treatment",
    "hypertension": "diagnosis or treatment",
    "dyslipidemia": "diagnosis or treatment",
    "smoking": "current smoker",
}
"""What 1 stands for (our choice; the paper's coding was not available to us)."""

MFR_THRESHOLD: Final = 2.0
"""Flow reserve strictly below this is impaired (abstract of Yeung et al. 2022)."""
