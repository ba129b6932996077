from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot import identifier
from bot.identifier import open_identifier
from bot.language import LANGUAGES, gloss, language_of, with_gloss

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(
    ("message", "language", "words"),
    [
        ("berapa lama gejala putus kratom berlangsung?", "id", {"how", "long", "withdrawal", "kratom"}),
        ("卡痛叶对肝有害吗", "zh", {"kratom", "liver"}),
        ("กระท่อมตั้งครรภ์ได้ไหม", "th", {"kratom", "pregnant"}),
        ("El kratom hace daño al hígado", "es", {"kratom", "liver"}),
        ("Kratom có gây nghiện không?", "vi", {"kratom", "addictive"}),
        ("هل الكراتوم قانوني في أمريكا؟", "ar", {"kratom", "legal", "united", "states"}),
        ("Was hilft bei chronischen Schmerzen ohne Tabletten?", "de", {"chronic", "pain"}),
    ],
)
def test_a_question_in_another_language_becomes_english_words(message: str, language: str, words: set[str]) -> None:
    assert language_of(message) == language
    assert words <= set(gloss(message, language).split())


@pytest.mark.parametrize("message", ["Is kratom legal in Sweden?", "narcan and krat", "7oh", "", "fda kratom stance", "kratom + tramadol"])
def test_english_with_foreign_names_stays_english(message: str) -> None:
    assert language_of(message) == "en" and gloss(message, "en") == message


def test_what_the_classifier_reads_is_the_message_behind_its_gloss() -> None:
    assert with_gloss("is kratom legal") == "is kratom legal"
    assert with_gloss("El kratom hace daño al hígado").endswith("El kratom hace daño al hígado") and "liver" in with_gloss("El kratom hace daño al hígado")


def test_languages_are_told_apart_on_the_golden_questions() -> None:
    rows = [json.loads(line) for half in ("tune", "test") for line in (GOLDEN / f"questions_{half}.jsonl").read_text("utf-8").splitlines()]
    foreign = [language_of(row["question"]) != "en" for row in rows if row["style"] == "non-English"]
    english = [language_of(row["question"]) != "en" for row in rows if row["style"] != "non-English"]
    assert sum(foreign) / len(foreign) >= 0.95 and sum(english) / len(english) <= 0.01


TEXTS = ("is kratom legal in ohio", "berapa lama gejala putus kratom", "quanto tempo dura a dor", "疼痛怎么办", "ห้ามใช้ไหม", "Ärzte", "12 😀", "")


def test_the_mapped_identifier_says_what_the_librarys_own_says(monkeypatch: pytest.MonkeyPatch) -> None:
    mapped = open_identifier(LANGUAGES)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(identifier, "_mapped", full)
    whole = open_identifier(LANGUAGES)
    assert isinstance(mapped.tk_nextmove, memoryview) and not isinstance(whole.tk_nextmove, memoryview)
    assert [mapped.rank(text) for text in TEXTS] == [whole.rank(text) for text in TEXTS]
