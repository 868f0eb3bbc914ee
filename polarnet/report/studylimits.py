"""What a study cannot say, in sentences that follow from what it is."""

from collections.abc import Mapping
from typing import Any


def limits_of(facts: Mapping[str, Any], *, has_explanations: bool) -> list[str]:
    """Sentences for the end of the report, the gravest first.

    Parameters
    ----------
    facts
        is_phantom, is_recovered, is_untrained; plan (mapping: external, seeds, ...); frozen (what
        freeze.json says, or nothing); n_reads.
    has_explanations
        Attribution was made and checked.
    """
    plan, frozen, limits = facts["plan"], facts["frozen"], []
    if facts["is_phantom"]:
        limits.append(
            "The patients are simulated. No number here says anything about people, and agreement "
            "with published values means nothing."
        )
    if facts["is_recovered"]:
        limits.append("Flow was read from the colours of screens, at the scale the user stated.")
    if facts["is_untrained"]:
        limits.append(
            "The trunk has random weights: this is not the transfer learning of the publication."
        )
    if not plan.get("external"):
        second = "a second phantom" if facts["is_phantom"] else "none"
        limits.append(
            f"External data: {second}. How the networks do at another hospital, with another "
            "scanner, tracer or software is not shown."
        )
    if "n_test" in frozen:
        limits.append(
            f"The hold-out has {frozen['n_test']} studies ({frozen['n_train']} train, "
            f"{frozen['n_val']} validate): intervals are as wide as they are printed, and a cell "
            "with fewer than 10 patients in its smaller class is not reported."
        )
    else:
        limits.append("Nothing was frozen before the hold-out was read: no freeze.json is there.")
    if facts["n_reads"]:
        limits.append(
            f"The hold-out was read {facts['n_reads']} times for results, each noted in "
            "test_reads.csv; what was decided after the first look is exploratory."
        )
    limits += [
        "Many cells are tested. Adjusted p-values are of the families named below the main table; "
        "all other comparisons are unadjusted.",
        "Traits come from tables, not from a reference standard made for this study; patients "
        "with nothing recorded are left out, trait by trait.",
        "A score for sex, diabetes or smoking is a probe of what flow maps hold, never a test to "
        "be used: the facts are known without a scan.",
        "Of the publication only the abstract was at hand; whatever it does not say is our choice.",
    ]
    if not has_explanations:
        limits.append("Nothing here says where the networks look: no explanation was given.")
    return limits
