"""Which language a message is written in, and a rough English gloss of it, offline: our encoder and our documents are English.

    "berapa lama gejala putus kratom berlangsung" ─longest match over terms.toml→ "how long symptoms withdrawal kratom last"

Identified by py3langid among the eleven languages that the bot has texts for; where that is unsure, by the term tables.
"""

from __future__ import annotations

import logging
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bot.remembered import Remembered

log = logging.getLogger(__name__)

TABLE = Path(__file__).with_name("terms.toml")
LANGUAGES = ("en", "es", "fr", "de", "pt", "id", "ms", "th", "zh", "vi", "ar")
SURE = 0.8  # of our 591 English golden questions none is taken for another language at 0.8, 1 % at 0.5; of 68 others 82 % are known at 0.8
LIKELY = 0.4  # below SURE, the language's own words must bear it out
SISTERS = {"es": "pt", "pt": "es", "id": "ms", "ms": "id"}  # so alike that one's table helps with the other, and either may be taken for the other
UNSPACED = ("th", "zh")
PART = 4  # letters: the shortest part of a compound that is looked up
LONGEST = 4  # words of a phrase
WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
MARKS = re.compile(r"[\u0300-\u036f\u064b-\u0652\u0640]")  # Latin accents, Arabic vowel signs and the stretching sign
ARABIC = str.maketrans("أإآىة", "اااي" + "ه")
ENGLISH = frozenset(
    ("is", "are", "does", "did", "the", "what", "how", "which", "why", "my", "it", "of", "and", "with", "to", "you")
)  # words that none of the other ten has
ENGLISH_SHARE = 0.2  # of a message's words: from here on it is English, whatever its letters resemble
PREFIXES = ("وال", "بال", "لل", "كال", "ال", "و", "ف", "ب", "ل", "ك")


def language_of(message: str) -> str:
    """The language's code; "en" where the message is too short or mixed to tell."""
    return _languages(message)


def _language_of(message: str) -> str:
    if _english_share(message) >= ENGLISH_SHARE:
        return "en"  # most messages: neither the identifier nor a table is read
    try:
        ranked = dict(_identifier().rank(message))
    except OSError as error:  # no room for its tables: an answer in English before none
        log.warning("no language is identified (%s)", type(error).__name__)
        return "en"
    code = max(ranked, key=lambda name: ranked[name])
    if code == "en" or not _own_words(message, code):
        return "en"
    share = ranked[code] + ranked.get(SISTERS.get(code, ""), 0.0)
    return code if share >= SURE or (share >= LIKELY and _known_share(message, code) >= 0.6) else "en"


def gloss(message: str, language: str) -> str:
    """What the tables make of the message in English; words they do not know stay as they are. The message itself where they know none."""
    if language == "en" or language not in _tables():
        return message
    pieces = list(_glossed(message, language))
    known = [english for _, english in pieces if english is not None]
    return " ".join(english if english is not None else word for word, english in pieces if english != "") if any(known) else message


def with_gloss(message: str) -> str:
    """What a classifier of English reads: the message, in another language behind its gloss."""
    english = gloss(message, language_of(message))
    return message if english == message else f"{english} {message}"


def _glossed(message: str, language: str) -> Iterator[tuple[str, str | None]]:
    """(piece of the message, its English or None) in order."""
    if language in UNSPACED:
        yield from _unspaced(unicodedata.normalize("NFC", message).casefold(), _tables()[language])
        return
    words = [_folded(match.group(), language) for match in WORD.finditer(message)]
    place = 0
    while place < len(words):
        for size in range(min(LONGEST, len(words) - place), 0, -1):
            english = _english(" ".join(words[place : place + size]), language)
            if english is not None:
                yield " ".join(words[place : place + size]), english
                break
        else:
            size = 1
            yield words[place], None
        place += size


def _unspaced(text: str, table: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    longest = max(map(len, table))
    place, left = 0, ""
    while place < len(text):
        found = next((text[place : place + size] for size in range(min(longest, len(text) - place), 0, -1) if text[place : place + size] in table), None)
        if found is None:
            left += text[place] if text[place].isascii() else " "  # a Latin word, or a character nobody can look up
            place += 1
            continue
        if left.strip():
            yield left.strip(), None
        left = ""
        yield found, table[found]
        place += len(found)
    if left.strip():
        yield left.strip(), None


def _english(phrase: str, language: str) -> str | None:
    for code in (language, SISTERS.get(language)):
        table = _tables().get(code or "", {})
        if phrase in table:
            return table[phrase]
    if language == "ar" and " " not in phrase:
        stems = (phrase.removeprefix(prefix) for prefix in PREFIXES if phrase.startswith(prefix))
        return next((_tables()["ar"][stem] for stem in stems if len(stem) > 2 and stem in _tables()["ar"]), None)
    if language == "de" and " " not in phrase:
        return _compound(phrase, _tables()["de"])
    return None


def _compound(word: str, table: Mapping[str, str]) -> str | None:
    """A German compound of two words of the table (Schulterschmerzen), with or without the letters that join them."""
    for cut in range(len(word) - PART, PART - 1, -1):
        left, right = word[:cut], word[cut:]
        known = next(
            (part for part in (left, left.removesuffix("s"), left.removesuffix("en"), left.removesuffix("n")) if len(part) >= PART and part in table), None
        )
        if known and right in table:
            return f"{table[known]} {table[right]}"
    return None


def _known_share(message: str, language: str) -> float:
    pieces = list(_glossed(message, language))
    return sum(english is not None for _, english in pieces) / len(pieces) if pieces else 0.0


def _own_words(message: str, language: str) -> bool:
    """Whether a word stands in the message that the table had to translate: names and kratom are the same everywhere."""
    if language in UNSPACED or language == "ar":
        return True
    return any(english is not None and english not in (word, "kratom") for word, english in _glossed(message, language))


def _english_share(message: str) -> float:
    words = [match.group().casefold() for match in WORD.finditer(message)]
    return sum(word in ENGLISH for word in words) / len(words) if words else 0.0


def _folded(text: str, language: str) -> str:
    """Lower case; without accents, but in Vietnamese, where they are the word."""
    text = text.casefold()
    if language == "vi":
        return unicodedata.normalize("NFC", text)
    return unicodedata.normalize("NFC", MARKS.sub("", unicodedata.normalize("NFKD", text))).translate(ARABIC)


@cache
def _tables() -> dict[str, dict[str, str]]:
    raw = tomllib.loads(TABLE.read_text("utf-8"))
    tables: dict[str, dict[str, str]] = {}
    for code, table in raw.items():
        if code in UNSPACED:
            tables[code] = dict(table)
        else:
            tables[code] = {" ".join(match.group() for match in WORD.finditer(_folded(phrase, code))): english for phrase, english in reversed(table.items())}
    return tables


@cache
def _identifier() -> Any:
    from bot.identifier import open_identifier

    return open_identifier(LANGUAGES)


_languages = Remembered(_language_of, 1024)  # a reply asks four times; kept by the message's hash
