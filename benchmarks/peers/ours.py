"""Ours as it is used: guardrails, encoding, search, highlight, receipt. KRATOM_FAQ_CORPUS, _INDEX and _MODEL say over what."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot import open_bot
from bot.pipeline import build as build_index


def build(texts: list[str], model: str, folder: Path) -> None:
    logging.disable(logging.WARNING)  # what a foreign set lacks (reviewers, dates) is no news here
    build_index(force=True)


def opened(model: str, folder: Path) -> Callable[[str], dict[str, Any]]:
    bot = open_bot()
    return lambda question: bot.reply(question).to_dict()


def ranked(model: str, folder: Path) -> Callable[[str], list[str]]:
    """For quality: retrieval alone, since guardrails refuse some questions; names of sections (or documents of a foreign set)."""
    bot = open_bot()

    def answer(question: str) -> list[str]:
        return [f"{hit.passage.document_id}#{hit.passage.section}" for hit in bot.search(question, limit=10)]

    return answer
