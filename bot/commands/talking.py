"""A conversation on the command line: history, and choices and suggestions by number.

message or number ─Talk→ Bot.reply(history) → paragraphs, numbered options
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from bot.chat import Bot
from bot.commands.shared import DONE, EMERGENCY, say
from bot.commands.terminal import show
from bot.records import Reply
from bot.render import Piece, as_pieces, before_passages, passages_only

NEW, QUIT = "/new", "/quit"


@dataclass(frozen=True, slots=True)
class Option:
    """What a number stands for: a message to send, or, where there is none, the passages that were held back."""

    label: str
    message: str | None


class Talk:
    """One conversation; it ends with the input, /quit or Control-D. Nothing of it is kept."""

    def __init__(self, bot: Bot, history: Sequence[str], region: str | None, *, as_json: bool) -> None:
        self._bot, self._region, self._as_json = bot, region, as_json
        self._history = list(history)
        self._options: list[Option] = []
        self._last: Reply | None = None

    def hold(self, lines: TextIO) -> int:
        """Answer each line until there is none; the exit code says whether the last reply called for emergency help."""
        asks = lines.isatty() and not self._as_json
        if asks:
            import readline  # noqa: F401  # editing and earlier lines at the prompt; importing it switches it on, and it writes no file

            say(self._bot.texts.labels["talk"])
        while (line := self._line(lines, asks=asks)) is not None and line != QUIT:
            if line:
                self.answer(line)
        urgent = self._last is not None and self._last.urgency == "now" and not self._as_json
        return EMERGENCY if urgent else DONE

    def answer(self, line: str) -> None:
        """Show the reply to a message, or to the option whose number it is."""
        if line == NEW:
            self._history, self._options, self._last = [], [], None
            return
        number = int(line) if line.isdecimal() and len(line) < 3 else 0
        option = self._options[number - 1] if 0 < number <= len(self._options) else Option(line, line)
        if option.message is None and self._last:
            self._show(passages_only(self._last, self._bot.texts), self._further(self._last))
            return
        message = option.message or line
        self._last = self._bot.reply(message, self._history, region=self._region)
        self._history.append(message)
        if self._as_json:
            self._options = offered(self._last, self._bot.texts.labels)
            say(json.dumps(self._last.to_dict(), ensure_ascii=False))
        elif self._last.urgency == "possible":
            self._show(before_passages(self._last), offered(self._last, self._bot.texts.labels))
        else:
            self._show([part for part in as_pieces(self._last, self._bot.texts) if part[-1].role != "option"], offered(self._last, self._bot.texts.labels))

    def _further(self, reply: Reply) -> list[Option]:
        return [Option(question, question) for question in reply.choices or reply.suggestions]

    def _show(self, parts: Sequence[Sequence[Piece]], options: Sequence[Option]) -> None:
        self._options = list(options)
        rows = [piece for number, option in enumerate(options, 1) for piece in (Piece("number", f"\n{number} "), Piece("option", option.label))]
        label = self._bot.texts.labels
        title = label["choose"] if self._last and self._last.choices else label["suggestions"]
        title = label["talk_check"] if self._last and self._last.urgency != "none" else title
        show([*parts, *([[Piece("label", title), *rows]] if rows else [])])
        say("")

    def _line(self, lines: TextIO, *, asks: bool) -> str | None:
        """The next line, None at the end; in a terminal behind a prompt, which goes to it and not to what is piped on."""
        try:
            line = input("> ") if asks else lines.readline()
        except EOFError:
            sys.stdout.write("\n")
            return None
        return line.strip() if line or asks else None


def offered(reply: Reply, labels: Mapping[str, str]) -> list[Option]:
    """What can be chosen by number below a reply: the same as the buttons of the page."""
    yes, no = labels["in_danger"], labels["not_in_danger"]
    if reply.urgency == "possible":
        return [Option(yes, yes), Option(labels["folded"], None) if reply.hits else Option(no, no)]
    if reply.urgency == "now":
        return [Option(no, no)]
    return [Option(question, question) for question in reply.choices or reply.suggestions]
