"""The `polarnet` command: its options, and one clear line when something is wrong."""

import argparse
import errno
import io
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from polarnet import __version__

_BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 2, with one line on stderr, for bad input or an interruption, else 0."""
    words = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(words)
    join = subprocess.list2cmdline if sys.platform == "win32" else shlex.join
    arguments.line = join(["polarnet", *words])  # how to do it again
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A Windows console may lack the letters of a file name; better a ? than an end.
            stream.reconfigure(errors="replace")
    try:
        if arguments.run == "doctor":  # looks for what is broken, so it runs without the packages
            from polarnet.doctor import doctor

            doctor(arguments)
            return 0
        # pandas and what else the commands need; --help and wrong arguments do without.
        from polarnet import commands

        getattr(commands, arguments.run)(arguments)
    except KeyboardInterrupt:
        return _fail("Interrupted. Nothing half-written was left; run the same command again.")
    except OSError as error:
        what = error.strerror or str(error)
        name = error.filename2 or error.filename  # of two, the one that the user knows
        where = f"{name}: {what}." if name else what
        if error.errno == errno.ENOSPC:
            return _fail(
                f"No space left on the disk ({where}). Nothing half-written was left. Free some "
                "space, or write to another disk by --out or --cache."
            )
        if isinstance(error, PermissionError):
            where += " Close it in other programs, such as Excel, or choose a place of your own."
        return _fail(where)
    except (ValueError, KeyError) as error:
        return _fail(str(error.args[0]) if error.args else type(error).__name__)
    except ImportError as error:
        return _fail(f"{error}. A package is missing or broken: polarnet doctor says what to do.")
    except MemoryError:
        return _fail("Out of memory. Close other programs, or use a smaller batch_size in YAML.")
    except Exception as error:
        # A mistake in this program, which a traceback would not explain to its user.
        return _fail(
            f"Unexpected {type(error).__name__}: {error}. Please report it with your command and "
            "what polarnet doctor prints."
        )
    return 0


def _fail(message: str) -> int:
    print(f"polarnet: {' '.join(message.split())}", file=sys.stderr)
    return _BAD_INPUT


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(_BAD_INPUT, f"{self.prog}: {message}. See {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    """The parser of the commands that commands.toml lists."""
    parser = _Parser(
        prog="polarnet",
        allow_abbrev=False,
        description="Multi-task VGG16 on PET perfusion polar maps. Research use only.",
        epilog="Example: polarnet demo --out demo. If something fails: polarnet doctor",
    )
    parser.add_argument("--version", action="version", version=f"polarnet {__version__}")
    choices = parser.add_subparsers(metavar="COMMAND", required=True)
    listed = tomllib.loads(Path(__file__).with_name("commands.toml").read_text("utf-8"))
    cores = os.cpu_count() or 1
    # Starting processes goes wrong more often on Windows.
    numbers = {"cores": cores, "jobs": 1 if sys.platform == "win32" else min(cores, 8)}
    for name, facts in listed.items():
        text, example = facts["text"], f"Example: {facts['example']}"
        command = choices.add_parser(
            name, help=text, description=text, epilog=example, allow_abbrev=False
        )
        # A function cannot be called import.
        command.set_defaults(run={"import": "import_exports"}.get(name, name.replace("-", "_")))
        for option, settings in facts["options"].items():
            if "type" in settings:
                settings["type"] = _TYPES[settings["type"]]
            if settings.get("default") in ("cores", "jobs"):
                settings["default"] = numbers[settings["default"]]
            command.add_argument(option, **settings)
    return parser


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise argparse.ArgumentTypeError("give names, A,B, or leave the option out")
    return names


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a number, 1 or more")
    return int(text)


def _number_or_all(text: str) -> int | None:
    return None if text == "all" else _number(text)


def _ends(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: give two numbers, LOW,HIGH, as 0,4") from None
    return low, high


_TYPES: Final[dict[str, Callable[[str], Any]]] = {
    "int": int,
    "names": _names,
    "number": _number,
    "number_or_all": _number_or_all,
    "ends": _ends,
}
"""What the text of an option becomes, by its name in commands.toml."""
