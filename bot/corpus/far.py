"""Documents and passages whose text lies elsewhere: it is read when it is asked for, and compared with the hash that the build kept.

Range ─Texts→ text, or StoreError        (KRATOM_FAQ_TEXTS: a folder or an address; what was converted lies in index/converted/)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.error import URLError

from bot.corpus.ranges import Range, file_of, read_range
from bot.errors import StoreError
from bot.records import Document, Passage

HELD = 1024  # texts kept in memory, 0.8 MB of our passages: what is shown often is not asked for again
SMALL = 32_768  # bytes: a longer text, a whole document, is read each time, so that those held are 32 MB at most
PAUSE = 5.0  # seconds for which a place that did not answer in time is not asked: a person waits for one timeout, not for one a passage


class Texts:
    """Reads texts from a place and holds the last small ones. Threads may share it."""

    def __init__(self, place: str, converted: Path) -> None:
        self.place, self._converted = place, converted
        self._held = lru_cache(HELD)(self._read)
        self._asked_again = 0.0  # when a place that did not answer in time is

    def __call__(self, wanted: Range) -> str:
        """The text of a range. StoreError where it cannot be had or is another."""
        return self._held(wanted) if wanted.end - wanted.begin <= SMALL else self._read(wanted)

    def _read(self, wanted: Range) -> str:
        if wanted.converted:
            return read_range(str(self._converted), wanted)
        if monotonic() < self._asked_again:
            raise StoreError(f"{self.place} did not answer in time; it is asked again in {PAUSE:.0f} seconds")
        try:
            return read_range(self.place, wanted)
        except StoreError as error:
            cause = error.__cause__
            if isinstance(cause.reason if isinstance(cause, URLError) else cause, TimeoutError):
                self._asked_again = monotonic() + PAUSE
            raise


@dataclass(frozen=True, slots=True)
class Part:
    """A text that lies elsewhere."""

    texts: Texts
    where: Range

    def __call__(self) -> str:
        """The text, from the place or from memory. StoreError where it cannot be had."""
        return self.texts(self.where)


class FarDocument(Document):
    """A document whose `text` is read each time it is asked for; StoreError where it cannot be had."""

    __slots__ = ("_part",)
    _part: Part

    def __init__(self, texts: Texts, card: Mapping[str, Any], begin: int, end: int, sha256: str) -> None:
        """`card`: the fields of a document but its text, whose bytes and their hash follow."""
        _fill(self, card)
        _fill(self, {"_part": Part(texts, Range(file_of(self), begin, end, sha256, self.converted))})

    @property
    def text(self) -> str:
        """The whole text, as `Document.text`."""
        return self._part()

    @property
    def converted_sha256(self) -> str | None:
        """As of any document, without reading it."""
        return self._part.where.sha256 if self.converted else None

    def part(self, begin: int, end: int, sha256: str) -> Part:
        """Some of its bytes."""
        return Part(self._part.texts, replace(self._part.where, begin=begin, end=end, sha256=sha256))

    def __repr__(self) -> str:
        return f"FarDocument({self.id!r})"


class FarPassage(Passage):
    """A passage whose `text` is read each time it is asked for; StoreError where it cannot be had. Two are the same where they stand in the same place."""

    __slots__ = ("_part",)
    _part: Part

    def __init__(self, part: Part, card: Mapping[str, Any]) -> None:
        """`card`: the fields of a passage but its text."""
        _fill(self, {**card, "_part": part})

    @property
    def text(self) -> str:
        """The text, as `Passage.text`."""
        return self._part()

    @property
    def key(self) -> str:
        """As of any passage, without reading it."""
        return self._part.where.sha256[:16]

    @property
    def at_hand(self) -> str:
        """Nothing of its text is."""
        return ""

    def read(self) -> Passage:
        """The passage with its text. StoreError where it cannot be had."""
        return Passage(**{one.name: getattr(self, one.name) for one in fields(Passage)})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FarPassage) and (self.document_id, self.start, self.end) == (other.document_id, other.start, other.end)

    def __hash__(self) -> int:
        return hash((self.document_id, self.start, self.end))

    def __repr__(self) -> str:
        return f"FarPassage({self.document_id!r}, {self.start}, {self.end})"


def _fill(record: object, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        object.__setattr__(record, name, value)  # the records are frozen
