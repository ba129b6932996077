"""`python -m bot doctor`: what an operator wants to know before people do. Each check is one line; it reads, it changes nothing.

ok: in order · warning: look at it soon · error: something does not work, or a text people rely on is out of date
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement

from bot.classifier import WEIGHTS, Classifier, linear_of
from bot.corpus import read_claims, read_corpus
from bot.encoder import EMBEDDED, PUBLISHED, check_embedded_weights, embedded_folder
from bot.errors import BotError, Problem
from bot.index import PassageIndex, open_index, store_of
from bot.pipeline import open_far
from bot.records import Document
from bot.replies import load_texts
from bot.settings import Settings

Level = Literal["ok", "warning", "error"]
SOON = 30  # days before a review date is over in which it is told: time to plan a review
DISK = 1_000_000_000  # bytes: a build of 33 MB and an export of about 90 MB lie beside what they replace; the rest is a margin
NAME = "kratom-faq"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, how it is, and what to do where something is to be done."""

    check: str
    level: Level
    told: str


def examine(settings: Settings, today: date) -> list[Finding]:
    """Every check, in the order in which a fault in one explains faults in the next. Raises nothing that a check raises."""
    checks: dict[str, Callable[[Settings, date], Iterator[tuple[Level, str]]]] = {
        "versions": _versions,
        "disk": _disk,
        "model": _model,
        "classifier": _classifier,
        "corpus": _corpus,
        "index": _index,
        "help lines": _help_lines,
        "privacy": _privacy,
    }
    findings = []
    for name, check in checks.items():
        try:
            findings += [Finding(name, level, told) for level, told in check(settings, today)]
        except (BotError, OSError) as error:
            findings.append(Finding(name, "error", str(error)))
    return findings


def report(findings: list[Finding], *, as_json: bool) -> str:
    """The findings for people, or as JSON."""
    if as_json:
        return json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=1)
    signs = {"ok": "ok     ", "warning": "WARNING", "error": "ERROR  "}
    return "\n".join(f"{signs[finding.level]} {finding.check}: {finding.told}" for finding in findings)


def _versions(_settings: Settings, _today: date) -> Iterator[tuple[Level, str]]:
    """Python and the libraries. A checkout declares them in requirements.txt, an installed wheel in its metadata."""
    from bot import __version__

    yield "ok", f"{NAME} {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    wrong = []
    for requirement in _declared():
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement} is not installed")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement} is wanted, {found} is installed")
    if wrong:
        yield "warning", f"{'; '.join(wrong[:8])}{' …' if len(wrong) > 8 else ''}; run: pip install -r requirements.txt"
    else:
        yield "ok", "libraries are those of the lock"


def _declared() -> list[Requirement]:
    lock = Path(__file__).resolve().parent.parent / "requirements.txt"
    try:
        lines = lock.read_text("utf-8").splitlines() if lock.is_file() else requires(NAME) or []
        return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    except (PackageNotFoundError, InvalidRequirement):
        return []


def _disk(settings: Settings, _today: date) -> Iterator[tuple[Level, str]]:
    folder = settings.index
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    short = "" if free > DISK else "; a build needs room beside the old index"
    yield ("warning" if short else "ok"), f"{free / 1e9:.1f} GB free where the index lies{short}"
    if not os.access(folder, os.W_OK):
        yield "warning", f"{folder} cannot be written: the index in it serves, but none can be built; set KRATOM_FAQ_INDEX"


def _model(settings: Settings, _today: date) -> Iterator[tuple[Level, str]]:
    if settings.model in (EMBEDDED, PUBLISHED):
        check_embedded_weights(embedded_folder())
        yield "ok", "the embedded model's weights are the published ones"
    else:
        yield "ok", f"{settings.model}, the operator's own choice"


def _classifier(settings: Settings, _today: date) -> Iterator[tuple[Level, str]]:
    if settings.classifier == "none":
        yield "ok", "no classifier is set: patterns decide alone"
        return
    if settings.classifier == "tuned":
        Classifier(settings.weights / WEIGHTS.name)
    linear_of(settings.weights)
    yield "ok", f"the guardrails' weights in {settings.weights} are whole ({settings.classifier})"


def _corpus(settings: Settings, today: date) -> Iterator[tuple[Level, str]]:
    documents, refused = _documents(settings)
    if not settings.texts:
        read_claims(settings.corpus, documents)
    yield "ok", f"{len(documents)} documents, the oldest reviewed on {min(document.reviewed for document in documents)}"
    for problem in refused:
        yield "warning", f"left out {problem}"
    over = [document.id for document in documents if date.fromisoformat(document.review_by) < today]
    soon = [document.id for document in documents if 0 <= (date.fromisoformat(document.review_by) - today).days <= SOON]
    for level, names, told in (("error", over, "past their review date"), ("warning", soon, f"to be reviewed within {SOON} days")):
        if names:
            yield level, f"{len(names)} documents {told}: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}"  # type: ignore[misc]  # the levels above


def _documents(settings: Settings) -> tuple[tuple[Document, ...], list[Problem]]:
    refused: list[Problem] = []
    if settings.texts:
        return tuple(open_far(settings)[0].documents.values()), refused
    return read_corpus(settings.corpus, refused), refused


def _index(settings: Settings, _today: date) -> Iterator[tuple[Level, str]]:
    index = open_far(settings)[0] if settings.texts else open_index(settings.index, _documents(settings)[0], settings.model, store_of(settings))
    yield "ok", f"{len(index.passages)} passages, build {index.id[:12]} of {index.manifest['created']}"
    if settings.texts:
        yield "ok", f"texts come from {settings.texts}: the first passage there is the one that was indexed"
    yield from _signs(index)


def _signs(index: PassageIndex) -> Iterator[tuple[Level, str]]:
    claim = index.certificate
    if claim is None:
        yield "warning", "this build has no abstention certificate; run: python -m bot evaluate"
    elif claim["upper_bound"] is None or claim["upper_bound"] > claim["target"]:
        yield "warning", f"up to {claim['upper_bound']} of answers may be wrong, the target is {claim['target']}; read docs/evaluation.md"
    if datetime.fromisoformat(index.manifest["created"]) > datetime.now(UTC):
        yield "warning", "the index was built in the future: this machine's clock has gone back; dates on the page may be wrong"


def _help_lines(_settings: Settings, today: date) -> Iterator[tuple[Level, str]]:
    texts = load_texts()
    left = (texts.review_by - today).days
    told = f"checked on {texts.reviewed}, to be checked again by {texts.review_by}"
    if left < 0:
        yield "error", f"{told}: that is over. Call or look up each number in bot/replies.toml, then change `reviewed` and `review_by` there"
    else:
        yield ("warning" if left <= SOON else "ok"), told


def _privacy(settings: Settings, _today: date) -> Iterator[tuple[Level, str]]:
    if settings.log_messages:
        yield "warning", "KRATOM_FAQ_LOG_MESSAGES is on: errors in the log may repeat what people typed"
    days = f"lines go after {settings.feedback_days} days" if settings.feedback_days else "lines are kept for ever: set KRATOM_FAQ_FEEDBACK_DAYS"
    if settings.gaps:
        yield "warning", f"{settings.gaps} holds unanswered questions, personal data taken out by rules; {days}"
    if settings.feedback:
        kept = "with people's questions" if settings.feedback_message else "without anybody's question"
        yield ("warning" if settings.feedback_message or not settings.feedback_days else "ok"), f"{settings.feedback} is kept {kept}; {days}"
    if not (settings.gaps or settings.feedback):
        yield "ok", "nothing is stored: no feedback or gaps file is set"
