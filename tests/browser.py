"""A page as a browser shows it: what goes wrong, what it asks of the network, what overflows.

Chromium is spoken to over a pipe in its DevTools protocol, so that no package is needed:
https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not at hand")

SECONDS = 300
"""To wait for one answer, on a busy machine."""

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe", "about:blank",
)  # fmt: skip

# The browser reads commands from descriptor 3 and answers on 4.
_START = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3), os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""

_FINDINGS = """(() => {
  const images = [...document.querySelectorAll("img, svg")];
  const size = (image) => {
    const box = image.getBoundingClientRect();
    const own = image.tagName === "IMG" ? image.naturalWidth * image.naturalHeight : 1;
    return Math.min(own, box.width * box.height);
  };
  return {
    width: window.innerWidth,
    scroll_width: document.documentElement.scrollWidth,
    height: document.documentElement.scrollHeight,
    n_images: images.length,
    sizeless: images.filter((image) => !(size(image) > 0)).map((image) => image.alt || "?"),
    without_alt: images.filter((i) => i.tagName === "IMG" && !i.alt.trim()).length,
    title: document.title,
    text: document.body.innerText,
    n_scripts: document.scripts.length,
  };
})()"""


def look_at(path: str | Path, width: int, screenshot: str | Path | None = None) -> dict:
    """Open a page at a width and say what is to be seen.

    Parameters
    ----------
    path
        HTML file.
    width
        Of the window, in pixels of the page: 390 is a phone.
    screenshot
        PNG file to write, of the whole page.

    Returns
    -------
    errors (console and log), requests (addresses asked for, other than the file and data
    addresses), width and scroll_width (alike where nothing overflows), height, n_images, sizeless
    (alternative texts of images that have no size), without_alt, n_scripts, title, text.
    """
    address = Path(path).resolve().as_uri()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        _Browser(profile) as browser,
    ):
        target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        browser.session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for part in ("Page", "Network", "Runtime", "Log"):
            browser.ask(f"{part}.enable")
        size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.ask("Emulation.setDeviceMetricsOverride", **size)
        browser.ask("Page.navigate", url=address)
        browser.wait_for("Page.loadEventFired")
        found = browser.ask("Runtime.evaluate", expression=_FINDINGS, returnByValue=True)
        if screenshot is not None:
            picture = browser.ask("Page.captureScreenshot", captureBeyondViewport=True)
            Path(screenshot).write_bytes(base64.b64decode(picture["data"]))
        return found["result"]["value"] | {
            "errors": [text for event in browser.events for text in _error(event)],
            "requests": [url for event in browser.events for url in _request(event, address)],
        }


class _Browser:
    """A headless Chromium and its two pipes."""

    def __init__(self, profile: str) -> None:
        self.session: str | None = None
        self.events: list[dict] = []
        self._n_asked = 0
        self._rest = b""
        reading, self._out = os.pipe()
        self._in, writing = os.pipe()
        line = [sys.executable, "-c", _START, str(reading), str(writing), CHROMIUM]
        self._process = subprocess.Popen(
            [*line, f"--user-data-dir={profile}", *_FLAGS], pass_fds=(reading, writing),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(reading)
        os.close(writing)
        os.set_blocking(self._in, False)

    def __enter__(self) -> "_Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def ask(self, method: str, **params: object) -> dict:
        """Send a command and wait for its answer."""
        self._n_asked += 1
        message = {"id": self._n_asked, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + SECONDS
        while (answer := self._next(until)).get("id") != self._n_asked:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def wait_for(self, event: str) -> None:
        """Read until an event has come."""
        until = time.monotonic() + SECONDS
        while not any(known.get("method") == event for known in self.events):
            self.events.append(self._next(until))

    def _next(self, until: float) -> dict:
        while b"\0" not in self._rest:
            try:
                part = os.read(self._in, 1 << 16)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TimeoutError(f"Chromium said nothing for {SECONDS} s.") from None
                time.sleep(0.01)
                continue
            if not part:
                raise RuntimeError("Chromium ended before it answered.")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


def _error(event: dict) -> list[str]:
    """What the console would show in red."""
    params = event.get("params", {})
    if event.get("method") == "Log.entryAdded" and params["entry"]["level"] != "verbose":
        return [params["entry"]["text"]]
    if event.get("method") == "Runtime.exceptionThrown":
        return [params["exceptionDetails"]["text"]]
    if event.get("method") == "Runtime.consoleAPICalled":
        return [str(params["args"])]
    return []


def _request(event: dict, address: str) -> list[str]:
    """What was asked for beyond the page itself."""
    if event.get("method") != "Network.requestWillBeSent":
        return []
    url = event["params"]["request"]["url"]
    return [] if url.startswith("data:") or url.partition("#")[0] == address else [url]
