"""One message to one reply: guardrails first, then the search. Nothing here writes a sentence.

message, history ─dialogue→ query ─guardrails→ Decision ─┬ danger → fixed texts, no passages
                                                        └ else → retrieval → passages, or abstain
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bot.classifier import Classifier
from bot.dialogue import query_for
from bot.errors import InputError
from bot.guardrails import DANGER, in_context, load_guardrails
from bot.index import PassageIndex
from bot.language import language_of
from bot.receipt import make_receipt
from bot.records import TIERS, Action, Claim, Decision, Document, Hit, Notice, Passage, Reply, Stance
from bot.replies import load_texts
from bot.retrieval import Filters, Found, retrieve
from bot.settings import Settings
from bot.synonyms import unmatched

log = logging.getLogger(__name__)

# A number with a unit of weight or volume, or a count of something swallowed: never below a refusal to name an amount.
AMOUNT = re.compile(
    r"\d[\d.,]*\s*(?:to|-|–)?\s*\d*\s*(?:mg|g|kg|µg|mcg|ml|grams?|milligrams?|ounces?|capsules?|tablets?|pills?|glasses|cups?|shots?|doses?)\b",
    re.IGNORECASE,
)
POOL = 4  # times as many passages are found as are shown: for what a refusal must leave out, and for the other side of a claim
OPPOSITE = {"supports": "disputes", "disputes": "supports"}
MAX_HISTORY = 50  # earlier messages read; the guardrails and the dialogue look at the last few only


class Bot:
    """Answers messages and searches the corpus. Holds no conversation: each call gets its history, so any replica can answer."""

    def __init__(self, index: PassageIndex, settings: Settings, claims: Sequence[Claim] = ()) -> None:
        self.index = index
        self.claims = tuple(claims)
        self.settings = settings
        self.texts = load_texts()
        self.texts.region(settings.region)
        self._guardrails = load_guardrails()
        self._classifier = Classifier(index.trained)

    @property
    def documents(self) -> dict[str, Document]:
        """Every document of the corpus by id."""
        return self.index.documents

    def reply(self, message: str, history: Sequence[str | Mapping[str, Any]] = (), *, region: str | None = None) -> Reply:
        """The whole answer to `message`.

        `history`: the earlier user messages, oldest first, or Gradio's list of message dicts. `region`: whose help lines, else the
        setting's. Raises InputError when an argument is of the wrong type and SettingsError for an unknown region.
        """
        region = self.texts.region(region or self.settings.region)
        text, cut = self._message(message)
        earlier = user_messages(history)
        if not text.strip():
            return self._fixed(("empty",), self._guardrails.decide(""), "", region)
        query = query_for(text, earlier)
        scores = self._scores(text, earlier)
        decision = self._guardrails.decide(text, earlier, query, scores)
        if decision.action in (*DANGER, "abstain", "smalltalk"):
            return self._fixed((*_check(decision), *decision.replies), decision, query, region)
        try:
            found = self._search(query, decision, (scores or {}).get("abstain", 0.0))
        except Exception:  # a broken index must never hide a fixed text
            log.exception("the search failed")
            return self._fixed((*_check(decision), *decision.replies, "unavailable"), decision, query, region)
        return self._answer(decision, query, region, found, extra=("too-long",) if cut else ())

    def search(
        self,
        query: str,
        *,
        limit: int = 5,
        tiers: Collection[str] | None = None,
        topics: Collection[str] | None = None,
        jurisdictions: Collection[str] | None = None,
        since: str | None = None,
    ) -> list[Hit]:
        """The `limit` (1 to 100) best passages for `query`, without guardrails: for programs.

        `tiers`, `topics` and `jurisdictions` name the ones wanted; `since` is the oldest as-of date (2024, 2024-05 or 2024-05-01).
        Raises InputError.
        """
        text, _ = self._message(query)
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 100:
            raise InputError(f"limit must be a whole number from 1 to 100, not {limit!r}")
        for tier in tiers or ():
            if tier not in TIERS:
                raise InputError(f"tier {tier!r} is not one of {', '.join(TIERS)}")
        if since is not None and not re.fullmatch(r"\d{4}(-\d{2}){0,2}", str(since)):
            raise InputError(f"since {since!r} is not a date such as 2024, 2024-05 or 2024-05-01")
        if not text.strip():
            return []
        return list(retrieve(self.index, text, self.settings, limit, Filters(tiers, topics, jurisdictions, since)).hits)

    def off_topic(self, message: str) -> float:
        """How probable the guardrails' classifier holds it that the message is none of our subject, 0 to 1."""
        return (self._scores(message, ()) or {}).get("abstain", 0.0)

    def _message(self, message: object) -> tuple[str, bool]:
        if not isinstance(message, str):
            raise InputError(f"a message is a string, not {type(message).__name__}")
        text = message.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")  # lone surrogates cannot be encoded
        half = self.settings.max_message // 2
        return (text, False) if len(text) <= 2 * half else (f"{text[:half]}\n{text[-half:]}", True)

    def _scores(self, text: str, earlier: Sequence[str]) -> dict[str, float] | None:
        context = in_context(text, earlier)
        try:
            return self._classifier.scores(context, self.index.encoder.encode([context])[0])
        except Exception:  # without the third net the first two still decide
            log.exception("the guardrails' classifier failed")
            return None

    def _search(self, query: str, decision: Decision, off_topic: float) -> Found:
        declined = decision.action == "decline"
        limit = self.settings.hits * POOL
        found = retrieve(self.index, query, self.settings, limit, least=self.settings.answer_threshold, off_topic=off_topic)
        if not declined:
            return found
        free = tuple(hit for hit in found.hits if not AMOUNT.search(hit.passage.text))
        return Found(free, found.confidence, found.vector)

    def _answer(self, decision: Decision, query: str, region: str, found: Found, extra: tuple[str, ...]) -> Reply:
        answered = bool(found.hits) and found.confidence >= self.settings.answer_threshold
        action: Action = "abstain" if decision.action == "answer" and not answered else decision.action
        hits, disagreement = self._two_sides(self._balanced(found.hits[: self.settings.hits]), found.hits) if answered else ((), None)
        missing = self._missing(query, hits)
        found_none = () if answered or action == "decline" else ("abstain",)
        language = language_of(query)
        spoken = () if language == "en" else (f"language-{language}",)
        keys = (*_check(decision), *spoken, *decision.replies, *found_none, *(("gap",) if missing else ()), *extra)
        notices = self.texts.notices(keys, region)
        return self._reply(action, decision, notices, hits, query, region, self._suggestions(query, found, hits), missing, disagreement)

    def _missing(self, query: str, hits: Sequence[Hit]) -> tuple[str, ...]:
        """What the query names and the first passage, its heading and its questions do not."""
        if not hits:
            return ()
        passage = hits[0].passage
        section = self.documents[passage.document_id].sections[passage.section]
        return unmatched(query, " ".join([passage.title, section.heading, *section.questions, passage.text]))

    def _balanced(self, hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
        """The hits, each unreviewed one behind a passage that qualifies or disputes what it says, where the claims know one."""
        shown = list(hits)
        for hit in hits:
            if hit.passage.status == "unreviewed":
                answers = self._disputing(hit.passage)
                if answers and not any(stance.covers(other.passage) for stance in answers for other in shown):
                    passage = next((one for one in self.index.passages if answers[0].covers(one)), None)
                    if passage:
                        shown.insert(shown.index(hit), Hit(passage, hit.score))
        return tuple(shown)

    def _two_sides(self, hits: tuple[Hit, ...], found: Sequence[Hit]) -> tuple[tuple[Hit, ...], str | None]:
        """Where a reviewed passage found for the query disputes what the first one supports, or the reverse: both, the stronger evidence leading."""
        lead = hits[0]
        for claim in self.claims:
            own = {stance.stance for stance in claim.stances if stance.covers(lead.passage)} & set(OPPOSITE)
            wanted = {OPPOSITE[stance] for stance in own}
            spans = [stance for stance in claim.stances if stance.stance in wanted]
            others = (hit for hit in found if hit.passage.status == "reviewed" and any(stance.covers(hit.passage) for stance in spans))
            other = next((hit for hit in others if hit.passage != lead.passage), None)
            if len(own) == 1 and other:
                pair = sorted((lead, other), key=lambda hit: TIERS.index(hit.passage.tier))
                rest = [hit for hit in hits if hit.passage not in (lead.passage, other.passage)]
                return (*pair, *rest), claim.id
        return hits, None

    def _disputing(self, passage: Passage) -> list[Stance]:
        made = [claim for claim in self.claims if any(one.covers(passage) and one.stance == "supports" for one in claim.stances)]
        return [one for claim in made for one in claim.stances if one.stance != "supports" and one.document_id != passage.document_id]

    def _suggestions(self, query: str, found: Found, shown: Sequence[Hit]) -> tuple[str, ...]:
        """First questions of the sections nearest to the query that were not shown, one a document, none that would be declined."""
        used = {(hit.passage.document_id, hit.passage.section) for hit in shown}
        documents: set[str] = set()
        questions: list[str] = []
        for number in self.index.near_questions(found.vector, 40):
            document, section = self.index.section_of(number)
            question = self.documents[document].sections[section].questions[0]
            fresh = (document, section) not in used and document not in documents and question.casefold() != query.casefold()
            if fresh and self._guardrails.decide(question).action in ("answer", "caution"):
                documents.add(document)
                questions.append(question)
            if len(questions) == self.settings.suggestions:
                break
        return tuple(questions)

    def _fixed(self, keys: Sequence[str], decision: Decision, query: str, region: str) -> Reply:
        action: Action = "smalltalk" if keys == ("empty",) else decision.action
        return self._reply(action, decision, self.texts.notices(keys, region), (), query, region, ())

    def _reply(
        self,
        action: Action,
        decision: Decision,
        notices: tuple[Notice, ...],
        hits: tuple[Hit, ...],
        query: str,
        region: str,
        suggestions: tuple[str, ...],
        missing: tuple[str, ...] = (),
        disagreement: str | None = None,
    ) -> Reply:
        receipt = make_receipt(self.index.id, self.documents, query, decision, notices, hits)
        return Reply(action, decision.urgency, notices, hits, decision, query, suggestions, region, disagreement, missing, receipt)


def user_messages(history: Sequence[str | Mapping[str, Any]]) -> list[str]:
    """The user's earlier messages, oldest first, from strings or Gradio's message dicts. Raises InputError."""
    if isinstance(history, str) or not isinstance(history, Sequence):
        raise InputError(f"history is a list of earlier messages, not {type(history).__name__}")
    messages = []
    for entry in list(history)[-MAX_HISTORY:]:
        if isinstance(entry, str):
            messages.append(entry)
        elif isinstance(entry, Mapping):
            if entry.get("role") == "user":
                messages.append(_content(entry.get("content")))
        else:
            raise InputError(f"an entry of history is a string or a message dict, not {type(entry).__name__}")
    return [message for message in messages if message.strip()]


def _content(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return ""


def _check(decision: Decision) -> tuple[str, ...]:
    return ("check",) if decision.urgency == "possible" else ()
