"""The quality page: the figures of the last evaluation, and what the index in service holds, as plots drawn when the page is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

from bot.pages import Frame, topic_name
from bot.plots import bars_plot, numbers_table, shares_plot, stacked_plot
from bot.records import TIERS, Passage
from bot.reports import Report, Share, read_report

OLDEST = 2014  # sources before it stand in one bar: a handful a year
HEADLINES = ("Hit@1", "Hit@3", "answered, of the answerable", "refused, of those without an answer")  # rows of evaluation.md


def quality_page(frame: Frame, passages: Sequence[Passage], reports: Path) -> str:
    """The page. `reports`: the folder of evaluation.md and guardrails.md; where one is missing, its plots are and the page says so."""
    label = frame.texts.labels
    answers, guardrails = read_report(reports / "evaluation.md"), read_report(reports / "guardrails.md")
    parts = [f"<h1>{escape(label['quality'])}</h1><p>{escape(label['quality_lead'])}</p>"]
    if answers or guardrails:
        parts.append(f'<p class="kf-meta">{escape(label["quality_reading"])}</p>')
    else:
        parts.append(f'<p class="kf-warning">{escape(label["quality_unmeasured"])}</p>')
    parts += [_headlines(answers, guardrails, label), _guardrails(guardrails, label), _answers(answers, label), _coverage(passages, label)]
    made = [report.made for report in (answers, guardrails) if report and report.made]
    if made:
        rows = "".join(f"<li>{escape(line)}</li>" for line in made)
        parts.append(f'<p class="kf-meta">{escape(label["quality_made"])}</p><ul class="kf-meta">{rows}</ul>')
    return frame.page("quality", label["quality"], "".join(parts))


def _headlines(answers: Report | None, guardrails: Report | None, label: Mapping[str, str]) -> str:
    rows = answers.shares("Evaluation", "test") if answers else []
    found = [replace(one, name=label[f"quality_{place}"]) for place, name in enumerate(HEADLINES, 1) for one in rows if one.name == name]
    caught = [one for one in (guardrails.shares("Danger to life", "caught", "count") if guardrails else []) if one.name == "in danger"]
    return shares_plot(label["quality_short"], [*(replace(one, name=label["quality_caught"]) for one in caught), *found], label["quality_messages"])


def _guardrails(report: Report | None, label: Mapping[str, str]) -> str:
    if report is None:
        return ""
    danger = [one for one in report.shares("Danger to life", "caught", "count") if one.name in ("· crisis", "· emergency")]
    others = report.shares("Other actions", "recall", "count")
    noise = report.shares("Danger to life under noise (English messages)", "caught")
    plots = (("quality_danger", danger), ("quality_classes", others), ("quality_noise", noise))
    return "".join(shares_plot(label[title], _plain(shares), label["quality_messages"]) for title, shares in plots)


def _answers(report: Report | None, label: Mapping[str, str]) -> str:
    if report is None:
        return ""
    topics = [replace(one, name=topic_name(label, one.name)) for one in report.shares("The test half by topic", "Hit@1", "answerable")]
    styles = report.shares("The test half by style", "Hit@1", "answerable")
    plots = (("quality_topics", topics), ("quality_styles", styles))
    return "".join(shares_plot(label[title], sorted(shares, key=lambda one: -one.share), label["quality_count"]) for title, shares in plots)


def _plain(shares: Sequence[Share]) -> list[Share]:
    return [replace(one, name=one.name.replace("-", " ")) for one in shares]


def _coverage(passages: Sequence[Passage], label: Mapping[str, str]) -> str:
    """What the index in service holds: topics by grade, and how old the sources are."""
    topics: dict[str, Counter[str]] = {}
    for passage in passages:
        topics.setdefault(topic_name(label, passage.topic), Counter())[passage.tier] += 1
    ordered = dict(sorted(topics.items(), key=lambda row: -row[1].total()))
    table = numbers_table(label["quality_coverage"], label["topic"], ordered, TIERS)
    years = Counter(max(int(passage.as_of[:4]), OLDEST) for passage in passages)
    shown = range(max(years, default=OLDEST), OLDEST - 1, -1)
    ages = {f"{year} {label['quality_before']}" if year == OLDEST else str(year): years[year] for year in shown}
    return (
        f'{stacked_plot(label["quality_coverage"], ordered, TIERS)}<p class="kf-meta">{escape(label["quality_coverage_reading"])}</p>'
        f'<details class="kf-fold kf-small"><summary>{escape(label["quality_numbers"])}</summary>{table}</details>'
        f'{bars_plot(label["quality_age"], ages)}<p class="kf-meta">{escape(label["quality_source"])}</p>'
    )
