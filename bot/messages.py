"""A message before anyone judges it: its normal form, what it is read with, and what an example of one is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

ZERO_WIDTH = re.compile(r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
MARKS = re.compile(r"[\u0300-\u036f]")
LOOKALIKE = str.maketrans("аеорсухіјѕԁɡαοεικνρτυηđłø", "aeopcyxijsdgaoeiknptundlo")
LEET = str.maketrans("013457@$", "oieastas")
LEET_WORD = re.compile(r"\b[a-z]+[013457@$]+[a-z]+\b")
REPEATED = re.compile(r"([a-z])\1{2,}")
SPELLED = re.compile(r"(?<![a-z])(?:[a-z][ .\-_*]){3,}[a-z](?![a-z])")  # k i l l, k.i.l.l


ORDINARY = "ordinary"  # an example that is a question of the corpus: no danger and no refusal; whether it calls for a caution is not said


@dataclass(frozen=True, slots=True)
class Example:
    """A message with its history, the most urgent action it calls for (or ORDINARY), the rule that names it, and the contrast pair it is half of."""

    text: str
    action: str
    rule: str = ""
    pair: str = ""


def normalise(message: str) -> str:
    """Lower case without accents, apostrophes, zero-width and look-alike characters, leet and stretched letters."""
    text = ZERO_WIDTH.sub("", unicodedata.normalize("NFKD", message)).casefold()
    text = MARKS.sub("", text).translate(LOOKALIKE)
    text = re.sub(r"['’‘`´]", "", text)
    text = LEET_WORD.sub(lambda match: match.group().translate(LEET), text)
    text = REPEATED.sub(r"\1", text)
    text = SPELLED.sub(lambda match: re.sub(r"[^a-z]", "", match.group()), text)
    return re.sub(r"\s+", " ", text).strip()


def in_context(message: str, history: Sequence[str]) -> str:
    """What the classifier reads: the message behind the two before it, since danger is often told in pieces."""
    return " ".join([*history[-2:], message])
