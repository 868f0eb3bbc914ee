"""A page as a browser shows it: what goes wrong, what it asks of the network, what overflows."""

import html
import json
import re
import shutil
import subprocess
import tempfile
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
  for (const folded of document.querySelectorAll("details")) folded.open = true;
  const images = [...document.querySelectorAll("img, svg")];
  const size = (image) => {
    const box = image.getBoundingClientRect();
    const own = image.tagName === "IMG" ? image.naturalWidth * image.naturalHeight : 1;
    return Math.min(own, box.width * box.height);
  };
  const asked = performance.getEntriesByType("resource").map((entry) => entry.name);
  parent.document.body.dataset.found = JSON.stringify({
    errors,
    requests: asked.filter((name) => !name.startsWith("data:")),
    width: innerWidth,
    scroll_width: document.documentElement.scrollWidth,
    n_images: images.length,
    sizeless: images.filter((image) => !(size(image) > 0)).map((image) => image.alt || "?"),
    wider: images.filter((i) => i.getBoundingClientRect().right > innerWidth + 1).map((i) => i.alt),
    clipped: [...document.querySelectorAll("th, td")].filter((cell) =>
      cell.scrollWidth > cell.clientWidth + 1 && cell.clientWidth > 0
      || innerWidth < 640 && cell.getBoundingClientRect().right > innerWidth + 1
    ).map((cell) => cell.innerText),
    without_alt: images.filter((i) => i.tagName === "IMG" && !i.alt.trim()).length,
    n_scripts: document.scripts.length - 1,
    title: document.title,
    text: document.body.innerText,
  });
});
"""


def look_at(path: str | Path, width: int) -> dict:
    """Open a page at a width and say what is to be seen.

    Parameters
    ----------
    path
        HTML file.
    width
        Of the window, in pixels of the page: 390 is a phone.

    Returns
    -------
    errors (console and policy), requests (addresses asked for, other than data addresses), width
    and scroll_width (alike where nothing overflows), n_images, sizeless (alternative texts of
    images that have no size), wider (images that reach beyond the window), clipped (texts of cells
    that overflow, or on a phone reach beyond the window), without_alt, n_scripts, title, text.
    """
    page = Path(path).read_text(encoding="utf-8")
    page = page.replace("default-src 'none'", "default-src 'none'; script-src 'nonce-look'", 1)
    script = f'<script nonce="look">{_LOOK}</script>'
    at = page.find("<head>") + len("<head>") if "<head>" in page else 0
    page = page[:at] + script + page[at:]
    # A frame, because windows are never narrower than 500 pixels.
    frame = f'<iframe width="{width}" height="844" srcdoc="{html.escape(page)}"></iframe>'
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        around = Path(folder) / "around.html"
        around.write_text(f"<!doctype html><meta charset='utf-8'><body>{frame}", encoding="utf-8")
        line = [CHROMIUM, *_FLAGS, f"--user-data-dir={folder}/profile", around.as_uri()]
        shown = subprocess.run(line, capture_output=True, timeout=SECONDS, check=True)
    found = re.search(r'data-found="([^"]*)"', shown.stdout.decode("utf-8"))
    assert found, "The page was never shown."
    return json.loads(html.unescape(found[1]))
