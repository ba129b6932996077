"""The command line: python -m bot ask | search | build | audit | evaluate | train-encoder | train-guardrails | serve | openapi | mcp | verify | sign

Exit codes: 0 done · 1 the bot says what is wrong · 2 the command was not understood · 3 a reply that calls for emergency help.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from bot.errors import BotError
from bot.index import Progress

EMERGENCY_EXIT = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        return int(options.run(options))
    except BotError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def progress_bar() -> Progress:
    """A progress bar on standard error, one a step."""
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in bars:
            bars[what] = tqdm(desc=what, total=total, file=sys.stderr)
        bar = bars[what]
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return show


def _ask(options: argparse.Namespace) -> int:
    from bot.pipeline import open_bot
    from bot.render import as_text

    bot = open_bot(progress=progress_bar())
    reply = bot.reply(options.message, options.history, region=options.region)
    _say(json.dumps(reply.to_dict(), ensure_ascii=False, indent=1) if options.json else as_text(reply, bot.texts))
    return EMERGENCY_EXIT if reply.urgency == "now" and not options.json else 0


def _search(options: argparse.Namespace) -> int:
    from bot.pipeline import open_bot
    from bot.render import quote_text

    bot = open_bot(progress=progress_bar())
    hits = bot.search(options.query, limit=options.limit, tiers=options.tier, topics=options.topic, jurisdictions=options.jurisdiction, since=options.since)
    if options.json:
        _say(json.dumps([hit.to_dict() for hit in hits], ensure_ascii=False, indent=1))
    else:
        _say("\n\n".join(f"{hit.score:.2f}  {hit.passage.heading}\n{quote_text(hit, bot.texts)}" for hit in hits))
    return 0


def _build(options: argparse.Namespace) -> int:
    from bot.pipeline import build

    built = build(progress=progress_bar(), force=options.force)
    _say("index/ is built" if built else "index/ is up to date")
    if built:
        _certify()
    return 0


def _certify() -> None:
    """Measure the build's wrong answers, and say loudly when more are possible than should be. A wheel has no golden set to measure with."""
    from bot.evaluation import GOLDEN, certificate, evaluate, read_questions
    from bot.pipeline import open_bot

    if not GOLDEN.is_dir():
        return
    bot = open_bot()
    claim = certificate(bot, evaluate(bot, read_questions("test")), _today())
    bot.index.keep_certificate(claim)
    if claim["upper_bound"] is None or claim["upper_bound"] > claim["target"]:
        text = "WARNING: {wrong} of {answers} answers to the golden questions were wrong, so up to {upper_bound} may be; the target is {target}.\n"
        sys.stderr.write(text.format(**claim) + "Read docs/evaluation.md before you put this index in service.\n")


def _audit(options: argparse.Namespace) -> int:
    from bot.audit import audit, figures
    from bot.pipeline import open_bot

    bot = open_bot(progress=progress_bar())
    try:
        findings, counts = audit(bot, _today(), options.facts), figures(bot)
    except ImportError as error:
        raise BotError(f"the reading grade needs {error.name}; run: pip install 'kratom-faq[audit]'") from error
    errors = sum(finding.error for finding in findings)
    if options.json:
        rows = [{"error": finding.error, "place": finding.place, "message": finding.message} for finding in findings]
        _say(json.dumps({"figures": counts, "findings": rows}, ensure_ascii=False, indent=1))
    else:
        _say("\n".join([*map(str, findings), "", *(f"{name}: {count}" for name, count in counts.items()), f"errors: {errors}"]))
    return 1 if errors else 0


def _evaluate(options: argparse.Namespace) -> int:
    from bot.evaluation import (
        certificate,
        changes,
        conversations_markdown,
        evaluate,
        figures,
        first_passages,
        read_questions,
        report_markdown,
        safety_markdown,
        write_plots,
    )
    from bot.pipeline import open_bot

    bot = open_bot(progress=progress_bar())
    if options.part != "retrieval":
        report = safety_markdown(bot, options.half) if options.part == "guardrails" else conversations_markdown(bot, options.half)
        if options.report:
            options.report.write_text(report, "utf-8")
        _say(report)
        return 0
    halves = {half: evaluate(bot, read_questions(half)) for half in ("tune", "test")}
    claim = certificate(bot, halves["test"], _today())
    bot.index.keep_certificate(claim)
    asked = [one for outcomes in halves.values() for one in outcomes]
    if options.against:
        _say(changes(_read_json(options.against), asked, bot.index.id))
    if options.answers:
        options.answers.write_text(json.dumps(first_passages(asked, bot.index.id), ensure_ascii=False, indent=0), "utf-8")
    if options.json:
        _say(json.dumps({**{half: figures(outcomes) for half, outcomes in halves.items()}, "certificate": claim}, indent=1))
        return 0
    report = report_markdown(halves, claim)
    if options.report:
        write_plots(halves["test"], bot.settings.answer_threshold, options.report.parent)
        options.report.write_text(report, "utf-8")
    _say(report)
    return 0


def _today() -> date:
    return datetime.now(UTC).date()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BotError(f"{path} cannot be read ({error}); give a file that `evaluate --answers` wrote") from error


def _train_encoder(options: argparse.Namespace) -> int:
    from bot.corpus import read_corpus
    from bot.settings import Settings
    from bot.training.encoder import train_encoder

    del options
    train_encoder(read_corpus(Settings().with_environment().corpus, []), _say)
    return 0


def _train_guardrails(options: argparse.Namespace) -> int:
    from bot.guardrails import training_examples
    from bot.training.guardrails import train_guardrails

    del options
    train_guardrails(training_examples(), _say)
    return 0


def _serve(options: argparse.Namespace) -> int:
    import runpy

    if options.port is not None:
        os.environ["KRATOM_FAQ_PORT"] = os.environ["GRADIO_SERVER_PORT"] = str(options.port)  # the option goes before what either was set to
    if options.no_page:
        return _serve_json()
    app = Path(__file__).resolve().parent.parent / "app.py"
    if not app.is_file():
        raise BotError(f"{app} is not here: the page comes with a checkout; run: python -m bot serve --no-page  (the JSON service), or clone the repository")
    runpy.run_path(str(app), run_name="__main__")
    return 0


def _serve_json() -> int:
    """The JSON service alone. It listens at once and answers 503 until the index is in service; a bot that cannot be opened ends it."""
    from concurrent.futures import Future, ThreadPoolExecutor

    import uvicorn

    from bot.chat import Bot
    from bot.pipeline import open_bot
    from bot.service import create_service
    from bot.settings import Settings

    settings = Settings().with_environment()
    with _bound(settings.host, settings.port) as port, ThreadPoolExecutor(1, "opening") as opener:
        opening: Future[Bot] = opener.submit(open_bot, settings, progress_bar())
        server = uvicorn.Server(uvicorn.Config(create_service(opening), settings.host, settings.port, log_level="warning", access_log=False))
        opening.add_done_callback(lambda done: setattr(server, "should_exit", server.should_exit or done.exception() is not None))
        server.run([port])
    opening.result()
    return 0 if server.started else 1


def _bound(host: str, port: int) -> socket.socket:
    """The port, taken before a build begins, which nothing could stop then."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048)
    except (OSError, OverflowError) as error:
        raise BotError(f"port {port} of {host} cannot be used ({error}); try: python -m bot serve --no-page --port 7861") from error


def _openapi(options: argparse.Namespace) -> int:
    from concurrent.futures import Future

    from bot.service import create_service

    del options
    _say(json.dumps(create_service(Future()).openapi(), ensure_ascii=False, indent=1))
    return 0


def _mcp(options: argparse.Namespace) -> int:
    from bot.pipeline import open_bot

    del options
    try:
        from bot.mcp_server import create_mcp
    except ImportError as error:
        raise BotError(f"MCP needs {error.name}; run: pip install 'kratom-faq[mcp]'") from error
    create_mcp(open_bot(progress=progress_bar())).run("stdio")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from bot.settings import Settings
    from bot.verify import main as verify

    def signed(reply: dict[str, Any]) -> None:
        if options.public_key:
            receipt = reply["receipt"] if isinstance(reply["receipt"], dict) else reply
            _signing().check_signed(_build_in_service(), options.public_key, receipt)

    return verify([options.reply, "--corpus", str(options.corpus or Settings().with_environment().corpus)], signed)


def _sign(options: argparse.Namespace) -> int:
    _say(f"signed: {_signing().sign(_build_in_service(), options.private_key)}")
    return 0


def _signing() -> Any:
    try:
        from bot import signing
    except ImportError as error:
        raise BotError(f"signatures need {error.name}; run: pip install 'kratom-faq[sign]'") from error
    return signing


def _build_in_service() -> Path:
    from bot.index import current_build
    from bot.settings import Settings

    return current_build(Settings().with_environment().index)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description="A kratom and pain-care FAQ that only quotes.")
    commands = parser.add_subparsers(required=True, metavar="command")

    ask = commands.add_parser("ask", help="answer one message")
    ask.add_argument("message")
    ask.add_argument("--history", action="append", default=[], metavar="MESSAGE", help="an earlier message, oldest first; repeatable")
    ask.add_argument("--region", help="US UK CA AU EU OTHER: whose help lines are shown")
    ask.add_argument("--json", action="store_true", help="the whole reply with its receipt")
    ask.set_defaults(run=_ask)

    search = commands.add_parser("search", help="passages for a query, without guardrails: for programs")
    search.add_argument("query")
    search.add_argument("--limit", type=int, default=5)
    search.add_argument("--tier", action="append", help="only this evidence tier; repeatable")
    search.add_argument("--topic", action="append", help="only this topic; repeatable")
    search.add_argument("--jurisdiction", action="append", help="only law of this place, such as US-IN or UK; repeatable")
    search.add_argument("--since", metavar="DATE", help="only what is as of this date or later, such as 2024 or 2024-05")
    search.add_argument("--json", action="store_true")
    search.set_defaults(run=_search)

    build = commands.add_parser("build", help="bring index/ up to date with corpus/")
    build.add_argument("--force", action="store_true", help="build even when it is up to date")
    build.set_defaults(run=_build)

    audit = commands.add_parser("audit", help="read the corpus as an editor would; exit code 1 when something must be mended")
    audit.add_argument("--facts", type=Path, metavar="DIR", help="the folder of the dossiers, to check coverage and borrowed words")
    audit.add_argument("--json", action="store_true")
    audit.set_defaults(run=_audit)

    evaluate = commands.add_parser("evaluate", help="ask the golden questions; keeps the abstention certificate in index/")
    evaluate.add_argument("part", nargs="?", choices=("retrieval", "guardrails", "conversations"), default="retrieval", help="what is measured (retrieval)")
    evaluate.add_argument("--half", choices=("tune", "test"), default="test", help="of the messages or conversations: which half (test)")
    evaluate.add_argument("--report", type=Path, metavar="FILE", help="also write the report here (docs/evaluation.md)")
    evaluate.add_argument("--answers", type=Path, metavar="FILE", help="keep the first passage of each question, for a later --against")
    evaluate.add_argument("--against", type=Path, metavar="FILE", help="list the questions whose first passage changed since --answers wrote FILE")
    evaluate.add_argument("--json", action="store_true")
    evaluate.set_defaults(run=_evaluate)

    train = commands.add_parser("train-encoder", help="tune the embedded model to the corpus's questions: about 15 minutes on one core")
    train.set_defaults(run=_train_encoder)
    train = commands.add_parser("train-guardrails", help="train the guardrails' classifier from bot/guardrails.jsonl: under 30 minutes on one core")
    train.set_defaults(run=_train_guardrails)

    serve = commands.add_parser("serve", help="the web chat, and JSON for programs on the same port (/docs)")
    serve.add_argument("--port", type=int)
    serve.add_argument("--no-page", action="store_true", help="JSON for programs alone, without the page")
    serve.set_defaults(run=_serve)

    openapi = commands.add_parser("openapi", help="the OpenAPI document of the JSON service (docs/openapi.json)")
    openapi.set_defaults(run=_openapi)

    mcp = commands.add_parser("mcp", help="a Model Context Protocol server on standard input and output, for an assistant on this machine")
    mcp.set_defaults(run=_mcp)

    verify = commands.add_parser("verify", help="check a reply or its receipt against the corpus")
    verify.add_argument("reply", help="the file that `ask --json` wrote; - for standard input")
    verify.add_argument("--corpus", type=Path)
    verify.add_argument("--public-key", type=Path, metavar="FILE", help="also check that the index it came from was signed with this Ed25519 key (PEM)")
    verify.set_defaults(run=_verify)

    sign = commands.add_parser("sign", help="sign the manifest of the index in service with an Ed25519 key")
    sign.add_argument("private_key", type=Path, metavar="FILE", help="PEM; make one with: openssl genpkey -algorithm ed25519 -out private.pem")
    sign.set_defaults(run=_sign)
    return parser


if __name__ == "__main__":
    sys.exit(main())
