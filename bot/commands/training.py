"""train-encoder and train-guardrails: make weights anew from data in the repository or in a folder of one's own."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from bot.commands.shared import DONE, say, say_json, with_json


def add(commands: Any) -> None:
    """The parsers of this group."""
    train = commands.add_parser("train-encoder", help="tune the embedded model to the corpus's questions: about 15 minutes on one core")
    with_json(train, "what was written, as JSON")
    train.set_defaults(run=_train_encoder)
    train = commands.add_parser("train-guardrails", help="train the guardrails' classifiers from guardrails.jsonl and the rules: under 30 minutes on one core")
    train.add_argument("--linear", action="store_true", help="the linear classifier alone: about a minute")
    with_json(train, "what was written, as JSON")
    train.set_defaults(run=_train_guardrails)


def _train_encoder(options: argparse.Namespace) -> int:
    from bot.corpus import read_corpus
    from bot.settings import Settings
    from bot.training.encoder import train_encoder

    train_encoder(read_corpus(Settings().with_environment().corpus, []), _report(options))
    return _done(options, "bot/weights/encoder.safetensors", 0)


def _train_guardrails(options: argparse.Namespace) -> int:
    from bot.guardrails import training_examples
    from bot.settings import Settings
    from bot.training.guardrails import train_fallback, train_guardrails

    settings = Settings().with_environment()
    examples = training_examples(settings.guardrails)
    settings.weights.mkdir(parents=True, exist_ok=True)
    if options.linear:
        train_fallback(examples, settings.weights)
    else:
        train_guardrails(examples, _report(options), settings.weights)
    return _done(options, str(settings.weights), len(examples))


def _report(options: argparse.Namespace) -> Any:
    """Where the steps are told: standard output, or standard error where that is for JSON."""
    return (lambda text: sys.stderr.write(f"{text}\n")) if options.json else say


def _done(options: argparse.Namespace, written: str, examples: int) -> int:
    if options.json:
        say_json({"written": written, "examples": examples})
    else:
        say(f"written: {written}")
    return DONE
