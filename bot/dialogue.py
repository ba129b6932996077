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
