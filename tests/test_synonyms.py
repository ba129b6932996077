from __future__ import annotations

import pytest

from bot.chat import Bot
from bot.synonyms import expand, unmatched

WORDS = frozenset({"kratom", "withdrawal", "pregnancy", "breathing", "antidepressant", "liver", "interact"})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("krat wds", "kratom withdrawal"),
        ("kratom with lexapro", "kratom with lexapro antidepressant ssri"),
        ("is it bad for my livr", "is it bad for my livr kratom"),
        ("kratm and pregnacy", "kratom and pregnancy"),
        ("does it intreact", "does it interact kratom"),
        ("does it slow breating", "does it slow breathing kratom"),
        ("7oh", "7-oh 7-hydroxymitragynine"),
        ("", ""),
    ],
)
def test_what_people_type_becomes_the_words_of_the_corpus(query: str, expected: str) -> None:
    assert expand(query, WORDS) == expected


def test_a_town_brings_its_state_and_a_bare_it_means_kratom() -> None:
    assert expand("is it legal in san diego", WORDS).endswith("california kratom")
    assert expand("can i take it with zoloft", WORDS).endswith("kratom")
    assert expand("does it hurt the liver", WORDS) == "does it hurt the liver"  # a body part is subject enough
    assert expand("my back pain is back, what helps it", WORDS) == "my back pain is back, what helps it"


def test_what_a_question_names_and_a_passage_does_not_is_told() -> None:
    assert unmatched("kratom in nevada with zoloft for my dog with lupus", "sertraline and kratom") == ("nevada", "dog", "lupus")
    assert unmatched("kratom in england", "the law of the United Kingdom") == ()


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
