from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from bot.chat import Bot
from bot.remembered import Remembered


def test_a_text_is_worked_on_once_and_the_oldest_is_forgotten() -> None:
    made: list[str] = []

    def length(text: str) -> int:
        made.append(text)
        return len(text)

    remembered = Remembered(length, 2)
    for text in ("a", "bb", "a", "ccc", "a", "bb"):
        assert remembered(text) == len(text)
    assert made == ["a", "bb", "ccc", "bb"]  # "a" was asked for again in between, so "bb" went


def test_a_failure_and_what_is_not_to_be_kept_are_made_again() -> None:
    calls: list[str] = []

    def fails(text: str) -> int:
        calls.append(text)
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            Remembered(fails, 2)("a")
    kept = Remembered(lambda _: object(), 2, lambda _: False)
    assert kept("b") is not kept("b")
    assert calls == ["a", "a"]


def test_what_several_ask_for_at_once_is_made_once_and_a_failure_is_made_by_each() -> None:
    calls: list[str] = []
    asked = Barrier(4)

    def slowly(text: str) -> int:
        calls.append(text)
        time.sleep(0.05)
        if text == "fails":
            raise ValueError
        return len(text)

    remembered = Remembered(slowly, 2)

    def ask(text: str) -> int:
        asked.wait()
        return remembered(text)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, ["same"] * 4)) == [4] * 4
        assert calls == ["same"]
        failed = [one.exception() for one in [pool.submit(ask, "fails") for _ in range(4)]]
    assert all(isinstance(error, ValueError) for error in failed)
    assert calls.count("fails") == 4


def test_no_text_is_kept_beside_the_result() -> None:
    remembered = Remembered(len, 2)
    remembered("a secret of somebody")
    assert b"secret" not in repr(remembered.__dict__).encode()


def test_an_identical_question_gets_the_same_reply_whatever_a_caller_did_to_the_first(bot: Bot) -> None:
    message = "does kratom harm the liver?"
    reply = bot.reply(message)
    reply.receipt()["pieces"].clear()
    assert bot.reply(message) is reply
    assert bot.reply(message).receipt()["pieces"]
    assert bot.reply(message, region="UK").region == "UK"


def test_a_reply_made_while_a_net_failed_is_made_again(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Bot(bot.index, bot.settings, bot.claims)
    message = "is kratom sold in vending machines in the alps"
    with monkeypatch.context() as broken:
        broken.setattr(own._net, "_scores", lambda _: 1 / 0)
        assert own.reply(message) is not own.reply(message)
    assert own.reply(message) is own.reply(message)
