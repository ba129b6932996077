"""Slips of the thumb, for training and for measuring."""

from __future__ import annotations

import random

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def slipped(text: str, chance: random.Random, count: int) -> str:
    """The text with `count` slips: each a letter dropped, doubled, swapped with the next or replaced."""
    letters = list(text)
    for _ in range(count):
        if len(letters) < 4:
            break
        place = chance.randrange(len(letters) - 1)
        kind = chance.randrange(4)
        if kind == 0:
            del letters[place]
        elif kind == 1:
            letters.insert(place, letters[place])
        elif kind == 2:
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        else:
            letters[place] = chance.choice(LETTERS)
    return "".join(letters)
