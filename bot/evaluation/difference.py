"""Which questions changed their first passage between two versions of the index: the answer diff."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.evaluation.golden import Outcome


def first_passages(outcomes: Iterable[Outcome], index: str) -> dict[str, Any]:
    """What `changes` compares: the first passage of each question, JSON-ready."""
    return {"index": index, "first": {one.question.text: list(one.first) if one.first else None for one in outcomes}}


def changes(before: Mapping[str, Any], outcomes: Sequence[Outcome], index: str) -> str:
    """A Markdown list of the questions whose first passage is another one now, and whether the new one is right."""
    then = before["first"]
    lines = []
    for one in outcomes:
        if one.question.text in then and then[one.question.text] != (list(one.first) if one.first else None):
            verdict = "right" if one.place == 1 else "not right" if one.question.answerable else "no answer known"
            lines.append(f"- {one.question.text}\n  {_name(then[one.question.text])} → {_name(one.first)} ({verdict})")
    head = f"{len(lines)} of {len(outcomes)} questions changed their first passage from index {before['index'][:12]} to {index[:12]}."
    return "\n".join([head, "", *lines, ""])


def _name(place: Sequence[Any] | None) -> str:
    return f"{place[0]} § {place[1]}" if place else "nothing"
