"""What goes through the doors for programs, typed: what a request may be, and the shape of what comes back (that of `Reply.to_dict`).

A request is refused here, before the guardrails or the search see it: wrong types, unknown names, too long, empty.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from bot.records import TIERS, Action, Urgency
from bot.replies import load_texts

MAX_MESSAGE = 20_000  # characters: what the engine reads of a message (settings.max_message)
MAX_HISTORY = 50  # earlier messages: what the engine reads of a history (chat.MAX_HISTORY)
MAX_QUERY = 2_000  # characters: a search query is no story
MAX_NAMES = 50  # values of one filter; the corpus has fewer topics, tiers and places
REGIONS = tuple(load_texts().regions)

# Python, ECMAScript and Rust disagree on what white space is; this names what any of them takes for it.
NOT_BLANK = r"[^\s\u001c-\u001f\u0085\ufeff]"


def _said(text: str) -> str:
    if not re.search(NOT_BLANK, text):
        raise ValueError("the text is empty")
    return text


def _whole(number: Any) -> Any:
    """In JSON 5.0 is a whole number too."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _region(name: str) -> str:
    if name not in REGIONS:
        raise ValueError(f"the region is not one of {', '.join(REGIONS)}")
    return name


Tier = Literal[TIERS]  # type: ignore[valid-type]  # the tuple is the one list of tiers; mypy reads only literals written out
SAID = {"pattern": NOT_BLANK}  # for readers of the schema; `_said` checks it, with a clearer message
Message = Annotated[str, Field(min_length=1, max_length=MAX_MESSAGE, json_schema_extra=SAID), AfterValidator(_said)]
Query = Annotated[str, Field(min_length=1, max_length=MAX_QUERY, json_schema_extra=SAID), AfterValidator(_said)]
Region = Annotated[str, Field(json_schema_extra={"enum": list(REGIONS)}), AfterValidator(_region)]
Limit = Annotated[int, Field(ge=1, le=100, description="Passages wanted at most."), BeforeValidator(_whole)]
Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=MAX_NAMES)]
Since = Annotated[str, Field(pattern=r"^[0-9]{4}(-[0-9]{2}){0,2}$", description="Only what is as of this date or later: 2024, 2024-05 or 2024-05-01.")]
Tiers = Annotated[list[Tier], Field(max_length=MAX_NAMES, description="Only these evidence tiers.")]


class Request(BaseModel):
    """Base of what is asked: nothing is coerced, nothing unknown is let through."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Earlier(Request):
    """An earlier message of the conversation, as chat programs keep them."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=MAX_MESSAGE)]


class ReplyRequest(Request):
    """A message and what came before it. Nothing of it is kept: each call brings its own history."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"message": "does kratom harm the liver"},
                {"message": "what about with xanax", "history": ["does kratom interact with other drugs"], "region": "UK"},
            ]
        }
    )

    message: Message
    history: Annotated[
        list[Annotated[str, Field(max_length=MAX_MESSAGE)] | Earlier],
        Field(max_length=MAX_HISTORY, description="Earlier messages of the user, oldest first: strings, or messages with role and content."),
    ] = []
    region: Annotated[Region | None, Field(description="Whose help lines are shown; the server's own setting when left out.")] = None


class SearchRequest(Request):
    """A query for passages, and which of them are wanted. No guardrails: for programs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "liver injury", "limit": 5, "tiers": ["systematic review", "guideline"]}]})

    query: Query
    limit: Limit = 5
    tiers: Tiers | None = None
    topics: Annotated[Names | None, Field(description="Only documents of these topics.")] = None
    jurisdictions: Annotated[Names | None, Field(description="Only law of these places, such as US-IN or UK.")] = None
    since: Since | None = None


class Answer(BaseModel):
    """Base of what comes back."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReferenceCard(Answer):
    """One source of a passage."""

    key: str
    title: str
    source: str
    tier: str
    as_of: str
    url: str | None
    jurisdiction: str | None
    interest: str | None
    undated: bool


class PassageCard(Answer):
    """A verbatim slice of a document, with the evidence card of the source it leans on most."""

    document_id: str
    file: str
    title: str
    topic: str
    heading: str
    start: int
    end: int
    page: int | None
    text: str
    status: str
    reviewed: str
    review_by: str
    source: str
    url: str | None
    tier: str
    as_of: str
    jurisdiction: str | None
    references: list[ReferenceCard]


class Highlight(Answer):
    """The sentence of a passage that answers."""

    start: int
    end: int
    text: str


class HitCard(Answer):
    """A passage found. `score`: higher is closer. `part`: which question of several it answers."""

    score: float
    highlight: Highlight | None
    part: str
    passage: PassageCard


class MatchCard(Answer):
    """One guardrail that fired: by which net, on what text or with what score."""

    rule: str
    action: Action
    urgency: Urgency
    net: str
    text: str
    score: float | None


class DecisionCard(Answer):
    """What the guardrails made of the message."""

    action: Action
    urgency: Urgency
    replies: list[str]
    matches: list[MatchCard]
    lowered: list[MatchCard]
    version: str


class NoticeCard(Answer):
    """A fixed text. Show title and text unchanged, in the order given, before any passage."""

    key: str
    title: str
    text: str
    level: str
    version: str


class TextPiece(Answer):
    """A fixed text that was shown, by its key."""

    kind: Literal["text"]
    key: str
    version: str
    text_sha256: str


class PassagePiece(Answer):
    """A passage that was shown, by its place in a document."""

    kind: Literal["passage"]
    document: str
    file: str
    document_sha256: str
    converted_sha256: str | None
    start: int
    end: int
    text_sha256: str


class Receipt(Answer):
    """Where each shown piece stands: `python -m bot verify` checks it."""

    receipt: Literal[2]
    index: str | None
    query: str
    decision: DecisionCard
    pieces: list[Annotated[TextPiece | PassagePiece, Field(discriminator="kind")]]
    reply_sha256: str
    sha256: str


class ReplyCard(Answer):
    """The whole answer. Show `notices` first and unchanged, then the passages of `hits` word for word with their sources."""

    action: Action
    urgency: Urgency
    notices: list[NoticeCard]
    hits: list[HitCard]
    decision: DecisionCard
    query: str
    carried: str
    beside: list[str]
    suggestions: list[str]
    choices: list[str]
    region: str
    disagreement: str | None
    missing: list[str]
    receipt: Receipt


class Found(Answer):
    """The passages found, best first, and the index they were found in."""

    index: str
    query: str
    hits: list[HitCard]


class DocumentEntry(Answer):
    """A document in the list of all."""

    id: str
    title: str
    topic: str
    status: str
    reviewed: str
    review_by: str
    file: str
    sha256: str
    sections: list[str]


class DocumentCard(DocumentEntry):
    """A whole document, word for word, with its sources."""

    references: list[ReferenceCard]
    text: str


class DocumentList(Answer):
    """The documents of the corpus, in order of their files."""

    index: str
    documents: list[DocumentEntry]


class StanceCard(Answer):
    """A verbatim slice of a document that supports, qualifies or disputes a claim."""

    stance: Literal["supports", "qualifies", "disputes"]
    document_id: str
    start: int
    end: int
    text: str


class ClaimCard(Answer):
    """One statement and every passage that takes a side."""

    id: str
    statement: str
    stances: list[StanceCard]


class ClaimList(Answer):
    """The claims of the corpus."""

    index: str
    claims: list[ClaimCard]


class Health(Answer):
    """The bot is ready, with this index."""

    status: Literal["ready"]
    index: str
    documents: int
    passages: int
    certificate: dict[str, Any] | None


class Fault(Answer):
    """One thing wrong with a request: a JSON pointer to it, and what it is."""

    pointer: str
    detail: str


class Problem(Answer):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Fault] = []
