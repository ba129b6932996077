"""How well follow-ups are understood: python -m bot evaluate conversations.

    tests/golden/conversations_{tune,test}.jsonl ─query_for→ Asked ─tables→ docs/conversations.md

Each turn was written with the same question in words that stand alone; what answers that is what the turn should find. Beside the bot
stand what it would find from the last message only, from all messages joined, and from the heading shown last put before the message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.chat import Bot
from bot.dialogue import Query
from bot.errors import InputError
from bot.evaluation.figures import share
from bot.evaluation.golden import GOLDEN
from bot.retrieval import retrieve

DEPTH = 3
LABELS = (
    "A passage is right when readers judged that its section answers the question standing alone. They read the first six that the bot itself finds for "
    "that question: turns with none right among them are left out, and a right passage that only another way finds counts as wrong. So the first row is "
    "flattered, and the distance to it overstated."
)
PICKED = (("yes", 0), ("the first one", 0), ("the second one", 1), ("no, the other", 1), ("2", 1))


@dataclass(frozen=True, slots=True)
class Step:
    """One later turn: the messages before it, the message, what it is, the same question standing alone, and the sections that answer that."""

    before: tuple[str, ...]
    message: str
    kind: str
    alone: str
    sections: frozenset[tuple[str, int]]


Way = Callable[[Step], Query]


def read_steps(half: str) -> list[Step]:
    """The later turns of every conversation of a half. Raises InputError when there is no golden set (a wheel carries none)."""
    path = GOLDEN / f"conversations_{half}.jsonl"
    if not path.is_file():
        raise InputError(f"{path} is missing; the golden set comes with a checkout of the repository")
    steps = []
    for line in path.read_text("utf-8").splitlines():
        turns = json.loads(line)["turns"]
        for number, turn in enumerate(turns[1:], start=1):
            before = tuple(earlier["message"] for earlier in turns[:number])
            sections = frozenset((name, section) for name, section in turn.get("sections", ()))
            steps.append(Step(before, turn["message"], turn["kind"], turn["standalone"], sections))
    return steps


def ways(bot: Bot) -> dict[str, Way]:
    """The ways to a query: ours, and those it is compared with."""
    return {
        "written to stand alone": lambda step: Query(step.alone),
        "ours: all carried": lambda step: bot.query_for(step.message, step.before),
        "ours, the earlier question alone carried": lambda step: Query(bot.query_for(step.message, step.before).text),
        "last message only": lambda step: Query(step.message),
        "earlier messages joined": lambda step: Query(" ".join([*step.before, step.message])),
        "heading shown last, then the message": lambda step: Query(f"{_shown(bot, step)} {step.message}"),
    }


def conversations_markdown(bot: Bot, half: str) -> str:
    """The report on one half of the conversations."""
    steps = read_steps(half)
    leaning = [step for step in steps if step.kind in ("follow-up", "correction")]
    judged = [step for step in leaning if step.sections]
    lines = [
        "# Follow-ups",
        "",
        f"`python -m bot evaluate conversations --half {half}`: {len(steps)} later turns, {len(judged)} of them follow-ups with an answer.",
        "",
    ]
    lines += ["| query | right passage among the first three | right passage first |", "|---|---|---|"]
    lines += [f"| {name} | {_hits(bot, judged, way, DEPTH)} | {_hits(bot, judged, way, 1)} |" for name, way in ways(bot).items()]
    kept = [(step, _found(bot, bot.query_for(step.message, step.before), step, DEPTH)) for step in judged if _found(bot, Query(step.alone), step, DEPTH)]
    firsts = [hit for step, hit in kept if len(step.before) == 1]
    corrected = [hit for step, hit in kept if step.kind == "correction"]
    changed = [step for step in steps if step.kind == "change"]
    lines += ["", "| what | share |", "|---|---|"]
    lines += [f"| follow-ups seen as such | {share([bool(bot.query_for(step.message, step.before).carried) for step in leaning])} |"]
    lines += [f"| first follow-ups that find what the question standing alone finds | {share(firsts)} |"]
    lines += [f"| corrections that do | {share(corrected)} |"]
    lines += [f"| picks understood ({', '.join(repr(word) for word, _ in PICKED)}) | {share(_picks(bot, half))} |"]
    lines += [f"| new subjects into which the old one leaks | {share([bool(bot.query_for(step.message, step.before).carried) for step in changed])} |"]
    lines += [
        f"| later turns asked whether somebody is in danger; nobody is | {share([bot.decide(step.message, step.before).urgency != 'none' for step in steps])} |"
    ]
    return "\n".join([*lines, "", f"With 95 % Wilson intervals. {LABELS}", ""])


def _picks(bot: Bot, half: str) -> list[bool]:
    """Whether each way to pick a choice gives that choice, over the first messages that are answered with choices."""
    starts = [step.before[0] for step in read_steps(half) if len(step.before) == 1]
    offered = [(start, bot.reply(start).choices) for start in starts]
    return [bot.query_for(word, [start]).text == choices[place] for start, choices in offered if choices for word, place in PICKED]


def _hits(bot: Bot, steps: Sequence[Step], way: Way, depth: int) -> str:
    return share([_found(bot, way(step), step, depth) for step in steps])


def _found(bot: Bot, query: Query, step: Step, depth: int) -> bool:
    hits = retrieve(bot.index, query.text, bot.settings, depth, beside=query.beside).hits
    return any((hit.passage.document_id, hit.passage.section) in step.sections for hit in hits)


def _shown(bot: Bot, step: Step) -> str:
    asked = bot.query_for(step.before[-1], step.before[:-1])
    hits = retrieve(bot.index, asked.text, bot.settings, 1, beside=asked.beside).hits
    return hits[0].passage.heading if hits else ""
