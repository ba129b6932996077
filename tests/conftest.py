"""One bot for all tests, over the real corpus; and small corpora for tests that break things."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.chat import Bot
from bot.pipeline import open_bot
from bot.settings import Settings

ROOT = Path(__file__).parents[1]

DOCUMENT = """---
id: {id}
title: {title}
topic: basics
status: reviewed
reviewed: 2026-11-22
review_by: 2028-11-22
---

## {title}?

::: questions
- {title}?
- tell me about {id}
:::

{text}
"""

REFERENCE = {
    "id": "source-2020-study",
    "type": "article-journal",
    "title": "A study",
    "container-title": "Journal of Studies",
    "DOI": "10.1000/1",
    "custom": {"tier": "human trial", "as_of": "2020"},
}


@pytest.fixture(scope="session")
def bot() -> Bot:
    """The bot as users get it; the index is built where it is missing."""
    return open_bot(Settings())


@pytest.fixture
def small_corpus(tmp_path: Path) -> Callable[..., Path]:
    """Writes a corpus of one-section documents: small_corpus(liver="Text [@source-2020-study].")."""

    def write(**texts: str) -> Path:
        folder = tmp_path / "corpus"
        folder.mkdir(exist_ok=True)
        (folder / "references.json").write_text(json.dumps([REFERENCE]), "utf-8")
        for name, text in texts.items():
            (folder / f"{name}.md").write_text(DOCUMENT.format(id=name, title=f"About {name}", text=text), "utf-8")
        return folder

    return write


@pytest.fixture
def settings(tmp_path: Path, bot: Bot) -> Settings:
    """Settings for a throwaway index that begins as a copy of the real one, so that a build takes a second and not a minute."""
    index = tmp_path / "index"
    index.mkdir()
    encoder = bot.index.manifest["encoder"]["folder"]
    (index / encoder).symlink_to(bot.settings.index / encoder)
    build = json.loads((bot.settings.index / "current.json").read_text("utf-8"))["build"]
    shutil.copytree(bot.settings.index / build, index / build)
    shutil.copy(bot.settings.index / "current.json", index)
    return Settings(corpus=tmp_path / "corpus", index=index)
