"""Pandoc citations inside a text: `[@key]`, `[@key; @other]`. Found, and left out where a text is encoded or read aloud."""

from __future__ import annotations

import re

KEY = re.compile(r"@([\w.:/-]+)")
CITATION = re.compile(r"\s*\[@[\w.:/-]+(?:\s*;\s*@[\w.:/-]+)*\]")  # with the space before it, so that what is left reads on


def plain(text: str) -> str:
    """`text` without its citations: for encoding and for reading aloud, never for quoting offsets."""
    return CITATION.sub("", text)


def keys(text: str) -> list[str]:
    """Every key cited in `text`, in order, repeats included."""
    return [key for match in CITATION.finditer(text) for key in KEY.findall(match.group())]
