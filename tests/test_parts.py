"""An emergency text depends on nothing but the patterns and the texts: each other part is taken out of a running server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bot.chat import Bot
from bot.metrics import Metrics
from bot.pipeline import open_bot
from bot.service import create_service, opened
from bot.service.guard import Guard
from bot.settings import Settings

DANGER = {
    "he wont wake up": "Call 999",
    "my kid ate my kratom": "Call",
    "i want to kill myself": "Call",
    "my dog ate a bag of kratom": "Call",
    "no puede respirar": "Call 999",
    "does kratom harm the liver. also he stopped breathing": "Call 999",
}


def broken(*_given: object, **_named: object) -> Any:
    raise RuntimeError("this part is gone")


class Gone:
    """In the place of a part: whatever is asked of it fails."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("this part is gone")


def remove(part: str, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a part out of the bot as it runs."""
    if part in ("encoder", "everything"):
        monkeypatch.setattr(bot.index, "encoder", Gone())
    if part in ("index", "everything"):
        monkeypatch.setattr(bot.index, "_store", Gone())
    if part in ("classifier", "everything"):
        monkeypatch.setattr(bot._net, "_scores", broken)
    if part in ("retrieval", "everything"):
        monkeypatch.setattr("bot.chat.retrieve", broken)
        monkeypatch.setattr("bot.chat.passages.retrieve", broken)


@pytest.fixture
def server(bot: Bot) -> Iterator[TestClient]:
    counters = Metrics()
    with TestClient(Guard(create_service(opened(bot), counters), counters, Settings(region="UK", rate=0))) as client:
        yield client


@pytest.mark.parametrize("part", ["encoder", "index", "classifier", "retrieval", "everything"])
def test_with_a_part_gone_danger_gets_its_text_and_the_rest_is_told_whom_to_call(
    part: str, bot: Bot, server: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove(part, bot, monkeypatch)
    for message, first in DANGER.items():
        reply = server.post("/v1/reply", json={"message": message, "history": ["does kratom harm the liver"], "region": "UK"}).json()
        assert reply["urgency"] == "now" and not reply["hits"], (message, reply["action"])
        assert any(notice["title"].startswith(first) for notice in reply["notices"]), (message, [notice["title"] for notice in reply["notices"]])
    question = server.post("/v1/reply", json={"message": "is kratom bad for the heart", "region": "UK"}).json()
    if part == "classifier":
        assert question["hits"], "patterns and search still answer"
    else:
        assert {"notice.unavailable", "line.always.UK"} <= {notice["key"] for notice in question["notices"]}
    assert server.get("/healthz").status_code == 200


def test_a_program_that_is_ending_still_answers(bot: Bot) -> None:
    ending = Bot(bot.index, bot.settings, bot.claims)
    ending._passages._ahead.shutdown()  # as Python does where the main thread has ended
    for message, first in DANGER.items():
        reply = ending.reply(message, region="UK")
        assert reply.urgency == "now" and reply.notices[0].title.startswith(first)
    assert ending.reply("is kratom bad for the heart").hits
    assert ending._passages._idle.acquire(blocking=False), "and what no thread took up is not waited for"


def test_files_that_vanish_under_a_running_server_change_no_answer(settings: Settings, small_corpus: Callable[..., Path]) -> None:
    corpus = small_corpus(liver="Kratom has been linked to liver injury [@source-2020-study].")
    bot = open_bot(settings)
    asked = ["tell me about liver", "he wont wake up", "how much should i take"]
    before = [bot.reply(message).to_dict() for message in asked]
    for build in settings.index.glob("build-*"):
        for path in build.iterdir():
            if path.is_file():
                path.write_bytes(b"")  # cut short in place, which kills a process that has the file mapped
    shutil.rmtree(settings.index)
    shutil.rmtree(corpus)
    assert [bot.reply(message).to_dict() for message in asked] == before
