"""Where a reply's time goes: processor milliseconds of each stage on this thread, mean of the golden questions of the test half.

    python benchmarks/stages.py [QUESTIONS]

Stages hold what they call: a search holds its encoding. Each question is asked once, after a warm-up on others.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from typing import Any

import bot.retrieval as retrieval
from bot import open_bot
from bot.chat.nets import ThirdNet
from bot.chat.passages import Passages
from bot.classifier import Classifier
from bot.encoder import OnnxEncoder
from bot.evaluation import read_questions
from bot.guardrails import Guardrails
from bot.index import PassageIndex

STAGES: tuple[tuple[Any, str, str], ...] = (
    (ThirdNet, "read", "guardrails: classifier and what it reads"),
    (Classifier, "_shares", "  its forward pass"),
    (Guardrails, "decide", "guardrails: rules"),
    (Passages, "for_message", "passages"),
    (retrieval, "searched", "  language, synonyms, typos"),
    (OnnxEncoder, "_run", "  the encoder's forward pass"),
    (PassageIndex, "candidates", "  exact search and features"),
    (Passages, "_suggestions", "  suggestions"),
)


def main() -> None:
    """Print the table."""
    bot = open_bot()
    questions = [question.text for question in read_questions("test")][: int(sys.argv[1]) if len(sys.argv) > 1 else None]
    for other in read_questions("tune")[:50]:
        bot.reply(other.text)
    spent: defaultdict[str, float] = defaultdict(float)
    calls: Counter[str] = Counter()

    def timed(owner: Any, name: str, stage: str) -> None:
        real = getattr(owner, name)

        def counted(*given: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return real(*given, **named)
            finally:
                spent[stage] += time.thread_time() - began
                calls[stage] += 1

        setattr(owner, name, counted)

    for owner, name, stage in STAGES:
        timed(owner, name, stage)
    began = time.thread_time()
    for question in questions:
        bot.reply(question)
    whole = time.thread_time() - began
    print(f"{len(questions)} questions\n\n| stage | calls a reply | CPU ms a reply | share |\n|---|---|---|---|")
    for _, _, stage in STAGES:
        name, each = stage.replace("  ", "&nbsp;&nbsp;"), 1000 * spent[stage] / len(questions)
        print(f"| {name} | {calls[stage] / len(questions):.2f} | {each:.2f} | {spent[stage] / whole:.0%} |")
    print(f"| the whole reply | 1 | {1000 * whole / len(questions):.2f} | 100% |")


if __name__ == "__main__":
    main()
