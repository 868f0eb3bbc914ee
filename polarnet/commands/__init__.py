"""What each `polarnet` command does."""

from polarnet.commands.importing import import_exports
from polarnet.commands.scoring import evaluate, predict
from polarnet.commands.showing import explain, export, report
from polarnet.commands.training import cache, demo, grid, train

__all__ = [
    "cache",
    "demo",
    "evaluate",
    "explain",
    "export",
    "grid",
    "import_exports",
    "predict",
    "report",
    "train",
]
