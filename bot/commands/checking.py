"""verify and sign: receipts, and the signature of an index."""

from __future__ import annotations

import argparse
import contextlib
import io
from pathlib import Path
from typing import Any

from bot.commands.shared import DONE, say, say_json, with_json
from bot.errors import BotError


def add(commands: Any) -> None:
    """The parsers of this group."""
    verify = commands.add_parser("verify", help="check a reply or its receipt against the corpus")
    verify.add_argument("reply", help="the file that `ask --json` wrote; - for standard input")
    verify.add_argument("--corpus", type=Path, metavar="DIR", help="the corpus it is checked against (the one in use)")
    verify.add_argument("--public-key", type=Path, metavar="FILE", help="also check that the index it came from was signed with this Ed25519 key (PEM)")
    with_json(verify)
    verify.set_defaults(run=_verify)

    sign = commands.add_parser("sign", help="sign the manifest of the index in service with an Ed25519 key")
    sign.add_argument("private_key", type=Path, metavar="FILE", help="PEM; make one with: openssl genpkey -algorithm ed25519 -out private.pem")
    with_json(sign)
    sign.set_defaults(run=_sign)


def _verify(options: argparse.Namespace) -> int:
    from bot.settings import Settings
    from bot.verify import main as verify

    def signed(reply: dict[str, Any]) -> None:
        if options.public_key:
            receipt = reply["receipt"] if isinstance(reply["receipt"], dict) else reply
            _signing().check_signed(_build_in_service(), options.public_key, receipt)

    settings = Settings().with_environment()
    corpus = options.corpus or settings.corpus
    if settings.texts and not corpus.is_dir():
        raise BotError(f"a reply is compared with the corpus itself, which is not in {corpus}; where it lies run: python -m bot verify {options.reply}")
    places = ["--corpus", str(corpus), "--texts", str(settings.replies), "--converted", str(settings.index / "converted")]
    if not options.json:
        return verify([options.reply, *places], signed)
    said, wrong = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):  # the verifier stands alone and knows only text
        code = verify([options.reply, *places], signed)
    say_json({"verified": code == DONE, "message": (said.getvalue() + wrong.getvalue()).strip()})
    return code


def _sign(options: argparse.Namespace) -> int:
    signature = str(_signing().sign(_build_in_service(), options.private_key))
    if options.json:
        say_json({"signed": signature})
    else:
        say(f"signed: {signature}")
    return DONE


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
