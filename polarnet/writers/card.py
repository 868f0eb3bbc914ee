"""The model card: what a bundle is for, made of, worth, and not for. Markdown."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader

from polarnet.config import ExperimentConfig
from polarnet.evaluation.roc import Interval


def model_card(config: ExperimentConfig, facts: Mapping[str, Any]) -> str:
    """Write the card of a bundle.

    Parameters
    ----------
    config
        Of the first member.
    facts
        The manifest. Its keys are used as they stand in `write_bundle`.
    """
    template = Environment(
        loader=PackageLoader("polarnet", "writers"), trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,  # no autoescape: markdown, see _cell
    ).get_template("card.md")  # fmt: skip
    return template.render(
        config=config,
        facts=facts,
        rows=[_row(trait, facts) for trait in config.traits],
        stated={
            name.replace("_", " "): _cell(getattr(config, name) or "not stated")
            for name in ("tracer", "stress_agent", "software")
        },
        weights=_cell(facts["weights"]),
    )


def _row(trait: str, facts: Mapping[str, Any]) -> dict[str, str]:
    """One trait of the table of results."""
    found = facts["metrics"][trait]
    points = facts["thresholds"].get(trait)
    change = facts["recalibration"].get(trait)
    if found["auroc"] is None:
        area = found["note"] or "not reported: too few patients"
    else:
        low, high = (float("nan") if found[k] is None else found[k] for k in ("ci_low", "ci_high"))
        area = repr(Interval(found["auroc"], low, high, found["method"]))
    return {
        "trait": _cell(trait),
        "n": f"{found['n_pos']} / {found['n_neg']}",
        "auroc": _cell(area)
        + (" (circular: the label is nearly the mean of this map)" if found["is_circular"] else ""),
        "thresholds": f"{points['youden']:.3f} / {points['sensitive']:.3f}" if points else "none",
        "recalibration": f"{change['intercept']:.2f} + {change['slope']:.2f} x logit"
        if change
        else "none",
    }


def _cell(text: str) -> str:
    """Text that neither breaks a table nor becomes markup where the card is shown as a page."""
    flat = " ".join(text.split())
    for sign in "\\`*_[]<>|#&":
        flat = flat.replace(sign, f"&#{ord(sign)};" if sign in "<>&" else f"\\{sign}")
    return flat
