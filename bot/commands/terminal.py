"""Pieces of a reply on standard output: colours and links in a terminal, plain text where it is piped or NO_COLOR is set."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

from bot.render import Piece

# Bold and a sign carry what a colour says too, so nothing is told by colour alone.
STYLES = {
    "emergency": "bold white on red",
    "crisis": "bold white on blue",
    "title": "bold",
    "mark": "bold black on yellow",
    "source": "dim",
    "label": "italic",
    "option": "cyan",
    "number": "bold cyan",
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a document cannot move the cursor or rename the window


def show(parts: Sequence[Sequence[Piece]]) -> None:
    """Write the paragraphs, a blank line between two."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        sys.stdout.write(plain_text(parts) + "\n")
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    console.print(_styled(parts, links=console.color_system is not None), soft_wrap=False)


def plain_text(parts: Sequence[Sequence[Piece]]) -> str:
    """The paragraphs without colours, links and control characters."""
    return "\n\n".join("".join(CONTROL.sub("", piece.text) for piece in part) for part in parts)


def _styled(parts: Sequence[Sequence[Piece]], *, links: bool) -> object:
    from rich.style import Style
    from rich.text import Text

    shown = Text()
    for number, part in enumerate(parts):
        shown.append("\n\n" if number else "")
        for piece in part:
            style = Style.parse(STYLES.get(piece.role, "none"))
            address = piece.url if links and piece.url and not CONTROL.search(piece.url) else None
            shown.append(CONTROL.sub("", piece.text), style + Style(link=address) if address else style)
    return shown
