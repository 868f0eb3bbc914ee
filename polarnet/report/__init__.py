"""What people look at: figures and the page."""

from polarnet.report.figures import plot_bullseye, plot_polar_map, plot_roc
from polarnet.report.page import write_report

__all__ = ["plot_bullseye", "plot_polar_map", "plot_roc", "write_report"]
