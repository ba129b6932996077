from __future__ import annotations

import pytest

from bot.dialogue import query_for, stands_alone

OTHER_DRUGS = ["does kratom interact with other drugs"]


@pytest.mark.parametrize(
    "message", ["what about with xanax", "and indiana?", "why tho", "which ones?", "how long does that last", "and for dogs", "is it dangerous"]
)
def test_a_follow_up_carries_the_question_before_it(message: str) -> None:
    assert query_for(message, OTHER_DRUGS) == f"{OTHER_DRUGS[0]} {message}"


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
    assert query_for(message, OTHER_DRUGS) == message


def test_the_first_follow_up_is_not_skipped_and_the_second_keeps_the_subject() -> None:
    history = ["is kratom legal in Ohio", "and indiana?"]
    assert query_for("and texas?", history) == "is kratom legal in Ohio and texas?"


def test_a_new_subject_drops_the_old_one() -> None:
    assert query_for("does kratom harm the liver", ["is kratom legal in Ohio"]) == "does kratom harm the liver"


def test_without_history_a_message_is_its_own_query() -> None:
    assert query_for("  and indiana? ", []) == "and indiana?"
    assert query_for("why", ["", "  "]) == "why"
