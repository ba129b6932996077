"""Which of the seven actions a message calls for: rules as data (guardrails.toml), a classifier's scores beside them.

    message ─normalise→ patterns ┐
            ─mend typos→ patterns ┼ contexts may lower → precedence → Decision
            ─classifier scores──┘

For danger to life the nets are OR-combined and the history counts; what says "past", "novel" or "in general" may lower a
rule, never where the message also says that it is happening now. The code knows no rule: it reads them.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, cast, get_args

from rapidfuzz.distance import OSA

from bot.errors import TextsError
from bot.messages import Example, in_context, normalise
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

NETS = ("classifier", "linear")  # tables of guardrails.toml with the limits of each
# Fixed texts that the classifier tells apart within danger to life: who is in danger, and from what.
KINDS = ("crisis-other", "emergency-child", "emergency-pet", "emergency-self", "emergency-withdrawal")
NAMED = 0.4  # probability from which a rule's own text is shown and not the general one; a wrong one would still refuse or warn
# Rules that the classifier does not weigh: what our own buttons say, methods and counted amounts, and words of languages that it knows from glosses.
TRUSTED = ("said-in-danger", "danger-languages", "wish-to-die-languages", "wish-not-to-wake", "lethality-and-method", "very-large-amount")
FEW, SURER = 4, 0.45  # words, and how sure the classifier alone must be to show the full text for so few: "is he addicted?" is 0.39
# A few words behind others are read with them: alone, one follow-up of five ("since when", "and indiana") looked like a danger. Unless this sure.
WORDS, LETTERS, SURE_ALONE = 8, 50, 0.35
ALL_CLEAR = "all-clear"  # the button that says so
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
class Limits:
    """Probabilities at which a classifier decides; each net has its own (guardrails.toml)."""

    now: float  # danger to life: the full text
    check: float  # danger to life: the check
    doubt: float  # below it a danger pattern alone gives the check only
    dismiss: float  # below it a danger pattern alone gives nothing
    stands: float  # danger to life in an earlier message that no pattern saw: from here on it still stands
    alone: Mapping[str, float]  # of the other actions: without a pattern
    backed: Mapping[str, float]  # with one


@dataclass(frozen=True, slots=True)
class Reading:
    """What a classifier made of a message: probabilities per action and rule, for the message behind its history, for the message alone, for
    the query that will be searched, and for each earlier message. `net` names the classifier."""

    net: str
    context: Mapping[str, float]
    alone: Mapping[str, float]
    query: Mapping[str, float]
    earlier: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Guardrails:
    """All rules, read once."""

    version: str
    rules: tuple[Rule, ...]
    contexts: Mapping[str, Context]
    over: re.Pattern[str]
    lexicon: tuple[str, ...]
    limits: Mapping[str, Limits]

    def decide(self, message: str, history: Sequence[str] = (), query: str | None = None, reading: Reading | None = None) -> Decision:
        """The decision on a message.

        `query` is what will be searched: a follow-up ("and with xanax?") is judged by what it means. `reading` is what the classifier
        made of it, where there is one; without it the patterns decide alone.
        """
        fired, lowered = self._judge(message)
        if reading:
            reading = replace(reading, context=_telling(message, history, reading))
        if query is not None and query != message:
            known = {match.rule for match in (*fired, *lowered)}
            fired += [match for match in self._judge(query)[0] if match.action not in (*DANGER, "smalltalk") and match.rule not in known]
        if any(match.rule == ALL_CLEAR for match in fired):
            return self._combine(fired, lowered)
        over = bool(self.over.search(normalise(message)))
        if not over:
            fired += self._still_standing(message, history, reading, {match.rule for match in (*fired, *lowered)})
        if reading:
            fired, doubted = self._weighed(fired, reading)
            fired += self._scored(reading, lowered, unsure=over or self._unsure(message, history, reading))
            lowered += doubted
        return self._combine(fired, lowered)

    def since_over(self, history: Sequence[str], message: str = "") -> tuple[str, ...]:
        """The earlier messages behind the last one that said that a danger is over; none where the message itself says so."""
        if self.over.search(normalise(message)):
            return ()
        ends = [place for place, earlier in enumerate(history) if self.over.search(normalise(earlier))]
        return tuple(history[ends[-1] + 1 :] if ends else history)

    def _still_standing(self, message: str, history: Sequence[str], reading: Reading | None, known: Collection[str]) -> list[Match]:
        """Danger told in an earlier message, or only in the last two read together; `known`: rules that the message itself has met."""
        found: list[Match] = []
        recent = history[-HISTORY:]
        for earlier, scores in zip(recent, reading.earlier if reading else [None] * len(recent), strict=True):
            limits = self.limits[reading.net] if reading else None
            danger = _danger_of(scores) if scores is not None else 1.0
            if limits is None or danger >= limits.doubt:
                found += [replace(match, net="history") for match in self._judge(earlier)[0] if match.action in DANGER]
            if reading and scores is not None and limits and danger >= limits.stands and not self._told_off(earlier):
                found += [replace(match, net="history", urgency="now") for match in self._danger(reading.net, scores)]
        if history and not found:
            joined = self._judge(f"{history[-1]} . {message}")[0]
            known = {*known, *(match.rule for matches in self._judge(history[-1]) for match in matches)}  # what one of them says alone is judged alone
            found += [replace(match, net="joined") for match in joined if match.action in DANGER and match.rule not in known]
        return found

    def _weighed(self, fired: Sequence[Match], reading: Reading) -> tuple[list[Match], list[Match]]:
        """(matches that hold, matches that the classifier does not believe): a doubted danger becomes a check, a doubted refusal nothing."""
        limits = self.limits[reading.net]
        held: list[Match] = []
        doubted: list[Match] = []
        for match in fired:
            if match.action in DANGER and match.net in ("pattern", "mended") and match.rule not in TRUSTED:
                danger = _danger_of(reading.context)
                believed: Urgency = "none" if danger < limits.dismiss else "possible" if danger < limits.doubt else "now"
                (held if believed == "now" else doubted).append(replace(match, urgency=believed))
            elif reading.query.get(match.action, 1.0) < limits.backed.get(match.action, 0.0):
                doubted.append(match)
            else:
                held.append(match)
        return held, doubted

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

    def _scored(self, reading: Reading, lowered: Sequence[Match], *, unsure: bool) -> list[Match]:
        """What the third net adds: danger (a check, or the full text when sure), and each other action that it is sure of, with its rule.

        `unsure`: the message says that a danger has passed, denies it, or is very short: it is asked about rather than taken for danger.
        """
        matches = self._danger(reading.net, reading.context)
        if unsure or (lowered and _danger_of(reading.context) < self.limits[reading.net].stands):
            matches = [replace(match, urgency="possible") for match in matches]
        for name, sure in self.limits[reading.net].alone.items():
            share = reading.query.get(name, 0.0)
            if share >= sure:
                named = [rule.id for rule in self.rules if rule.action == name and reading.query.get(rule.id, 0.0) >= NAMED]
                rule = max(named, key=lambda key: reading.query[key], default=f"{reading.net}-{name}")
                matches.append(Match(rule, cast("Action", name), "none", reading.net, score=round(share, 3)))
        return matches

    def _unsure(self, message: str, history: Sequence[str], reading: Reading) -> bool:
        """Whether what only the classifier sees is asked about: denied, mild, of few words, or denied just before and not told anew."""
        limits, anew = self.limits[reading.net], _danger_of(reading.alone)
        before = bool(history) and self._told_off(history[-1]) and anew < limits.now
        mild = max(reading.context.get("crisis", 0.0), reading.alone.get("crisis", 0.0)) < limits.check and self.contexts["mild"].holds(normalise(message))
        return self._told_off(message) or before or mild or (len(message.split()) <= FEW and _danger_of(reading.context) < SURER)

    def _told_off(self, message: str) -> bool:
        """Whether a message itself speaks against a danger that only the classifier sees."""
        text = normalise(message)
        return self.contexts["denied"].holds(text) or self.contexts["reassured"].holds(text)

    def _danger(self, net: str, scores: Mapping[str, float]) -> list[Match]:
        danger = _danger_of(scores)
        if danger < self.limits[net].check:
            return []
        action = max(DANGER, key=lambda name: scores.get(name, 0.0))
        other = scores.get("crisis-other", 0.0) > scores.get("crisis-self", 0.0)
        kinds = [kind for kind in KINDS if kind.startswith(action) and scores.get(kind, 0.0) >= NAMED and (other or kind != "crisis-other")]
        kind = max(kinds, key=lambda name: scores[name], default=action)
        urgency: Urgency = "now" if danger >= self.limits[net].now else "possible"
        return [Match(f"{net}-{kind}", action, urgency, net, score=round(danger, 3))]

    def _combine(self, fired: Sequence[Match], lowered: Sequence[Match]) -> Decision:
        urgent = [match for match in fired if match.urgency == "now"]
        possible = [match for match in (*fired, *lowered) if match.urgency == "possible"]
        calm = [match for match in fired if match.action not in DANGER]
        if any(match.action != "smalltalk" for match in calm):
            calm = [match for match in calm if match.net not in self.limits or match.action != "smalltalk"]
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
            told = [match for match in matches if match.action == name]
            found = [by_id[match.rule].reply for match in told if match.rule in by_id]
            kinds = [kind for kind in KINDS if any(match.rule.partition("-")[2] == kind for match in told)]
            texts = [*kinds, *found] if name == "crisis" else [*found, *kinds]
            if not texts and name == action and name in GENERAL_REPLY:
                texts = [GENERAL_REPLY[name]]
            keys.update(dict.fromkeys(list(dict.fromkeys(texts))[: MAX_REPLIES.get(name, 2)]))
        return tuple(keys)

    def _mend(self, text: str) -> str:
        return WORD.sub(lambda match: _mended(match.group(), self.lexicon), text)


def load_guardrails(path: Path = RULES) -> Guardrails:
    """The rules of guardrails.toml, read once. TextsError naming the rule when one cannot be used."""
    try:
        return _guardrails(path)
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise TextsError(f"{path} cannot be read ({error!r}); mend it or put it back") from error


@cache
def _guardrails(path: Path) -> Guardrails:
    raw = tomllib.loads(path.read_text("utf-8"))
    words: dict[str, str] = {}
    for name, pattern in raw["words"].items():
        words[name] = _filled(pattern, words)
    contexts = {
        name: Context(entry["to"], re.compile(_filled(entry["pattern"], words)), re.compile(_filled(entry["unless"], words)))
        for name, entry in raw["context"].items()
    }
    rules = tuple(_rule(entry, words, contexts) for entry in raw["rule"])
    limits = {net: Limits(**raw[net]) for net in NETS}
    over = re.compile(raw["over"]["pattern"])
    return Guardrails(raw["version"], rules, contexts, over, tuple(raw["mending"]["lexicon"]), limits)


def training_examples(path: Path = RULES) -> list[Example]:
    """What the classifiers learn from: the rows of guardrails.jsonl beside the rules, and each rule's own examples. Raises TextsError."""
    beside = path.with_suffix(".jsonl")
    try:
        entries = [json.loads(line) for line in beside.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise TextsError(f"{beside} cannot be read ({error}); each line is a JSON object with message, history and action") from error
    rows = [Example(in_context(entry["message"], entry["history"]), entry["action"], entry.get("rule", ""), entry.get("pair", "")) for entry in entries]
    named = ("decline", "caution")
    return rows + [Example(text, rule.action, rule.id if rule.action in named else "") for rule in load_guardrails(path).rules for text in rule.examples]


@lru_cache(4096)  # bounded: the words are visitors'
def _mended(word: str, lexicon: tuple[str, ...]) -> str:
    if len(word) < 5 or word in lexicon:
        return word
    allowed = 2 if len(word) >= 9 else 1
    best = min(lexicon, key=lambda entry: OSA.distance(word, entry, score_cutoff=allowed))
    same_start = best[:1] == word[:1] and abs(len(best) - len(word)) <= 1
    return best if same_start and OSA.distance(word, best, score_cutoff=allowed) <= allowed else word


def _telling(message: str, history: Sequence[str], reading: Reading) -> Mapping[str, float]:
    """The reading that tells of danger: calm messages before it hide none, and a few words alone tell of none."""
    short = bool(history) and len(message.split()) <= WORDS and len(message) <= LETTERS
    if short and _danger_of(reading.alone) < SURE_ALONE:
        return reading.context
    return max(reading.context, reading.alone, key=_danger_of)


def _danger_of(scores: Mapping[str, float]) -> float:
    return min(sum(scores.get(action, 0.0) for action in DANGER), 1.0)


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
