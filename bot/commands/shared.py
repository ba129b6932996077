"""What several commands need: exit codes, output, progress, today."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.index import Progress  # brings numpy and faiss, which --help does not need

DONE = 0
WRONG = 1
MISUNDERSTOOD = 2
EMERGENCY = 3
INTERRUPTED = 130
EXIT_CODES = {
    DONE: "done",
    WRONG: "something is wrong, and standard error says what and how to mend it; `verify`: a piece was changed; `audit`: something must be mended",
    MISUNDERSTOOD: "the command was not understood; `verify`: the file is no receipt",
    EMERGENCY: "`ask`: the (last) reply calls for emergency help; not with `--json`, where `urgency` says it",
    INTERRUPTED: "interrupted",
}


def say(text: str) -> None:
    """One text on standard output."""
    sys.stdout.write(f"{text}\n")


def say_json(value: Any) -> None:
    """One JSON document on standard output."""
    say(json.dumps(value, ensure_ascii=False, indent=1))


def with_json(parser: argparse.ArgumentParser, what: str = "the same as JSON") -> None:
    """Give a command its --json."""
    parser.add_argument("--json", action="store_true", help=f"{what}; errors are JSON too")


def today() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()


def progress_bar() -> Progress:
    """A progress bar on standard error, one a step."""
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in bars:
            bars[what] = tqdm(desc=what, total=total, file=sys.stderr)
        bar = bars[what]
        bar.total = total  # of a large corpus an estimate until its last window
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return show
