"""Whatever a file does to the process that reads it, the import goes on."""

import ctypes
import itertools
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from polarnet.readers import apart
from polarnet.readers.apart import read_apart


def process_id():
    """Of the process that reads."""
    (number,) = apart._others[0]._processes
    return number


def test_an_answer_comes_back_and_the_process_is_kept():
    assert read_apart(bytes.fromhex, "00ff") == b"\x00\xff"
    first = process_id()
    assert read_apart(bytes, 3) == bytes(3)
    assert process_id() == first != os.getpid()


def test_a_process_that_ends_is_one_error_and_is_replaced():
    with pytest.raises(ValueError, match="ends the program that reads it"):
        read_apart(os.abort)
    with pytest.raises(ValueError, match="ends the program that reads it"):
        read_apart(ctypes.string_at, 0)
    assert read_apart(bytes, 1) == b"\x00"


def test_a_process_that_ended_unasked_is_replaced_in_silence():
    read_apart(bytes, 1)
    os.kill(process_id(), signal.SIGTERM)
    assert read_apart(bytes, 1) == b"\x00"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not end a process so")
def test_a_process_that_computes_for_ever_is_ended():
    with pytest.raises(ValueError, match=r"took longer than 0\.2 seconds to read"):
        read_apart(max, itertools.count(), seconds=0.2)
    assert read_apart(bytes, 1) == b"\x00"


def test_a_process_that_waits_for_ever_is_ended(monkeypatch):
    monkeypatch.setattr(apart, "_WAITING", 1)
    with pytest.raises(ValueError, match=r"took longer than 0\.1 seconds to read"):
        read_apart(time.sleep, 600, seconds=0.1)
    assert read_apart(bytes, 1) == b"\x00"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has only the clock")
def test_a_process_that_gets_no_processor_is_not_late():
    """As on a busy machine: three times the limit pass on the clock, and next to nothing is used.

    What comes back is that None, the answer of `sleep`, is no bytes.
    """
    with pytest.raises(ValueError, match=r"^cannot be read \(TypeError\)$"):
        read_apart(time.sleep, 0.3, seconds=0.1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits memory so")
def test_a_process_that_wants_too_much_memory_is_refused():
    with pytest.raises(ValueError, match="needs more than 1 GB of memory"):
        read_apart(bytes, 2 * 2**30)
    assert read_apart(bytes, 1) == b"\x00"


def test_a_script_needs_no_main_guard(tmp_path):
    """The other process does not run the script again, and prints nothing."""
    script = tmp_path / "script.py"
    script.write_text(
        "from polarnet.readers.apart import read_apart\n"
        "try:\n    read_apart(print, 'noise')\nexcept ValueError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "cannot be read (TypeError)\n"


def test_a_worker_that_may_start_no_process_says_so(monkeypatch):
    monkeypatch.setattr("multiprocessing.process._current_process.daemon", True)
    with pytest.raises(ValueError, match="a worker of Dask or of multiprocessing may not start"):
        read_apart(bytes, 1)


def test_an_error_of_ours_keeps_its_text_and_any_other_only_its_kind():
    """Texts of libraries may repeat what stands in the file."""
    with pytest.raises(ValueError, match="non-hexadecimal number found"):
        read_apart(bytes.fromhex, "Mustermann")
    with pytest.raises(ValueError, match=r"^cannot be read \(KeyError\)$"):
        read_apart({}.__getitem__, "Mustermann")


def test_two_threads_get_their_own_answers():
    """Were answers swapped, a file's numbers would become another patient's."""

    def ask(tag):
        return [read_apart(bytes.fromhex, tag) == bytes.fromhex(tag) for _ in range(100)]

    with ThreadPoolExecutor(2) as pool:
        assert all(all(answers) for answers in pool.map(ask, ("0a", "0b")))
