"""Which tables and figures of a study stand where in its report, and which script makes them."""

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the report.

    Attributes
    ----------
    id, title
        Anchor and heading.
    lead
        A sentence or two on how to read it.
    figures
        Name of the result -> what the figure shows, also read aloud in its place.
    tables
        Names of results.
    scripts
        Of experiments/study/, that make them.
    """

    id: str
    title: str
    lead: str
    figures: dict[str, str] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    scripts: tuple[str, ...]


COHORT: Final = Section(
    id="cohort",
    title="Who was studied",
    lead="Every patient is in one split only. Networks learn from training patients, all choices "
    "are made on validation patients, and the hold-out (test) patients give the results.",
    figures={
        "flow": "Participant flow: studies, patients, splits, and for each trait the patients with "
        "it, without it, and with nothing recorded"
    },
    tables=("cohort_table", "labels_table", "missing_labels"),
    scripts=("cohort_table",),
)

MAIN: Final = Section(
    id="main",
    title="Main results",
    lead="How well each network tells patients with a trait from those without, in the hold-out. "
    "0.50 is chance. The difference is to the best simple baseline of the same map: where its "
    "interval holds 0, the network has not been shown to add anything.",
    figures={
        "main_forest": "Forest plot: AUROC with 95 % interval of each trait by map type, with the "
        "numbers of patients and the values published"
    },
    tables=("main_results", "seeds"),
    scripts=("main_results",),
)

CALIBRATION: Final = Section(
    id="calibration",
    title="Calibration",
    lead="Whether a predicted 30 % happens in 30 of 100 patients. On the diagonal it does.",
    figures={
        "calibration": "Calibration as predicted: observed share over predicted probability with "
        "95 % band, one panel a trait",
        "calibration_recalibrated": "Calibration after the recalibration that was fitted on "
        "validation patients: observed share over predicted probability with 95 % band",
    },
    tables=("calibration",),
    scripts=("calibration",),
)

DECISIONS: Final = Section(
    id="decisions",
    title="Decision curves and thresholds",
    lead="Whether acting on the prediction would do more good than treating all or none. Only for "
    "impaired MFR: predicting the other traits serves no decision.",
    figures={
        "decision_curve": "Decision curves of impaired MFR: net benefit over threshold "
        "probability, the network with 95 % band beside its baseline, treat all and treat none"
    },
    tables=("thresholds", "predictive_values"),
    scripts=("decisions",),
)

BASELINES: Final = Section(
    id="baselines",
    title="Baselines beside the network",
    lead="The network, for each map and trait the baseline with the lowest validation log-loss "
    "(the comparator), and those that see clinical columns. The table with every baseline is in "
    "the study folder.",
    tables=("baselines",),
    scripts=("baselines",),
)

ABLATIONS: Final = Section(
    id="ablations",
    title="Ablations and other data",
    lead="What changes where one thing is done otherwise: a network for each trait, other "
    "encodings, depths and poolings, fewer patients, other folds, another cohort.",
    figures={
        "encoding_ablation": "AUROC with 95 % interval by the way maps are encoded",
        "depth": "AUROC with 95 % interval by depth of the trunk and pooling",
        "learning_curve": "Learning curve: AUROC with 95 % interval over the number of training "
        "patients, network and baseline",
    },
    tables=(
        "single_task", "encoding_ablation", "depth", "learning_curve", "nested_cross_validation",
        "external", "external_thresholds",
    ),
    scripts=(
        "single_task", "encoding_ablation", "learning_curve", "nested_cross_validation", "external",
    ),
)  # fmt: skip

SUBGROUPS: Final = Section(
    id="subgroups",
    title="Subgroups, adjustment, sensitivity",
    lead="Whether the result holds in parts of the patients, beside age and sex, and under other "
    "definitions. Many comparisons: single ones prove little.",
    tables=("subgroups", "adjusted", "sensitivity"),
    scripts=("subgroups", "sensitivity"),
)

FAILURES: Final = Section(
    id="failures",
    title="Where it fails",
    lead="The most confident errors.",
    figures={
        name: "Maps of the patients with the most confident errors, of either kind"
        for name in ("failures", "failures_rest", "failures_stress", "failures_reserve")
    },
    tables=("failures",),
    scripts=("failures",),
)

SIZE: Final = Section(
    id="size",
    title="Sample size",
    lead="Patients needed and at hand, and how wide the intervals are.",
    tables=("sample_size",),
    scripts=("sample_size",),
)

TRUTH: Final = Section(
    id="truth",
    title="Distance to the ceiling (phantom only)",
    lead="Best result that the simulated maps allow, beside what the networks reach.",
    figures={"truth": "AUROC of network and baselines beside the ceiling of the phantom"},
    tables=("truth",),
    scripts=("truth",),
)
