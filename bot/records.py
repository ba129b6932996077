"""The records that walk through the house: frozen, slotted, JSON-ready.

corpus -> Reference, Section, Document -> chunking -> Passage -> retrieval -> Hit
guardrails -> Match, Decision;  replies -> Notice;  chat -> Reply
"""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Action = Literal["crisis", "emergency", "decline", "caution", "answer", "abstain", "smalltalk"]
Urgency = Literal["none", "possible", "now"]

STANCES = ("supports", "qualifies", "disputes")

# Strongest first. The order is the one in which equally relevant passages are shown.
TIERS = (
    "law/agency",
    "guideline",
    "systematic review",
    "human trial",
    "observational",
    "laboratory product analysis",
    "case report",
    "animal/in-vitro",
    "narrative review",
    "unreviewed",
)


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` up to, not including, `end` of a document's text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reference:
    """One entry of the bibliography, as a reader needs it."""

    key: str
    title: str
    source: str
    tier: str
    as_of: str
    url: str | None = None
    jurisdiction: str | None = None
    interest: str | None = None
    undated: bool = False  # the source bears no date: `as_of` is the day it was read

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON."""
        return {
            "key": self.key,
            "title": self.title,
            "source": self.source,
            "tier": self.tier,
            "as_of": self.as_of,
            "url": self.url,
            "jurisdiction": self.jurisdiction,
            "interest": self.interest,
            "undated": self.undated,
        }


@dataclass(frozen=True, slots=True)
class Section:
    """One headed part of a document: the text at `span`, and the questions it answers."""

    heading: str
    questions: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Document:
    """One source file. `text` is the whole file, so an offset into it is an offset into the file."""

    id: str
    title: str
    topic: str
    status: str
    reviewed: str
    review_by: str
    file: str
    text: str
    sha256: str
    sections: tuple[Section, ...]
    references: tuple[Reference, ...]
    pages: tuple[int, ...] = ()  # where each page of a paged file begins in `text`
    converted: bool = False  # `text` was made from another format; `sha256` is that of the original file

    @property
    def converted_sha256(self) -> str | None:
        """sha256 of `text` where it was made from another format."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest() if self.converted else None

    def to_dict(self) -> dict[str, Any]:
        """The document's card as JSON, without its text."""
        return {
            "id": self.id,
            "title": self.title,
            "topic": self.topic,
            "status": self.status,
            "reviewed": self.reviewed,
            "review_by": self.review_by,
            "file": self.file,
            "sha256": self.sha256,
            "sections": [section.heading for section in self.sections],
            "references": [reference.to_dict() for reference in self.references],
        }


@dataclass(frozen=True, slots=True)
class Passage:
    """A verbatim span of a document: `text == document.text[start:end]`, citations included."""

    document_id: str
    file: str
    title: str
    topic: str
    heading: str
    section: int
    start: int
    end: int
    text: str
    status: str
    reviewed: str
    review_by: str
    citations: tuple[str, ...]
    references: tuple[Reference, ...]
    page: int | None = None  # of the original file, counted from 1, where it has pages

    @property
    def key(self) -> str:
        """Names the passage for good: a hash of its text, the same wherever the text stands in its document."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()[:16]

    @property
    def at_hand(self) -> str:
        """What of the text is in memory: all of it, unless it lies elsewhere (bot/corpus/far.py)."""
        return self.text

    def read(self) -> Passage:
        """The passage with its text in memory: itself, unless that lies elsewhere."""
        return self

    @property
    def lead(self) -> Reference:
        """The reference the passage leans on most; of equals, the one cited first."""
        key = max(dict.fromkeys(self.citations), key=self.citations.count)
        return next(reference for reference in self.references if reference.key == key)

    @property
    def source(self) -> str:
        """Who published the lead reference: a journal, an agency, a site."""
        return self.lead.source

    @property
    def url(self) -> str | None:
        """Where the lead reference can be read."""
        return self.lead.url

    @property
    def tier(self) -> str:
        """Evidence tier of the lead reference, one of `TIERS`."""
        return self.lead.tier

    @property
    def as_of(self) -> str:
        """The date the lead reference speaks for: `2021`, `2021-01` or `2021-01-15`."""
        return self.lead.as_of

    @property
    def jurisdiction(self) -> str | None:
        """Whose law it is, where the lead reference is law."""
        return self.lead.jurisdiction

    def to_dict(self) -> dict[str, Any]:
        """The passage with its evidence card as JSON."""
        return {
            "document_id": self.document_id,
            "file": self.file,
            "title": self.title,
            "topic": self.topic,
            "heading": self.heading,
            "start": self.start,
            "end": self.end,
            "page": self.page,
            "text": self.text,
            "status": self.status,
            "reviewed": self.reviewed,
            "review_by": self.review_by,
            "source": self.source,
            "url": self.url,
            "tier": self.tier,
            "as_of": self.as_of,
            "jurisdiction": self.jurisdiction,
            "references": [reference.to_dict() for reference in self.references],
        }


@dataclass(frozen=True, slots=True)
class Stance:
    """What the text at `span` of a document says about a claim: one of `STANCES`."""

    document_id: str
    span: Span
    stance: str

    def covers(self, passage: Passage) -> bool:
        """Whether the passage holds some of the text."""
        return passage.document_id == self.document_id and passage.start < self.span.end and self.span.start < passage.end


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement, and the passages that support, qualify or dispute it."""

    id: str
    statement: str
    stances: tuple[Stance, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a query. `score`: higher is closer, 0 to 1. `highlight`: the sentence that answers, if one stands out.

    `part`: which question of a message that asks several it answers, in the message's own words.
    """

    passage: Passage
    score: float
    highlight: Span | None = None
    part: str = ""

    def read(self) -> Hit:
        """The hit with the passage's text in memory. StoreError where it lies elsewhere and cannot be had."""
        passage = self.passage.read()
        return self if passage is self.passage else replace(self, passage=passage)

    def to_dict(self) -> dict[str, Any]:
        """The hit as JSON; the highlight carries its own text for callers that hold no corpus."""
        marked = None
        if self.highlight:
            start, end = self.highlight.start, self.highlight.end
            text = self.passage.text[start - self.passage.start : end - self.passage.start]
            marked = {"start": start, "end": end, "text": text}
        return {"score": round(self.score, 4), "highlight": marked, "part": self.part, "passage": self.passage.to_dict()}


@dataclass(frozen=True, slots=True)
class Match:
    """One rule that fired: by which net, on what text or with what score."""

    rule: str
    action: Action
    urgency: Urgency
    net: str
    text: str = ""
    score: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The match as JSON."""
        return {
            "rule": self.rule,
            "action": self.action,
            "urgency": self.urgency,
            "net": self.net,
            "text": self.text,
            "score": self.score,
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """What the guardrails made of a message: data, not prose. `replies` are keys of fixed texts."""

    action: Action
    urgency: Urgency
    replies: tuple[str, ...]
    matches: tuple[Match, ...]
    lowered: tuple[Match, ...]
    version: str

    def to_dict(self) -> dict[str, Any]:
        """The decision as JSON."""
        return {
            "action": self.action,
            "urgency": self.urgency,
            "replies": list(self.replies),
            "matches": [match.to_dict() for match in self.matches],
            "lowered": [match.to_dict() for match in self.lowered],
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class Notice:
    """A fixed text of replies.toml, with the key it stands under and its version."""

    key: str
    title: str
    text: str
    level: str = "info"
    version: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The notice as JSON."""
        return {"key": self.key, "title": self.title, "text": self.text, "level": self.level, "version": self.version}


@dataclass(frozen=True, slots=True)
class Reply:
    """The whole answer to one message."""

    action: Action
    urgency: Urgency
    notices: tuple[Notice, ...]
    hits: tuple[Hit, ...]
    decision: Decision
    query: str
    carried: str  # what of the query comes from the exchange before; "" where the message stands alone
    beside: tuple[str, ...]  # what was searched together with the query: see dialogue.Query
    suggestions: tuple[str, ...]
    choices: tuple[str, ...]  # where two subjects answer alike: a question for each, so that the person chooses
    region: str
    disagreement: str | None  # id of a claim on which the first two hits take opposite sides
    missing: tuple[str, ...]  # words of the message that the first passage does not cover, and questions of it that none answers
    evidence: dict[str, Any] = field(repr=False)

    def receipt(self) -> dict[str, Any]:
        """What `python -m bot verify` needs to check every displayed piece: see receipt.py."""
        return deepcopy(self.evidence)  # the same reply may be given to several callers

    def to_dict(self) -> dict[str, Any]:
        """The reply as JSON: the same shape at every door."""
        return {**self.shown(), "receipt": self.receipt()}

    def shown(self) -> dict[str, Any]:
        """The reply as JSON, but for its receipt."""
        return {
            "action": self.action,
            "urgency": self.urgency,
            "notices": [notice.to_dict() for notice in self.notices],
            "hits": [hit.to_dict() for hit in self.hits],
            "decision": self.decision.to_dict(),
            "query": self.query,
            "carried": self.carried,
            "beside": list(self.beside),
            "suggestions": list(self.suggestions),
            "choices": list(self.choices),
            "region": self.region,
            "disagreement": self.disagreement,
            "missing": list(self.missing),
        }
