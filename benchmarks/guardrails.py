"""How many messages in danger the guardrails catch, and how many others they frighten.

    python benchmarks/guardrails.py            cross-validation of the classifier, then the blind half with all nets

The blind half (tests/golden/messages_test.jsonl) was written without sight of rules, examples or documents and is never tuned on.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np

from bot import open_bot
from bot.chat import Bot
from bot.classifier import Classifier, train
from bot.guardrails import DANGER, EXAMPLES, training_rows

BLIND = Path(__file__).parents[1] / "tests" / "golden" / "messages_test.jsonl"
FOLDS = 5


def wilson(share: float, count: int) -> str:
    """A share with its 95 % Wilson interval."""
    z = 1.96
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return f"{share:.3f} [{centre - half:.3f}, {centre + half:.3f}]"


def cross_validation(bot: Bot) -> None:
    """Recall and false alarms of the classifier alone over its thresholds."""
    rows = training_rows()
    examples = [json.loads(line) for line in EXAMPLES.read_text("utf-8").splitlines()]
    vectors = bot.index.encoder.encode([text for text, _ in rows])
    folds = np.random.default_rng(0).integers(0, FOLDS, len(rows))
    danger = np.zeros(len(rows))
    for fold in range(FOLDS):
        kept = np.flatnonzero(folds != fold)
        model = Classifier(train([rows[number][0] for number in kept], vectors[kept], [rows[number][1] for number in kept]))
        for number in np.flatnonzero(folds == fold):
            scores = model.scores(rows[number][0], vectors[number])
            danger[number] = sum(scores[action] for action in DANGER)
    shares = danger[: len(examples)]
    urgent = np.array([row["action"] in DANGER for row in examples])
    near = np.array([bool(row["near_miss"]) for row in examples]) & ~urgent
    for threshold in (0.3, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9):
        figures = [np.mean(shares[group] >= threshold) for group in (urgent, near, ~urgent & ~near)]
        print(f"  threshold {threshold:.2f}: recall {figures[0]:.3f}, near misses {figures[1]:.3f}, others {figures[2]:.3f}")


def blind(bot: Bot) -> None:
    """All nets on the blind half, as a user meets them."""
    rows = [json.loads(line) for line in BLIND.read_text("utf-8").splitlines()]
    groups: Counter[str] = Counter()
    outcomes: Counter[tuple[str, str]] = Counter()
    table: Counter[tuple[str, str]] = Counter()
    for row in rows:
        reply = bot.reply(row["message"], row["history"])
        group = "danger" if row["action"] in DANGER else "near misses" if row["near_miss"] else "ordinary"
        groups[group] += 1
        outcomes[group, reply.urgency] += 1
        table[row["action"], reply.action] += 1
    for group, count in groups.items():
        full, check = outcomes[group, "now"] / count, outcomes[group, "possible"] / count
        print(f"{group} ({count}): full text {wilson(full, count)}, check {wilson(check, count)}, either {wilson(full + check, count)}")
    for expected in ("crisis", "emergency", "decline", "caution", "answer", "abstain", "smalltalk"):
        row_counts = {action: count for (wanted, action), count in sorted(table.items()) if wanted == expected}
        print(f"  {expected:>9}: {row_counts}")


def main() -> None:
    """Print everything."""
    bot = open_bot()
    print("classifier alone, cross-validated on bot/guardrails.jsonl")
    cross_validation(bot)
    print("all nets on the blind half")
    blind(bot)


if __name__ == "__main__":
    main()
