"""Files that may harm the process that reads them are read by another one, within limits.

It guards against crashes, endless waiting and bombs. It is no sandbox.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import current_process
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from loky import ProcessPoolExecutor

T = TypeVar("T")

SECONDS: Final = 10.0  # Longest processor time for one file (our choice)
# Times as long may pass on the clock (our choice): a busy machine is no fault of the file. On
# Windows, where nothing ends a process by its processor time, this alone.
_WAITING: Final = 30.0
# Bytes of address space of the other process, where the system can limit it (our choice)
MEMORY: Final = 2**30
_IDLE: Final = 300.0  # Seconds without a file, after which the other process ends (our choice)

_others: "list[ProcessPoolExecutor]" = []
"""The other process, kept from file to file."""

_one_at_a_time = threading.Lock()


def _forget() -> None:
    """In a process that was forked off: the other process is its parent's."""
    global _one_at_a_time  # noqa: PLW0603 (it may be held by a thread that there is no more)
    _others.clear()
    _one_at_a_time = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def read_apart(function: Callable[..., T], *arguments: Any, seconds: float = SECONDS) -> T:
    """The result of a function, at the top of a module, that is called in another process.

    ValueError: it raised one, failed in another way, needed too much memory or more than so many
    `seconds` of processor time, or ended its process.
    """
    late = f"took longer than {seconds:g} seconds to read"
    with _one_at_a_time:
        # Anything may have ended the process while it was not asked: a file is asked for twice.
        for is_last in (False, True):
            try:
                # Paths may be relative, and the user may have changed the folder in between.
                task = (function, arguments, seconds, Path.cwd())
                future = _running().submit(_within_limits, *task)
                result, problem = future.result(_WAITING * seconds)
                break
            except BrokenProcessPool as error:
                _end()
                if "SIGPROF" in str(error):
                    raise ValueError(late) from None
                if is_last:
                    raise ValueError("ends the program that reads it") from None
            except TimeoutError:
                _end()
                raise ValueError(late) from None
            except BaseException:
                _end()
                raise
    if problem is not None:
        raise ValueError(problem)
    return result


def _running() -> "ProcessPoolExecutor":
    """The other process, started if there is none; loky imports no script of the user's in it."""
    if current_process().daemon:
        raise ValueError(
            "is read by a process of its own, which a worker of Dask or of multiprocessing may not "
            "start: read it outside of such workers"
        )
    if not _others:
        from loky import ProcessPoolExecutor  # half of all imports need no other process

        # Each thread of a library would take address space.
        alone = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        _others.append(ProcessPoolExecutor(1, timeout=_IDLE, env=alone, initializer=_prepare))
    return _others[0]


def _end() -> None:
    """A process that is not to be asked again."""
    while _others:
        _others.pop().shutdown(kill_workers=True)


# === In the other process ===


def _prepare() -> None:
    """Print nothing, leave Ctrl-C to the one who asks, and limit the memory."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # macOS does not know the limit, or the user's own is lower; Windows has none.
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _within_limits(
    function: Callable[..., T], arguments: tuple[Any, ...], seconds: float, folder: Path
) -> tuple[T, None] | tuple[None, str]:
    """The result of a function that is called in a folder, and why there is none."""
    has_timer = hasattr(signal, "setitimer")
    if has_timer:
        signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        os.chdir(folder)
        return function(*arguments), None
    except ValueError as error:
        return None, str(error)
    except MemoryError:
        return None, f"needs more than {MEMORY / 2**30:g} GB of memory"
    except Exception as error:
        # A damaged file may trip any library in any way; it must not end the import.
        return None, f"cannot be read ({type(error).__name__})"
    finally:
        if has_timer:
            signal.setitimer(signal.ITIMER_PROF, 0)
