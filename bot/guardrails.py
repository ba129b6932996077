"""Which of the seven actions a message calls for: rules as data (guardrails.toml), a classifier's scores beside them.

    message ─normalise→ patterns ┐
            ─mend typos→ patterns ┼ contexts may lower → precedence → Decision
            ─classifier scores──┘

For danger to life the nets are OR-combined and the history counts; what says "past", "novel" or "in general" may lower a
rule, never where the message also says that it is happening now. The code knows no rule: it reads them.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

from rapidfuzz.distance import OSA

from bot.errors import TextsError
from bot.records import Action, Decision, Match, Urgency

RULES = Path(__file__).with_name("guardrails.toml")
EXAMPLES = Path(__file__).with_name("guardrails.jsonl")
PRECEDENCE: tuple[Action, ...] = ("crisis", "emergency", "decline", "caution", "answer", "abstain", "smalltalk")
DANGER: tuple[Action, ...] = ("crisis", "emergency")
GENERAL_REPLY = {
    "crisis": "crisis",
    "emergency": "emergency",
    "decline": "decline-general",
    "caution": "caution-general",
    "abstain": "abstain",
    "smalltalk": "hello",
}
HISTORY = 6  # earlier messages looked at for danger: three exchanges back, what a person still has in mind
MAX_REPLIES = {"decline": 1, "smalltalk": 1}  # fixed texts of one class, else 2; more would bury what matters

ZERO_WIDTH = re.compile(r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
MARKS = re.compile(r"[\u0300-\u036f]")
LOOKALIKE = str.maketrans("аеорсухіјѕԁɡαοεικνρτυηđłø", "aeopcyxijsdgaoeiknptundlo")
LEET = str.maketrans("013457@$", "oieastas")
LEET_WORD = re.compile(r"\b[a-z]+[013457@$]+[a-z]+\b")
REPEATED = re.compile(r"([a-z])\1{2,}")
WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of guardrails.toml; `examples` must fire it, `near_misses` must not."""

    id: str
    why: str
    action: Action
    reply: str
    patterns: tuple[re.Pattern[str], ...]
    contexts: tuple[str, ...]
    whole: bool
    examples: tuple[str, ...]
    near_misses: tuple[str, ...]

    def find(self, text: str) -> str | None:
        """The text that the rule matches in a normalised message, or None."""
        for pattern in self.patterns:
            match = pattern.fullmatch(text.strip(" .!?,;:")) if self.whole else pattern.search(text)
            if match:
                return match.group()
        return None


@dataclass(frozen=True, slots=True)
class Context:
    """What may lower a danger rule, and what keeps it from doing so."""

    to: Urgency
    pattern: re.Pattern[str]
    unless: re.Pattern[str]

    def holds(self, text: str) -> bool:
        """Whether the context stands in a normalised message."""
        return bool(self.pattern.search(text)) and not self.unless.search(text)


@dataclass(frozen=True, slots=True)
class Guardrails:
    """All rules, read once."""

    version: str
    rules: tuple[Rule, ...]
    contexts: Mapping[str, Context]
    lexicon: tuple[str, ...]
    now: float
    check: float
    sure: Mapping[str, float]

    def decide(self, message: str, history: Sequence[str] = (), query: str | None = None, scores: Mapping[str, float] | None = None) -> Decision:
        """The decision on a message.

        `query` is what will be searched: a follow-up ("and with xanax?") is judged by what it means. `scores` is the classifier's
        probability per action, where there is a classifier.
        """
        fired, lowered = self._judge(message)
        if query is not None and query != message:
            known = {match.rule for match in (*fired, *lowered)}
            fired += [match for match in self._judge(query)[0] if match.action not in (*DANGER, "smalltalk") and match.rule not in known]
        for earlier in history[-HISTORY:]:
            fired += [replace(match, net="history") for match in self._judge(earlier)[0] if match.action in DANGER]
        if history and not any(match.action in DANGER for match in fired):
            joined = self._judge(f"{history[-1]} . {message}")[0]
            fired += [replace(match, net="joined") for match in joined if match.action in DANGER]
        fired += self._scored(scores or {}, lowered)
        return self._combine(fired, lowered)

    def _judge(self, message: str) -> tuple[list[Match], list[Match]]:
        """Matches of the first two nets: (fired, lowered by a context)."""
        text = normalise(message)
        mended = self._mend(text)
        fired: list[Match] = []
        lowered: list[Match] = []
        for rule in self.rules:
            found, net = rule.find(text), "pattern"
            if found is None and mended != text:
                found, net = rule.find(mended), "mended"
            if found is not None:
                urgency: Urgency = "now" if rule.action in DANGER else "none"
                match = Match(rule.id, rule.action, urgency, net, found[:80])
                to = self._lowered_to(rule, text)
                (fired if to is None else lowered).append(match if to is None else replace(match, urgency=to))
        return fired, lowered

    def _lowered_to(self, rule: Rule, text: str) -> Urgency | None:
        levels = [self.contexts[name].to for name in rule.contexts if self.contexts[name].holds(text)]
        return None if not levels else "possible" if "possible" in levels else "none"

    def _scored(self, scores: Mapping[str, float], lowered: Sequence[Match]) -> list[Match]:
        """What the third net adds: danger by its summed score (a check, or the full text when sure), another class when it is sure."""
        danger = sum(scores.get(action, 0.0) for action in DANGER)
        matches = []
        if danger >= self.check:
            action = max(DANGER, key=lambda name: scores.get(name, 0.0))
            urgency: Urgency = "now" if danger >= self.now and not lowered else "possible"
            matches.append(Match(f"classifier-{action}", action, urgency, "classifier", score=round(danger, 3)))
        for name, sure in self.sure.items():
            if scores.get(name, 0.0) >= sure:
                matches.append(Match(f"classifier-{name}", cast("Action", name), "none", "classifier", score=round(scores[name], 3)))
        return matches

    def _combine(self, fired: Sequence[Match], lowered: Sequence[Match]) -> Decision:
        urgent = [match for match in fired if match.urgency == "now"]
        possible = [match for match in (*fired, *lowered) if match.urgency == "possible"]
        calm = [match for match in fired if match.action not in DANGER]
        if any(match.action != "smalltalk" for match in calm):
            calm = [match for match in calm if match.net != "classifier" or match.action != "smalltalk"]
        pool = urgent or calm
        action: Action = min((match.action for match in pool), key=PRECEDENCE.index, default="answer")
        urgency: Urgency = "now" if urgent else "possible" if possible else "none"
        if action == "smalltalk" and urgency == "possible":
            action = "answer"
        replies = self._replies(action, pool)
        return Decision(action, urgency, replies, tuple(fired), tuple(lowered), self.version)

    def _replies(self, action: Action, matches: Sequence[Match]) -> tuple[str, ...]:
        """Keys of fixed texts. A crisis in which something was taken shows the emergency steps first, then the crisis lines."""
        by_id = {rule.id: rule for rule in self.rules}
        order = ("emergency", "crisis") if action == "crisis" else (action,)
        keys: dict[str, None] = {}
        for name in order:
            found = [by_id[match.rule].reply for match in matches if match.action == name and match.rule in by_id]
            keys.update(dict.fromkeys(found[: MAX_REPLIES.get(name, 2)]))
        if not keys and action in GENERAL_REPLY:
            keys = {GENERAL_REPLY[action]: None}
        return tuple(keys)

    def _mend(self, text: str) -> str:
        return WORD.sub(lambda match: _mended(match.group(), self.lexicon), text)


@cache
def load_guardrails() -> Guardrails:
    """The rules of guardrails.toml, read once. TextsError naming the rule when one cannot be used."""
    raw = tomllib.loads(RULES.read_text("utf-8"))
    words: dict[str, str] = {}
    for name, pattern in raw["words"].items():
        words[name] = _filled(pattern, words)
    contexts = {name: Context(entry["to"], re.compile(entry["pattern"]), re.compile(entry["unless"])) for name, entry in raw["context"].items()}
    rules = tuple(_rule(entry, words, contexts) for entry in raw["rule"])
    limits = raw["classifier"]
    lexicon = tuple(raw["mending"]["lexicon"])
    return Guardrails(raw["version"], rules, contexts, lexicon, limits.pop("now"), limits.pop("check"), limits)


def rules_fingerprint() -> str:
    """sha256 over the rules and the examples: a classifier trained from others is stale."""
    return hashlib.sha256(RULES.read_bytes() + EXAMPLES.read_bytes()).hexdigest()


def in_context(message: str, history: Sequence[str]) -> str:
    """What the classifier reads: the message behind the two before it, since danger is often told in pieces."""
    return " ".join([*history[-2:], message])


def training_rows() -> list[tuple[str, Action]]:
    """The classifier's examples, text and action: guardrails.jsonl, and each rule's own examples."""
    entries = [json.loads(line) for line in EXAMPLES.read_text("utf-8").splitlines() if line.strip()]
    rows = [(in_context(entry["message"], entry["history"]), entry["action"]) for entry in entries]
    return rows + [(example, rule.action) for rule in load_guardrails().rules for example in rule.examples]


def normalise(message: str) -> str:
    """Lower case without accents, apostrophes, zero-width and look-alike characters, leet and stretched letters."""
    text = ZERO_WIDTH.sub("", unicodedata.normalize("NFKD", message)).casefold()
    text = MARKS.sub("", text).translate(LOOKALIKE)
    text = re.sub(r"['’‘`´]", "", text)
    text = LEET_WORD.sub(lambda match: match.group().translate(LEET), text)
    text = REPEATED.sub(r"\1", text)
    return re.sub(r"\s+", " ", text).strip()


@cache
def _mended(word: str, lexicon: tuple[str, ...]) -> str:
    if len(word) < 5 or word in lexicon:
        return word
    allowed = 2 if len(word) >= 9 else 1
    best = min(lexicon, key=lambda entry: OSA.distance(word, entry, score_cutoff=allowed))
    same_start = best[:1] == word[:1] and abs(len(best) - len(word)) <= 1
    return best if same_start and OSA.distance(word, best, score_cutoff=allowed) <= allowed else word


def _filled(pattern: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        pattern = pattern.replace("{" + name + "}", value)
    return pattern


def _rule(entry: dict[str, Any], words: Mapping[str, str], contexts: Mapping[str, Context]) -> Rule:
    name = entry.get("id", "a rule without id")
    try:
        if entry["action"] not in get_args(Action):
            raise ValueError(f"action {entry['action']!r} is not one of {', '.join(PRECEDENCE)}")
        if not entry["examples"] or not entry["near_misses"]:
            raise ValueError("a rule needs examples and near_misses")
        if unknown := set(entry.get("contexts", ())) - set(contexts):
            raise ValueError(f"unknown contexts {', '.join(sorted(unknown))}")
        return Rule(
            id=entry["id"],
            why=entry["why"],
            action=entry["action"],
            reply=entry["reply"],
            patterns=tuple(re.compile(_filled(pattern, words)) for pattern in entry["patterns"]),
            contexts=tuple(entry.get("contexts", ())),
            whole=bool(entry.get("whole", False)),
            examples=tuple(entry["examples"]),
            near_misses=tuple(entry["near_misses"]),
        )
    except (KeyError, ValueError, re.error) as error:
        raise TextsError(f"{RULES.name}: rule '{name}': {error}; mend the rule") from error
