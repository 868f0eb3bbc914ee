"""What people look at: figures and the page."""

from polarnet.report.figures import plot_bullseye, plot_polar_map, plot_roc
from polarnet.report.page import write_report
from polarnet.report.sheets import draw_contact_sheet, write_preview

__all__ = [
    "draw_contact_sheet",
    "plot_bullseye",
    "plot_polar_map",
    "plot_roc",
    "write_preview",
    "write_report",
]
