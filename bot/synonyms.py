"""What people type becomes the words the corpus uses: slang, medicine classes, words of other languages, and typos.

    "can i mix krat w lexapro"  ->  "can i mix kratom w lexapro antidepressant ssri"

The table is synonyms.toml. A word that neither the table nor the corpus knows is mended towards the corpus's own words.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Collection
from functools import cache
from pathlib import Path

from rapidfuzz import process
from rapidfuzz.distance import OSA

TABLE = Path(__file__).with_name("synonyms.toml")
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
MARKS = re.compile(r"[\u0300-\u036f]")
ALWAYS = frozenset({"kratom", "mitragynine", "7-oh", "fda", "thailand", "malaysia", "indonesia", "alcohol", "legal"})  # the same in every language
SHORTEST = 5  # letters: shorter words have too many neighbours to be mended


def expand(query: str, vocabulary: Collection[str], language: str = "en") -> str:
    """The query in the corpus's words. `vocabulary`: the lower-case words that the corpus knows.

    A query in another language gets what the table translates of it in front: an encoder of English takes the rest for noise.
    """
    table, foreign, joined = _table()
    text = MARKS.sub("", unicodedata.normalize("NFKD", query))
    extra = [english for word, english in joined.items() if word in text]
    if language != "en":
        words = [match.group().casefold() for match in WORD.finditer(text)]
        known = [foreign.get(word) or table.get(word) or (word if word in ALWAYS else "") for word in words]
        return " ".join(filter(None, ["kratom", *known, *extra, query])) if any(known) or extra else query

    def replaced(match: re.Match[str]) -> str:
        word = match.group().casefold()
        if word in table:
            return table[word]
        if word in vocabulary or len(word) < SHORTEST or not word.isascii():
            return match.group()
        return _mended(word, vocabulary) or match.group()

    return " ".join([WORD.sub(replaced, text), *extra])


def unmatched(query: str, shown: str) -> tuple[str, ...]:
    """The medicines and supplements that the query names and the text `shown` does not, by that or another name."""
    table, _, _ = _table()
    medicines = _medicines()
    text = shown.casefold()
    gaps = []
    for word in dict.fromkeys(match.group() for match in WORD.finditer(query)):
        names = {word.casefold(), *table.get(word.casefold(), "").split()} & medicines
        if word.casefold() in medicines and not any(name in text for name in names):
            gaps.append(word)
    return tuple(gaps)


def _mended(word: str, vocabulary: Collection[str]) -> str | None:
    table, _, _ = _table()
    allowed = 2 if len(word) >= 8 else 1
    found = process.extractOne(word, vocabulary, scorer=OSA.distance, score_cutoff=allowed)
    if not found or found[0][:1] != word[:1]:
        return None
    return table.get(found[0], str(found[0]))


@cache
def _medicines() -> frozenset[str]:
    return frozenset(tomllib.loads(TABLE.read_text("utf-8"))["medicine"])


@cache
def _table() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """(English word -> words, word of another language -> words, piece of an unspaced script -> words)."""
    raw = tomllib.loads(TABLE.read_text("utf-8"))
    words = dict(raw["slang"]) | {word: f"{word} {english}" for word, english in raw["medicine"].items()}
    foreign = {word: english for word, english in raw["language"].items() if word.isascii()}
    joined = {MARKS.sub("", unicodedata.normalize("NFKD", word)): english for word, english in raw["language"].items() if not word.isascii()}
    return words, foreign, joined
