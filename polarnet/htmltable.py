"""How a result draws itself in a notebook."""

import html
from collections.abc import Mapping


def html_table(title: str, rows: Mapping[str, object]) -> str:
    """A small table of names and values, every text escaped.

    >>> html_table("Run", {"traits": "<b>"})
    '<p>Run</p><table><tr><th>traits</th><td>&lt;b&gt;</td></tr></table>'
    """
    cells = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<p>{html.escape(title)}</p><table>{cells}</table>"
