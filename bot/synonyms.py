"""What people type becomes the words the corpus uses: slang, medicine classes, towns, and typos.

    "can i mix krat w lexapro"  ->  "can i mix kratom w lexapro antidepressant ssri"

The table is synonyms.toml. A word that neither the table nor the corpus knows is mended towards the corpus's own words.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from rapidfuzz import process
from rapidfuzz.distance import OSA

from bot.errors import TextsError
from bot.settings import Settings

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
MARKS = re.compile(r"[\u0300-\u036f]")
IT = re.compile(r"\b(?:it|its|this stuff|the stuff|this leaf|this plant)\b", re.IGNORECASE)
TAKING_IT = re.compile(r"\b(?:tak|us|mix|combin|drink|quit|stopp?)(?:e|es|ing|s)? it\b|\bit with\b", re.IGNORECASE)
SUBJECTS = ("kratom", "krat", "7-oh", "7oh", "7 oh", "mitragynine", "hydroxymitragynine", "leaf", "pain", "pains", "ache", "opioid", "opioids")
SEVEN_OH = re.compile(r"\b(?:7|seven) ?o ?h\b", re.IGNORECASE)  # as voice input writes it
SHORT = 14  # words: a longer message names its subject, in some word of its own
SHORTEST = 5  # letters: shorter words have too many neighbours to be mended


def expand(query: str, vocabulary: Collection[str]) -> str:
    """The query in the corpus's words. `vocabulary`: the lower-case words that the corpus knows.

    A short message that says "it" and names nothing means the subject of the page: `it` of the table, where there is one.
    """
    table, towns = _table()
    text = SEVEN_OH.sub("7oh", MARKS.sub("", unicodedata.normalize("NFKD", query)))

    def replaced(match: re.Match[str]) -> str:
        word = match.group().casefold()
        if word in table:
            return table[word]
        if word in vocabulary or len(word) < SHORTEST or not word.isascii():
            return match.group()
        return _mended(word, vocabulary) or match.group()

    states = [towns[match.group()] for match in _words_of(*towns).finditer(text.casefold())]
    return " ".join([WORD.sub(replaced, text), *states, *([_raw()["it"]] if _means_subject(text) else [])])


def _means_subject(text: str) -> bool:
    """Whether a short message says "it" of the page's subject: it names nothing else, or it asks about taking it."""
    if not _raw()["it"] or len(text.split()) > SHORT or not IT.search(text) or _words_of(*SUBJECTS).search(text.casefold()):
        return False
    return bool(TAKING_IT.search(text)) or not _words_of(*_names()).search(text.casefold())


@dataclass(frozen=True, slots=True)
class Name:
    """A word that names a medicine, people, a condition, a body part or a place, and which of these."""

    word: str
    kind: str


def named(text: str) -> list[Name]:
    """What the text names, in order, as its own lower-case words."""
    kinds = _kinds()
    return [Name(match.group(), kinds[match.group()]) for match in _words_of(*kinds).finditer(_folded(text))]


def unmatched(query: str, shown: str) -> tuple[str, ...]:
    """What the query names and the text `shown` does not, by that or another name: a medicine, people, a condition, a body part, a place."""
    text = shown.casefold()
    gaps: dict[str, None] = {}
    for match in _words_of(*_names()).finditer(_folded(query)):
        names = _names()[match.group()]
        if not _words_of(*sorted(names)).search(text):
            gaps[match.group()] = None
    return tuple(gaps)


def _mended(word: str, vocabulary: Collection[str]) -> str | None:
    """The word of the vocabulary one slip away that begins with the same letter; of a long one also two slips, where no other letter is as near.

    Of equals the one of the same length, then the longer: letters are left out more often than put in.
    """
    allowed = 2 if len(word) >= 8 else 1
    known = _by_length(frozenset(vocabulary))
    near = [entry for more in (0, 1, -1, 2, -2) if abs(more) <= allowed for entry in known.get(len(word) + more, ())]
    own = process.extractOne(word, [entry for entry in near if entry[0] == word[0]], scorer=OSA.distance, score_cutoff=allowed)
    if own is None:
        return None
    if own[1] > 1 and process.extractOne(word, [entry for entry in near if entry[0] != word[0]], scorer=OSA.distance, score_cutoff=own[1]):
        return None
    return _table()[0].get(own[0], str(own[0]))


@lru_cache(maxsize=4)  # one a corpus
def _by_length(vocabulary: frozenset[str]) -> dict[int, tuple[str, ...]]:
    """The words of a vocabulary by their length, in order, so that the same word is found by every process."""
    lengths: dict[int, list[str]] = {}
    for word in sorted(vocabulary):
        lengths.setdefault(len(word), []).append(word)
    return {length: tuple(words) for length, words in lengths.items()}


@cache
def _raw() -> dict[str, Any]:
    """The table of the settings: one a process, as the FAQ is. TextsError where it cannot be used."""
    path = Settings().with_environment().synonyms
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
        return {name: raw[name] for name in ("it", "slang", "medicine", "slot", "town")}
    except (OSError, ValueError, KeyError) as error:
        raise TextsError(f"{path} cannot be used ({error!r}); mend it or put it back") from error


@cache
def _names() -> dict[str, frozenset[str]]:
    """Every name that a question may use for something its answer must name -> all names of that thing."""
    raw = _raw()
    names = {word: frozenset({word, *english.split()}) & (raw["medicine"].keys() | {word}) for word, english in raw["medicine"].items()}
    for entry in (entry for kind in raw["slot"].values() for entry in kind):
        for word in entry.split("|"):
            names[word] = names.get(word, frozenset()) | frozenset(entry.split("|"))
    return names


@cache
def _kinds() -> dict[str, str]:
    """Every name of the table -> what it names."""
    raw = _raw()
    kinds = dict.fromkeys(raw["medicine"], "medicine") | dict.fromkeys(raw["town"], "place")
    return kinds | {word: kind for kind, entries in raw["slot"].items() for entry in entries for word in entry.split("|")}


@cache
def _words_of(*phrases: str) -> re.Pattern[str]:
    """Any of the phrases as whole words, the longest first; of none, nothing."""
    if not phrases:
        return re.compile(r"(?!)")
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(phrases, key=len, reverse=True)))})\b")


def _folded(text: str) -> str:
    return MARKS.sub("", unicodedata.normalize("NFKD", text)).casefold()


@cache
def _table() -> tuple[dict[str, str], dict[str, str]]:
    """(word -> words, town -> state or country)."""
    raw = _raw()
    return dict(raw["slang"]) | {word: f"{word} {english}" for word, english in raw["medicine"].items()}, dict(raw["town"])
