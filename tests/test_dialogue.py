from __future__ import annotations

import pytest

from bot.dialogue import Query, Turn, answer_to_check, leans, may_pick, picked_of, resolve, stands_alone

OHIO = Turn("is kratom legal in Ohio")
ALCOHOL = Turn("does kratom interact with alcohol")
OFFERED = Turn("kratom interactions", ("Is kratom safe with alcohol?", "Does kratom interact with medicines?", "What about caffeine?"))


@pytest.mark.parametrize("message", ["and indiana?", "why tho", "which ones?", "how long does that last", "and for dogs", "is it dangerous", "with xanax"])
def test_words_that_point_back_lean_where_no_classifier_is(message: str) -> None:
    assert not stands_alone(message)
    assert leans(message)


@pytest.mark.parametrize(
    "message",
    [
        "Is kratom legal in Texas?",
        "what is 7-OH",
        "mitragynine half life",
        "does acupuncture help with knee pain",
        "what about kratom and pregnancy",
        "I have been on it for years and I wonder whether a pharmacist would be able to help me stop",
    ],
)
def test_a_message_with_its_own_subject_stands_alone(message: str) -> None:
    assert stands_alone(message)
    assert resolve(message, OHIO) == Query(message)


def test_the_classifier_decides_and_the_words_only_where_it_wavers() -> None:
    assert leans("what helps the itching", 0.9)
    assert not leans("why tho", 0.05)
    assert leans("and indiana", 0.2)


@pytest.mark.parametrize(
    ("last", "message", "query"),
    [
        (OHIO, "and indiana?", "is kratom legal in indiana"),
        (Turn("is kratom legal in indiana"), "and texas?", "is kratom legal in texas"),
        (ALCOHOL, "what about with xanax", "does kratom interact with xanax"),
        (OHIO, "and 7-OH?", "is 7-oh legal in Ohio"),
        (ALCOHOL, "why tho", "kratom interact alcohol why tho"),
        (OHIO, "how old do you have to be in texas", "kratom legal texas how old do you have to be in texas"),
    ],
)
def test_a_name_replaces_one_of_its_kind_and_the_rest_is_added(last: Turn, message: str, query: str) -> None:
    assert resolve(message, last, 0.9) == Query(query, resolve(message, last, 0.9).carried)
    assert resolve(message, last, 0.9).carried


@pytest.mark.parametrize(
    ("message", "query"),
    [
        ("no i meant 7-oh", "is 7-oh legal in Ohio"),
        ("sorry, texas", "is kratom legal in texas"),
        ("no, not ohio, indiana", "is kratom legal in indiana"),
    ],
)
def test_a_correction_takes_back_what_it_names(message: str, query: str) -> None:
    assert resolve(message, OHIO, 0.4).text == query


@pytest.mark.parametrize(("message", "number"), [("yes", 0), ("the first one", 0), ("the second one", 1), ("no, the other", 1), ("2", 1), ("the last one", 2)])
def test_a_pick_is_the_choice(message: str, number: int) -> None:
    assert resolve(message, OFFERED) == Query(OFFERED.choices[number], OFFERED.choices[number])


def test_without_choices_nothing_is_picked() -> None:
    assert picked_of("yes", ()) == ""
    assert picked_of("", OFFERED.choices) == ""
    assert picked_of("does the second one hurt the liver", OFFERED.choices) == ""


def test_a_message_in_quotation_marks_is_searched_as_typed() -> None:
    assert resolve('"and indiana?"', OHIO, 0.9) == Query("and indiana?")


def test_without_history_a_message_is_its_own_query() -> None:
    assert resolve("  and indiana? ", None) == Query("and indiana?")


@pytest.mark.parametrize(
    ("message", "said"),
    [("yes", True), ("Yes she is!", True), ("no", False), ("nope, everyone is fine", False), ("no idea what to do", None), ("is kratom safe", None)],
)
def test_yes_and_no_answer_the_check(message: str, said: bool | None) -> None:
    assert answer_to_check(message) is said


def test_only_a_word_picks() -> None:
    assert may_pick("sure") and may_pick("the last one")
    assert not may_pick("...") and not may_pick("") and not may_pick("yes but how long")


def test_what_was_shown_is_searched_beside_a_follow_up_and_not_beside_a_correction() -> None:
    shown = Turn(ALCOHOL.query, shown=("Is it dangerous to drink on kratom?", "Sedatives and alcohol"))
    asked = resolve("why tho", shown, 0.9)
    assert asked.beside == ("why tho", "Is it dangerous to drink on kratom? why tho", "Sedatives and alcohol why tho")
    assert not resolve("no i meant xanax", shown, 0.9).beside
    assert not resolve("Is kratom legal in Texas?", shown).beside


def test_the_sentences_that_ask_are_searched_beside_a_long_story() -> None:
    story = "My father is seventy. " * 12 + "Does kratom harm the liver? He drinks the tea. Who could tell him?"
    assert resolve(story, None).beside == ("Does kratom harm the liver?", "Who could tell him?")
    assert not resolve("Does kratom harm the liver?", None).beside
