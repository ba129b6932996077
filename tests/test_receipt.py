"""Receipts and the independent verifier: what was shown is provably quoted."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.chat import Bot
from bot.verify import VerifyError, verify

ROOT = Path(__file__).parents[1]
CORPUS, TEXTS = ROOT / "corpus", ROOT / "bot" / "replies.toml"
MESSAGES = ["is it dangerous to mix kratom with xanax", "he wont wake up", "how much should i take", "hello", "is kratom legal in indiana", "weather in paris"]


def reply(bot: Bot, message: str = MESSAGES[0]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(bot.reply(message).to_dict())))


@pytest.mark.parametrize("message", MESSAGES)
def test_every_reply_verifies_piece_by_piece(bot: Bot, message: str) -> None:
    data = reply(bot, message)
    assert verify(data, CORPUS, TEXTS) == len(data["notices"]) + len(data["hits"])
    assert verify(data["receipt"], CORPUS, TEXTS) == len(data["receipt"]["pieces"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["hits"][0]["passage"].update(text=data["hits"][0]["passage"]["text"] + "."), "shows something else"),
        (lambda data: data["notices"][0].update(text="Take more."), "shows something else"),
        (lambda data: data["hits"].pop(), "shows something else|reply shows"),
        (lambda data: data["receipt"]["pieces"].pop(), "reply shows"),
        (lambda data: data["receipt"]["pieces"][-1].update(start=0), "is not the text"),
        (lambda data: data["receipt"]["pieces"][-1].update(file="../README.md"), "outside the corpus"),
        (lambda data: data["receipt"]["pieces"][0].update(key="notice.nothing"), "cannot be found"),
        (lambda data: data["receipt"].update(receipt=7), "neither a receipt"),
        (lambda data: data["hits"][0]["highlight"].update(text="invented"), "highlight"),
    ],
)
def test_a_changed_reply_is_refused_with_the_piece_named(bot: Bot, change: Callable[[dict[str, Any]], Any], message: str) -> None:
    data = reply(bot)
    change(data)
    with pytest.raises(VerifyError, match=message):
        verify(data, CORPUS, TEXTS)


def test_one_changed_byte_in_the_corpus_or_the_texts_is_noticed(bot: Bot, tmp_path: Path) -> None:
    corpus, texts = tmp_path / "corpus", tmp_path / "replies.toml"
    data = reply(bot)
    chance = random.Random(7)
    for _ in range(25):
        shutil.rmtree(corpus, ignore_errors=True)
        shutil.copytree(CORPUS, corpus)
        shutil.copy(TEXTS, texts)
        piece = chance.choice([piece for piece in data["receipt"]["pieces"] if piece["kind"] == "passage"])
        target = corpus / piece["file"]
        raw = bytearray(target.read_bytes())
        raw[chance.randrange(len(raw))] ^= 1
        target.write_bytes(raw)
        with pytest.raises(VerifyError):
            verify(data, corpus, texts)
    shutil.rmtree(corpus)
    shutil.copytree(CORPUS, corpus)
    texts.write_text(TEXTS.read_text("utf-8").replace("Mixing can be dangerous", "Mixing can be harmless"), "utf-8")
    with pytest.raises(VerifyError, match=r"notice\.caution-mixing"):
        verify(data, corpus, texts)


def test_the_verifier_runs_alone_without_the_package(bot: Bot, tmp_path: Path) -> None:
    shutil.copy(ROOT / "bot" / "verify.py", tmp_path / "verify.py")
    (tmp_path / "reply.json").write_text(json.dumps(reply(bot)), "utf-8")
    command = [sys.executable, "-I", "verify.py", "reply.json", "--corpus", str(CORPUS), "--texts", str(TEXTS)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("verified:")
    (tmp_path / "reply.json").write_text("{}", "utf-8")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 1
    (tmp_path / "reply.json").write_text("[", "utf-8")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 2
