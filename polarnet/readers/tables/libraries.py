"""What is said where the package that reads a file is not installed, or cannot read it?"""

from importlib import import_module
from pathlib import Path
from types import ModuleType


def import_library(package: str, path: Path, extra: str) -> ModuleType:
    """A package that only some users need.

    Parameters
    ----------
    path
        File to be read, for messages.
    extra
        Of ours, with which the package is installed.

    Raises
    ------
    ValueError: it is not installed.
    """
    try:
        return import_module(package)
    except ImportError:
        raise ValueError(
            f"{path.name}: {path.suffix} files are read by {package}, which is not installed. "
            f"Install it with: pip install polarnet[{extra}]"
        ) from None


def damaged(path: Path) -> ValueError:
    """The error, to be raised, for a file that a library cannot read.

    Without the library's own words, which repeat the cell that it stumbled over.
    """
    return ValueError(
        f"{path.name} is damaged, or no {path.suffix} file. Open it in the program that wrote it "
        "and save it again."
    )
