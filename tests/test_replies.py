from __future__ import annotations

import re
from typing import Any

import pytest

from bot.chat import Bot
from bot.errors import SettingsError
from bot.markup import PHONE
from bot.replies import TEXTS, load_texts

TEXTS_NOW = load_texts()
REGIONS = tuple(TEXTS_NOW.regions)
KEYS = re.findall(r"^\[notice\.([\w-]+)\]", TEXTS.read_text("utf-8"), re.MULTILINE)
EMERGENCY = {"US": "911", "UK": "999", "CA": "911", "AU": "000", "EU": "112", "OTHER": "112"}


def test_the_regions_asked_for_are_there() -> None:
    assert set(REGIONS) == {"US", "UK", "CA", "AU", "EU", "OTHER"}


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("kind", ["emergency", "poison", "pet", "crisis", "treatment", "always"])
def test_each_region_has_each_kind_of_help_line(kind: str, region: str) -> None:
    line = TEXTS_NOW.line(kind, region)
    assert line is not None and line.title and line.text
    if kind in ("emergency", "poison", "crisis", "always"):
        assert EMERGENCY[region] in f"{line.title} {line.text}"


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("key", KEYS)
def test_every_notice_can_be_shown_in_every_region(key: str, region: str) -> None:
    notices = TEXTS_NOW.notices([key], region)
    assert f"notice.{key}" in {notice.key for notice in notices}
    for notice in notices:
        assert notice.title and notice.text == notice.text.strip() and notice.version == TEXTS_NOW.version


@pytest.mark.parametrize("key", ["emergency", "emergency-self", "emergency-child", "emergency-pet", "emergency-withdrawal", "crisis", "crisis-other"])
def test_in_danger_the_number_comes_first(key: str) -> None:
    first = TEXTS_NOW.notices([key], "US")[0]
    assert first.key.startswith("line.")
    assert PHONE.search(f"{first.title} {first.text}")


def test_no_text_is_shown_twice() -> None:
    keys = [notice.key for notice in TEXTS_NOW.notices(["emergency", "emergency-self", "emergency"], "US")]
    assert len(keys) == len(set(keys))


def test_an_unknown_region_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="US, UK, CA, AU, EU, OTHER"):
        TEXTS_NOW.region("Mars")


def test_the_crisis_texts_name_no_method_and_lay_no_blame() -> None:
    for key in ("crisis", "crisis-other"):
        text = " ".join(f"{notice.title} {notice.text}" for notice in TEXTS_NOW.notices([key], "US")).casefold()
        assert not re.search(r"\b(?:dose|lethal|gun|rope|hang|bridge|selfish|fault|commit)\b", text)


def test_lines_in_danger_are_short_enough_for_a_shaking_hand() -> None:
    for key in ("emergency", "emergency-self", "emergency-child", "emergency-pet", "crisis"):
        for notice in TEXTS_NOW.notices([key], "US"):
            assert all(len(line.split()) <= 36 for line in notice.text.splitlines()), notice.key


def digits(text: str) -> set[str]:
    return {re.sub(r"\D", "", match.group()) for match in PHONE.finditer(text)}


def test_help_lines_in_the_corpus_are_those_of_the_fixed_texts(bot: Bot) -> None:
    known = {number.removeprefix("1") for number in digits(TEXTS.read_text("utf-8"))}
    for document in bot.documents.values():
        body = document.text[document.sections[0].span.start :]
        for number in digits(body):
            if len(number) >= 9:
                assert number.removeprefix("1") in known, f"{document.id}: {number}"


def test_labels_are_single_lines(bot: Bot) -> None:
    labels: dict[str, Any] = dict(bot.texts.labels)
    assert all(isinstance(text, str) and "\n" not in text for text in labels.values())
