"""One bot and one running page for all tests, over the real corpus; and small corpora for tests that break things."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before faiss is imported: its threads spin while they wait, which busy cores pay for tenfold

import pytest
from chromium import free_port
from playwright.sync_api import Browser, sync_playwright

from benchmarks import page
from benchmarks.throwaway import REFERENCE
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


@pytest.fixture(scope="session")
def bot() -> Bot:
    """The bot as users get it; the index is built where it is missing."""
    return open_bot(Settings())


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host's feedback file."""
    return tmp_path_factory.mktemp("feedback") / "feedback.jsonl"


@pytest.fixture(scope="session")
def address(bot: Bot, kept: Path) -> Iterator[str]:
    """The running page, started as a user starts it; one for all browser tests."""
    port = free_port()
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "KRATOM_FAQ_FEEDBACK": str(kept)}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                assert process.poll() is None, "the page did not start"
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a file, since Playwright's event loop would stand in the way of other tests."""
    with sync_playwright() as player:
        chromium = page.chromium(player)
        yield chromium
        chromium.close()


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
