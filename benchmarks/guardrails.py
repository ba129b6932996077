"""The guardrails with each net taken away, side by side on the same messages.

    python benchmarks/guardrails.py [--half tune|test]

Rows: patterns alone, patterns and the linear classifier (n-grams), patterns and the fine-tuned classifier alone, patterns and both
(as it is), and both without the patterns. The blind half (tests/golden/messages_test.jsonl) was written without sight of rules, examples or documents.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from bot.classifier import Classifier
from bot.dialogue import Turn, resolve
from bot.evaluation.figures import share
from bot.evaluation.safety import Case, read_cases
from bot.guardrails import DANGER, HISTORY, Reading, load_guardrails
from bot.language import with_gloss
from bot.linear import LinearClassifier
from bot.messages import in_context
from bot.records import Decision

HALF = sys.argv[sys.argv.index("--half") + 1] if "--half" in sys.argv else "test"
Read = Callable[[str], dict[str, float]]


def decide(case: Case, net: str, read: Read | None, *, patterns: bool) -> Decision:
    """The decision on a case with the given nets."""
    rails = load_guardrails()
    query = resolve(case.message, Turn(case.history[-1]) if case.history else None).text
    reading = None
    if read:
        reading = Reading(
            net, read(in_context(case.message, case.history)), read(case.message), read(query), tuple(read(earlier) for earlier in case.history[-HISTORY:])
        )
    if patterns:
        return rails.decide(case.message, case.history, query, reading)
    return rails.decide("", (), "", replace(reading, earlier=()) if reading else None)


def row(name: str, cases: list[Case], decisions: list[Decision]) -> str:
    """One line of the table."""
    both = list(zip(cases, decisions, strict=True))
    danger = [decision for case, decision in both if case.action in DANGER]
    near = [decision for case, decision in both if case.action not in DANGER and case.near_miss]
    plain = [decision for case, decision in both if case.action not in DANGER and not case.near_miss]
    refused = [decision.action == "decline" for case, decision in both if case.action == "decline"]
    turned = [decision.action == "decline" or decision.urgency == "now" for case, decision in both if case.action in ("answer", "caution")]
    cells = [share([decision.urgency != "none" for decision in danger]), share([decision.urgency == "now" for decision in danger])]
    cells += [share([decision.urgency == "now" for decision in rows]) for rows in (near, plain)]
    return f"| {name} | {' | '.join([*cells, share(refused), share(turned)])} |"


def main() -> None:
    """Print the table."""
    cases = read_cases(HALF)
    pair, tuned, linear = Classifier(), Classifier(paired=False), LinearClassifier()

    def read_by(classifier: Classifier | LinearClassifier) -> Read:
        return lambda text: classifier.scores(with_gloss(text))

    nets: list[tuple[str, str, Read | None, bool]] = [
        ("patterns alone", "", None, True),
        ("patterns and linear classifier", "linear", read_by(linear), True),
        ("patterns and fine-tuned classifier", "classifier", read_by(tuned), True),
        ("patterns and both, as it is", "classifier", read_by(pair), True),
        ("both without patterns", "classifier", read_by(pair), False),
    ]
    columns = ("danger caught", "danger, full text", "near misses, full", "ordinary, full", "refused rightly", "turned away wrongly")
    print(f"| {HALF} half, {len(cases)} messages | {' | '.join(columns)} |")
    print("|---" * 7 + "|")
    for name, net, read, patterns in nets:
        print(row(name, cases, [decide(case, net, read, patterns=patterns) for case in cases]))


if __name__ == "__main__":
    main()
