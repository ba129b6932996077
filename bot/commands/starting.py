"""init: a FAQ on another subject, from an operator's own files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bot.commands.shared import DONE, say, say_json, today, with_json
from bot.errors import BotError


def add(commands: Any) -> None:
    """The parsers of this group."""
    init = commands.add_parser("init", help="make the folder of a FAQ of your own, and bring files into it (docs/your-own-corpus.md)")
    init.add_argument("target", type=Path, metavar="DIR", help="the folder; what is there already stays as it is")
    init.add_argument("files", nargs="*", type=Path, metavar="FILE", help="files to bring in: .md .txt .html .csv .pdf .docx")
    init.add_argument("--subject", default="our subject", help="what the FAQ is about, as in 'Ask me about …'")
    with_json(init, "what was written, as JSON")
    init.set_defaults(run=_init)


def _init(options: argparse.Namespace) -> int:
    try:
        from bot.starter import bring, start

        written, brought = start(options.target, options.subject, today()), bring(options.target, options.files, today())
    except ImportError as error:
        raise BotError(f"init needs {error.name}; run: pip install {error.name}") from error
    except OSError as error:
        raise BotError(f"{options.target} cannot be written ({error}); name a folder of your own") from error
    if options.json:
        say_json({"folder": str(options.target), "written": [str(path) for path in written], "brought": [str(path) for path in brought]})
        return DONE
    say("\n".join([*(f"written  {path}" for path in written), *(f"brought  {path}" for path in brought)] or ["nothing to do: all of it is there"]))
    say(f"\nNext: replace {options.target}/corpus/about-this-faq.md, complete the cards, then")
    say(f"  python -m bot --folder {options.target} ask        a conversation in this terminal")
    say(f"  python -m bot --folder {options.target} serve      the web chat")
    return DONE
