"""Questions without an answer: kept only where the host says so, without what could tell who asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bot import gaps
from bot.chat import Bot
from bot.errors import InputError
from bot.gaps import Gaps, grouped, without_personal


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("my name is bob Smith and kratom helps?", "my name is [name] and kratom helps?"),
        ("Write to jane.doe+x@example.co.uk about kratom", "Write to [e-mail] about kratom"),
        ("call me on +1 (555) 010-9999 please", "call me on [number] please"),
        ("my insurance number 123 45 6789 01", "my insurance number [number]"),
        ("born 3/14/1981, is kratom ok", "born [date], is kratom ok"),
        ("I live at 12 Old Mill Road, sells kratom?", "I live at [address], sells kratom?"),
        ("Dr. Jones says kratom is bad", "Dr. [name] says kratom is bad"),
        ("my wife Anna takes kratom", "my wife [name] takes kratom"),
        ("I'm from Springfield, Ohio and ask", "I'm from [place] and ask"),
        ("Hi I'm Karen, is it legal", "Hi I'm [name], is it legal"),
        ("see https://example.org/me?id=1 or @karen_x", "see [link] or [name]"),
        ("zip 90210", "zip [number]"),
    ],
)
def test_personal_data_is_taken_out(text: str, kept: str) -> None:
    assert without_personal(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "is 7-OH legal in Ohio in 2026",
        "does kratom interact with Zoloft 50 mg",
        "this is about mitragynine",
        "i'm tired after 3 g of kratom",
        "is kratom bad for a friend",
    ],
)
def test_what_a_question_is_about_stays(text: str) -> None:
    assert without_personal(text) == text


def test_nothing_is_kept_unless_the_host_says_so(bot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert bot.settings.gaps == ""
    assert bot.reply("best pizza in town").action == "abstain"
    assert list(tmp_path.iterdir()) == []


def test_only_what_got_no_answer_is_kept_and_danger_never(bot: Bot, tmp_path: Path) -> None:
    path = tmp_path / "kept" / "gaps.jsonl"
    keeping = Bot(bot.index, replace(bot.settings, gaps=str(path)), bot.claims)
    for message in ("does kratom harm the liver", "he wont wake up", "I want to die", "hello", "should I take 5 g", "best pizza in town, my name is Bob"):
        keeping.reply(message)
    [row] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert set(row) == {"day", "question"} and row["question"] == "best pizza in town, my name is [name]"
    keeping.reply("and for sushi", history=["best pizza in town"])
    assert len(path.read_text("utf-8").splitlines()) <= 2, "what the dialogue reads again is not kept again"


def test_a_full_or_unwritable_file_stops_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "MAX_FILE", 200)
    kept = Gaps(tmp_path / "gaps.jsonl")
    for _ in range(50):
        kept.keep("a question of some length, again and again")
    assert (tmp_path / "gaps.jsonl").stat().st_size <= 200
    (tmp_path / "file").write_text("", "utf-8")
    Gaps(tmp_path / "file" / "gaps.jsonl").keep("x")


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "gaps.jsonl").write_text('{"day": "2026-11-22", "question": "x"}\nnonsense\n', "utf-8")
    with pytest.raises(InputError, match=r"gaps\.jsonl:2 "):
        Gaps(tmp_path / "gaps.jsonl").read()
    assert Gaps(tmp_path / "none.jsonl").read() == []


def test_alike_questions_are_one_gap_named_by_the_one_asked_most() -> None:
    vectors = {"a": (1.0, 0.0), "a?": (0.9, 0.436), "b": (0.0, 1.0)}
    rows = [("2026-01-01", "A"), ("2026-01-02", "a?"), ("2026-01-03", "a"), ("2026-01-04", "b")]
    first, second = grouped(rows, lambda texts: np.array([vectors[text] for text in texts], dtype=np.float32))
    assert (first.question, first.count, first.first, first.last, first.questions) == ("a", 3, "2026-01-01", "2026-01-03", ("a", "a?"))
    assert second.question == "b" and first.id != second.id
    assert grouped([], lambda _: np.zeros((0, 2), dtype=np.float32)) == []
