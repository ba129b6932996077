"""ask (one question, or a conversation) and search."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from bot.commands.shared import DONE, EMERGENCY, progress_bar, say, say_json, with_json


def add(commands: Any) -> None:
    """The parsers of this group."""
    ask = commands.add_parser("ask", help="answer a message; without one, hold a conversation")
    ask.add_argument("message", nargs="?", help="the message; without it the lines of standard input are a conversation")
    ask.add_argument("--history", action="append", default=[], metavar="MESSAGE", help="an earlier message, oldest first; repeatable")
    ask.add_argument("--region", help="US UK CA AU EU OTHER: whose help lines are shown")
    with_json(ask, "the whole reply with its receipt, one a line in a conversation")
    ask.set_defaults(run=_ask)

    search = commands.add_parser("search", help="passages for a query, without guardrails: for programs")
    search.add_argument("query")
    search.add_argument("--limit", type=int, default=5, help="how many at most, 1 to 100 (5)")
    search.add_argument("--tier", action="append", help="only this evidence tier; repeatable")
    search.add_argument("--topic", action="append", help="only this topic; repeatable")
    search.add_argument("--jurisdiction", action="append", help="only law of this place, such as US-IN or UK; repeatable")
    search.add_argument("--since", metavar="DATE", help="only what is as of this date or later, such as 2024 or 2024-05")
    with_json(search)
    search.set_defaults(run=_search)


def _ask(options: argparse.Namespace) -> int:
    from bot.commands.keeping import without_gaps
    from bot.commands.talking import Talk
    from bot.commands.terminal import show
    from bot.pipeline import open_bot
    from bot.render import as_pieces

    bot = open_bot(without_gaps(), progress=progress_bar())
    if options.message is None:
        return Talk(bot, options.history, options.region, as_json=options.json).hold(sys.stdin)
    reply = bot.reply(options.message, options.history, region=options.region)
    if options.json:
        say_json(reply.to_dict())
        return DONE
    show(as_pieces(reply, bot.texts))
    return EMERGENCY if reply.urgency == "now" else DONE


def _search(options: argparse.Namespace) -> int:
    from bot.commands.terminal import show
    from bot.pipeline import open_bot
    from bot.render import Piece, hit_pieces

    bot = open_bot(progress=progress_bar())
    hits = bot.search(options.query, limit=options.limit, tiers=options.tier, topics=options.topic, jurisdictions=options.jurisdiction, since=options.since)
    if options.json:
        say_json([hit.to_dict() for hit in hits])
    elif hits:
        show([[Piece("label", f"{hit.score:.2f}  "), *hit_pieces(hit, bot.texts)] for hit in hits])
    else:
        say(bot.texts.labels["library_none"])
    return DONE
