"""What tuning chose for the baselines, kept so that it is done once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from polarnet.files import new_file


def read_chosen(path: Path) -> dict[str, Any]:
    """What fits of before chose: model -> trait -> penalty or trees; empty where none was."""
    if not path.is_file():
        return {}
    chosen: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return chosen


def write_chosen(tables: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Keep what the fits behind some scores chose."""
    chosen = {name: scores.attrs["chosen"] for name, scores in tables.items()}
    with new_file(path) as partial:
        partial.write_text(json.dumps(chosen, indent=2) + "\n", encoding="utf-8")
