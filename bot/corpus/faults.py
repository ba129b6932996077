"""A mistake in one file of the corpus, and how a line is found in it."""

from __future__ import annotations


class FaultError(Exception):
    """A mistake found while reading one file; collected into a CorpusError, never shown as it is."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def decode(data: bytes) -> str:
    """UTF-8 text that holds something. Raises FaultError with the line of the first bad byte."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FaultError(data[: error.start].count(b"\n") + 1, "not UTF-8; save the file as UTF-8") from error
    if not text.strip():
        raise FaultError(1, "the file is empty; delete it or write the document")
    if text.startswith("\ufeff"):
        raise FaultError(1, "the file starts with a byte-order mark; save it as UTF-8 without one")
    return text


def line(text: str, offset: int) -> int:
    """The line, counted from 1, on which the character at `offset` stands."""
    return text.count("\n", 0, max(offset, 0)) + 1
