"""evaluate: how good the answers, the guardrails and the follow-ups are."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bot.commands.keeping import without_gaps
from bot.commands.shared import DONE, progress_bar, say, say_json, today, with_json
from bot.errors import BotError

HALVES = ("tune", "test", "fresh", "unseen")


def add(commands: Any) -> None:
    """The parsers of this group."""
    evaluate = commands.add_parser("evaluate", help="ask the golden questions; keeps the abstention certificate in index/")
    evaluate.add_argument("part", nargs="?", choices=("retrieval", "guardrails", "conversations"), default="retrieval", help="what is measured (retrieval)")
    evaluate.add_argument("--half", choices=HALVES, default="test", help="which half; fresh and unseen: newer messages, for guardrails alone (test)")
    evaluate.add_argument("--report", type=Path, metavar="FILE", help="also write the report here (docs/evaluation.md)")
    evaluate.add_argument("--answers", type=Path, metavar="FILE", help="keep the first passage of each question, for a later --against")
    evaluate.add_argument("--against", type=Path, metavar="FILE", help="list the questions whose first passage changed since --answers wrote FILE")
    with_json(evaluate, "the figures as JSON; of guardrails and conversations the report, as one string")
    evaluate.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from bot.evaluation import conversations_markdown, safety_markdown
    from bot.pipeline import open_bot

    bot = open_bot(without_gaps(), progress=progress_bar())
    if options.part == "retrieval":
        return _retrieval(bot, options)
    report = safety_markdown(bot, options.half) if options.part == "guardrails" else conversations_markdown(bot, options.half)
    _written(report, options)
    return DONE


def _retrieval(bot: Any, options: argparse.Namespace) -> int:
    from bot.evaluation import certificate, changes, evaluate, figures, first_passages, read_questions, report_markdown, write_plots

    halves = {half: evaluate(bot, read_questions(half)) for half in ("tune", "test", "fresh")}
    claim = certificate(bot, halves["test"], today())
    bot.index.keep_certificate(claim)
    asked = [one for outcomes in halves.values() for one in outcomes]
    if options.against and not options.json:
        say(changes(_read_json(options.against), asked, bot.index.id))
    if options.answers:
        options.answers.write_text(json.dumps(first_passages(asked, bot.index.id), ensure_ascii=False, indent=0), "utf-8")
    if options.json:
        changed = {"changes": changes(_read_json(options.against), asked, bot.index.id)} if options.against else {}
        say_json({**{half: figures(outcomes) for half, outcomes in halves.items()}, "certificate": claim, **changed})
        return DONE
    if options.report:
        write_plots(halves["test"], bot.settings.answer_threshold, options.report.parent)
    _written(report_markdown(halves, claim), options)
    return DONE


def _written(report: str, options: argparse.Namespace) -> None:
    if options.report:
        options.report.write_text(report, "utf-8")
    if options.json:
        say_json({"part": options.part, "half": options.half, "report": report})
    else:
        say(report)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BotError(f"{path} cannot be read ({error}); give a file that `evaluate --answers` wrote") from error
