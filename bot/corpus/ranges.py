"""One passage's bytes, from a folder or an object store, without the rest of its document: for a corpus too large for one disk.

A place is a folder, or the address under which an object store (S3, GCS, MinIO, any web server) gives the corpus's files by HTTP range. What comes
is compared with the hash that was taken when the passage was cut, so a text that was changed there is never shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from bot.errors import StoreError
from bot.records import Document, Span

WAIT = 5.0  # seconds for one passage


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes `begin` up to, not including, `end` of a file of the corpus, and their sha256. `converted`: the file is one of index/converted/."""

    file: str
    begin: int
    end: int
    sha256: str
    converted: bool = False


def file_of(document: Document) -> str:
    """The file that holds the document's text: its own, or that of index/converted/."""
    return f"{document.sha256}.txt" if document.converted else document.file


def range_of(document: Document, span: Span) -> Range:
    """Where the text of a span stands in the document's file, or in the file of what was converted from it."""
    return next(ranges_of(document, [span]))


def ranges_of(document: Document, spans: Iterable[Span]) -> Iterator[Range]:
    """`range_of` each of the spans, which are in order of their starts: the text before them is encoded once."""
    character = begin = 0
    for span in spans:
        begin += len(document.text[character : span.start].encode("utf-8"))
        character = span.start
        data = document.text[span.start : span.end].encode("utf-8")
        yield Range(file_of(document), begin, begin + len(data), hashlib.sha256(data).hexdigest(), document.converted)


def read_range(place: str, wanted: Range) -> str:
    """The text of a range under a folder or an http(s) address, its hash checked. StoreError where it cannot be had or is another."""
    try:
        data = _fetched(f"{place.rstrip('/')}/{quote(wanted.file)}", wanted) if place.startswith(("http://", "https://")) else _read(Path(place), wanted)
    except (OSError, ValueError, HTTPException) as error:  # URLError and timeouts are OSErrors
        reason = error.reason if isinstance(error, URLError) else error
        told = f"{wanted.file} cannot be read from {place} ({reason})"
        raise StoreError(f"{told}; put the corpus there, or name another place: export KRATOM_FAQ_TEXTS=…") from error
    if hashlib.sha256(data).hexdigest() != wanted.sha256:
        raise StoreError(f"bytes {wanted.begin} to {wanted.end} of {wanted.file} in {place} are not those that were indexed; run: python -m bot build")
    return data.decode("utf-8")


def _read(folder: Path, wanted: Range) -> bytes:
    with (folder / wanted.file).open("rb") as file:
        file.seek(wanted.begin)
        return file.read(wanted.end - wanted.begin)


def _fetched(address: str, wanted: Range) -> bytes:
    if wanted.begin == wanted.end:
        return b""
    asked = Request(address, headers={"Range": f"bytes={wanted.begin}-{wanted.end - 1}"})  # noqa: S310  # `read_range` lets only http(s) through
    with urlopen(asked, timeout=WAIT) as answer:  # noqa: S310  # the same
        if answer.status != HTTPStatus.PARTIAL_CONTENT:
            raise ValueError("the server gives no ranges")
        data: bytes = answer.read(wanted.end - wanted.begin)
        return data
