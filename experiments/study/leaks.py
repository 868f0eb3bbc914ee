"""Label leakage, looked for before anything is trained."""

from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import rankdata

import polarnet as pn
from plan import Plan, listing

TWIN_CORRELATION: Final = 0.999
"""Rank correlation of two maps above which they are one study under two names (our choice)."""

TELLTALE: Final = 0.97
"""AUROC, either way, above which a clinical column or one pixel counts as label leakage: no
clinical variable and no place of a map is that good (our choice)."""

_GRID: Final = 16  # cells a side in which maps are compared
_FEWEST: Final = 10  # of a class, for a pixel or column to be judged
_AT_ONCE: Final = 1_000_000  # numbers in a block of correlations or ranks: 8 MB


def refuse_leaks(cohort: pn.Cohort, part: pd.Series, plan: Plan) -> None:
    """Look for what would let a network, or a baseline, cheat.

    Parameters
    ----------
    cohort
        All studies; the labels of test studies are not looked at.
    part
        study_id -> "train", "val" or "test".

    Raises
    ------
    ValueError: a map of one split is all but the same in another under another patient; a clinical
        column, or a single pixel of a map, tells a trait; all offenders are listed.
    """
    problems = [*_twins(cohort, part), *_telltale_columns(cohort, part, plan)]
    problems += _telltale_pixels(cohort, part, plan)
    if problems:
        raise ValueError("The project was not begun: " + "; ".join(problems) + ".")


def _twins(cohort: pn.Cohort, part: pd.Series) -> list[str]:
    """Maps that occur in two splits, under two patients."""
    ranks: list[np.ndarray] = []
    for map_type in ("rest", "stress", "reserve"):
        if map_type in cohort.maps and not (map_type == "reserve" and len(ranks)):
            ranks.append(_ranked(cohort, map_type))
    if not ranks:
        return []
    ids, patients, parts = cohort.patients.index, cohort.patients.to_numpy(), part.to_numpy()
    found = []
    # Rows of one part against all later parts, few at a time: memory grows with n, not n x n.
    names = list(dict.fromkeys(parts))
    for k, name in enumerate(names[:-1]):
        rows = np.flatnonzero(parts == name)
        others = np.flatnonzero(np.isin(parts, names[k + 1 :]))
        of_others = [values[others] for values in ranks]
        for some in np.array_split(rows, -(-len(rows) * len(others) // _AT_ONCE)):
            correlation = np.min(
                [v[some] @ o.T for v, o in zip(ranks, of_others, strict=True)], axis=0
            )
            twins = [(some[a], others[b]) for a, b in np.argwhere(correlation > TWIN_CORRELATION)]
            found += [sorted(twin) for twin in twins if patients[twin[0]] != patients[twin[1]]]
    pairs = [f"{ids[a]} and {ids[b]}" for a, b in sorted(found)]
    if not pairs:
        return []
    return [
        f"the maps of {listing(pairs)} are all but the same (rank correlation above "
        f"{TWIN_CORRELATION}) in two splits under two patients; give them one patient_id or remove "
        "one"
    ]


def _ranked(cohort: pn.Cohort, map_type: str) -> np.ndarray:
    """Standardised ranks of coarse maps, (n, cells): products of rows are rank correlations."""
    stack, size = cohort.maps[map_type], cohort.size
    step = max(1, size // _GRID)
    inside = pn.anatomy.disc_mask(size)[::step, ::step]
    rows = [np.asarray(stack[k])[::step, ::step][inside] for k in range(len(cohort))]
    ranks = rankdata(np.stack(rows), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(ranks, axis=1, keepdims=True)
    return np.divide(ranks, norm, out=np.zeros_like(ranks), where=norm > 0)


def _telltale_columns(cohort: pn.Cohort, part: pd.Series, plan: Plan) -> list[str]:
    """Clinical columns that are a trait under another name."""
    problems = []
    known = cohort.select((part != "test").to_numpy())
    for trait in plan.traits:
        labels = known.traits[trait]
        features = pn.evaluation.clinical_features(known, trait, plan.all_proxies)
        for name in features:
            recorded = labels.notna() & features[name].notna()
            values = features.loc[recorded, name].to_numpy(float)[:, None]
            if _strongest(labels[recorded].to_numpy(), values).max(initial=0) > TELLTALE:
                problems.append(
                    f"column '{name}' alone tells {trait}; if it is a proxy, list it under "
                    f"`proxies: {{{trait}: [{name}]}}` in the plan"
                )
    return problems


def _telltale_pixels(cohort: pn.Cohort, part: pd.Series, plan: Plan) -> list[str]:
    """Places of a map that tell a trait by themselves, such as burned-in marks."""
    problems = []
    known = cohort.select((part != "test").to_numpy())
    inside = pn.anatomy.disc_mask(cohort.size)
    for map_type, stack in known.maps.items():
        values = np.stack([np.asarray(stack[k])[inside] for k in range(len(known))])
        for trait in plan.traits:
            if trait == "impaired_mfr":
                continue  # it is flow itself
            labels = known.traits[trait]
            recorded = labels.notna().to_numpy()
            areas = _strongest(labels.to_numpy()[recorded], values[recorded])
            if areas.max(initial=0) > TELLTALE:
                row, column = np.argwhere(inside)[int(areas.argmax())]
                problems.append(
                    f"the pixel in row {row}, column {column} of {map_type} maps alone tells "
                    f"{trait} (AUROC {areas.max():.2f}); look there for text or marks"
                )
    return problems


def _strongest(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """AUROC of each column in whichever direction is the better; 0 where a class is small."""
    is_positive = labels == 1
    n_pos, n_neg = int(is_positive.sum()), int((~is_positive).sum())
    if min(n_pos, n_neg) < _FEWEST:
        return np.zeros(values.shape[1])
    blocks = np.array_split(np.arange(values.shape[1]), max(1, -(-values.size // _AT_ONCE)))
    ranks = np.concatenate([
        rankdata(values[:, some], axis=0)[is_positive].sum(axis=0) for some in blocks
    ])  # fmt: skip
    areas = (ranks - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg)
    return np.maximum(areas, 1 - areas)
