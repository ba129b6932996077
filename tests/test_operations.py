"""What an operator has: a doctor, a log without words, lines that go with time, a command that deletes them, a lock with hashes."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.chat import Bot
from bot.doctor import examine, report
from bot.errors import InputError
from bot.feedback import Feedback
from bot.logs import REQUEST, Line
from bot.pipeline import build
from bot.retention import expire, forget
from bot.settings import Settings

ROOT = Path(__file__).parents[1]
TODAY = date(2026, 12, 1)
THUMB = {"kind": "helpful", "document": "liver", "passage": "key"}


def levels(settings: Settings, today: date = TODAY) -> dict[str, str]:
    """The worst level of each check."""
    order = ("ok", "warning", "error")
    worst: dict[str, str] = {}
    for finding in examine(settings, today):
        worst[finding.check] = max(worst.get(finding.check, "ok"), finding.level, key=order.index)
    return worst


def test_the_doctor_finds_a_good_house_in_order(bot: Bot) -> None:
    findings = examine(Settings(), TODAY)
    found = {finding.check for finding in findings}
    assert found == {"versions", "disk", "model", "classifier", "corpus", "index", "help lines", "privacy"}
    assert not [finding for finding in findings if finding.level == "error"], report(findings, as_json=False)
    assert json.loads(report(findings, as_json=True))[0]["check"] == "versions"


def test_the_doctor_names_what_is_wrong_and_what_mends_it(
    settings: Settings, small_corpus: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_corpus(liver="Kratom has been linked to liver injury [@source-2020-study].")
    build(settings)
    assert levels(settings, date(2040, 1, 1)) | {"corpus": "error", "help lines": "error"} == levels(settings, date(2040, 1, 1))
    [encoder] = settings.index.glob("encoder-*")
    assert levels(settings)["index"] == "warning", "no certificate yet"
    (folder / "heart.md").write_text("no front matter", "utf-8")
    assert levels(settings)["corpus"] == levels(settings)["index"] == "error"
    (folder / "heart.md").unlink()
    encoder.unlink()  # a link to the house's own
    assert levels(settings)["index"] == "error"
    assert levels(replace(settings, log_messages=True))["privacy"] == "warning"
    for name in ("corpus", "index"):
        monkeypatch.setenv(f"KRATOM_FAQ_{name.upper()}", str(getattr(settings, name)))
    assert main(["doctor"]) == 1
    assert "python -m bot build" in capsys.readouterr().out


def test_an_error_is_logged_by_kind_and_place_without_what_it_says(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("bot.test")
    try:
        try:
            raise ValueError("canary in the cause")
        except ValueError as error:
            raise KeyError("canary") from error
    except KeyError:
        log.exception("the search failed")
    logging.getLogger("some.library").warning("client said %s", "canary")
    token = REQUEST.set("abc")
    told = [Line("json").format(record) for record in caplog.records] + [Line("text").format(record) for record in caplog.records]
    assert "canary" in Line("text", words=True).format(caplog.records[0])
    REQUEST.reset(token)
    assert not any("canary" in line or "\n" in line for line in told)
    first = json.loads(told[0])
    assert (first["request"], first["event"], first["level"]) == ("abc", "the search failed", "ERROR")
    assert first["error"].startswith("KeyError at ") and "ValueError at " in first["error"] and "test_operations.py:" in first["error"]


def kept(path: Path, *ages: int, message: str = "") -> None:
    days = [(datetime.now(UTC).date() - timedelta(days=age)).isoformat() for age in ages]
    rows = [{"day": day, **THUMB, **({"message": message} if message else {})} for day in days]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def test_lines_go_when_their_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    kept(path, 100, 91, 90, 1, -400)  # the last from a day when the clock was wrong
    feedback = Feedback(path, {("liver", "key")}, "index", days=90)
    assert len(path.read_text("utf-8").splitlines()) == 3
    feedback.keep(THUMB)
    assert len(path.read_text("utf-8").splitlines()) == 4
    assert expire(path, 0) == 0 and expire(tmp_path / "none", 5) == 0


def test_the_command_deletes_by_day_by_words_or_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "feedback.jsonl"
    monkeypatch.setenv("KRATOM_FAQ_FEEDBACK", str(path))
    kept(path, 3, 2, 1, message="My Secret question")
    with path.open("a", encoding="utf-8") as file:
        file.write("half a li\n")
    assert main(["forget", "--before", (datetime.now(UTC).date() - timedelta(days=2)).isoformat()]) == 0
    assert capsys.readouterr().out == f"deleted 1 lines of {path}, 3 are left\n"
    assert main(["forget", "--containing", "secret QUESTION"]) == 0
    assert path.read_text("utf-8") == "half a li\n"
    assert main(["forget", "--all"]) == 0 and path.read_text("utf-8") == ""
    assert main(["forget", "--before", "yesterday"]) == 1
    with pytest.raises(InputError, match="no feedback or gaps file is set"):
        forget(("", ""), everything=True)
    with pytest.raises(InputError, match="--all, --before"):
        forget((str(path),), containing=" ")
    assert not list(tmp_path.glob(".feedback*"))


def test_the_lock_with_hashes_pins_what_the_lock_pins() -> None:
    plain = re.findall(r"^([\w.-]+)==([\w.+-]+)", (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    text = (ROOT / "requirements-hashed.txt").read_text("utf-8")
    blocks = re.findall(r"^([\w.-]+)==([\w.+-]+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", text, re.MULTILINE)

    def name(given: str) -> str:
        return re.sub(r"[-_.]+", "-", given).lower()

    assert {(name(package), version) for package, version, _ in blocks} == {(name(package), version) for package, version in plain}, "run: make lock"
    assert len(re.findall("^[a-zA-Z]", text, re.MULTILINE)) == len(blocks), "a line without a hash stops pip"


def test_every_setting_of_a_log_is_checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("KRATOM_FAQ_LOG", "xml")
    assert main(["doctor"]) == 1
    assert "neither text nor json" in capsys.readouterr().err
    assert sys.excepthook is sys.__excepthook__ or sys.excepthook.__name__ != "_crashed", "only servers take the hooks over"
