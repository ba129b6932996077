"""What is searched when a message leans on what was said before: a pure function of message and history.

"does kratom interact with other drugs" , "what about with xanax"  ->  "does kratom interact with other drugs what about with xanax"
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Openings and pronouns that point back. A message without them and with four words or more of its own stands alone.
OPENING = re.compile(
    r"^\s*(?:and|or|but|so|then|also|what about|how about|what if|which ones?|why(?: tho| though| not| is that)?\b\W*$|"
    r"how (?:long|much|often|come|so)\b(?!.*\bkratom)|tell me more|more\b|really\b|for (?:how|who|dogs?|cats?|kids)|with |in )",
    re.IGNORECASE,
)
POINTING = re.compile(r"\b(?:it|its|that|this|these|those|they|them|their|one|ones|same|there)\b", re.IGNORECASE)
SUBJECT = re.compile(r"\b(?:kratom|krat|mitragyn\w*|7[\s-]?oh\w*|7[\s-]?hydroxy\w*|ketum|biak|pseudoindoxyl)\b", re.IGNORECASE)
SHORT = 3  # words; "interactions?" and "and indiana" mean nothing alone
LONG = 12  # words; a message this long carries its own subject


# A message that asks several things: each question mark ends one, and so does "… and how …" behind a piece that already asks.
ASKS = r"(?:is|are|was|does|do|did|can|could|will|would|should|has|have|how|what|whats|why|where|when|which|who)"
JOINED = re.compile(rf"[,;]?\s+(?:and|also|plus)\s+(?:also\s+)?(?={ASKS}\b)", re.IGNORECASE)
ASKING = re.compile(rf"(?:^|[.!]\s+|\b(?:hi|hello|hey|ok|so|and|but)[ ,]+){ASKS}\b", re.IGNORECASE)
MAX_PARTS = 3  # questions of one message answered apart; more would bury the first on a phone


def parts(message: str) -> tuple[str, ...]:
    """The questions of a message, verbatim and in order, each with the story that leads up to it; one for a message that asks one thing."""
    pieces: list[str] = []
    for sentence in re.findall(r"[^?]+\?*", message):
        if "?" not in sentence and pieces and not ASKING.search(sentence.strip()):
            continue  # what follows the last question asks nothing
        pieces += _joined(sentence.strip())
    asked = [piece for piece in pieces if len(piece.split()) > 1]
    return tuple(asked[:MAX_PARTS]) if len(asked) > 1 else (message.strip(),)


def _joined(sentence: str) -> list[str]:
    """A sentence cut before "and how …" wherever what stands before already asks."""
    pieces, start = [], 0
    for match in JOINED.finditer(sentence):
        if ASKING.search(sentence[start : match.start()]):
            pieces.append(sentence[start : match.start()].strip())
            start = match.end()
    return [*pieces, sentence[start:].strip()]


def query_for(message: str, history: Sequence[str]) -> str:
    """The query to search: the message, with the last question that stood alone in front of it when the message does not."""
    message = message.strip()
    earlier = [text.strip() for text in history if text.strip()]
    if not earlier or stands_alone(message):
        return message
    base = next((text for text in reversed(earlier) if stands_alone(text)), earlier[-1])
    return f"{base} {message}"


def stands_alone(message: str) -> bool:
    """Whether the message names its own subject."""
    words = message.split()
    if len(words) >= LONG:
        return True
    if OPENING.match(message):
        return bool(SUBJECT.search(message)) and not POINTING.search(message)
    if SUBJECT.search(message):
        return True
    return len(words) > SHORT and not POINTING.search(message)
