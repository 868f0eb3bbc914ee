"""Label leakage, looked for before anything is trained."""

from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import rankdata

import polarnet as pn
from plan import Plan
from polarnet.ids import listing

TWIN_CORRELATION: Final = 0.999
"""Rank correlation of two maps above which they are one study under two names (our choice)."""

TELLTALE: Final = 0.97
"""AUROC, either way, above which a clinical column or one pixel counts as label leakage: no
clinical variable and no place of a map is that good (our choice)."""

_GRID: Final = 16  # cells a side in which maps are compared
_FEWEST: Final = 10  # of a class, for a pixel or column to be judged
_AT_ONCE: Final = 1_000_000  # numbers in a block of correlations or ranks: 8 MB


def refuse_leaks(cohort: pn.Cohort, part: pd.Series, plan: Plan) -> None:
    """Refuse what would let a network or a baseline cheat; labels of test studies are not read.

    Raises
    ------
    ValueError: a map of one split is all but the same in another under another patient; a clinical
        column, or a single pixel of a map, tells a trait; all offenders are listed.
    """
    known = cohort.select((part != "test").to_numpy())
    problems = [*_twins(cohort, part), *_columns(known, plan), *_pixels(known, plan)]
    if problems:
        raise ValueError("The project was not begun: " + "; ".join(problems) + ".")


def _twins(cohort: pn.Cohort, part: pd.Series) -> list[str]:
    """Maps that occur in two splits, under two patients."""
    measured = {"rest", "stress"} & set(cohort.maps) or set(cohort.maps)
    ranks = [_ranked(cohort, map_type) for map_type in measured]
    ids, patients, parts = cohort.patients.index, cohort.patients.to_numpy(), part.to_numpy()
    pairs = []
    # A few rows against all later ones: memory grows with n, not n x n.
    for rows in np.array_split(np.arange(len(ids)), -(-(len(ids) ** 2) // _AT_ONCE)):
        later = slice(rows[0], None)
        correlation = np.min([values[rows] @ values[later].T for values in ranks], axis=0)
        for a, b in np.argwhere(correlation > TWIN_CORRELATION) + rows[0]:
            if a < b and parts[a] != parts[b] and patients[a] != patients[b]:
                pairs.append(f"{ids[a]} and {ids[b]}")
    if not pairs:
        return []
    return [
        f"the maps of {listing(pairs, 10)} are all but the same (rank correlation above "
        f"{TWIN_CORRELATION}) in two splits under two patients; give them one patient_id or remove "
        "one"
    ]


def _ranked(cohort: pn.Cohort, map_type: str) -> np.ndarray:
    """Standardised ranks of coarse maps, (n, cells): products of rows are rank correlations."""
    step = max(1, cohort.size // _GRID)
    inside = pn.anatomy.disc_mask(cohort.size)[::step, ::step]
    ranks = rankdata(cohort.in_batches(lambda m: m[:, ::step, ::step][:, inside], map_type), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(ranks, axis=1, keepdims=True)
    return np.divide(ranks, norm, out=np.zeros_like(ranks), where=norm > 0)


def _columns(known: pn.Cohort, plan: Plan) -> list[str]:
    """Clinical columns that are a trait under another name."""
    problems = []
    for trait in plan.traits:
        features = pn.evaluation.clinical_features(known, trait, plan.all_proxies)
        for name, values in features.items():
            recorded = values.notna()
            areas = _strongest(
                known.traits[trait][recorded], values[recorded].to_numpy(float)[:, None]
            )
            if areas.max(initial=0) > TELLTALE:
                problems.append(
                    f"column '{name}' alone tells {trait}; if it is a proxy, list it under "
                    f"`proxies: {{{trait}: [{name}]}}` in the plan"
                )
    return problems


def _pixels(known: pn.Cohort, plan: Plan) -> list[str]:
    """Places of a map that tell a trait by themselves, such as burned-in marks."""
    problems = []
    inside = pn.anatomy.disc_mask(known.size)
    for map_type in known.maps:
        values = known.in_batches(lambda maps: maps[:, inside], map_type)
        for trait in plan.traits:
            if trait == "impaired_mfr":
                continue  # it is flow itself
            areas = _strongest(known.traits[trait], values)
            if areas.max(initial=0) > TELLTALE:
                row, column = np.argwhere(inside)[int(areas.argmax())]
                problems.append(
                    f"the pixel in row {row}, column {column} of {map_type} maps alone tells "
                    f"{trait} (AUROC {areas.max():.2f}); look there for text or marks"
                )
    return problems


def _strongest(labels: pd.Series, values: np.ndarray) -> np.ndarray:
    """AUROC of each column in whichever direction is the better; 0 where a class is small."""
    recorded = labels.notna().to_numpy()
    is_positive, values = labels.to_numpy()[recorded] == 1, values[recorded]
    n_pos, n_neg = int(is_positive.sum()), int((~is_positive).sum())
    if min(n_pos, n_neg) < _FEWEST:
        return np.zeros(values.shape[1])
    blocks = np.array_split(np.arange(values.shape[1]), max(1, -(-values.size // _AT_ONCE)))
    ranks = np.concatenate([
        rankdata(values[:, some], axis=0)[is_positive].sum(axis=0) for some in blocks
    ])  # fmt: skip
    areas = (ranks - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg)
    return np.maximum(areas, 1 - areas)
