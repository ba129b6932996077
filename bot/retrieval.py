"""Query to hits: fuse the index's features, order by evidence where they tie, mark the sentence that answers, know when none does.

    query ─expand→ words ─index.candidates→ Features ─fuse→ score ─rank→ Hit (highlight) ;  confidence(features) ─ threshold → answer or abstain

The weights are tuned on tests/golden/questions_tune.jsonl by benchmarks/weights.py and judged on the other half, whose figures
were seen after each change.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from bot.encoder import Vectors
from bot.index import Features, PassageIndex
from bot.language import gloss, language_of
from bot.records import TIERS, Hit, Passage, Span
from bot.settings import Settings
from bot.synonyms import expand

# Score taken off per tier below the strongest: enough to order passages that answer equally well, too little to lift one that does not.
TIER_STEP = 0.002
UNREVIEWED_STEP = 0.1  # an unreviewed article comes behind every reviewed passage that answers nearly as well

RIVALS = 20  # candidates among which the best of another document is looked for; it stands among the first
TIE = 0.005  # of the score: one tuning question in twenty; the first passage is right in 0.64 of those, one of the choices in 0.84
BARE, BARE_TIE = 2, 0.1  # words of a message too short to tell what is asked, and how wide the choice then is
SAME_QUESTION = 0.8  # cosine: from here on the corpus has this very question
# Of the mark, in cosines; chosen on 252 passages in which AI readers named the sentence that answers a tuning question.
FIRST_SENTENCE = 0.10
NUMBER_SENTENCE = 0.05
NEIGHBOUR = 0.2  # below it two sentences are marked: five passages of six; of 774 judged passages the mark then holds a sentence that answers in 0.87
LIST = re.compile(r"(?:\s*\n[-*+•] [^\n]*)+")
COUNTED = re.compile(
    r"\bhow (?:many|much|long|common|often|old|soon|fast|big|high)\b|\b(?:percent|share|rate|number|when|which year|what year)\b", re.IGNORECASE
)

OWN = 0.4  # weight of the query where wordings stand beside it, which share the rest; 0.4 to 1 and equal shares tried on the tuning conversations

# Logistic regression on the calibration questions (benchmarks/weights.py prints it): intercept, then `confidence_inputs` in their order.
CONFIDENCE = (-5.666, 1.458, 0.676, 2.183, 1.334, 3.014, 2.68, -1.718, 3.179, -5.064, -0.219, 0.179, -2.022)


PENALTIES: WeakKeyDictionary[PassageIndex, tuple[float, ...]] = WeakKeyDictionary()  # of each passage of an index, while it is open
Signals = tuple[float, float, float, float]  # how probable the guardrails' classifier holds abstain, decline, caution and unheld, 0 to 1
NO_SIGNALS: Signals = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which passages may be shown; None: all. `since`: the lead reference is at least as recent (2024, 2024-05 or 2024-05-01)."""

    tiers: Collection[str] | None = None
    topics: Collection[str] | None = None
    jurisdictions: Collection[str] | None = None
    since: str | None = None

    def admit(self, passage: Passage) -> bool:
        """Whether the passage may be shown."""
        return (
            (self.tiers is None or passage.tier in self.tiers)
            and (self.topics is None or passage.topic in self.topics)
            and (self.jurisdictions is None or passage.jurisdiction in self.jurisdictions)
            and (self.since is None or passage.as_of >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """Hits of a query, best first, and how probable it is that they answer it (0 to 1).

    `tied`: the first hit and those of other documents that score like it; empty where one leads.
    """

    hits: tuple[Hit, ...]
    confidence: float
    vector: Vectors
    tied: tuple[Hit, ...] = ()


def retrieve(
    index: PassageIndex,
    query: str,
    settings: Settings,
    limit: int,
    filters: Filters = Filters(),  # frozen, so one for all calls is safe
    least: float = 0.0,
    signals: Signals = NO_SIGNALS,
    beside: Sequence[str] = (),
) -> Found:
    """The `limit` best passages for the query among those that `filters` admit, one per section and none that repeats another.

    Behind the first, a passage is left out when its own confidence is below `least`. `signals`: what the guardrails' classifier makes of
    the message. `beside`: other wordings, whose vectors are searched with the query's own.
    """
    words, vector = encoded(query, beside, index, settings)
    ranked = _ranked(index, words, vector, settings, filters)
    if not ranked:
        return Found((), 0.0, vector)
    scores = [fuse(one, settings) for one in ranked[: 4 * limit + RIVALS]]
    documents = [index.passages[one.number].document_id for one in ranked[: RIVALS + 1]]

    def sure(place: int) -> float:
        """`confidence` of the candidate at a place among the ranked, the others its rivals."""
        document = index.passages[ranked[place].number].document_id
        last = RIVALS + (place <= RIVALS)  # as many others, without itself
        rival = max((score for score, other in zip(scores[:last], documents[:last], strict=False) if other != document), default=0.0)
        return _probability(_inputs(ranked[place], scores[place], rival, signals))

    hits: list[Hit] = []
    shown: list[Features] = []
    for place, features in enumerate(ranked[: 4 * limit]):
        if len(hits) == limit:
            break
        if not (hits and sure(place) < least) and not _repeats(index, features.number, [one.number for one in shown], settings):
            mark = None if hits else _highlight(index, features.number, words, vector, settings)  # below the lead it would read as an answer
            score = order(features, index.passages[features.number], settings)
            hits.append(Hit(index.passages[features.number], min(max(score, 0.0), 1.0), mark))
            shown.append(features)
    bare = len(query.split()) <= BARE and ranked[0].question < SAME_QUESTION
    return Found(tuple(hits), sure(0), vector, _tied(hits, BARE_TIE if bare else TIE))


def encoded(query: str, beside: Sequence[str], index: PassageIndex, settings: Settings) -> tuple[str, Vectors]:
    """(the words that are looked up, their unit vector); with wordings beside the query the weighted mean of all vectors, of length one again."""
    words = searched(query, index, settings)
    own = index.vector(words)
    if not beside:
        return words, own
    others = sum(index.vector(searched(text, index, settings)) for text in beside)
    mean = OWN * own + (1 - OWN) / len(beside) * others
    return words, (mean / np.linalg.norm(mean)).astype(np.float32)


def _ranked(index: PassageIndex, words: str, vector: Vectors, settings: Settings, filters: Filters) -> list[Features]:
    """The candidates that may be shown, best first."""
    admitted = index.candidates(words, vector, None if filters == Filters() else filters.admit)
    penalties = _penalties(index)
    return sorted(admitted, key=lambda one: (penalties[one.number] - fuse(one, settings), one.number))


def _tied(hits: Sequence[Hit], width: float) -> tuple[Hit, ...]:
    """The first hit and those of other documents that score like it, where there is one."""
    apart: dict[str, Hit] = {}
    for hit in hits:
        if hits[0].score - hit.score < width:
            apart.setdefault(hit.passage.document_id, hit)
    return tuple(apart.values()) if len(apart) > 1 else ()


def searched(query: str, index: PassageIndex, settings: Settings) -> str:
    """The words that are encoded and looked up: the query in English (unless the model reads other languages), in the corpus's words."""
    language = language_of(query)
    if settings.multilingual and language != "en":
        return query
    return expand(gloss(query, language), index.vocabulary)


def _repeats(index: PassageIndex, number: int, shown: Collection[int], settings: Settings) -> bool:
    """Whether a passage is of a section already shown, or says what a shown passage says."""
    passage = index.passages[number]
    for other in shown:
        same = (index.passages[other].document_id, index.passages[other].section) == (passage.document_id, passage.section)
        if same or index.similarity(number, other) >= settings.duplicate_similarity:
            return True
    return False


def fuse(features: Features, settings: Settings) -> float:
    """Convex combination of what is near: the passage, its section's questions, its nearest sentence, and BM25."""
    asked = settings.question_weight * features.question + settings.questions_weight * features.questions
    rest = 1 - settings.question_weight - settings.questions_weight - settings.sentence_weight - settings.lexical_weight
    return asked + settings.sentence_weight * features.sentence + settings.lexical_weight * features.lexical + rest * features.passage


def confidence(lead: Features, others: Sequence[Features], passages: Sequence[Passage], settings: Settings, signals: Signals = NO_SIGNALS) -> float:
    """Probability that one of the first passages answers, from the calibrated model above; never a threshold on the fused score itself."""
    return _probability(confidence_inputs(lead, others, passages, settings, signals))


def _probability(inputs: Sequence[float]) -> float:
    values = (1.0, *inputs)
    return 1 / (1 + math.exp(-sum(weight * value for weight, value in zip(CONFIDENCE, values, strict=True))))


def confidence_inputs(lead: Features, others: Sequence[Features], passages: Sequence[Passage], settings: Settings, signals: Signals) -> tuple[float, ...]:
    """What the confidence model reads: the lead's score, its margin over the best passage of another document, its features, and the signals."""
    score, document = fuse(lead, settings), passages[lead.number].document_id
    rival = max((fuse(one, settings) for one in others[:RIVALS] if passages[one.number].document_id != document), default=0.0)
    return _inputs(lead, score, rival, signals)


def _inputs(lead: Features, score: float, rival: float, signals: Signals) -> tuple[float, ...]:
    return (score, score - rival, lead.question, lead.questions, lead.passage, lead.sentence, lead.lexical, lead.coverage, *signals)


def order(features: Features, passage: Passage, settings: Settings) -> float:
    """What candidates are ordered by: the fused score, a little less for weaker evidence."""
    return fuse(features, settings) - _penalty(passage)


def _penalties(index: PassageIndex) -> tuple[float, ...]:
    if index not in PENALTIES:
        PENALTIES[index] = tuple(_penalty(passage) for passage in index.passages)
    return PENALTIES[index]


def _penalty(passage: Passage) -> float:
    return TIER_STEP * TIERS.index(passage.tier) + (UNREVIEWED_STEP if passage.status == "unreviewed" else 0.0)


def _highlight(index: PassageIndex, number: int, query: str, vector: Vectors, settings: Settings) -> Span | None:
    """The sentence nearest to the query, and its neighbour where that is nearly as near; None where none is near or there is only one.

    Our documents answer the heading in their first sentence, so it gets a small lead; so does a number where one is asked for.
    """
    cosines = index.sentence_cosines(number, vector)
    if len(cosines) < 2:
        return None
    passage, counted = index.passages[number], bool(COUNTED.search(query))
    spans = [span for span, _ in cosines]
    texts = [passage.text[span.start - passage.start : span.end - passage.start] for span in spans]
    numbers = [NUMBER_SENTENCE if counted and any(letter.isdigit() for letter in text) else 0.0 for text in texts]
    scores = [cosine + more + (0.0 if place else FIRST_SENTENCE) for place, ((_, cosine), more) in enumerate(zip(cosines, numbers, strict=True))]
    best = max(range(len(scores)), key=lambda place: scores[place])
    if cosines[best][1] < settings.highlight_similarity:
        return None
    beside = [place for place in (best - 1, best + 1) if 0 <= place < len(scores) and scores[best] - scores[place] < NEIGHBOUR]
    other = max(beside, key=lambda place: scores[place], default=best)
    marked = Span(min(spans[best].start, spans[other].start), max(spans[best].end, spans[other].end))
    return _with_list(passage, marked)


def _with_list(passage: Passage, marked: Span) -> Span:
    """The mark, with the list that its last sentence leads into: a lead-in alone says nothing."""
    rest = passage.text[marked.end - passage.start :]
    if not passage.text[: marked.end - passage.start].rstrip().endswith(":"):
        return marked
    items = LIST.match(rest)
    return Span(marked.start, marked.end + len(items.group().rstrip())) if items else marked
