"""Pictures to check an import by eye: a first map with its walls, and many small ones."""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

from polarnet.anatomy import disc_mask
from polarnet.cohort import Cohort
from polarnet.files import new_file
from polarnet.report.maps import COLOURS, LIMITS, plot_polar_map
from polarnet.report.style import plain_text

_COLUMNS = 10


def write_preview(
    path: str | Path, values: np.ndarray, *, map_type: str, unit: str, caption: str
) -> Path:
    """Draw one map with wall names, so that its orientation can be checked before an import.

    Parameters
    ----------
    path
        PNG to write; one from before is replaced.
    values
        Polar map of shape (size, size), anterior up, septum left.
    map_type, unit
        As for `plot_polar_map`; "" for a reserve.
    caption
        What is said below the picture.
    """
    figure, ax = plt.subplots(figsize=(5, 4.6))
    plot_polar_map(values, ax=ax, map_type=map_type, unit=unit or "mL/min/g")
    figure.text(0.5, 0.02, caption, ha="center", fontsize=7, wrap=True)
    with new_file(path) as partial:
        plain_text(figure).savefig(partial, dpi=130, format="png")
    plt.close(figure)
    return Path(path)


def draw_contact_sheet(some: Cohort, n_studies: int, path: Path) -> None:
    """Draw the maps of some studies, small, a study a column, on one absolute scale.

    Parameters
    ----------
    some
        The studies to draw.
    n_studies
        Studies of the whole cohort.
    path
        PNG to write.
    """
    map_types = list(some.maps)
    step = some.size + 4
    label = some.size // 4
    block_rows = len(map_types) * step + label
    # One picture of all maps: hundreds of axes take matplotlib many seconds.
    mosaic = np.full((-(-len(some) // _COLUMNS) * block_rows, _COLUMNS * step), np.nan)
    height = 0.35 + _COLUMNS * len(mosaic) / mosaic.shape[1]
    figure = plt.figure(figsize=(_COLUMNS, height))
    ax = figure.add_axes((0, 0, 1, 1 - 0.35 / height))
    disc = disc_mask(some.size)
    for study, study_id in enumerate(some.patients.index):
        block, column = divmod(study, _COLUMNS)
        for row, map_type in enumerate(map_types):
            low, high = (0.0, 100.0) if some.unit == "percent" else LIMITS[map_type]
            scaled = np.clip((np.asarray(some.maps[map_type][study]) - low) / (high - low), 0, 1)
            top, left = block * block_rows + label + row * step, column * step + 2
            mosaic[top : top + some.size, left : left + some.size] = np.where(disc, scaled, np.nan)
        ax.text((column + 0.5) * step, block * block_rows + label / 2, str(study_id),
                fontsize=6, ha="center", va="center")  # fmt: skip
    ax.imshow(mosaic, cmap=COLOURS, vmin=0, vmax=1, interpolation="nearest")
    ax.axis("off")
    phantom = "Phantom, not patients. " if some.is_phantom else ""
    scale = "0-100 percent" if some.unit == "percent" else "0-4 mL/min/g, reserve 0-5"
    figure.suptitle(
        f"{phantom}{len(some)} of {n_studies} studies; rows: {', '.join(map_types)}; "
        f"scale {scale}; anterior up, septum left",
        fontsize=7, y=1 - 0.1 / height,
    )  # fmt: skip
    # Thrice as fast as the usual compression, for a file that is a tenth larger.
    plain_text(figure).savefig(path, dpi=110, format="png", pil_kwargs={"compress_level": 1})
    plt.close(figure)
