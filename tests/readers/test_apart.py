"""Whatever a file does to the process that reads it, the import goes on."""

import ctypes
import itertools
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from polarnet.readers import apart
from polarnet.readers.apart import read_apart

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has only the clock")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no limit elsewhere")
ENDED = "ends the program that reads it"


def process_id():
    """Of the process that reads."""
    (number,) = apart._others[0]._processes
    return number


def test_an_answer_comes_back_and_the_process_is_kept():
    assert read_apart(bytes.fromhex, "00ff") == b"\x00\xff"
    first = process_id()
    assert read_apart(bytes, 3) == bytes(3)
    assert process_id() == first != os.getpid()


def test_relative_paths_are_those_of_the_one_who_asks(tmp_path, monkeypatch):
    """In a notebook: a folder of the same name, after %cd, must not be the one read before."""
    assert read_apart(Path.cwd) == Path.cwd()
    monkeypatch.chdir(tmp_path)
    assert read_apart(Path.cwd) == Path.cwd()


@pytest.mark.parametrize(
    ("function", "arguments", "seconds", "message"),
    [
        pytest.param(os.abort, (), 10, ENDED, id="abort"),
        pytest.param(ctypes.string_at, (0,), 10, ENDED, id="no such address"),
        pytest.param(max, (itertools.count(),), 0.2, r"took longer than 0\.2 seconds to read",
                     marks=posix, id="computes for ever"),
        pytest.param(bytes, (2 * 2**30,), 10, "needs more than 1 GB of memory",
                     marks=linux, id="memory"),
        pytest.param(bytes.fromhex, ("Muster",), 10, "non-hexadecimal number found", id="ours"),
        pytest.param({}.__getitem__, ("Muster",), 10, r"^cannot be read \(KeyError\)$", id="any"),
    ],
)  # fmt: skip
def test_whatever_goes_wrong_is_one_error_and_the_next_file_is_read(
    function, arguments, seconds, message
):
    """Own errors keep their text; those of libraries may repeat what stands in the file."""
    with pytest.raises(ValueError, match=message):
        read_apart(function, *arguments, seconds=seconds)
    assert read_apart(bytes, 1) == b"\x00"


def test_a_process_that_waits_for_ever_is_ended(monkeypatch):
    monkeypatch.setattr(apart, "_WAITING", 1)
    with pytest.raises(ValueError, match=r"took longer than 0\.1 seconds to read"):
        read_apart(time.sleep, 600, seconds=0.1)
    assert read_apart(bytes, 1) == b"\x00"


@posix
def test_a_process_that_gets_no_processor_is_not_late():
    """As on a busy machine: the limit passes on the clock, and next to nothing is used."""
    assert read_apart(time.sleep, 0.3, seconds=0.1) is None


def test_a_process_that_ended_unasked_is_replaced_in_silence():
    read_apart(bytes, 1)
    os.kill(process_id(), signal.SIGTERM)
    assert read_apart(bytes, 1) == b"\x00"


def test_a_script_needs_no_main_guard(tmp_path):
    """The other process does not run the script again, and prints nothing."""
    script = tmp_path / "script.py"
    script.write_text(
        "from polarnet.readers.apart import read_apart\n"
        "print(read_apart(print, 'noise'), read_apart(bytes, 1))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "None b'\\x00'\n"


def test_a_worker_that_may_start_no_process_says_so(monkeypatch):
    monkeypatch.setattr("multiprocessing.process._current_process.daemon", True)
    with pytest.raises(ValueError, match="a worker of Dask or of multiprocessing may not start"):
        read_apart(bytes, 1)


def test_two_threads_get_their_own_answers():
    """Were answers swapped, a file's numbers would become another patient's."""

    def ask(tag):
        return [read_apart(bytes.fromhex, tag) == bytes.fromhex(tag) for _ in range(100)]

    with ThreadPoolExecutor(2) as pool:
        assert all(all(answers) for answers in pool.map(ask, ("0a", "0b")))
