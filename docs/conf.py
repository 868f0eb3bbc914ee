"""Settings of the documentation site, which `make docs` builds from this folder."""

import inspect
import os
import re
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from matplotlib import pyplot as plt
from numpy.typing import ArrayLike
from sphinx.util.typing import stringify_annotation
from sphinx_gallery.scrapers import figure_rst
from sphinx_gallery.sorting import FileNameSortKey

import polarnet as pn
from polarnet.demo import SEED
from polarnet.grid import run_experiment

project = "polarnet"
author = copyright = "The polarnet authors"
version = release = pn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["gallery", "_templates"]
templates_path = ["_templates"]
suppress_warnings = ["config.cache"]  # the settings of the gallery hold functions
autodoc_preserve_defaults = True  # names of constants, not what they hold
default_role = "obj"  # `name` in a docstring is a link where there is such a name
python_maximum_signature_line_length = 80
add_module_names = False
numpydoc_show_class_members = False
myst_heading_anchors = 3
copybutton_prompt_text = ">>> "

html_theme = "pydata_sphinx_theme"
html_title = f"polarnet {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
alone = ("quickstart", "glossary", "phantom", "citing", "contributing", "design", "changelog")
html_sidebars = {page: [] for page in alone}  # no pages below them
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def saved_figure(_block, block_vars, gallery_conf):
    """The figure of an example: `figure`, or that of `ax`."""
    names = block_vars["example_globals"]
    figure = names.pop("figure", None) or getattr(names.pop("ax", None), "figure", None)
    if figure is None:
        return ""
    path = next(block_vars["image_path_iterator"])
    pn.plotting.save_figure(figure, path, dpi=200)
    plt.close("all")
    title = Path(block_vars["src_file"]).read_text(encoding="utf-8").splitlines()[1]
    return figure_rst([path], gallery_conf["src_dir"], fig_titles=title)


sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "image_scrapers": (saved_figure,),
    "within_subsection_order": FileNameSortKey,
    "capture_repr": (),
    "download_all_examples": False,
    "show_signature": False,
    "notebook_extensions": set(),
    "min_reported_time": 1e6,
    "write_computation_times": False,
}


def make_demo(_app):
    """What the examples of the gallery read: a part of what `polarnet demo` writes."""
    folder = Path(__file__).parent / "gallery" / "demo"
    if folder.is_dir():
        return
    pn.make_phantom_cohort(600, seed=SEED).save(folder / "cohort")
    parts = pn.split_by_patient(pn.read_cohort(folder / "cohort"), seed=SEED)
    for map_type in ("rest", "stress"):
        config = pn.ExperimentConfig(map_type=map_type, input_size=64, seed=SEED)
        out = folder / "runs" / f"{map_type}_frozen"
        run_experiment(*parts, config, out, cache=None, show_progress=False)


def short_types(_app, _what, _name, _obj, _options, signature, returned):
    """Write ArrayLike by its name; it is a union of many types."""
    if signature:
        signature = signature.replace(stringify_annotation(ArrayLike, "smart"), "ArrayLike")
        return signature, returned
    return None


def plain_sections(_app, _what, _name, obj, _options, lines):
    """Write the sections Returns and Raises, prose in this package, as numpydoc reads them."""
    text = "\n".join(lines)
    try:
        returned = inspect.signature(obj).return_annotation
        returned = getattr(returned, "__name__", str(returned))
    except (TypeError, ValueError):
        returned = ""
    body = r"(.*?)(?=\n\n[A-Z][a-z ]+\n---|\n\n>>>|\Z)"

    def of_returns(found):
        prose = re.sub(rf"^{re.escape(returned)}[.,] ", "", found[1])
        return f"Returns\n-------\n{returned or 'result'}\n" + re.sub("(?m)^(?=.)", "    ", prose)

    def of_raises(found):
        return "Raises\n------\n" + re.sub(r"(?m)^(\w[\w, ]*): (.*)", r"\1\n    \2", found[1])

    text = re.sub(rf"(?s)Returns\n-------\n{body}", of_returns, text)
    text = re.sub(rf"(?s)Raises\n------\n{body}", of_raises, text)
    text = re.sub(r"\n\n(?=>>>)", "\n\nExamples\n--------\n", text, count=1)
    lines[:] = text.split("\n")


def setup(app):
    app.connect("builder-inited", make_demo, priority=100)
    app.connect("autodoc-process-signature", short_types)
    app.connect("autodoc-process-docstring", plain_sections, priority=400)
