"""build, audit and gaps: keeping the corpus in order."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from bot.commands.shared import DONE, WRONG, progress_bar, say, say_json, today, with_json
from bot.errors import BotError, InputError


def add(commands: Any) -> None:
    """The parsers of this group."""
    build = commands.add_parser("build", help="bring index/ up to date with corpus/")
    build.add_argument("--force", action="store_true", help="build even when it is up to date")
    build.add_argument(
        "--workers", choices=["threads", "processes", "ray"], default="threads", help="who encodes: this process, several, or a Ray cluster (docs/scale.md)"
    )
    with_json(build)
    build.set_defaults(run=_build)

    audit = commands.add_parser("audit", help="read the corpus as an editor would; exit code 1 when something must be mended")
    audit.add_argument("--facts", type=Path, metavar="DIR", help="the folder of the dossiers, to check coverage and borrowed words")
    with_json(audit)
    audit.set_defaults(run=_audit)

    gaps = commands.add_parser("gaps", help="questions without an answer, alike ones together: kept where KRATOM_FAQ_GAPS names a file")
    gaps.add_argument("--file", type=Path, metavar="FILE", help="the file they were kept in (KRATOM_FAQ_GAPS)")
    gaps.add_argument("--limit", type=int, default=20, help="how many groups at most, the most asked first (20)")
    gaps.add_argument("--golden", metavar="ID", help="write this group's question into the golden set instead of listing")
    gaps.add_argument("--document", action="append", default=[], metavar="ID", help="with --golden: a document that answers it; repeatable, none: nothing does")
    gaps.add_argument("--into", type=Path, metavar="FILE", help="with --golden: the golden set (tests/golden/questions_tune.jsonl)")
    with_json(gaps)
    gaps.set_defaults(run=_gaps)


def _build(options: argparse.Namespace) -> int:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before faiss is imported: its threads spin while they wait, which busy cores pay for tenfold
    from bot.index import current_build
    from bot.pipeline import build
    from bot.settings import Settings

    settings = Settings().with_environment()
    built = build(settings, progress=progress_bar(), force=options.force, workers=options.workers)
    claim = _certify() if built else None
    if options.json:
        manifest = json.loads((current_build(settings.index) / "manifest.json").read_text("utf-8"))
        say_json({"built": built, "index": manifest["id"], "counts": manifest["counts"], "certificate": claim})
    else:
        say("index/ is built" if built else "index/ is up to date")
    return DONE


def _certify() -> dict[str, Any] | None:
    """Measure the build's wrong answers, and say loudly when more are possible than should be. Another FAQ than ours has no golden set to measure with."""
    from bot.evaluation import GOLDEN, certificate, evaluate, read_questions
    from bot.pipeline import open_bot
    from bot.settings import Settings

    if not GOLDEN.is_dir() or Settings().with_environment().corpus != Settings().corpus:
        return None
    bot = open_bot(of_the_corpus())
    claim = certificate(bot, evaluate(bot, read_questions("test")), today())
    bot.index.keep_certificate(claim)
    if claim["upper_bound"] is None or claim["upper_bound"] > claim["target"]:
        text = "WARNING: {wrong} of {answers} answers to the golden questions were wrong, so up to {upper_bound} may be; the target is {target}.\n"
        sys.stderr.write(text.format(**claim) + "Read docs/evaluation.md before you put this index in service.\n")
    return claim


def without_gaps() -> Any:
    """The settings, keeping no unanswered question: those of the golden set are nobody's."""
    from dataclasses import replace

    from bot.settings import Settings

    return replace(Settings().with_environment(), gaps="")


def of_the_corpus() -> Any:
    """The same, with the corpus itself, wherever a server reads its texts from: who builds or edits has it."""
    from dataclasses import replace

    return replace(without_gaps(), texts="")


def _audit(options: argparse.Namespace) -> int:
    from bot.audit import audit, figures
    from bot.pipeline import open_bot

    bot = open_bot(of_the_corpus(), progress=progress_bar())
    try:
        findings, counts = audit(bot, today(), options.facts), figures(bot)
    except ImportError as error:
        raise BotError(f"the reading grade needs {error.name}; run: pip install 'kratom-faq[audit]'") from error
    errors = sum(finding.error for finding in findings)
    if options.json:
        rows = [{"error": finding.error, "place": finding.place, "message": finding.message} for finding in findings]
        say_json({"figures": counts, "findings": rows})
    else:
        say("\n".join([*map(str, findings), "", *(f"{name}: {count}" for name, count in counts.items()), f"errors: {errors}"]))
    return WRONG if errors else DONE


def _gaps(options: argparse.Namespace) -> int:
    from bot.gaps import Gaps, grouped
    from bot.pipeline import open_bot
    from bot.settings import Settings

    path = options.file or Settings().with_environment().gaps
    if not path:
        raise InputError("no unanswered question is kept; to keep them, without personal data, set KRATOM_FAQ_GAPS=gaps.jsonl where the bot is served")
    bot = open_bot(without_gaps(), progress=progress_bar())
    found = grouped(Gaps(Path(path)).read(), bot.index.encoder.encode)
    if options.golden:
        return _to_golden(bot, next((gap for gap in found if gap.id == options.golden), None), options)
    rows = []
    for gap in found[: options.limit]:
        hits = bot.search(gap.question, limit=3)
        nearest = [{"document": hit.passage.document_id, "heading": hit.passage.heading, "score": round(hit.score, 3)} for hit in hits]
        rows.append(
            {"id": gap.id, "count": gap.count, "first": gap.first, "last": gap.last, "question": gap.question, "alike": gap.questions[1:], "nearest": nearest}
        )
    if options.json:
        say_json(rows)
    elif not rows:
        say(f"{path} holds no question yet")
    for row in [] if options.json else rows:
        say(_gap_text(row))
    return DONE


def _gap_text(row: dict[str, Any]) -> str:
    """A group for an editor: how often, when, what else was asked, what comes nearest, and the command that makes it a golden question."""
    days = row["first"] if row["first"] == row["last"] else f"{row['first']} to {row['last']}"
    lines = [f"{row['count']} × {row['question']}   ({days})", *(f"    also: {question}" for question in row["alike"][:4])]
    lines += [f"    near: {near['score']:.2f} {near['document']}: {near['heading']}" for near in row["nearest"]]
    return "\n".join([*lines, f"    keep: python -m bot gaps --golden {row['id']}", ""])


def _to_golden(bot: Any, gap: Any, options: argparse.Namespace) -> int:
    """Add the question of a group to the golden set, once."""
    from bot.evaluation import GOLDEN

    if gap is None:
        raise InputError(f"no group has the id {options.golden!r}; list them with: python -m bot gaps")
    if unknown := [name for name in options.document if name not in bot.documents]:
        raise InputError(f"there is no document {', '.join(unknown)}; the nearest ones are listed by: python -m bot gaps")
    path = options.into or GOLDEN / "questions_tune.jsonl"
    if not path.parent.is_dir():
        raise InputError(f"{path.parent} is no folder; name the file of your golden set with --into FILE")
    before = path.read_text("utf-8") if path.is_file() else ""
    added = not any(json.loads(line)["question"].casefold() == gap.question.casefold() for line in before.splitlines() if line.strip())
    row = {"question": gap.question, "style": "plain", "documents": options.document, "note": f"gap, asked {gap.count} times"}
    if added:
        path.write_text(f"{before.rstrip()}\n{json.dumps(row, ensure_ascii=False)}\n".lstrip(), "utf-8")
    if options.json:
        say_json({"added": added, "file": str(path), "row": row})
    else:
        say(f"{'added to' if added else 'stands already in'} {path}: {gap.question}")
    return DONE
