"""A page as a browser shows it: what goes wrong, what it asks of the network, what overflows."""

import html
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not at hand")

SECONDS = 300
"""To wait for a page, on a busy machine."""

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom",
          "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=5000",
          "--window-size=1600,1000")  # fmt: skip

# Runs before all else of the page, and tells the page around it what was found.
_LOOK = """
const errors = [];
addEventListener("error", (e) => e.target === window && errors.push(e.message), true);
addEventListener("securitypolicyviolation", (e) => errors.push(`${e.violatedDirective} blocked`));
console.error = console.warn = (...texts) => errors.push(texts.join(" "));
addEventListener("load", () => {
  document.querySelectorAll("details").forEach((details) => (details.open = true));
  const name = (element) => (element.alt || element.textContent).trim().slice(0, 60);
  const beyond = (element) => {
    const box = element.getBoundingClientRect();
    return box.width && (box.left < -1 || box.right > innerWidth + 1);
  };
  const all = (names) => [...document.querySelectorAll(names)];
  const clipped = all("td, th").filter((c) => c.scrollWidth > c.clientWidth + 1 || beyond(c));
  const images = [...document.querySelectorAll("img, svg")];
  const size = (image) => {
    const box = image.getBoundingClientRect();
    const own = image.tagName === "IMG" ? image.naturalWidth * image.naturalHeight : 1;
    return Math.min(own, box.width * box.height);
  };
  const asked = performance.getEntriesByType("resource").map((entry) => entry.name);
  parent.document.body.dataset["found" + AT] = JSON.stringify({
    errors,
    requests: asked.filter((name) => !name.startsWith("data:")),
    width: innerWidth,
    scroll_width: document.documentElement.scrollWidth,
    n_images: images.length,
    clipped: clipped.map(name),
    wide: all("img, svg, figure, table, pre").filter(beyond).map(name),
    sizeless: images.filter((image) => !(size(image) > 0)).map((image) => image.alt || "?"),
    without_alt: images.filter((i) => i.tagName === "IMG" && !i.alt.trim()).length,
    n_scripts: document.scripts.length - 1,
    title: document.title,
    text: document.body.innerText,
  });
});
"""


def look_at(path: str | Path, width: int) -> dict:
    """What `look_at_all` says of one page at one width."""
    return look_at_all([(path, width)])[0]


def look_at_all(views: Sequence[tuple[str | Path, int]]) -> list[dict]:
    """Open pages in one browser and say what is to be seen, with all details open.

    Parameters
    ----------
    views
        HTML file, and the width of its window in pixels of the page: 390 is a phone.

    Returns
    -------
    errors (console and policy), requests (addresses asked for, other than data addresses), width
    and scroll_width (alike where nothing overflows), n_images, sizeless (alternative texts of
    images that have no size), without_alt, n_scripts, title, text; clipped (cells that do not hold
    their content or reach beyond the screen) and wide (figures and tables that do).
    """
    # Frames, because windows are never narrower than 500 pixels.
    frames = "".join(_frame(Path(path), width, k) for k, (path, width) in enumerate(views))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        around = Path(folder) / "around.html"
        around.write_text(f"<!doctype html><meta charset='utf-8'><body>{frames}", encoding="utf-8")
        line = [CHROMIUM, *_FLAGS, f"--user-data-dir={folder}/profile", around.as_uri()]
        shown = subprocess.run(line, capture_output=True, timeout=SECONDS, check=True)
    text = shown.stdout.decode("utf-8")
    found = {int(k): told for k, told in re.findall(r'data-found(\d+)="([^"]*)"', text)}
    assert len(found) == len(views), "A page was never shown."
    return [json.loads(html.unescape(found[k])) for k in range(len(views))]


def _frame(path: Path, width: int, k: int) -> str:
    """A page in a frame, with the script that looks at it."""
    page = path.read_text(encoding="utf-8")
    page = page.replace("default-src 'none'", "default-src 'none'; script-src 'nonce-look'", 1)
    script = f'<script nonce="look">{_LOOK.replace("AT", str(k), 1)}</script>'
    at = page.find("<head>") + len("<head>") if "<head>" in page else 0
    page = page[:at] + script + page[at:]
    return f'<iframe width="{width}" height="844" srcdoc="{html.escape(page)}"></iframe>'
