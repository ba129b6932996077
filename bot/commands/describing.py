"""openapi, commands and completion: what the doors take, for programs, readers and shells."""

from __future__ import annotations

import argparse
from typing import Any

from bot.commands.shared import DONE, EXIT_CODES, say, say_json
from bot.errors import BotError

SHELLS = ("bash", "zsh", "fish", "tcsh")


def add(commands: Any) -> None:
    """The parsers of this group."""
    openapi = commands.add_parser("openapi", help="the OpenAPI document of the JSON service (docs/openapi.json)")
    openapi.set_defaults(run=_openapi)
    described = commands.add_parser("commands", help="every command with its options and exit codes, as Markdown (docs/commands.md)")
    described.set_defaults(run=_commands)
    completion = commands.add_parser("completion", help="a script that lets a shell complete these commands")
    completion.add_argument("shell", choices=SHELLS, help="whose script; where it goes is said in docs/commands.md")
    completion.set_defaults(run=_completion)


def _openapi(options: argparse.Namespace) -> int:
    from concurrent.futures import Future

    from bot.service import create_service

    del options
    say_json(create_service(Future()).openapi())
    return DONE


def _completion(options: argparse.Namespace) -> int:
    try:
        import shtab
    except ImportError as error:
        raise BotError(f"shell completion needs {error.name}; run: pip install 'kratom-faq[completion]'") from error
    from bot.commands import parser

    whole = parser()
    whole.prog = "kratom-faq"  # a shell completes the name of a program, which `python -m bot` is not
    say(shtab.complete(whole, options.shell))
    return DONE


def _commands(options: argparse.Namespace) -> int:
    from bot.commands import parser

    del options
    say(reference(parser()))
    return DONE


INTRODUCTION = """# The command line

Made by `python -m bot commands > docs/commands.md`, from the commands themselves. In a checkout it is `python -m bot`, of an installed wheel `kratom-faq`.

`ask` without a message holds a conversation: type a question, or the number of a suggestion or choice; `/new` starts over, `/quit` or Control-D ends it. In a
terminal titles and the answering sentence are set off and sources are links; piped, or with `NO_COLOR=1`, it is plain text. Lines piped in
are a conversation too.
`--json` goes to standard output alone; progress and warnings go to standard error.

## Exit codes

| code | meaning |
|---|---|
"""
COMPLETION = """
## Completion

`pip install 'kratom-faq[completion]'`, then once, for the installed `kratom-faq`:

```bash
kratom-faq completion bash > ~/.local/share/bash-completion/completions/kratom-faq
kratom-faq completion zsh > ~/.zfunc/_kratom-faq        # with fpath+=~/.zfunc before compinit
kratom-faq completion fish > ~/.config/fish/completions/kratom-faq.fish
```
"""


def reference(whole: argparse.ArgumentParser) -> str:
    """Every command with its options, and the exit codes, as Markdown."""
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    [subparsers] = (action for action in whole._actions if isinstance(action, argparse._SubParsersAction))  # argparse has no public way to list them
    helps = {choice.dest: choice.help or "" for choice in subparsers._choices_actions}
    parts = [INTRODUCTION + "\n".join(rows), COMPLETION.rstrip(), "\n## Commands\n", _options(whole, "before any command")]
    for name, parser in subparsers.choices.items():
        parts.append(f"\n### {name}\n\n{helps[name]}\n")
        parts.append(_options(parser, name))
    return "\n".join(part for part in parts if part).rstrip()


def _options(parser: argparse.ArgumentParser, name: str) -> str:
    shown = [action for action in parser._actions if action.dest not in ("help", "command") and not isinstance(action, argparse._SubParsersAction)]
    rows = [f"| `{_name(action)}` | {action.help} |" for action in shown]
    return "\n".join([f"| {name} | |", "|---|---|", *rows]) if rows else ""


def _name(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else str(action.metavar or ("\\|".join(map(str, action.choices)) if action.choices else action.dest.upper()))
    return " ".join(part for part in (", ".join(action.option_strings), value) if part)
