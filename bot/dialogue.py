"""What is searched when a message leans on what was said before: a pure function of message and history.

    "is kratom legal in ohio" , "and indiana?"     ->  "is kratom legal in indiana"
    "does kratom hurt the liver" , "why tho"       ->  "kratom hurt liver why tho", and beside it "why tho" alone and behind the heading shown
    shown: two choices , "the second one"          ->  the second choice

Whether a message leans is said by the guardrails' classifier, which learned it from conversations (label "follow-up"), and by the words
below where it is silent. The name of a place, medicine, condition, body part or group of people replaces one of its own kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.synonyms import Name, named

LEANS = 0.5  # probability from which a message leans on what came before
CLEAR = 0.1  # and below which no word of it makes it lean

OPENING = re.compile(
    r"^\s*(?:and|or|but|so|then|also|what about|how about|what if|which ones?|why(?: tho| though| not| is that)?\b\W*$|"
    r"how (?:long|much|often|come|so)\b(?!.*\bkratom)|tell me more|more\b|really\b|for (?:how|who|dogs?|cats?|kids)|with |in )",
    re.IGNORECASE,
)
POINTING = re.compile(r"\b(?:it|its|that|this|these|those|they|them|their|one|ones|same|there)\b", re.IGNORECASE)
SUBJECT = re.compile(r"\b(?:kratom|krat|mitragyn\w*|7[\s-]?oh\w*|7[\s-]?hydroxy\w*|ketum|biak|pseudoindoxyl)\b", re.IGNORECASE)
SHORT = 3  # words; "interactions?" and "and indiana" mean nothing alone
LONG = 12  # words; a message this long carries its own subject

STORY = 40  # words; of longer messages the sentences that ask are searched too: 91 stories, first passage right 0.76 -> 0.78 (docs/retrieval.md)
QUESTION = re.compile(r"[^.!?\n]+\?")

QUOTED = re.compile(r'^\s*["“„](?P<words>[^"“”„]+)["”“]\s*$')  # a message in quotation marks is searched as typed

# "yes", "the second one" behind two to four choices.
PICKS = (
    re.compile(
        r"^(?=.*\w)(?:yes|yeah|yep|yup|sure|ok|okay|please|si|oui|ja|sim|ya)?[\s,.!]*(?:please|(?:the )?(?:first|1st|former|1|one|a)(?: one)?)?[\s.!]*$",
        re.IGNORECASE,
    ),
    re.compile(r"^(?:no[\s,.]*)?(?:the )?(?:second|2nd|2|two|other|latter|b)(?: one)?(?: please)?[\s.!]*$", re.IGNORECASE),
    re.compile(r"^(?:no[\s,.]*)?(?:the )?(?:third|3rd|3|three|c)(?: one)?(?: please)?[\s.!]*$", re.IGNORECASE),
    re.compile(r"^(?:no[\s,.]*)?(?:the )?(?:fourth|4th|4|four|d)(?: one)?(?: please)?[\s.!]*$", re.IGNORECASE),
)
LAST = re.compile(r"^(?:no[\s,.]*)?(?:the )?last(?: one)?(?: please)?[\s.!]*$", re.IGNORECASE)
# What answers "is someone in danger right now?" in words instead of by its buttons.
YES = re.compile(
    r"^(?:yes|yeah|yep|yup|yea|ya|si|oui|ja|sim)\b[\s,.!]*(?:please|(?:he|she|they|i|we|someone|there) (?:is|are|am)|help|now|right now|i think so)?[\s.!]*$",
    re.IGNORECASE,
)
NO = re.compile(
    r"^(?:no+|nope|nah|non|nein|nao)\b[\s,.!]*(?:thanks|thank you|(?:nobody|no one|noone|not|everyone|everybody|all|we|i|im|were)\b.{0,40})?[\s.!]*$",
    re.IGNORECASE,
)
# A correction: what opens it, and what it takes back.
MEANT = re.compile(r"^\s*(?:(?:no+|nah|nope|sorry|oops|wait|actually|i mean|i meant|meant)\b[\s,.:;-]*)+", re.IGNORECASE)
TAKEN_BACK = re.compile(
    r"[\s,]*\bnot (?:the |my |for |about |on |in )*(?P<words>[\w'-]+(?: [\w'-]+)?)(?=\s*(?:$|[,.;!?]|\bbut\b|\bthe\b))[\s,.;]*(?:but )?", re.IGNORECASE
)
SUBSTANCES = re.compile(r"\b(?:kratom|krat|7[\s-]?oh\w*|7[\s-]?hydroxy\w*|pseudoindoxyl|mitragynine)\b", re.IGNORECASE)
DRUGS = re.compile(
    r"\b(?:alcohol|booze|beers?|wine|weed|cannabis|marijuana|thc|benzos?|benzodiazepines?|opioids?|opiates?|oxys?|percs?|subs|fent|fentanyl|heroin|coffee|caffeine|nicotine|"
    r"antidepressants?|ssris?|nsaids?|painkillers?|xans?|molly|meth|cocaine|kava|melatonin|blood thinners?|antihistamines?|alcool|alcol|alkohol)\b",
    re.IGNORECASE,
)
FILLER = frozenset(
    [
        "and",
        "or",
        "but",
        "so",
        "then",
        "also",
        "ok",
        "okay",
        "what",
        "whats",
        "how",
        "about",
        "if",
        "with",
        "in",
        "for",
        "on",
        "to",
        "at",
        "of",
        "the",
        "a",
        "an",
        "my",
        "i",
        "im",
        "is",
        "are",
        "it",
        "its",
        "that",
        "this",
        "thing",
        "things",
        "same",
        "too",
        "as",
        "well",
        "now",
        "instead",
        "please",
        "pls",
        "just",
        "only",
        "again",
        "still",
        "u",
        "you",
        "y",
        "e",
        "et",
        "und",
        "o",
        "ou",
        "dan",
        "con",
        "avec",
        "mit",
        "com",
        "dengan",
        "en",
        "em",
        "di",
    ]  # a list of sixty quoted words reads worse
)


# Words that ask and say nothing of the subject: the carried question leaves them out, so that the new message weighs more.
ASKING_WORDS = FILLER | frozenset(
    [
        "was",
        "were",
        "be",
        "been",
        "do",
        "does",
        "did",
        "can",
        "could",
        "will",
        "would",
        "should",
        "has",
        "have",
        "had",
        "why",
        "where",
        "when",
        "which",
        "who",
        "me",
        "you",
        "your",
        "ur",
        "any",
        "some",
        "there",
        "really",
        "uh",
        "um",
        "like",
        "hi",
        "hey",
        "know",
        "tell",
    ]
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What an earlier exchange was about: the question that stood alone, with what later messages put in, the choices offered, and
    what was shown: heading and title of the first passage."""

    query: str
    choices: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for a message. `carried`: what of it comes from the exchange before, "" where the message stands alone.
    `beside`: other wordings whose vectors are searched with its own. Of a follow-up the message alone, and behind heading and title of what
    was shown; of a long story the sentences that ask."""

    text: str
    carried: str = ""
    beside: tuple[str, ...] = ()


def resolve(message: str, last: Turn | None, leaning: float | None = None) -> Query:
    """What the message means after the exchange `last`. `leaning`: how probable the classifier holds it that it leans on it, 0 to 1."""
    message = message.strip()
    if quoted := QUOTED.match(message):
        return Query(quoted.group("words").strip())
    if last is None:
        return _alone(message)
    picked = picked_of(message, last.choices)
    if picked:
        return Query(picked, picked)
    return _joined_to(last, message) if leans(message, leaning) else _alone(message)


def _alone(message: str) -> Query:
    """A message that stands alone; beside a long story what it asks, which the story would drown."""
    return Query(message, beside=tuple(text.strip() for text in QUESTION.findall(message)) if len(message.split()) > STORY else ())


def may_pick(message: str) -> bool:
    """Whether the message would pick a choice if one had been offered."""
    return any(pattern.match(message.strip()) for pattern in (*PICKS, LAST))


def answer_to_check(message: str) -> bool | None:
    """What the message answers when it was asked whether someone is in danger: yes, no, or nothing."""
    return True if YES.match(message.strip()) else False if NO.match(message.strip()) else None


def picked_of(message: str, choices: Sequence[str]) -> str:
    """The choice that a message picks ("yes", "the second one", "no, the other"); "" where it picks none."""
    for number, pattern in enumerate(PICKS[: len(choices)]):
        if message.strip() and pattern.match(message):
            return choices[number]
    return choices[-1] if choices and LAST.match(message) else ""


def leans(message: str, leaning: float | None = None) -> bool:
    """Whether the message means nothing, or something else, without what came before it."""
    pointing = not stands_alone(message) or bool(MEANT.match(message) and MEANT.sub("", message, count=1).strip())
    if leaning is None:
        return pointing
    return leaning >= LEANS or (leaning >= CLEAR and pointing)


def stands_alone(message: str) -> bool:
    """Whether the words of the message name its own subject: what decides where no classifier is."""
    words = message.split()
    if len(words) >= LONG:
        return True
    if OPENING.match(message):
        return bool(SUBJECT.search(message)) and not POINTING.search(message)
    if SUBJECT.search(message):
        return True
    return len(words) > SHORT and not POINTING.search(message)


def _joined_to(last: Turn, message: str) -> Query:
    """The earlier query with what the message puts in place of its own kind, and behind it what the message adds."""
    asked, base = MEANT.sub("", message, count=1).strip() or message, last.query
    taken = [match.group("words") for match in TAKEN_BACK.finditer(asked)]
    asked = TAKEN_BACK.sub(" ", asked).strip() or message
    base, new = _swapped(base, asked)
    for words in taken:
        base = _without(base, words)
    added = [word for word in re.findall(r"[\w'-]+", asked.casefold()) if word not in FILLER and not any(word in name.split() for name in new)]
    subject = " ".join(word for word in base.split() if word.strip(".,;:!?¿¡").casefold() not in ASKING_WORDS)
    text = f"{subject} {asked}".strip() if added or not new else base
    if taken or MEANT.match(message):
        return Query(text, base)  # what is corrected was shown for the wrong question
    return Query(text, base, (asked, *(f"{words} {asked}" for words in last.shown)) if last.shown else ())


def _swapped(base: str, message: str) -> tuple[str, tuple[str, ...]]:
    """(the earlier query with the message's names in place of those of their kind, the names put in)."""
    put: list[str] = []
    before, after = _names(base), _names(message)
    for kind in dict.fromkeys(name.kind for name in after):
        old = [name.word for name in before if name.kind == kind]
        new = " ".join(dict.fromkeys(name.word for name in after if name.kind == kind))
        if old and not set(old) & set(new.split()):
            base = re.sub(rf"\b{re.escape(old[0])}\b", new, base, count=1, flags=re.IGNORECASE)
            for other in old[1:]:
                base = _without(base, other)
            put += new.split()
    return base, tuple(put)


def _names(text: str) -> list[Name]:
    found = [Name(match.group().casefold(), kind) for pattern, kind in ((SUBSTANCES, "substance"), (DRUGS, "medicine")) for match in pattern.finditer(text)]
    return [*named(text), *found]


def _without(text: str, words: str) -> str:
    return re.sub(r"\s+", " ", re.sub(rf"\b{re.escape(words)}\b", " ", text, flags=re.IGNORECASE)).strip()


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
