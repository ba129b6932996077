"""Query to hits: fuse the index's features, order by evidence where they tie, mark the sentence that answers, know when none does.

    query ─expand→ words ─index.candidates→ Features ─fuse→ score ─rank→ Hit (highlight) ;  confidence(features) ─ threshold → answer or abstain

The weights are tuned on tests/golden/questions_tune.jsonl by benchmarks/weights.py and judged on the other half, whose figures
were seen after each change.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from bot.encoder import Vectors
from bot.index import Features, PassageIndex
from bot.language import language_of
from bot.records import TIERS, Hit, Passage, Span
from bot.settings import Settings
from bot.synonyms import expand

# Score taken off per tier below the strongest: enough to order passages that answer equally well, too little to lift one that does not.
TIER_STEP = 0.002
UNREVIEWED_STEP = 0.1  # an unreviewed article comes behind every reviewed passage that answers nearly as well

FIRST_SENTENCE = 0.12  # cosine; set after readers of 90 trial answers found side facts marked; the golden set for highlights is still to come

# Logistic regression on the tuning half (benchmarks/weights.py prints it): intercept, score, question cosine, passage cosine, lexical share,
# coverage, and how probable the guardrails' classifier holds it that the message is off our subject.
CONFIDENCE = (-2.894, 2.485, 1.632, 3.432, 1.605, 2.114, -5.091)


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
    """Hits of a query, best first, and how probable it is that they answer it (0 to 1)."""

    hits: tuple[Hit, ...]
    confidence: float
    vector: Vectors


def retrieve(
    index: PassageIndex,
    query: str,
    settings: Settings,
    limit: int,
    filters: Filters = Filters(),  # frozen, so one for all calls is safe
    least: float = 0.0,
    off_topic: float = 0.0,
) -> Found:
    """The `limit` best passages for the query among those that `filters` admit, one per section and none that repeats another.

    Behind the first, a passage is left out when its own confidence is below `least`. `off_topic`: how probable the guardrails hold it
    that the message is none of our subject, 0 to 1.
    """
    words = expand(query, index.vocabulary, language_of(query))
    vector = index.vector(words)
    ranked = []
    for features in index.candidates(words, vector):
        passage = index.passages[features.number]
        if filters.admit(passage):
            ranked.append((order(features, passage, settings), features))
    ranked.sort(key=lambda pair: (-pair[0], pair[1].number))
    hits: list[Hit] = []
    shown: list[int] = []
    for score, features in ranked:
        if len(hits) == limit:
            break
        weak = bool(hits) and confidence(features, settings, off_topic) < least
        if not weak and not _repeats(index, features.number, shown, settings):
            mark = None if hits else _highlight(index, features.number, vector, settings)  # below the lead it would read as an answer
            hits.append(Hit(index.passages[features.number], min(max(score, 0.0), 1.0), mark))
            shown.append(features.number)
    return Found(tuple(hits), confidence(ranked[0][1], settings, off_topic) if ranked else 0.0, vector)


def _repeats(index: PassageIndex, number: int, shown: Collection[int], settings: Settings) -> bool:
    """Whether a passage is of a section already shown, or says what a shown passage says."""
    passage = index.passages[number]
    for other in shown:
        same = (index.passages[other].document_id, index.passages[other].section) == (passage.document_id, passage.section)
        if same or index.similarity(number, other) >= settings.duplicate_similarity:
            return True
    return False


def fuse(features: Features, settings: Settings) -> float:
    """Convex combination of the three lists: dense on passage and question, then BM25."""
    dense = (1 - settings.question_weight) * features.passage + settings.question_weight * features.question
    return (1 - settings.lexical_weight) * dense + settings.lexical_weight * features.lexical


def confidence(features: Features, settings: Settings, off_topic: float = 0.0) -> float:
    """Probability that the passage answers, from the calibrated model above; never a threshold on the fused score itself."""
    values = (1.0, *confidence_inputs(features, settings, off_topic))
    return 1 / (1 + math.exp(-sum(weight * value for weight, value in zip(CONFIDENCE, values, strict=True))))


def confidence_inputs(features: Features, settings: Settings, off_topic: float) -> tuple[float, ...]:
    """What the confidence model reads, in the order of its weights."""
    return (fuse(features, settings), features.question, features.passage, features.lexical, features.coverage, off_topic)


def order(features: Features, passage: Passage, settings: Settings) -> float:
    """What candidates are ordered by: the fused score, a little less for weaker evidence."""
    return fuse(features, settings) - _penalty(passage)


def _penalty(passage: Passage) -> float:
    return TIER_STEP * TIERS.index(passage.tier) + (UNREVIEWED_STEP if passage.status == "unreviewed" else 0.0)


def _highlight(index: PassageIndex, number: int, vector: Vectors, settings: Settings) -> Span | None:
    """The sentence nearest to the query, unless none is near or the passage is a single sentence.

    Our documents answer the heading in their first sentence, so it gets a small lead.
    """
    cosines = index.sentence_cosines(number, vector)
    if len(cosines) < 2:
        return None
    first = cosines[0][0]
    span, best = max(cosines, key=lambda pair: pair[1] + (FIRST_SENTENCE if pair[0] == first else 0.0))
    return span if best >= settings.highlight_similarity else None
