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
from bot.receipt import canonical
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
        (lambda data: data["hits"][0]["passage"]["references"][0].update(tier="guideline", title="A proof"), "another title and tier"),
        (lambda data: data["hits"][0]["passage"].update(source="A better journal"), "none of its sources"),
        (lambda data: data.update(action="answer"), "reply was changed"),
        (lambda data: data["receipt"].update(query="something else"), "receipt was changed"),
    ],
)
def test_a_changed_reply_is_refused_with_the_piece_named(bot: Bot, change: Callable[[dict[str, Any]], Any], message: str) -> None:
    data = reply(bot)
    change(data)
    with pytest.raises(VerifyError, match=message):
        verify(data, CORPUS, TEXTS)


CHANGES = 1000


def test_each_of_1000_one_byte_changes_of_reply_corpus_texts_or_sources_is_noticed(bot: Bot, tmp_path: Path) -> None:
    corpus, texts = tmp_path / "corpus", tmp_path / "replies.toml"
    shutil.copytree(CORPUS, corpus)
    shutil.copy(TEXTS, texts)
    replies = [json.loads(canonical(bot.reply(message).to_dict())) for message in MESSAGES]
    chance, unnoticed = random.Random(7), []
    for number in range(CHANGES):
        data = chance.choice(replies)
        target, first, last = chance.choice(places(data, corpus, texts))
        raw = target.read_bytes() if target else canonical(data).encode()
        changed = another(raw, first, last or len(raw), chance, data if target is None else None)
        if target:
            target.write_bytes(changed)
        try:
            verify(data if target else json.loads(changed), corpus, texts)
            unnoticed.append((number, target, changed[:80]))
        except (VerifyError, ValueError):  # ValueError: it is no JSON any more, which the command line says with exit code 2
            pass
        if target:
            target.write_bytes(raw)
    assert unnoticed == []
    assert all(verify(data, corpus, texts) for data in replies)


def places(data: dict[str, Any], corpus: Path, texts: Path) -> list[tuple[Path | None, int, int]]:
    """Where a byte can be changed that a reply depends on: (file, from, to); no file: the reply itself."""
    found: list[tuple[Path | None, int, int]] = [(None, 0, 0)] * 4
    for notice in data["notices"]:
        start = texts.read_bytes().index(notice["text"].encode())
        found.append((texts, start, start + len(notice["text"].encode())))
    for hit in data["hits"]:
        found += [(corpus / hit["passage"]["file"], 0, 0)] * 2
        for reference in hit["passage"]["references"]:
            title = json.dumps(reference["title"], ensure_ascii=False).encode()[1:-1]
            start = (corpus / "references.json").read_bytes().index(title)
            found.append((corpus / "references.json", start, start + len(title)))
    return found


def another(raw: bytes, first: int, last: int, chance: random.Random, data: dict[str, Any] | None) -> bytes:
    """`raw` with one byte between `first` and `last` changed; for a reply one that changes what it says (\\u00AF is \\u00af)."""
    while True:
        changed = bytearray(raw)
        changed[chance.randrange(first, last)] = chance.randrange(256)
        try:
            same = bytes(changed) == raw or (data is not None and json.loads(bytes(changed)) == data)
        except ValueError:
            same = False
        if not same:
            return bytes(changed)


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
