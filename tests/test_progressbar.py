"""A bar is redrawn in a terminal, and is a few whole lines in a log file."""

import io
import sys

from polarnet import progressbar
from polarnet.progressbar import progress_bar


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_file_gets_few_whole_lines_and_the_last_state(monkeypatch):
    """By a clock of its own, 100 seconds: a line after each 30 of them, and one at the end. Short
    work and a bar that is switched off leave nothing."""
    log, now = io.StringIO(), [0.0]
    monkeypatch.setattr(sys, "stderr", log)
    list(progress_bar(range(100)))
    monkeypatch.setattr(progressbar, "LOG_AFTER_S", 0)
    with progress_bar(total=3, disable=True) as bar:
        bar.update(3)
    assert log.getvalue() == ""
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


def test_a_terminal_redraws_one_line_and_without_a_console_work_goes_on(monkeypatch):
    stream = _Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    list(progress_bar(range(100), desc="Scoring"))
    assert stream.getvalue().count("\r") >= 2
    assert stream.getvalue().count("\n") == 1
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress_bar(range(3))) == [0, 1, 2]
