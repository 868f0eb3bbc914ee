"""A bar is redrawn in a terminal, and is a few whole lines in a log file."""

import io
import sys

from polarnet import progressbar
from polarnet.progressbar import progress_bar


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _log(monkeypatch):
    """A log file. Not a fixture: pytest puts its own stderr back between set-up and test."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_a_log_file_gets_few_whole_lines_and_the_last_state(monkeypatch):
    """By a clock of its own, 100 seconds: a line after each 30 of them, and one at the end."""
    log, now = _log(monkeypatch), [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    for _ in progress_bar(range(5000), desc="Features", unit="map"):
        now[0] += 0.02
    text = log.getvalue()
    lines = text.splitlines()
    assert "\r" not in text
    assert text.endswith("\n")
    assert 2 <= len(lines) <= 5
    assert all(line.startswith("Features:") for line in lines)
    assert "5000/5000" in lines[-1]
    assert text.isascii()
    assert "<" in lines[0]  # time left


def test_short_work_leaves_nothing_in_a_log_file(monkeypatch):
    log = _log(monkeypatch)
    list(progress_bar(range(100)))
    assert log.getvalue() == ""


def test_a_terminal_redraws_one_line(monkeypatch):
    stream = _Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    list(progress_bar(range(100), desc="Scoring"))
    assert stream.getvalue().count("\r") >= 2
    assert stream.getvalue().count("\n") == 1


def test_a_switched_off_bar_says_nothing(monkeypatch):
    log = _log(monkeypatch)
    monkeypatch.setattr(progressbar, "LOG_AFTER_S", 0)
    with progress_bar(total=3, disable=True) as bar:
        bar.update(3)
    assert log.getvalue() == ""


def test_without_any_console_work_goes_on(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress_bar(range(3))) == [0, 1, 2]
