"""The command line's commands, one small file a group: each adds its parsers and runs them. `python -m bot` and `kratom-faq` start here.

    arguments ─parser→ options ─run→ exit code;   a BotError → its message on standard error

What every command takes stands in docs/commands.md, which is made of these parsers (`python -m bot commands`).
"""

from __future__ import annotations

import argparse
import difflib
import json
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from bot.commands import asking, checking, describing, keeping, measuring, operating, serving, starting, training
from bot.commands.shared import DONE, EMERGENCY, INTERRUPTED, MISUNDERSTOOD, WRONG
from bot.errors import BotError
from bot.settings import PREFIX

__all__ = ["DONE", "EMERGENCY", "INTERRUPTED", "MISUNDERSTOOD", "WRONG", "main", "parser"]

GROUPS = (asking, keeping, measuring, serving, operating, checking, starting, training, describing)


class Parser(argparse.ArgumentParser):
    """An argument parser that says what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2: the usage, what is wrong, the nearest name there is, and where help is."""
        unknown = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        known = re.findall(r"[\w-]+", unknown.group(2)) if unknown else sorted(name for name in self._option_string_actions if name.startswith("--"))
        wrong = unknown.group(1) if unknown else next(iter(re.findall(r"unrecognized arguments: (--[\w-]+)", message)), "")
        near = difflib.get_close_matches(wrong, known, 1, 0.6)
        meant = f" Did you mean: {near[0]}?" if near else ""
        self.print_usage(sys.stderr)
        self.exit(MISUNDERSTOOD, f"{self.prog}: {message}.{meant}\nHelp: {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _read(parser(), arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if options.folder is not None:
        os.environ[f"{PREFIX}FOLDER"] = str(options.folder)
    try:
        return int(options.run(options))
    except BotError as error:
        told = {"error": type(error).__name__, "message": str(error)}
        sys.stderr.write(f"{json.dumps(told, ensure_ascii=False) if getattr(options, 'json', False) else error}\n")
        return WRONG
    except BrokenPipeError:  # the reader of our output has seen enough: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return INTERRUPTED


def _read(whole: Parser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; what a command does not know is said by that command's parser, which knows its own options."""
    options, rest = whole.parse_known_args(arguments)
    if rest:
        options.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


def parser() -> Parser:
    """The parser of every command."""
    whole = Parser(prog="python -m bot" if Path(sys.argv[0]).name != "kratom-faq" else "kratom-faq", description="A FAQ that only quotes.")
    whole.add_argument("--folder", type=Path, metavar="DIR", help="the folder of a FAQ of your own (see init); else KRATOM_FAQ_FOLDER, else the FAQ on kratom")
    commands: Any = whole.add_subparsers(required=True, metavar="command")
    for group in GROUPS:
        group.add(commands)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return whole
