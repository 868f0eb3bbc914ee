"""Whatever a file does to the process that reads it, the import goes on."""

import ctypes
import itertools
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from polarnet.readers import apart
from polarnet.readers.apart import read_apart


def test_an_answer_comes_back_and_the_process_is_kept():
    assert read_apart(bytes.fromhex, "00ff") == b"\x00\xff"
    first = apart._others[0].pid
    assert read_apart(bytes, 3) == bytes(3)
    assert apart._others[0].pid == first


def test_a_process_that_ends_is_one_error_and_is_replaced():
    with pytest.raises(ValueError, match="ends the program that reads it"):
        read_apart(os.abort)
    with pytest.raises(ValueError, match="ends the program that reads it"):
        read_apart(ctypes.string_at, 0)
    assert read_apart(bytes, 1) == b"\x00"


def test_a_process_that_ended_unasked_is_replaced_in_silence():
    read_apart(bytes, 1)
    apart._others[0].kill()
    apart._others[0].wait()
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


def test_an_error_of_ours_keeps_its_text_and_any_other_only_its_kind():
    """Texts of libraries may repeat what stands in the file."""
    with pytest.raises(ValueError, match="non-hexadecimal number found"):
        read_apart(bytes.fromhex, "Mustermann")
    with pytest.raises(ValueError, match=r"^cannot be read \(KeyError\)$"):
        read_apart({}.__getitem__, "Mustermann")


def test_what_a_library_prints_does_not_come_between_the_answers():
    with pytest.raises(ValueError, match=r"cannot be read \(TypeError\)"):
        read_apart(print, "noise")  # its answer, None, is no bytes
    assert read_apart(bytes, 1) == b"\x00"


def test_two_threads_get_their_own_answers():
    """Were answers swapped, a file's numbers would become another patient's."""

    def ask(tag):
        return [read_apart(bytes.fromhex, tag) == bytes.fromhex(tag) for _ in range(100)]

    with ThreadPoolExecutor(2) as pool:
        assert all(all(answers) for answers in pool.map(ask, ("0a", "0b")))
