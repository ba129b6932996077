"""One message to one reply: guardrails first, then the search. Nothing here writes a sentence.

message, history ─dialogue→ query ─guardrails→ Decision ─┬ danger → fixed texts, no passages
                                                        └ else → retrieval → passages, or abstain
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Semaphore
from typing import Any

from bot.chat.history import readable, user_messages
from bot.chat.nets import ThirdNet, signals_of
from bot.chat.passages import Passages, Shown
from bot.dialogue import Query, Turn, answer_to_check, leans, may_pick, parts, resolve
from bot.errors import InputError
from bot.gaps import Gaps
from bot.guardrails import DANGER, load_guardrails
from bot.index import PassageIndex
from bot.language import language_of
from bot.receipt import make_receipt, sealed
from bot.records import TIERS, Action, Claim, Decision, Document, Hit, Notice, Reply
from bot.remembered import Remembered
from bot.replies import load_texts
from bot.retrieval import Filters, Found, Signals, retrieve
from bot.settings import Settings, cores

__all__ = ["Bot", "user_messages"]

log = logging.getLogger(__name__)

REPLIES = 512  # kept in memory by the hash of message, history and region, a few kB each: the questions that everybody asks
TURNS = 6  # earlier messages from which the subject of a follow-up is taken
RESOLVED = 512  # queries kept in memory by the hash of message and earlier ones: each turn asks again for those before it. The answer is the same without
CHAT, SURELY_CHAT = 4, 0.85  # words: shorter smalltalk asks nothing; nor does what the classifier is this sure of
MAY_LEAN = 0.02  # probability below which a message is never read as a follow-up


class Bot:
    """Answers messages and searches the corpus. Holds no conversation: each call gets its history, so any replica can answer."""

    def __init__(self, index: PassageIndex, settings: Settings, claims: Sequence[Claim] = ()) -> None:
        self.index = index
        self.claims = tuple(claims)
        self.settings = settings
        self.texts = load_texts(settings.replies)
        self.texts.region(settings.region)
        self._guardrails = load_guardrails(settings.guardrails)
        self._gaps = Gaps(Path(settings.gaps), settings.feedback_days) if settings.gaps else None
        self._net = ThirdNet(settings.classifier, settings.weights)
        self._passages = Passages(index, settings, self.claims, self._guardrails)
        here = settings.store == "faiss" and not settings.texts  # elsewhere a reply waits for a server, and others must not wait for it
        self._turns = Semaphore(max(2, cores())) if here else nullcontext()  # replies at once: more threads than processors only wait for each other
        self._failures = 0  # searches that failed so far
        self._replies = Remembered(self._made, REPLIES, lambda made: made[1])
        self._queries = Remembered(self._resolved, RESOLVED, lambda made: made[1])

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
        text, cut = readable(message, self.settings.max_message)
        earlier = [readable(entry, self.settings.max_message)[0] for entry in user_messages(history)]  # a door may cut nothing
        with self._turns:
            reply = self._remembered(text, earlier, region, cut=cut)
        if self._gaps and reply.action == "abstain" and reply.urgency == "none":
            self._gaps.keep(reply.query)
        return reply

    def _remembered(self, text: str, earlier: Sequence[str], region: str, *, cut: bool = False) -> Reply:
        return self._replies(json.dumps([text, cut, list(earlier), region]))[0]

    def _made(self, asked: str) -> tuple[Reply, bool]:
        """(the reply to what `reply` has read, whether nothing failed on the way): a reply made without a net or the search is given once only."""
        before = self._failures + self._net.failures
        reply = self._replied(*json.loads(asked))
        return reply, before == self._failures + self._net.failures

    def _replied(self, text: str, cut: bool, earlier: list[str], region: str) -> Reply:
        if not text.strip():
            return self._fixed(("empty",), self._guardrails.decide(""), Query(""), region)
        text = self._as_button(text, earlier)
        asked = self.query_for(text, earlier)
        self._passages.begin(asked)
        query, standing = asked.text, self._guardrails.since_over(earlier, text)
        reading = self._net.read(text, standing, query)
        decision = self._on_subject(self._guardrails.decide(text, standing, query, reading), asked, earlier)
        if decision.action in (*DANGER, "abstain", "smalltalk"):
            asked = Query(text) if decision.action == "smalltalk" else asked
            return self._fixed(self.texts.localised((*_check(decision), *decision.replies), language_of(text)), decision, asked, region)
        try:
            shown = self._passages.for_message(text, asked, earlier, decision, self.signals, self.query_for)
        except Exception:  # a broken index must never hide a fixed text
            self._failures += 1
            log.exception("the search failed")
            return self._fixed((*_check(decision), *decision.replies, "unavailable"), decision, asked, region)
        return self._answered(decision, asked, region, shown, extra=("too-long",) if cut else ())

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
        Raises InputError, and StoreError where a server or the texts' place does not answer.
        """
        text, _ = readable(query, self.settings.max_message)
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 100:
            raise InputError(f"limit must be a whole number from 1 to 100, not {limit!r}")
        for tier in tiers or ():
            if tier not in TIERS:
                raise InputError(f"tier {tier!r} is not one of {', '.join(TIERS)}")
        if since is not None and not re.fullmatch(r"\d{4}(-\d{2}){0,2}", str(since)):
            raise InputError(f"since {since!r} is not a date such as 2024, 2024-05 or 2024-05-01")
        if not text.strip():
            return []
        asked, filters = resolve(text, None), Filters(tiers, topics, jurisdictions, since)
        return [hit.read() for hit in retrieve(self.index, asked.text, self.settings, limit, filters, beside=asked.beside).hits]

    def signals(self, message: str) -> Signals:
        """What the guardrails' classifier makes of the message, as the confidence model reads it."""
        return signals_of(self._net.read(message, (), message))

    def decide(self, message: str, history: Sequence[str] = ()) -> Decision:
        """What the guardrails make of a message after the earlier user messages: all three nets."""
        query, standing = self.query_for(message, history).text, self._guardrails.since_over(history, message)
        return self._guardrails.decide(message, standing, query, self._net.read(message, standing, query))

    def query_for(self, message: str, history: Sequence[str] = ()) -> Query:
        """What is searched for the message after the earlier user messages, and what of it they bring. The same for the same input."""
        return self._queries(json.dumps([message, [text for text in history[-TURNS:] if text.strip()]]))[0]

    def _resolved(self, asked: str) -> tuple[Query, bool]:
        """(the query of a message after the earlier ones, whether nothing failed on the way)."""
        before = self._failures + self._net.failures
        query = self._resolve(*json.loads(asked))
        return query, before == self._failures + self._net.failures

    def _resolve(self, message: str, recent: list[str]) -> Query:
        choices = self._remembered(recent[-1], recent[:-1], self.settings.region).choices if recent and may_pick(message) else ()
        leaning = self._net.leaning(message) if recent else None
        if not recent:
            return resolve(message, None)
        if not (choices or leans(message, leaning)):
            return self._better(resolve(message, None), message, recent, leaning)
        return resolve(message, self._turn(recent, choices), leaning)

    def _better(self, alone: Query, message: str, recent: Sequence[str], leaning: float | None) -> Query:
        """The message alone, unless nothing answers it and something answers it behind what was asked before: a follow-up that does not look like one."""
        if leaning is None or leaning < MAY_LEAN or self._confident(alone):
            return alone
        joined = resolve(message, self._turn(recent, ()), 1.0)
        return joined if joined.text != alone.text and self._confident(joined) else alone

    def _confident(self, query: Query) -> bool:
        try:
            return self._found(query).confidence >= self.settings.answer_threshold
        except Exception:  # a broken index must never hide a fixed text
            self._failures += 1
            log.exception("the search failed")
            return True

    def confidence(self, message: str) -> float:
        """How probable it is that the first passages answer the message, 0 to 1; below the setting's threshold the bot abstains."""
        return self._found(resolve(message, None)).confidence

    def _found(self, query: Query) -> Found:
        return retrieve(self.index, query.text, self.settings, 1, signals=self.signals(query.text), beside=query.beside)

    def _turn(self, messages: Sequence[str], choices: tuple[str, ...]) -> Turn:
        """What the last of the messages was about and what was shown for it; the one before it where it asked nothing (thanks)."""
        for place in range(len(messages) - 1, -1, -1):
            if self._guardrails.decide(messages[place]).action not in (*DANGER, "smalltalk"):
                asked = self.query_for(messages[place], messages[:place])
                return Turn(asked.text, choices, self._headings(asked))
        return Turn("", choices)

    def _headings(self, query: Query) -> tuple[str, ...]:
        """Heading and title of the first passage shown for the query; none where it was not answered."""
        try:
            found = self._found(query)
        except Exception:  # a broken index must never hide a fixed text
            self._failures += 1
            log.exception("the search failed")
            return ()
        shown = found.hits if found.confidence >= self.settings.answer_threshold else ()
        return tuple(words for hit in shown for words in (hit.passage.heading, hit.passage.title))

    def _as_button(self, text: str, earlier: Sequence[str]) -> str:
        """A "yes" or "no" to the check ("is someone in danger right now?") as the button that says so; any other message as it is."""
        said = answer_to_check(text)
        if said is None or not earlier or self.decide(earlier[-1], earlier[:-1]).urgency != "possible":
            return text
        return self.texts.labels["in_danger" if said else "not_in_danger"]

    def _on_subject(self, decision: Decision, asked: Query, earlier: Sequence[str]) -> Decision:
        """The decision on what of a message is on our subject: on some of its questions, or on the question that stands behind an insult or a thanks."""
        pieces = parts(asked.text)
        if decision.action == "abstain" and len(pieces) > 1:
            own = [piece for piece in pieces if self.decide(piece, earlier).action != "abstain"]
            return self.decide(" ".join(own), earlier) if own else decision
        unsure = all(match.net == self._net.name and (match.score or 0.0) < SURELY_CHAT for match in decision.matches)
        if decision.action == "smalltalk" and unsure and len(asked.text.split()) > CHAT and self._confident(asked):
            return replace(decision, action="answer", replies=())
        return decision

    def _answered(self, decision: Decision, asked: Query, region: str, shown: Shown, extra: tuple[str, ...]) -> Reply:
        action: Action = "abstain" if decision.action == "answer" and not shown.hits else decision.action
        found_none = () if shown.hits or action == "decline" else ("abstain",)
        language = language_of(asked.text)
        spoken = () if language == "en" else (f"language-{language}",)
        keys = (*self.texts.localised(_check(decision), language), *spoken, *decision.replies, *found_none, *(("gap",) if shown.missing else ()), *extra)
        return self._reply(action, decision, self.texts.notices(keys, region), asked, region, shown)

    def _fixed(self, keys: Sequence[str], decision: Decision, asked: Query, region: str) -> Reply:
        action: Action = "smalltalk" if keys == ("empty",) else decision.action
        return self._reply(action, decision, self.texts.notices(keys, region), asked, region, Shown())

    def _reply(self, action: Action, decision: Decision, notices: tuple[Notice, ...], asked: Query, region: str, shown: Shown) -> Reply:
        reply = Reply(
            action=action,
            urgency=decision.urgency,
            notices=notices,
            hits=shown.hits,
            decision=decision,
            query=asked.text,
            carried=asked.carried,
            beside=asked.beside,
            suggestions=shown.suggestions,
            choices=shown.choices,
            region=region,
            disagreement=shown.disagreement,
            missing=shown.missing,
            evidence=make_receipt(self.index.id, self.documents, asked.text, decision, notices, shown.hits),
        )
        return replace(reply, evidence=sealed(reply.evidence, reply.shown()))


def _check(decision: Decision) -> tuple[str, ...]:
    return ("check",) if decision.urgency == "possible" else ()
