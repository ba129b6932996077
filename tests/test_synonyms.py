from __future__ import annotations

import pytest

from bot.chat import Bot
from bot.synonyms import expand

WORDS = frozenset({"kratom", "withdrawal", "pregnancy", "breathing", "antidepressant", "liver", "interact"})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("krat wds", "kratom withdrawal"),
        ("kratom with lexapro", "kratom with lexapro antidepressant ssri"),
        ("is it bad for my livr", "is it bad for my livr"),
        ("kratm and pregnacy", "kratom and pregnancy"),
        ("does it intreact", "does it interact"),
        ("does it slow breating", "does it slow breathing"),
        ("7oh", "7-oh 7-hydroxymitragynine"),
        ("", ""),
    ],
)
def test_what_people_type_becomes_the_words_of_the_corpus(query: str, expected: str) -> None:
    assert expand(query, WORDS) == expected


def test_scripts_without_spaces_bring_their_english_words() -> None:
    assert "pregnant" in expand("กระท่อมตั้งครรภ์", WORDS, "th")
    assert "liver" in expand("卡痛叶对肝有害吗", WORDS, "zh")
    assert expand("dolor de espalda", WORDS, "es") == "kratom pain back dolor de espalda"
    assert expand("nada conocido", WORDS, "es") == "nada conocido"


def test_words_the_corpus_knows_are_left_alone(bot: Bot) -> None:
    query = "does kratom interact with antidepressants during pregnancy"
    assert expand(query, bot.index.vocabulary) == query


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("can i take krat w zoloft", "other-medicines"),
        ("¿es peligroso el kratom en el embarazo?", "pregnancy"),
        ("El kratom hace daño al hígado", "liver"),
        ("7oh wds", "withdrawal"),
        ("is kratm adictive", "dependence"),
    ],
)
def test_slang_typos_and_other_languages_find_their_document(bot: Bot, question: str, document: str) -> None:
    assert document in {hit.passage.document_id for hit in bot.search(question, limit=3)}
