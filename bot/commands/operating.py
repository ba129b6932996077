"""doctor and forget: for whoever runs the bot."""

from __future__ import annotations

import argparse
from typing import Any

from bot.commands.shared import DONE, WRONG, say, today, with_json


def add(commands: Any) -> None:
    """The parsers of this group."""
    doctor = commands.add_parser("doctor", help="check model, index, ages, help lines, disk and versions; exit code 1 when something must be mended")
    with_json(doctor)
    doctor.set_defaults(run=_doctor)

    forget = commands.add_parser("forget", help="delete lines of the feedback file and of the unanswered questions, all that is ever stored")
    which = forget.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="every line")
    which.add_argument("--before", metavar="DATE", help="lines older than this day, such as 2026-11-22")
    which.add_argument("--containing", metavar="WORDS", help="lines whose question holds these words")
    forget.set_defaults(run=_forget)


def _doctor(options: argparse.Namespace) -> int:
    from bot.doctor import examine, report
    from bot.settings import Settings

    findings = examine(Settings().with_environment(), today())
    say(report(findings, as_json=options.json))
    return WRONG if any(finding.level == "error" for finding in findings) else DONE


def _forget(options: argparse.Namespace) -> int:
    from bot.retention import forget
    from bot.settings import Settings

    settings = Settings().with_environment()
    say(forget((settings.feedback, settings.gaps), before=options.before, containing=options.containing, everything=options.all))
    return DONE
