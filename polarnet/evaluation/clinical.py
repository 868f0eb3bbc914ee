"""Which columns of a cohort are clinical variables, and may predict a given trait?"""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
import pandas as pd

from polarnet.cohort import Cohort
from polarnet.traits import IMPAIRED_MFR

SEX: Final = "sex"
"""The one trait that also predicts the others."""

FROM_MAPS: Final = (
    "mfr", "*_mfr", "mfr_*", "cfr", "*_cfr", "cfr_*", "*flow_reserve*", "*mbf*",
    "sss", "srs", "sds", "tpd", "*_tpd",
)  # fmt: skip
"""Read off the perfusion maps by a workstation or a reader: no clinical variable (our choice)."""

NOT_CLINICAL: Final = (
    "id", "*_id", "id_*", "*_number", "accession*", "mrn", "split", "fold", "*_source", "profile",
    "unit*", "software*", "*date*", "*birth*", "dob", "year", "*_year", "time", "*_time",
    *FROM_MAPS,
)  # fmt: skip
"""Names of columns that never predict, numbers or not: ids, days, how the study was read."""

DEFAULT_PROXIES: Final[Mapping[str, Sequence[str]]] = {
    IMPAIRED_MFR: FROM_MAPS,
    SEX: ("gender*", "*_sex", "*female*", "male", "*_male", "pregnan*", "*menopaus*"),
    "diabetes": (
        "*diabet*", "dm", "dm_*", "t1dm", "t2dm", "niddm", "iddm", "*hba1c*", "*a1c*",
        "*glucose*", "*insulin*", "*metformin*", "*sulfonylurea*", "*gliptin*", "*gliflozin*",
        "*sglt2*", "*glp1*", "*antidiabetic*",
    ),
    "hypertension": (
        "*hypertens*", "htn", "*sbp*", "*dbp*", "bp", "bp_*", "*_bp", "*pressure*",
        "mean_arterial*", "rpp*", "*ace_inhibitor*", "acei", "arb", "arbs", "*sartan*",
        "*diuretic*", "*beta_block*", "*betablock*", "*calcium_channel*",
    ),
    "dyslipidemia": (
        "*lipid*", "*hdl*", "*ldl*", "*cholesterol*", "*triglycer*", "*statin*", "*ezetimibe*",
        "*fibrate*", "*pcsk9*",
    ),
    "smoking": ("*smok*", "*pack_year*", "*packyear*", "*cotinine*", "*nicotin*", "*tobacco*",
                "*cigar*"),
}  # fmt: skip
"""Trait -> columns that measure or treat it, and so would give its label away (our choice)."""


def clinical_features(
    cohort: Cohort, trait: str, proxies: Mapping[str, Sequence[str]] = DEFAULT_PROXIES
) -> pd.DataFrame:
    """The clinical variables that may predict a trait.

    Parameters
    ----------
    cohort
        Training studies. Columns of `clinical` count that hold numbers of at least two values,
        and `sex` of the traits. Ids, days, `split`, `*_source` and what was read off the maps
        (`NOT_CLINICAL`) never count.
    trait
        To be predicted: neither a column of its name nor one of its proxies counts.
    proxies
        Trait -> patterns of column names (`*` stands for anything). Case does not matter, and a
        blank, hyphen or full stop in a name is an underscore. Patterns are English: name the
        columns of another language yourself.

    Returns
    -------
    DataFrame of float, index study_id, in the units of the table; NaN where not recorded. No
    columns where nothing but sex is left, which is no clinical model.
    """
    table = cohort.clinical.select_dtypes(["number", "bool"])
    if SEX in cohort.traits:
        table = table.assign(**{SEX: cohort.traits[SEX]})
    barred = [*NOT_CLINICAL, *proxies.get(trait, ())]
    names = [
        name for name in table
        if _plain(name) != _plain(trait) and not _is_among(name, barred)
    ]  # fmt: skip
    values = clinical_values(cohort, names)
    values = values.loc[:, values.nunique() > 1]
    return values if set(values.columns) - {SEX} else values.iloc[:, :0]


def clinical_values(cohort: Cohort, names: Iterable[str]) -> pd.DataFrame:
    """Columns of a cohort as numbers; NaN where a cell, or the whole column, is not there."""
    table = cohort.clinical
    if SEX in cohort.traits:
        table = table.assign(**{SEX: cohort.traits[SEX]})
    table = table.reindex(columns=list(names)).apply(pd.to_numeric, errors="coerce")
    return table.astype(float).replace([np.inf, -np.inf], np.nan)


def _is_among(name: object, patterns: Iterable[str]) -> bool:
    """Whether a column's name has one of the patterns."""
    return any(fnmatchcase(_plain(name), _plain(pattern)) for pattern in patterns)


def _plain(name: object) -> str:
    """A name without case, its words joined by underscores."""
    return re.sub(r"[\s.\-]+", "_", str(name).strip().casefold())
