"""Files that may harm the process that reads them are read by another one, within limits."""

import atexit
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

SECONDS: Final = 10.0
"""Longest processor time for one file (our choice)."""

_WAITING: Final = 30.0
"""Times as long may pass on the clock: a busy machine, or a slow network drive, is no fault of the
file (our choice). On Windows, where nothing ends a process by its processor time, this alone."""

MEMORY: Final = 2**30
"""Bytes of address space that the other process may have, where the system can tell it so (our
choice): a bomb ends there, and not in the user's swap."""

_START_SECONDS: Final = 600.0
"""Longest time until the other process has loaded its libraries; a virus scanner may read along."""

_DOES_NOT_START: Final = (
    "cannot be read, because the program that reads such files does not start: is the installation "
    "complete?"
)

_READY, _ANSWER, _ERROR = b"R", b"A", b"E"

_HAS_TIMER: Final = hasattr(signal, "setitimer")
"""Whether the system ends a process by the processor time that it has used."""

_others: list[subprocess.Popen[bytes]] = []
"""The other process, kept from file to file: starting it takes longer than reading a file."""

_one_at_a_time = threading.Lock()


def _forget() -> None:
    """In a process that was forked off: the other process is its parent's."""
    global _one_at_a_time  # noqa: PLW0603 (it may be held by a thread that there is no more)
    _others.clear()
    _one_at_a_time = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def read_apart(function: Callable[..., bytes], *arguments: Any, seconds: float = SECONDS) -> bytes:
    """What a function of ours returns, called with these arguments in another process.

    Damaged and hostile files can end a process without an error that could be caught, make it wait
    for ever or fill the memory. The process is kept for the next file; one that ended is replaced.

    Parameters
    ----------
    function
        Of a module of ours; its result is bytes, never a pickle.
    seconds
        Of processor time, after which the process is ended.

    Raises
    ------
    ValueError: the function raised one, failed in another way, needed too much memory or time, or
        ended its process.
    """
    request = pickle.dumps((function, arguments, seconds))
    late = f"took longer than {seconds:g} seconds to read"
    # One question at a time: of two threads, one would get the answer to the other's file.
    with _one_at_a_time:
        try:
            try:
                _send(_running().stdin, _READY, request)
            except OSError:
                # It ended while nobody asked it anything; the next one has not.
                _end(*_others)
                _send(_running().stdin, _READY, request)
            _answer(_running(), _START_SECONDS, _DOES_NOT_START, _DOES_NOT_START)
            ended = "ends the program that reads it"
            kind, content = _answer(_running(), _WAITING * seconds, ended, late)
        except BaseException:
            # What it answers later must not be taken for the answer to another question.
            _end(*_others)
            raise
    if kind == _ERROR:
        raise ValueError(content.decode())
    return content


def _running() -> subprocess.Popen[bytes]:
    """The other process, started if there is none."""
    if not _others:
        # The same packages as here, wherever this process looks for them.
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(place or str(Path.cwd()) for place in sys.path),
            # Each thread of it would take address space.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"]
        _others.append(
            subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
    return _others[0]


def _answer(
    other: subprocess.Popen[bytes], seconds: float, ended: str, late: str
) -> tuple[bytes, bytes]:
    """What comes next from the other process; ValueError if it ended, or was too late."""
    is_late = threading.Event()

    def stop() -> None:
        is_late.set()
        other.kill()

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        kind, content = _receive(other.stdout)
    finally:
        timer.cancel()
        timer.join()
    if not kind:
        is_used_up = _HAS_TIMER and other.wait() == -signal.SIGPROF
        raise ValueError(late if is_late.is_set() or is_used_up else ended)
    return kind, content


@atexit.register
def _end_all() -> None:
    _end(*_others)


def _end(*others: subprocess.Popen[bytes]) -> None:
    """Processes that are not to be asked again."""
    for other in others:
        _others.remove(other)
        other.kill()
        other.wait()
        for pipe in (other.stdin, other.stdout):
            with contextlib.suppress(OSError):  # what was not sent is not wanted any more
                if pipe:
                    pipe.close()


# === In the other process ===


def serve() -> None:
    """Answer one question after the other, until nobody asks any more."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Libraries may print what they like; it must not come between the answers.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    # Ctrl-C is for the one who asks; the end of the questions ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory()
    while True:
        kind, request = _receive(questions)
        if not kind:
            return
        function, arguments, seconds = pickle.loads(request)
        _send(answers, _READY, b"")
        _limit_time(seconds)
        try:
            answer = _ANSWER, b"" + function(*arguments)
        except ValueError as error:
            answer = _ERROR, str(error).encode()
        except MemoryError:
            answer = _ERROR, f"needs more than {MEMORY / 2**30:g} GB of memory".encode()
        except Exception as error:
            # A damaged file may trip any library in any way; it must not end the import.
            answer = _ERROR, f"cannot be read ({type(error).__name__})".encode()
        _limit_time(0)
        _send(answers, *answer)


def _limit_time(seconds: float) -> None:
    """End this process once it has used so much processor time; 0: never."""
    if _HAS_TIMER:
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory() -> None:
    """Where the system can do it: Linux. Elsewhere the checks before reading must do."""
    try:
        import resource
    except ImportError:  # Windows
        return
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ValueError, OSError):  # macOS does not know it, or the user's own limit is lower
        return


def _send(pipe: IO[bytes] | None, kind: bytes, content: bytes) -> None:
    assert pipe is not None
    pipe.write(kind + len(content).to_bytes(8, "big") + content)
    pipe.flush()


def _receive(pipe: IO[bytes] | None) -> tuple[bytes, bytes]:
    """Kind and content; (b"", b"") where the pipe has ended."""
    assert pipe is not None
    head = pipe.read(9)
    if len(head) < 9:
        return b"", b""
    length = int.from_bytes(head[1:], "big")
    content = pipe.read(length)
    return (head[:1], content) if len(content) == length else (b"", b"")
