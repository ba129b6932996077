from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.chat import Bot, user_messages
from bot.chat.passages import AMOUNT
from bot.errors import InputError, SettingsError
from bot.index import PassageIndex

ACTIONS = {"crisis", "emergency", "decline", "caution", "answer", "abstain", "smalltalk"}


def test_the_public_contract_of_a_reply(bot: Bot) -> None:
    reply = bot.reply("what about with xanax", history=["does kratom interact with other drugs"])
    assert reply.action == "caution" and reply.urgency == "none"
    assert reply.query == "kratom interact other drugs what about with xanax" and reply.carried == "does kratom interact with other drugs"
    assert reply.notices[0].key == "notice.caution-mixing" and reply.notices[0].title and reply.notices[0].text
    passage = reply.hits[0].passage
    for name in ("text", "document_id", "start", "end", "heading", "source", "url", "tier", "as_of"):
        assert getattr(passage, name) is not None, name
    assert passage.text == bot.documents[passage.document_id].text[passage.start : passage.end]
    assert reply.decision.matches and reply.decision.version
    assert reply.receipt()["pieces"]
    assert set(reply.to_dict()) == {
        "action",
        "urgency",
        "notices",
        "hits",
        "decision",
        "query",
        "carried",
        "beside",
        "suggestions",
        "choices",
        "region",
        "disagreement",
        "missing",
        "receipt",
    }


def test_mixing_with_xanax_is_a_caution_with_a_passage_on_benzodiazepines_first(bot: Bot) -> None:
    reply = bot.reply("is it dangerous to mix kratom with xanax")
    assert reply.action == "caution"
    assert "benzodiazepine" in reply.hits[0].passage.text
    assert reply.hits[0].highlight is not None


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("I want to die, the pain won", "crisis"),
        ("he took 7oh and wont wake up", "emergency"),
        ("how much kratom should i take for back pain", "decline"),
        ("Is kratom safe in pregnancy?", "caution"),
        ("What is kratom?", "answer"),
        ("What's the weather in Denver this weekend?", "abstain"),
        ("hello", "smalltalk"),
    ],
)
def test_each_of_the_seven_actions(bot: Bot, message: str, action: str) -> None:
    assert bot.reply(message).action == action


@pytest.mark.parametrize("message", ["he wont wake up", "i want to kill myself", "my toddler ate kratom", "dog ate kratom"])
def test_in_danger_there_are_no_passages_and_no_suggestions(bot: Bot, message: str) -> None:
    reply = bot.reply(message)
    assert reply.urgency == "now"
    assert reply.hits == () and reply.suggestions == ()
    assert reply.notices[0].level in ("emergency", "crisis")


@pytest.mark.parametrize("message", ["how much kratom should i take", "make me a taper plan", "what dose for back pain", "how many capsules for sleep"])
def test_below_a_refusal_no_passage_names_an_amount(bot: Bot, message: str) -> None:
    reply = bot.reply(message)
    assert reply.action == "decline"
    assert not any(AMOUNT.search(hit.passage.text) for hit in reply.hits)


def test_where_danger_is_possible_the_check_comes_first(bot: Bot) -> None:
    reply = bot.reply("i want to die of embarrassment lol, is kratom legal in Ohio")
    assert reply.urgency == "possible"
    assert reply.notices[0].key == "notice.check"


def test_the_region_changes_the_numbers(bot: Bot) -> None:
    assert "999" in bot.reply("he wont wake up", region="UK").notices[0].title
    assert "000" in bot.reply("he wont wake up", region="AU").notices[0].title
    with pytest.raises(SettingsError, match="region"):
        bot.reply("hi", region="Mars")


def test_the_unreviewed_article_never_leads_where_something_better_answers(bot: Bot) -> None:
    for question in (
        "Is kratom a natural alternative to prescription painkillers?",
        "Kratom is touted for milder side effects and lower risk of respiratory depression",
        "why is kratom popular",
    ):
        hits = bot.search(question, limit=5)
        assert hits[0].passage.status == "reviewed"


def test_search_filters_by_tier_and_topic(bot: Bot) -> None:
    hits = bot.search("liver injury", limit=5, tiers=["guideline"], topics={"safety"})
    assert hits and all(hit.passage.tier == "guideline" and hit.passage.topic == "safety" for hit in hits)
    assert len(bot.search("liver", limit=1)) == 1
    assert {hit.passage.jurisdiction for hit in bot.search("is kratom legal", limit=3, jurisdictions=["UK"])} == {"UK"}
    assert all(hit.passage.as_of >= "2025" for hit in bot.search("deaths", limit=10, since="2025"))
    assert bot.search("   ") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"tiers": ["gossip"]}, "tier 'gossip'"),
        ({"since": "lately"}, "since 'lately'"),
    ],
)
def test_search_refuses_bad_arguments_with_a_clear_error(bot: Bot, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        bot.search("liver", **arguments)


@pytest.mark.parametrize("message", [None, 5, b"bytes", ["list"]])
def test_a_message_that_is_no_string_is_refused(bot: Bot, message: Any) -> None:
    with pytest.raises(InputError, match="a message is a string"):
        bot.reply(message)


@pytest.mark.parametrize("message", ["", "   ", "\n", "\u200b", "?", "🌿", "\ud800 lone", "a\0b", "<script>alert(1)</script>", "x" * 50_000, "ignore " * 5_000])
def test_odd_messages_get_a_reply(bot: Bot, message: str) -> None:
    assert bot.reply(message).action in ACTIONS


def test_danger_at_the_end_of_a_very_long_message_is_seen(bot: Bot) -> None:
    reply = bot.reply("a long story. " * 5_000 + "now he wont wake up")
    assert reply.urgency == "now" and reply.notices[0].key.startswith("line.emergency")


def test_history_may_be_strings_or_gradio_messages() -> None:
    gradio: list[dict[str, Any]] = [
        {"role": "user", "content": "is kratom legal in Ohio"},
        {"role": "assistant", "content": "…"},
        {"role": "user", "content": [{"type": "text", "text": "and indiana?"}]},
    ]
    assert user_messages(gradio) == user_messages(["is kratom legal in Ohio", "and indiana?"])
    with pytest.raises(InputError, match="history is a list"):
        user_messages("one string")
    careless: list[Any] = [5]
    with pytest.raises(InputError, match="an entry of history"):
        user_messages(careless)


def test_suggestions_are_questions_of_the_corpus_not_yet_shown(bot: Bot) -> None:
    reply = bot.reply("does kratom harm the liver")
    known = {section.questions[0] for document in bot.documents.values() for section in document.sections if section.questions}
    assert 1 <= len(reply.suggestions) <= 3
    assert set(reply.suggestions) <= known
    shown = {bot.documents[hit.passage.document_id].sections[hit.passage.section].questions[0] for hit in reply.hits}
    assert not set(reply.suggestions) & shown


@pytest.mark.parametrize(
    ("message", "missing"),
    [
        ("is kratom dangerous with berberine", ("berberine",)),
        ("what is known about kratom with levothyroxine and xanax", ("levothyroxine",)),
        ("is it dangerous to mix kratom with xanax", ()),
        ("what is known about kratom with zoloft", ()),
        ("does kratom harm the liver", ()),
        ("quels sont les effets secondaires du kratom", ()),
    ],
)
def test_the_reply_says_what_its_passage_does_not_name(bot: Bot, message: str, missing: tuple[str, ...]) -> None:
    reply = bot.reply(message)
    assert reply.missing == missing
    assert ("notice.gap" in {notice.key for notice in reply.notices}) == bool(missing)


class BrokenIndex(PassageIndex):
    """A real index whose search fails, as a damaged disk would make it."""

    def __init__(self, real: PassageIndex) -> None:
        self.__dict__.update(real.__dict__)

    def candidates(self, query: str, vector: Any, admit: Any = None) -> Any:  # noqa: ARG002  # the signature of what it replaces
        raise RuntimeError("the index is gone")


def test_when_the_search_fails_the_fixed_texts_still_answer(bot: Bot) -> None:
    broken = Bot(BrokenIndex(bot.index), replace(bot.settings))
    assert broken.reply("he wont wake up").action == "emergency"
    keys = [notice.key for notice in broken.reply("is it dangerous to mix kratom with xanax").notices]
    assert keys == ["notice.caution-mixing", "notice.unavailable", "line.always.US"]


def test_two_conversations_do_not_mix(bot: Bot) -> None:
    bot.reply("is kratom legal in Ohio")
    assert bot.reply("and indiana?").query == "and indiana?"


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ("¿Cuánto dura la abstinencia del kratom?", "notice.language-es"),
        ("Ist Kratom in Deutschland verboten?", "notice.language-de"),
        ("卡痛叶对肝脏有害吗？", "notice.language-zh"),
        ("กระท่อมมีผลต่อตับไหม", "notice.language-th"),
        ("هل الكراتوم خطير على الكبد؟", "notice.language-ar"),
    ],
)
def test_a_question_in_another_language_is_told_that_the_sources_are_english(bot: Bot, message: str, key: str) -> None:
    assert key in {notice.key for notice in bot.reply(message).notices}


def test_an_english_question_is_not_taken_for_another_language(bot: Bot) -> None:
    for message in ("krat + wds legs kicking", "7oh", "is kratom legal in indiana", "kratom pregnancy"):
        assert not any("language-" in notice.key for notice in bot.reply(message).notices)


def test_several_questions_in_one_message_each_get_an_answer_with_their_own_words(bot: Bot) -> None:
    reply = bot.reply("does kratom hurt the liver and is it legal in Vermont?")
    parts = {hit.part: hit.passage for hit in reply.hits if hit.part}
    assert not reply.missing and set(parts) == {"does kratom hurt the liver", "is it legal in Vermont?"}
    assert "liver" in parts["does kratom hurt the liver"].text and "Vermont" in parts["is it legal in Vermont?"].text
    assert [hit.to_dict()["part"] for hit in reply.hits][:2] == list(parts)


def test_a_question_of_several_that_nothing_answers_is_named(bot: Bot) -> None:
    reply = bot.reply("Does kratom hurt the liver? Is it legal in Vermont? Who won the chess world cup in 1998?")
    assert "Who won the chess world cup in 1998?" in reply.missing and len([hit for hit in reply.hits if hit.part]) == 2


def test_where_two_subjects_answer_alike_the_person_chooses(bot: Bot) -> None:
    choices = [bot.reply(message).choices for message in ("interactions?", "tea", "legal", "anxiety", "extract", "headache", "sleep", "tolerance")]
    assert any(choices) and all(len(found) in (0, 2, 3, 4) for found in choices)
    known = {question for document in bot.documents.values() for section in document.sections for question in section.questions}
    assert all(question in known for found in choices for question in found)


def test_an_emergency_in_another_language_is_answered_in_it_and_in_english(bot: Bot) -> None:
    reply = bot.reply("mi hijo tomó kratom y no respira, no despierta")
    keys = [notice.key for notice in reply.notices]
    assert reply.urgency == "now" and keys[0].startswith("line.") and any(key.endswith("-es") for key in keys) and "notice.emergency" in " ".join(keys)


def test_danger_stands_until_the_person_says_that_it_is_over(bot: Bot) -> None:
    told = ["my husband took 7oh and i cant wake him"]
    assert bot.reply("is it legal in ohio", told).urgency == "now"
    assert bot.reply("Nobody is in danger right now", told).action == "smalltalk"
    assert bot.reply("false alarm, hes awake now. is kratom legal in ohio", told).urgency != "now"


def test_a_follow_up_is_about_what_stood_before_it_and_a_new_subject_is_not(bot: Bot) -> None:
    reply = bot.reply("and indiana?", ["is kratom legal in Ohio"])
    assert reply.query == "is kratom legal in indiana" and "indiana" in reply.hits[0].passage.text.casefold()
    assert bot.reply("Does acupuncture help with back pain?", ["is kratom legal in Ohio"]).carried == ""
    assert bot.reply("ok thanks", ["is kratom legal in Ohio"]).query == "ok thanks"
    third = bot.reply("and texas?", ["is kratom legal in Ohio", "and indiana?", "thanks"])
    assert third.query == "is kratom legal in texas"


def test_a_choice_can_be_picked_in_words(bot: Bot) -> None:
    offered = bot.reply("kratom").choices
    assert len(offered) > 1
    assert bot.reply("yes", ["kratom"]).query == offered[0]
    assert bot.reply("the second one", ["kratom"]).query == offered[1]


def test_yes_and_no_answer_the_check(bot: Bot) -> None:
    unsure = "i took 2 grams of kratom and feel a bit dizzy is that normal"
    assert bot.reply(unsure).urgency == "possible"
    assert bot.reply("yes", [unsure]).urgency == "now"
    assert bot.reply("no", [unsure]).urgency == "none"


def test_a_crisis_of_somebody_else_gets_its_own_text(bot: Bot) -> None:
    keys = [notice.key for notice in bot.reply("my brother texted that he wants to kill himself and stopped answering").notices]
    assert "notice.crisis-other" in keys
