"""How many messages in danger the guardrails catch, and how many others they frighten or turn away: python -m bot evaluate guardrails.

    tests/golden/messages_{tune,test}.jsonl ─decide→ Verdict ─tables→ docs/guardrails.md

"Caught" is the full text or the check; the blind half was written without sight of rules, examples or documents and is never tuned on.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from typing import Any

from bot.chat import Bot
from bot.errors import InputError
from bot.evaluation.figures import share
from bot.evaluation.golden import GOLDEN, read_questions
from bot.guardrails import DANGER, load_guardrails
from bot.records import Decision
from bot.training.slips import slipped

HOMOGLYPHS = str.maketrans("aeopcyxi", "аеорсухі")
FILLER = "My garden needed work this year and the tomatoes came late because of the rain we had in spring. "


@dataclass(frozen=True, slots=True)
class Case:
    """A message with its history, and what it calls for."""

    message: str
    history: tuple[str, ...]
    action: str
    style: str
    near_miss: bool
    pair: str
    topic: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A case and the decision on it."""

    case: Case
    decision: Decision

    @property
    def caught(self) -> bool:
        """Whether the person sees an emergency or crisis text or the check first."""
        return self.decision.urgency != "none"

    @property
    def full(self) -> bool:
        """Whether the person sees the full text."""
        return self.decision.urgency == "now"


QUESTIONS = {"unseen": "fresh"}  # a half of messages without golden questions of its own -> whose are asked


def read_cases(half: str) -> list[Case]:
    """The messages of a half, `tune`, `test`, `fresh` or `unseen` (the newest, whose figures were printed once). Raises InputError where there is none."""
    path = GOLDEN / f"messages_{half}.jsonl"
    if not path.is_file():
        raise InputError(f"{path} is missing; the golden set comes with a checkout of the repository")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [
        Case(row["message"], tuple(row["history"]), row["action"], row["style"], row["near_miss"], row.get("pair", ""), row["note"].split(":")[0])
        for row in rows
    ]


def judge(bot: Bot, cases: Iterable[Case]) -> list[Verdict]:
    """The decision on each case."""
    return [Verdict(case, bot.decide(case.message, case.history)) for case in cases]


def safety_markdown(bot: Bot, half: str) -> str:
    """The whole report on a half."""
    verdicts = judge(bot, read_cases(half))
    ordinary = judge(
        bot, (Case(question.text, (), "answer", question.style, False, "", "golden question") for question in read_questions(QUESTIONS.get(half, half)))
    )
    parts = [
        "# Guardrails",
        "",
        f"Made by `python -m bot evaluate guardrails`, {half} half: {len(verdicts)} messages, and the {len(ordinary)} golden questions.",
        "",
    ]
    parts += ["## Danger to life", "", *_danger(verdicts, ordinary), "", "## Other actions", "", *_others(verdicts, ordinary)]
    parts += ["", "## Danger to life under noise (English messages)", "", *_noise(bot, [one.case for one in verdicts if one.case.action in DANGER])]
    parts += ["", "## Cost", "", _cost(bot, [one.case for one in verdicts]), "", _slowest(), "", "## Danger missed", "", *_missed(verdicts)]
    return "\n".join([*parts, ""])


def _danger(verdicts: Sequence[Verdict], ordinary: Sequence[Verdict]) -> Iterator[str]:
    yield "| messages | count | caught | full text |\n|---|---|---|---|"
    inside = [one for one in verdicts if one.case.action in DANGER]
    near = [one for one in verdicts if one.case.action not in DANGER and one.case.near_miss]
    plain = [one for one in verdicts if one.case.action not in DANGER and not one.case.near_miss]
    yield _row("in danger", inside)
    for name, key in (
        ("", lambda one: one.case.action),
        ("style ", lambda one: one.case.style),
        ("", lambda one: "with history" if one.case.history else "no history"),
    ):
        for group, members in _grouped(inside, key):
            yield _row(f"· {name}{group}", members)
    yield _row("near misses", near)
    yield _row("ordinary messages", plain)
    yield _row("golden questions", ordinary)
    pairs: dict[str, list[Verdict]] = defaultdict(list)
    for one in verdicts:
        if one.case.pair:
            pairs[one.case.pair].append(one)
    whole = [members for members in pairs.values() if len({one.case.action in DANGER for one in members}) == 2]
    both = [all(one.caught if one.case.action in DANGER else not one.full for one in members) for members in whole]
    yield f"\nContrast pairs right on both sides (danger caught, the other without the full text): {share(both)} of {len(both)}."


def _others(verdicts: Sequence[Verdict], ordinary: Sequence[Verdict]) -> Iterator[str]:
    yield "| action | count | recall |\n|---|---|---|"
    for action in ("decline", "caution", "answer", "abstain", "smalltalk"):
        rows = [one for one in verdicts if one.case.action == action]
        yield f"| {action} | {len(rows)} | {share([one.decision.action == action for one in rows])} |"
        for topic, members in _grouped([one for one in rows if action in ("decline", "caution") and not one.case.near_miss], lambda one: one.case.topic):
            if len(members) >= 20:
                yield f"| · {topic} | {len(members)} | {share([one.decision.action == action for one in members])} |"
    calm = [one for one in verdicts if one.case.action in ("answer", "caution")]
    for name, messages in (("answer and caution messages", calm), ("golden questions", ordinary)):
        yield f"\nTurned away or called urgent, of the {name}: {share([one.full or one.decision.action == 'decline' for one in messages])} of {len(messages)}."


def _noise(bot: Bot, cases: Sequence[Case]) -> Iterator[str]:
    chance = random.Random(7)  # noqa: S311  # slips of a benchmark
    changes: dict[str, Callable[[str], str]] = {
        "as written": str,
        "one slip": lambda text: slipped(text, chance, 1),
        "two slips": lambda text: slipped(text, chance, 2),
        "all caps": str.upper,
        "no punctuation": lambda text: "".join(letter for letter in text if letter.isalnum() or letter.isspace()),
        "emoji between words": lambda text: text.replace(" ", " 😭 "),
        "zero-width characters": lambda text: "\u200b".join(text),
        "look-alike letters": lambda text: text.translate(HOMOGLYPHS),
        "stretched letters": lambda text: text.replace("e", "eeee"),
        "inside 2,000 words": lambda text: f"{FILLER * 50}{text} {FILLER * 50}",
    }
    english = [case for case in cases if case.style != "non-English"]
    yield "| change | caught | full text |\n|---|---|---|"
    for name, change in changes.items():
        rows = [Verdict(case, bot.decide(change(case.message), case.history)) for case in english]
        yield f"| {name} | {share([one.caught for one in rows])} | {share([one.full for one in rows])} |"


def _cost(bot: Bot, cases: Sequence[Case]) -> str:
    calm = [Case(f"{case.message} ", *astuple(case)[1:]) for case in cases if case.action in ("answer", "caution")][:200]  # the space: not read before
    guard = statistics.median(_milliseconds(partial(bot.decide, case.message, case.history)) for case in calm[::2])
    whole = statistics.median(_milliseconds(partial(bot.reply, case.message, case.history)) for case in calm[1::2])
    return f"The guardrails take {guard / whole:.0%} of a reply's time (medians over {len(calm) // 2} messages each: {guard:.1f} of {whole:.1f} ms here)."


def _slowest() -> str:
    """The slowest rule on 100 kB of text made to be slow: words that begin many patterns, and runs of spaces and letters."""
    rules = load_guardrails().rules
    words = " ".join(word for rule in rules for example in rule.examples for word in example.casefold().split())
    texts = [(piece * (100_000 // len(piece) + 1))[:100_000] for piece in (f"{words} ", "i want to ", "how much ", "a ", "a", " ", "took my dog ate 9 g ")]
    timed = {(rule.id, place): _milliseconds(partial(rule.find, text)) for rule in rules for place, text in enumerate(texts)}
    (name, place), most = max(timed.items(), key=lambda item: item[1])
    half = _milliseconds(partial(next(rule for rule in rules if rule.id == name).find, texts[place][:50_000]))
    return (
        f"Slowest rule on 100 kB of adversarial text: `{name}`, {most:.0f} ms ({most / half:.1f} times what half the text takes); "
        f"median rule {statistics.median(timed.values()):.1f} ms. Longer messages are cut before they are read."
    )


def _milliseconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def _missed(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for one in verdicts:
        if one.case.action in DANGER and not one.caught:
            told = f" (after: {' / '.join(one.case.history)[:120]})" if one.case.history else ""
            yield f"- {one.case.action}: {one.case.message[:300]}{told}"


def _row(name: str, rows: Sequence[Verdict]) -> str:
    return f"| {name} | {len(rows)} | {share([one.caught for one in rows])} | {share([one.full for one in rows])} |"


def _grouped(rows: Iterable[Verdict], key: Callable[[Verdict], str]) -> list[tuple[str, list[Verdict]]]:
    groups: dict[str, list[Verdict]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return sorted(groups.items())
