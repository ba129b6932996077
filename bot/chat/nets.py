"""The third net: the classifier that is there, and what it makes of a message with all that stands around it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.classifier import WEIGHTS, Classifier, linear_of
from bot.errors import EncoderError
from bot.guardrails import HISTORY, Reading
from bot.language import with_gloss
from bot.messages import in_context
from bot.remembered import Remembered
from bot.retrieval import NO_SIGNALS, Signals

log = logging.getLogger(__name__)
REMEMBERED = 2048  # readings kept in memory, without their text; the answer is the same without


class ThirdNet:
    """The setting's classifier; the linear one where its weights are missing; where that fails too, or none is set, the patterns decide alone."""

    def __init__(self, classifier: str, weights: Path) -> None:
        self.name, scores = _loaded(classifier, weights)
        self._scores = Remembered(scores, REMEMBERED)
        self.failures = 0  # readings that failed so far: a reply made meanwhile is not remembered

    def read(self, text: str, earlier: Sequence[str], query: str) -> Reading | None:
        """What the classifier makes of the message; None when it fails: without it the first two nets still decide."""
        if self.name == "none":
            return None
        context = in_context(text, earlier)
        try:
            read = {each: self._scores(with_gloss(each)) for each in dict.fromkeys((context, text, query, *earlier[-HISTORY:]))}
        except Exception:
            log.exception("the guardrails' classifier failed")
            self.failures += 1
            return None
        return Reading(self.name, read[context], read[text], read[query], tuple(read[each] for each in earlier[-HISTORY:]))

    def leaning(self, message: str) -> float | None:
        """How probable the classifier holds it that the message leans on what came before; None where it cannot tell."""
        if self.name == "none":
            return None
        try:
            return self._scores(with_gloss(message)).get("follow-up")
        except Exception:
            self.failures += 1
            log.exception("the guardrails' classifier failed")
            return None


def signals_of(reading: Reading | None) -> Signals:
    """What the confidence model reads of it."""
    if reading is None:
        return NO_SIGNALS
    abstain, decline, caution, unheld = (reading.query.get(name, 0.0) for name in ("abstain", "decline", "caution", "unheld"))
    return abstain, decline, caution, unheld


def _loaded(classifier: str, weights: Path) -> tuple[str, Callable[[str], dict[str, float]]]:
    """The setting's classifier and its name, or the first that can be loaded; else one that fails, so that patterns decide alone."""
    if classifier == "none":
        return "none", _unread
    try:
        if classifier == "tuned":
            return "classifier", Classifier(weights / WEIGHTS.name).scores
    except EncoderError as error:
        log.warning("%s. The linear classifier takes its place.", error)
    try:
        return "linear", linear_of(weights).scores
    except EncoderError as error:
        log.warning("%s. The patterns decide alone.", error)
        return "linear", _unread


def _unread(message: str) -> dict[str, float]:
    raise EncoderError(f"no classifier could be loaded to read a message of {len(message)} characters")
