"""The report as Markdown, and its plots as SVG files beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bot.errors import BotError
from bot.evaluation.figures import figures, wilson
from bot.evaluation.golden import Outcome

SHOWN = ("answerable", "Hit@1", "Hit@3", "answered, of the answerable", "refused, of those without an answer")
PLOTS = {"evaluation-styles.svg": "Hit@1 and Hit@3 by style", "evaluation-abstention.svg": "what is answered and refused as the threshold moves"}


def report_markdown(halves: dict[str, list[Outcome]], claim: dict[str, Any]) -> str:
    """The report: both halves, each style and topic of the test half, the certificate and the plots."""
    columns = {name: figures(outcomes) for name, outcomes in halves.items()}
    names = list(next(iter(columns.values())))
    lines = ["# Evaluation", "", f"Made by `python -m bot evaluate` on {claim['date']} for index {claim['index'][:12]}.", ""]
    lines += _table("figure", list(columns), names, lambda name, column: columns[column].get(name, ""))
    for title, key in (("style", _style), ("topic", _topic)):
        lines += ["", f"## The test half by {title}", "", *_by_group(title, halves["test"], key)]
    lines += ["", *(f"![{text}]({name})" for name, text in PLOTS.items()), "", "## Abstention certificate", ""]
    lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in claim.items() if name not in ("corpus", "index")]
    lines += [
        "",
        "Shares stand with their 95 % Wilson interval, means and latencies with a bootstrap interval; the certificate's bound is exact (Clopper–Pearson).",
        "",
    ]
    return "\n".join(lines)


def write_plots(outcomes: Sequence[Outcome], threshold: float, folder: Path) -> None:
    """The plots of the test half. BotError naming the command when matplotlib is not there."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BotError("the plots need matplotlib; run: pip install 'kratom-faq[evaluate]'") from error
    for name, draw in (("evaluation-styles.svg", _draw_styles), ("evaluation-abstention.svg", _draw_abstention)):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        draw(figure.subplots(), outcomes, threshold)
        figure.savefig(folder / name, metadata={"Date": None})


def _draw_styles(axes: Any, outcomes: Sequence[Outcome], threshold: float) -> None:
    del threshold
    there = [one for one in outcomes if one.question.answerable]
    styles = sorted({one.question.style for one in there})
    for depth, offset in ((1, -0.12), (3, 0.12)):
        hits = [[0 < one.place <= depth for one in there if one.question.style == style] for style in styles]
        shares = [sum(row) / len(row) for row in hits]
        limits = [wilson(sum(row), len(row)) for row in hits]
        errors = np.array([[share - low, high - share] for share, (low, high) in zip(shares, limits, strict=True)]).T
        axes.errorbar(shares, np.arange(len(styles)) + offset, xerr=errors, fmt="o", label=f"Hit@{depth}")
    axes.set_yticks(range(len(styles)), styles)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("share of answerable questions, with 95 % interval")
    axes.legend(loc="lower left")


def _draw_abstention(axes: Any, outcomes: Sequence[Outcome], threshold: float) -> None:
    places = np.linspace(0, 1, 101)
    for answerable, label in ((True, "answerable: answered"), (False, "without an answer: refused")):
        shares = np.array([one.confidence for one in outcomes if one.question.answerable == answerable])
        if len(shares):
            axes.plot(places, [np.mean(shares >= place) if answerable else np.mean(shares < place) for place in places], label=label)
    axes.axvline(threshold, color="grey", linestyle=":", label="threshold in use")
    axes.set_xlabel("threshold on the confidence of the first passage")
    axes.set_ylabel("share")
    axes.legend(loc="lower center")


def _by_group(title: str, outcomes: Sequence[Outcome], key: Callable[[Outcome], str]) -> list[str]:
    groups = sorted({key(one) for one in outcomes})
    by_group = {group: figures([one for one in outcomes if key(one) == group]) for group in groups}
    return _table(title, SHOWN, groups, lambda group, name: by_group[group].get(name, ""))


def _style(outcome: Outcome) -> str:
    return outcome.question.style


def _topic(outcome: Outcome) -> str:
    return outcome.topic


def _table(corner: str, columns: Sequence[str], rows: Sequence[str], cell: Callable[[str, str], object]) -> list[str]:
    head = [f"| {corner} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    return head + [f"| {row} | {' | '.join(str(cell(row, column)) for column in columns)} |" for row in rows]
