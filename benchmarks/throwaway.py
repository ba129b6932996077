"""A throwaway index of two small corpora, whether it serves, and a process of its own that does something with it: for benchmarks/faults.py and fuzz.py."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from bot.corpus import corpus_fingerprint, read_corpus
from bot.errors import IndexFolderError
from bot.index import current_build, open_index
from bot.index.shared import check_files, read_json
from bot.pipeline import build
from bot.settings import Settings

ROOT = Path(__file__).parents[1]
DOCUMENT = """---
id: {id}
title: About {id}
topic: basics
status: reviewed
reviewed: 2026-11-22
review_by: 2028-11-22
---

## About {id}?

::: questions
- tell me about {id}
:::

Kratom has been linked to {id} [@source-2020-study].
"""
REFERENCE = {
    "id": "source-2020-study",
    "type": "article-journal",
    "title": "A study",
    "container-title": "Journal of Studies",
    "DOI": "10.1000/1",
    "custom": {"tier": "human trial", "as_of": "2020"},
}


def write_corpus(folder: Path, *names: str) -> Path:
    """A corpus of one-sentence documents."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "references.json").write_text(json.dumps([REFERENCE]), "utf-8")
    for name in names:
        (folder / f"{name}.md").write_text(DOCUMENT.format(id=name), "utf-8")
    return folder


def prepare(folder: Path) -> tuple[Settings, Settings]:
    """Two corpora that share one index folder, with the house's exported encoder in it; the first one is built."""
    house = Settings().index
    encoder = json.loads((house / json.loads((house / "current.json").read_text("utf-8"))["build"] / "manifest.json").read_text("utf-8"))["encoder"]["folder"]
    index = folder / "index"
    index.mkdir(parents=True)
    shutil.copytree(house / encoder, index / encoder)
    first = Settings(corpus=write_corpus(folder / "first", "liver", "heart"), index=index)
    second = Settings(corpus=write_corpus(folder / "second", "liver", "sleep", "skin"), index=index)
    build(first)
    return first, second


def serves(settings: Settings) -> bool:
    """Whether the index in service is whole and is that of these settings."""
    try:
        index = open_index(settings.index, read_corpus(settings.corpus), settings.model)
        return len(index.passages) == len(list(settings.corpus.glob("*.md")))
    except IndexFolderError:
        return False


def whole(settings: Settings) -> bool:
    """As `serves`, without loading the encoder, which takes longer than everything else: every file is the one the manifest was written for."""
    try:
        current = current_build(settings.index)
        manifest = read_json(current / "manifest.json")
        check_files(current, manifest)
        return bool(manifest["corpus"] == corpus_fingerprint(read_corpus(settings.corpus)))
    except IndexFolderError:
        return False


RUN = """
import sys
from pathlib import Path
{before}
from bot.errors import BotError
from bot.pipeline import build, open_bot
from bot.settings import Settings
settings = Settings(corpus=Path(sys.argv[1]), index=Path(sys.argv[2]))
try:
    {what}
except BotError as error:
    sys.exit(f"{{type(error).__name__}}: {{error}}")
"""


def run(settings: Settings, what: str = "build(settings, force=True)", before: str = "", wrap: tuple[str, ...] = ()) -> tuple[int, str]:
    """(exit code, last line of standard error) of a process of its own that does `what` after `before`."""
    code = RUN.format(before=before, what=what)
    command = [*wrap, sys.executable, "-c", code, str(settings.corpus), str(settings.index)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  # our own program
    return done.returncode, (done.stderr.strip().splitlines() or [""])[-1]


def told(result: tuple[int, str]) -> str:
    """How a process ended, short."""
    code, line = result
    return "done" if code == 0 else line.replace("|", "/")[:110]
