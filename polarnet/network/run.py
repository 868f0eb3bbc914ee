"""A finished training: its folder, settings, model, and what its patients and maps were."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import pandas as pd

from polarnet.cohort import PHANTOM
from polarnet.config import ExperimentConfig, load_run_config
from polarnet.familiarity import Familiarity, read_familiarity
from polarnet.htmltable import html_table
from polarnet.network.modelfile import read_model
from polarnet.rundata import (
    Seen,
    check_files,
    read_finetuning,
    read_heads,
    read_patients,
    read_segments,
    trust_words,
)

MODEL_FILE: Final = "model.keras"


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training.

    Attributes
    ----------
    folder
        Holds config.yaml, model.keras, heads.csv, history.csv, scores_val.csv,
        training_segments.csv, patients.json and environment.json.
    config
        The settings with everything resolved.
    model
        The plain Keras model: maps in, a dict of probabilities out, float32.
    heads
        Index trait: `share` of the trunk, `penalty`, `log_loss` and `log_loss_bullseye` (without
        the trunk) in cross-validation over the training patients.
    segments
        Mean of each AHA segment over training studies, see `training_segments`; None if unknown.
    distribution
        What the training maps look like; None where there were too few.
    seen
        Digests of its patients and maps; None for a run that does not know them.
    finetuning
        "kept", "not kept" or "no share of the trunk"; empty where there was none, or it is unknown.
    """

    folder: Path
    config: ExperimentConfig
    model: keras.Model
    heads: pd.DataFrame
    segments: pd.DataFrame | None = None
    distribution: Familiarity | None = None
    seen: Seen | None = None
    finetuning: str = ""

    def __repr__(self) -> str:
        return (
            f"Run {self.folder}: {self.config.mode} VGG16 on {self.config.map_type} maps; "
            f"{self.trust}"
        )

    @property
    def trust(self) -> str:
        """In words, how much each head trusts the trunk beside the bullseye, and whether
        fine-tuning was kept.
        """
        if self.config.mode == "scratch":
            return "a small network without VGG16"
        return trust_words(self.heads, self.finetuning)

    def _repr_html_(self) -> str:
        is_phantom = self.config.software == PHANTOM
        return html_table(
            f"Run {self.folder}" + (" (phantom, not patients)" if is_phantom else ""),
            {
                "network": f"{self.config.mode} VGG16, {self.config.input_size} px",
                "maps": self.config.map_type,
                "weights": Path(self.config.weights or "untrained").name,
                "traits": ", ".join(self.config.traits),
                "heads": self.trust,
                "seed": self.config.seed,
            },
        )


def load_run(folder: str | Path) -> Run:
    """The run of a folder.

    Raises
    ------
    FileNotFoundError: the folder is not a run, or its model is missing.
    ValueError: a file is damaged, or is not the one that the training wrote.
    """
    folder = Path(folder)
    config = load_run_config(folder)
    check_files(folder)
    run = Run(
        folder,
        config,
        read_model(folder / MODEL_FILE, config),
        read_heads(folder, config.traits),
        read_segments(folder, config),
        read_familiarity(folder),
        read_patients(folder),
        read_finetuning(folder),
    )
    if run.distribution is not None and run.distribution.size != config.map_size:
        raise ValueError(f"{folder}: the familiarity is that of another run. Copy the run again.")
    return run


def load_model(folder: str | Path) -> keras.Model:
    """The trained model of a run folder: a plain keras.Model in float32.

    Returns
    -------
    keras.Model: maps (n, size, size, channels) in the unit of the training cohort in, a dict
    trait -> probability (n, 1) out. Nothing else is needed; Keras alone loads the file as well.

    Raises
    ------
    FileNotFoundError, ValueError: as `load_run`.
    """
    return load_run(folder).model


def as_run(run: Any) -> Run:
    """A Run, or that of a run folder.

    Raises
    ------
    FileNotFoundError: no such folder.
    ValueError: it is something else, such as a model of Keras, which does not know its unit, or a
        Bundle where one network is needed.
    """
    if isinstance(run, Run):
        return run
    if isinstance(run, str | Path):
        return load_run(run)
    if hasattr(run, "members"):
        raise ValueError("One network is needed: give a member of the Bundle, bundle.members[0].")
    raise ValueError(
        f"A Run, a run folder or a Bundle is needed, but a {type(run).__name__} was given. A bare "
        "Keras model does not know its unit, traits and patients: use pn.load_run(folder), or "
        "model.predict(maps) for maps in the unit of its training."
    )
