"""Which passages a reply shows for a query, and the questions of the corpus that it offers beside them.

query ─retrieval→ hits ─one a question, both sides of a claim, none with an amount below a refusal→ Shown
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Semaphore

from bot.balance import balanced, two_sides
from bot.dialogue import Query, parts
from bot.guardrails import Guardrails
from bot.index import PassageIndex
from bot.records import Claim, Decision, Hit
from bot.retrieval import Found, Signals, encoded, retrieve
from bot.settings import Settings
from bot.synonyms import unmatched

# A number with a unit of weight or volume, or a count of something swallowed: never below a refusal to name an amount.
AMOUNT = re.compile(
    r"\d[\d.,]*\s*(?:to|-|–)?\s*\d*\s*(?:mg|g|kg|µg|mcg|ml|grams?|milligrams?|ounces?|capsules?|tablets?|pills?|glasses|cups?|shots?|doses?)\b",
    re.IGNORECASE,
)
POOL = 4  # times as many passages are found as are shown: for what a refusal must leave out, and for the other side of a claim
AHEAD = 4  # queries waiting to be encoded on the other thread: the questions of one message
MAX_CHOICES = 4  # buttons that fit a phone without scrolling


@dataclass(frozen=True, slots=True)
class Shown:
    """What a reply shows beside its fixed texts."""

    hits: tuple[Hit, ...] = ()
    suggestions: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    disagreement: str | None = None


QueryFor = Callable[[str, Sequence[str]], Query]  # what is searched for a message after the earlier ones
SignalsFor = Callable[[str], Signals]  # what the guardrails' classifier makes of a text


class Passages:
    """Finds what is shown. Holds no conversation."""

    def __init__(self, index: PassageIndex, settings: Settings, claims: Sequence[Claim], guardrails: Guardrails) -> None:
        self._index, self._settings, self._claims, self._guardrails = index, settings, claims, guardrails
        self._offered = lru_cache(None)(self._may_be_offered)  # as many as the corpus has sections
        self._ahead, self._idle = ThreadPoolExecutor(1), Semaphore(AHEAD)

    def begin(self, query: Query) -> None:
        """Encode and compare the query on another thread while the classifier reads; what comes of it is remembered by the index.

        Skipped while enough others are on their way: then this processor is as good as the other.
        """
        if not self._idle.acquire(blocking=False):
            return
        try:
            self._ahead.submit(self._encode, query).add_done_callback(lambda _: self._idle.release())
        except RuntimeError:  # the main thread has ended, and no thread starts any more: the search encodes the query itself
            self._idle.release()

    def _encode(self, query: Query) -> None:
        _, vector = encoded(query.text, query.beside, self._index, self._settings)
        if self._settings.store == "faiss":  # elsewhere each call asks the server, and nothing of this one is remembered
            self._index.near_questions(vector, 1)

    def _search(self, query: Query, decision: Decision, signals: Signals) -> Found:
        limit = self._settings.hits * POOL
        found = retrieve(self._index, query.text, self._settings, limit, least=self._settings.answer_threshold, signals=signals, beside=query.beside)
        if decision.action != "decline":
            return found
        free = tuple(hit for hit in found.hits if not AMOUNT.search(hit.passage.text))
        return replace(found, hits=free, tied=())

    def for_message(self, text: str, query: Query, earlier: Sequence[str], decision: Decision, signals_for: SignalsFor, query_for: QueryFor) -> Shown:
        """What is shown of the passages: nothing unless one probably answers."""
        whole = signals_for(query.text)
        found = self._search(query, decision, whole)
        hits, unanswered = self._parts(text, earlier, decision, found, lambda part: _between(whole, signals_for(part)), query_for)
        if not hits:
            return Shown(suggestions=() if decision.action == "decline" else self._suggestions((query.text, *earlier), found, ()))
        hits, disagreement = balanced(hits, self._claims, self._index.passages), None
        if decision.action == "decline":
            hits = tuple(hit for hit in hits if not AMOUNT.search(hit.passage.text))  # the other side of a claim comes from the whole index
        if not any(hit.part for hit in hits):
            hits, disagreement = two_sides(hits, found.hits, self._claims)
        hits = tuple(hit.read() for hit in hits)  # what is shown is whole from here on, wherever the texts lie
        leads = [hit for hit in hits if hit.part] or [hits[0]]
        missing = (*self._missing(query.text, leads), *unanswered)
        # Nothing that leads on from what was refused.
        suggestions = () if decision.action == "decline" else self._suggestions((query.text, *earlier), found, hits)
        return Shown(hits, suggestions, self._choices(hits, found), missing, disagreement)

    def _parts(
        self, text: str, earlier: Sequence[str], decision: Decision, found: Found, signals_for: SignalsFor, query_for: QueryFor
    ) -> tuple[tuple[Hit, ...], tuple[str, ...]]:
        """The hits, those that answer one question of several first and labelled with it; and the questions that nothing answers."""
        asked = parts(text) if len(parts(text)) > 1 else []
        queries = [query_for(part, [*earlier, *asked[:number]]) for number, part in enumerate(asked)]
        for query in queries:
            self.begin(query)
        shown: list[Hit] = []
        unanswered = []
        for part, query in zip(asked, queries, strict=True):
            own = self._search(query, decision, signals_for(query.text))
            if not self._answers(own):
                unanswered.append(part)
            elif not any(_same_section(own.hits[0], hit) for hit in shown):
                shown.append(replace(own.hits[0], part=part))
        whole = found.hits if self._answers(found) else ()
        if whole and len(shown) < 2:
            return whole[: self._settings.hits], tuple(unanswered) if shown else ()
        rest = [hit for hit in whole if not any(_same_section(hit, other) for other in shown)]
        return (*shown, *rest[: max(self._settings.hits - len(shown), 0)]), tuple(unanswered)

    def _answers(self, found: Found) -> bool:
        """Whether the first passages probably answer."""
        return bool(found.hits) and found.confidence >= self._settings.answer_threshold

    def _missing(self, query: str, leads: Sequence[Hit]) -> tuple[str, ...]:
        """What the query names and the passages that answer it, their headings and their questions do not."""
        shown = []
        for passage in (hit.passage for hit in leads):
            section = self._index.documents[passage.document_id].sections[passage.section]
            shown += [passage.title, section.heading, *section.questions, passage.text]
        return unmatched(query, " ".join(shown))

    def _choices(self, hits: Sequence[Hit], found: Found) -> tuple[str, ...]:
        """A question for each of the subjects that answer alike, at most four; none where one leads or the message asks several things."""
        if hits[0].part or not found.tied:
            return ()
        sections = [self._index.documents[hit.passage.document_id].sections[hit.passage.section] for hit in found.tied]
        questions = [section.questions[0] for section in sections if section.questions]
        fit = [question for question in questions if self._offered(question)]
        return tuple(fit[:MAX_CHOICES]) if len(fit) > 1 else ()

    def _may_be_offered(self, question: str) -> bool:
        """Whether a question of the corpus would be answered: none that would be declined or taken for danger is put on a button."""
        return self._guardrails.decide(question).action in ("answer", "caution")

    def _suggestions(self, asked: Collection[str], found: Found, shown: Sequence[Hit]) -> tuple[str, ...]:
        """First questions of the sections nearest to the query that were neither asked nor shown, one a document, none that would be declined."""
        before = {text.strip().casefold() for text in asked}
        used = {(hit.passage.document_id, hit.passage.section) for hit in shown}
        documents: set[str] = set()
        questions: list[str] = []
        for number in self._index.near_questions(found.vector, 40):
            document, section = self._index.section_of(number)
            question = self._index.documents[document].sections[section].questions[0]
            fresh = (document, section) not in used and document not in documents and question.casefold() not in before
            if fresh and self._offered(question):
                documents.add(document)
                questions.append(question)
            if len(questions) == self._settings.suggestions:
                break
        return tuple(questions)


def _between(whole: Signals, part: Signals) -> Signals:
    """Half what the whole message says of a question in it, half what that question says itself: alone it refused too little, the whole alone too much."""
    abstain, decline, caution, unheld = ((one + other) / 2 for one, other in zip(whole, part, strict=True))
    return abstain, decline, caution, unheld


def _same_section(hit: Hit, other: Hit) -> bool:
    return (hit.passage.document_id, hit.passage.section) == (other.passage.document_id, other.passage.section)
