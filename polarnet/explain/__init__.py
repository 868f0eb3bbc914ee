"""Where the network looks, and whether that can be believed; these names need no TensorFlow."""

from polarnet.explain.agreement import (
    Level,
    random_pair_level,
    rank_correlation,
    structural_similarity,
)
from polarnet.explain.checks import (
    check_faithful,
    check_not_edge,
    check_not_input,
    check_permuted,
    check_randomised,
    check_repeatable,
)
from polarnet.explain.groups import average_seeds, compare_groups, first_per_patient
from polarnet.explain.regions import segment_attribution, territory_shares
from polarnet.explain.verdicts import Check

__all__ = [
    "Check",
    "Level",
    "average_seeds",
    "check_faithful",
    "check_not_edge",
    "check_not_input",
    "check_permuted",
    "check_randomised",
    "check_repeatable",
    "compare_groups",
    "first_per_patient",
    "random_pair_level",
    "rank_correlation",
    "segment_attribution",
    "structural_similarity",
    "territory_shares",
]
