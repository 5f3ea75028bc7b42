"""HTML for notebooks: small tables without scripts, every value escaped."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from typing import Any

#: Longer texts are cut in a cell.
LONGEST = 120

_TABLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"
_HEAD = "text-align:left;vertical-align:bottom;border-bottom:1px solid currentColor;padding:2px 10px"
_CELL = "text-align:left;vertical-align:top;padding:2px 10px"
_ROW = "border-bottom:1px solid rgba(128,128,128,.25)"
_FADED = "opacity:.6"
#: Red and green that read on light and dark pages alike.
OLD = "background:rgba(220,60,60,.18)"
NEW = "background:rgba(40,160,80,.2)"


class Markup(str):
    """HTML already: not escaped again."""


def text(value: Any) -> Markup:
    """A value as people read it: texts bare, the rest as Python writes it."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, set):
        shown = "{" + ", ".join(sorted(map(repr, value))) + "}"
    else:
        shown = value if isinstance(value, str) else str(value)
    return Markup(escape(shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"))


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str, note: str = "") -> str:
    """A table with its caption above and a note below."""
    cells = "".join(f'<th style="{_HEAD}">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr style="{_ROW}">' + "".join(f'<td style="{_CELL}">{text(cell)}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    below = f'<div style="{_FADED}">{escape(note)}</div>' if note else ""
    return (
        f"<div><div><b>{escape(caption)}</b></div>"
        f'<table style="{_TABLE}"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>{below}</div>'
    )


def missing(why: str) -> Markup:
    """Stands for what there is not."""
    return Markup(f'<span style="{_FADED}">{escape(why)}</span>')


def attributes(item: Mapping[str, Any], marked: Collection[str] = (), style: str = "") -> Markup:
    """The attributes of an item, one a line, those in `marked` on a coloured ground."""
    lines = []
    for name in sorted(item):
        ground = f' style="{style}"' if name in marked else ""
        lines.append(f"<div{ground}>{text(name)}: {text(item[name])}</div>")
    return Markup("".join(lines))
