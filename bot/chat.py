"""One message to one reply: guardrails first, then the search. Nothing here writes a sentence.

message, history ─dialogue→ query ─guardrails→ Decision ─┬ danger → fixed texts, no passages
                                                        └ else → retrieval → passages, or abstain
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from bot.balance import balanced, two_sides
from bot.classifier import Classifier, Remembered
from bot.dialogue import Query, Turn, answer_to_check, leans, may_pick, parts, resolve
from bot.errors import EncoderError, InputError
from bot.guardrails import DANGER, HISTORY, Reading, load_guardrails
from bot.index import PassageIndex
from bot.language import language_of, with_gloss
from bot.linear import LinearClassifier
from bot.messages import in_context
from bot.receipt import make_receipt, sealed
from bot.records import TIERS, Action, Claim, Decision, Document, Hit, Notice, Reply
from bot.replies import load_texts
from bot.retrieval import NO_SIGNALS, Filters, Found, Signals, retrieve
from bot.settings import Settings
from bot.synonyms import unmatched

log = logging.getLogger(__name__)

# A number with a unit of weight or volume, or a count of something swallowed: never below a refusal to name an amount.
AMOUNT = re.compile(
    r"\d[\d.,]*\s*(?:to|-|–)?\s*\d*\s*(?:mg|g|kg|µg|mcg|ml|grams?|milligrams?|ounces?|capsules?|tablets?|pills?|glasses|cups?|shots?|doses?)\b",
    re.IGNORECASE,
)
POOL = 4  # times as many passages are found as are shown: for what a refusal must leave out, and for the other side of a claim
MAX_CHOICES = 4  # buttons that fit a phone without scrolling
TURNS = 6  # earlier messages from which the subject of a follow-up is taken
CHAT = 4  # words: shorter smalltalk asks nothing
MAY_LEAN = 0.02  # probability below which a message is never read as a follow-up
REMEMBERED = 2048  # readings of the classifier kept in memory, without their text; the answer is the same without
MAX_HISTORY = 50  # earlier messages read; the guardrails and the dialogue look at the last few only


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a reply shows beside its fixed texts."""

    hits: tuple[Hit, ...] = ()
    suggestions: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    disagreement: str | None = None


class Bot:
    """Answers messages and searches the corpus. Holds no conversation: each call gets its history, so any replica can answer."""

    def __init__(self, index: PassageIndex, settings: Settings, claims: Sequence[Claim] = ()) -> None:
        self.index = index
        self.claims = tuple(claims)
        self.settings = settings
        self.texts = load_texts()
        self.texts.region(settings.region)
        self._guardrails = load_guardrails()
        self._net, classify = self._load_classifier()
        self._classify = Remembered(classify, REMEMBERED)
        self._offered = lru_cache(None)(self._may_be_offered)  # as many as the corpus has sections

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
        earlier = [self._message(entry)[0] for entry in user_messages(history)]  # of each as much as of a message: a door may enforce nothing
        if not text.strip():
            return self._fixed(("empty",), self._guardrails.decide(""), Query(""), region)
        text = self._as_button(text, earlier)
        asked = self.query_for(text, earlier)
        query, standing = asked.text, self._guardrails.since_over(earlier, text)
        reading = self._read(text, standing, query)
        decision = self._on_subject(self._guardrails.decide(text, standing, query, reading), asked, earlier)
        if decision.action in (*DANGER, "abstain", "smalltalk"):
            asked = Query(text) if decision.action == "smalltalk" else asked
            return self._fixed(self.texts.localised((*_check(decision), *decision.replies), language_of(text)), decision, asked, region)
        try:
            shown = self._answer(text, query, earlier, decision, _signals(reading))
        except Exception:  # a broken index must never hide a fixed text
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

    def signals(self, message: str) -> Signals:
        """What the guardrails' classifier makes of the message, as the confidence model reads it."""
        return _signals(self._read(message, (), message))

    def decide(self, message: str, history: Sequence[str] = ()) -> Decision:
        """What the guardrails make of a message after the earlier user messages: all three nets."""
        query, standing = self.query_for(message, history).text, self._guardrails.since_over(history, message)
        return self._guardrails.decide(message, standing, query, self._read(message, standing, query))

    def query_for(self, message: str, history: Sequence[str] = ()) -> Query:
        """What is searched for the message after the earlier user messages, and what of it they bring. The same for the same input."""
        recent = [text for text in history[-TURNS:] if text.strip()]
        choices = self.reply(recent[-1], recent[:-1]).choices if recent and may_pick(message) else ()
        leaning = self._leaning(message) if recent else None
        if not recent:
            return resolve(message, None)
        if not (choices or leans(message, leaning)):
            return self._better(resolve(message, None), message, recent, leaning)
        return resolve(message, Turn(self._subject(recent), choices), leaning)

    def _better(self, alone: Query, message: str, recent: Sequence[str], leaning: float | None) -> Query:
        """The message alone, unless nothing answers it and something answers it behind what was asked before: a follow-up that does not look like one."""
        if leaning is None or leaning < MAY_LEAN or self._confident(alone):
            return alone
        joined = resolve(message, Turn(self._subject(recent)), 1.0)
        return joined if joined.text != alone.text and self._confident(joined) else alone

    def _confident(self, query: Query) -> bool:
        try:
            return self.confidence(query.text) >= self.settings.answer_threshold
        except Exception:  # a broken index must never hide a fixed text
            log.exception("the search failed")
            return True

    def confidence(self, message: str) -> float:
        """How probable it is that the first passages answer the message, 0 to 1; below the setting's threshold the bot abstains."""
        return retrieve(self.index, message, self.settings, 1, signals=self.signals(message)).confidence

    def _subject(self, messages: Sequence[str]) -> str:
        """What was searched for the last of the messages; for the one before it where it asked nothing (thanks); "" for none."""
        for place in range(len(messages) - 1, -1, -1):
            if self._guardrails.decide(messages[place]).action not in (*DANGER, "smalltalk"):
                return self.query_for(messages[place], messages[:place]).text
        return ""

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
        by_classifier = all(match.net == self._net for match in decision.matches)
        if decision.action == "smalltalk" and by_classifier and len(asked.text.split()) > CHAT and self._confident(asked):
            return replace(decision, action="answer", replies=())
        return decision

    def _leaning(self, message: str) -> float | None:
        """How probable the classifier holds it that the message leans on what came before; None where it cannot tell."""
        try:
            return self._classify(with_gloss(message)).get("follow-up")
        except Exception:
            log.exception("the guardrails' classifier failed")
            return None

    def _message(self, message: object) -> tuple[str, bool]:
        if not isinstance(message, str):
            raise InputError(f"a message is a string, not {type(message).__name__}")
        text = message.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")  # lone surrogates cannot be encoded
        half = self.settings.max_message // 2
        return (text, False) if len(text) <= 2 * half else (f"{text[:half]}\n{text[-half:]}", True)

    def _load_classifier(self) -> tuple[str, Callable[[str], dict[str, float]]]:
        """The fine-tuned classifier and its name; the linear one where its weights are missing; else one that fails, so that patterns decide alone."""
        try:
            return "classifier", Classifier().scores
        except EncoderError as error:
            log.warning("%s. The linear classifier takes its place.", error)
        try:
            return "linear", LinearClassifier().scores
        except EncoderError as error:
            log.warning("%s. The patterns decide alone.", error)
            return "linear", _unread

    def _read(self, text: str, earlier: Sequence[str], query: str) -> Reading | None:
        """What the classifier makes of the message; None when it fails: without the third net the first two still decide."""
        context = in_context(text, earlier)
        try:
            read = {each: self._classify(with_gloss(each)) for each in dict.fromkeys((context, text, query, *earlier[-HISTORY:]))}
        except Exception:
            log.exception("the guardrails' classifier failed")
            return None
        return Reading(self._net, read[context], read[text], read[query], tuple(read[each] for each in earlier[-HISTORY:]))

    def _search(self, query: str, decision: Decision, signals: Signals) -> Found:
        limit = self.settings.hits * POOL
        found = retrieve(self.index, query, self.settings, limit, least=self.settings.answer_threshold, signals=signals)
        if decision.action != "decline":
            return found
        free = tuple(hit for hit in found.hits if not AMOUNT.search(hit.passage.text))
        return replace(found, hits=free, tied=())

    def _answer(self, text: str, query: str, earlier: Sequence[str], decision: Decision, signals: Signals) -> _Shown:
        """What is shown of the passages: nothing unless one probably answers."""
        found = self._search(query, decision, signals)
        hits, unanswered = self._parts(text, earlier, decision, signals, found)
        if not hits:
            return _Shown(suggestions=() if decision.action == "decline" else self._suggestions((query, *earlier), found, ()))
        hits, disagreement = balanced(hits, self.claims, self.index.passages), None
        if decision.action == "decline":
            hits = tuple(hit for hit in hits if not AMOUNT.search(hit.passage.text))  # the other side of a claim comes from the whole index
        if not any(hit.part for hit in hits):
            hits, disagreement = two_sides(hits, found.hits, self.claims)
        leads = [hit for hit in hits if hit.part] or [hits[0]]
        missing = (*self._missing(query, leads), *unanswered)
        suggestions = () if decision.action == "decline" else self._suggestions((query, *earlier), found, hits)  # nothing that leads on from what was refused
        return _Shown(hits, suggestions, self._choices(hits, found), missing, disagreement)

    def _parts(self, text: str, earlier: Sequence[str], decision: Decision, signals: Signals, found: Found) -> tuple[tuple[Hit, ...], tuple[str, ...]]:
        """The hits, those that answer one question of several first and labelled with it; and the questions that nothing answers."""
        asked = parts(text)
        shown: list[Hit] = []
        unanswered = []
        for number, part in enumerate(asked if len(asked) > 1 else ()):
            own = self._search(self.query_for(part, [*earlier, *asked[:number]]).text, decision, signals)
            if not self._answers(own):
                unanswered.append(part)
            elif not any(_same_section(own.hits[0], hit) for hit in shown):
                shown.append(replace(own.hits[0], part=part))
        whole = found.hits if self._answers(found) else ()
        if whole and len(shown) < 2:
            return whole[: self.settings.hits], tuple(unanswered) if shown else ()
        rest = [hit for hit in whole if not any(_same_section(hit, other) for other in shown)]
        return (*shown, *rest[: max(self.settings.hits - len(shown), 0)]), tuple(unanswered)

    def _answers(self, found: Found) -> bool:
        """Whether the first passages probably answer."""
        return bool(found.hits) and found.confidence >= self.settings.answer_threshold

    def _missing(self, query: str, leads: Sequence[Hit]) -> tuple[str, ...]:
        """What the query names and the passages that answer it, their headings and their questions do not."""
        shown = []
        for passage in (hit.passage for hit in leads):
            section = self.documents[passage.document_id].sections[passage.section]
            shown += [passage.title, section.heading, *section.questions, passage.text]
        return unmatched(query, " ".join(shown))

    def _choices(self, hits: Sequence[Hit], found: Found) -> tuple[str, ...]:
        """A question for each of the subjects that answer alike, at most four; none where one leads or the message asks several things."""
        if hits[0].part or not found.tied:
            return ()
        sections = [self.documents[hit.passage.document_id].sections[hit.passage.section] for hit in found.tied]
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
        for number in self.index.near_questions(found.vector, 40):
            document, section = self.index.section_of(number)
            question = self.documents[document].sections[section].questions[0]
            fresh = (document, section) not in used and document not in documents and question.casefold() not in before
            if fresh and self._offered(question):
                documents.add(document)
                questions.append(question)
            if len(questions) == self.settings.suggestions:
                break
        return tuple(questions)

    def _answered(self, decision: Decision, asked: Query, region: str, shown: _Shown, extra: tuple[str, ...]) -> Reply:
        action: Action = "abstain" if decision.action == "answer" and not shown.hits else decision.action
        found_none = () if shown.hits or action == "decline" else ("abstain",)
        language = language_of(asked.text)
        spoken = () if language == "en" else (f"language-{language}",)
        keys = (*self.texts.localised(_check(decision), language), *spoken, *decision.replies, *found_none, *(("gap",) if shown.missing else ()), *extra)
        return self._reply(action, decision, self.texts.notices(keys, region), asked, region, shown)

    def _fixed(self, keys: Sequence[str], decision: Decision, asked: Query, region: str) -> Reply:
        action: Action = "smalltalk" if keys == ("empty",) else decision.action
        return self._reply(action, decision, self.texts.notices(keys, region), asked, region, _Shown())

    def _reply(self, action: Action, decision: Decision, notices: tuple[Notice, ...], asked: Query, region: str, shown: _Shown) -> Reply:
        reply = Reply(
            action=action,
            urgency=decision.urgency,
            notices=notices,
            hits=shown.hits,
            decision=decision,
            query=asked.text,
            carried=asked.carried,
            suggestions=shown.suggestions,
            choices=shown.choices,
            region=region,
            disagreement=shown.disagreement,
            missing=shown.missing,
            evidence=make_receipt(self.index.id, self.documents, asked.text, decision, notices, shown.hits),
        )
        return replace(reply, evidence=sealed(reply.evidence, reply.shown()))


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


def _same_section(hit: Hit, other: Hit) -> bool:
    return (hit.passage.document_id, hit.passage.section) == (other.passage.document_id, other.passage.section)


def _unread(message: str) -> dict[str, float]:
    raise EncoderError(f"no classifier could be loaded to read a message of {len(message)} characters")


def _signals(reading: Reading | None) -> Signals:
    if reading is None:
        return NO_SIGNALS
    abstain, decline, caution, unheld = (reading.query.get(name, 0.0) for name in ("abstain", "decline", "caution", "unheld"))
    return abstain, decline, caution, unheld


def _check(decision: Decision) -> tuple[str, ...]:
    return ("check",) if decision.urgency == "possible" else ()
