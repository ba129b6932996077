"""Every number and path that can be changed, each with its reason.

A setting is read from the environment as KRATOM_FAQ_<NAME> (KRATOM_FAQ_REGION=UK), else it keeps its default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from bot.errors import SettingsError

PREFIX = "KRATOM_FAQ_"
PACKAGE = Path(__file__).resolve().parent


def _default_corpus() -> Path:
    checkout = PACKAGE.parent / "corpus"
    return checkout if checkout.is_dir() else PACKAGE / "_corpus"  # the wheel carries the corpus inside the package


def _default_index() -> Path:
    checkout = PACKAGE.parent / "index"
    if checkout.is_dir():
        return checkout
    from platformdirs import user_cache_path  # only an installed wheel needs it

    return user_cache_path("kratom-faq") / "index"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things lie and how the bot behaves."""

    corpus: Path = field(default_factory=_default_corpus, metadata={"why": "what may be quoted"})
    index: Path = field(default_factory=_default_index, metadata={"why": "what is built from the corpus"})
    model: str = field(
        default="embedded",
        metadata={"why": "'embedded' is all-MiniLM-L6-v2 from PyPI; or any sentence-transformers model name or folder"},
    )
    multilingual: bool = field(
        default=False, metadata={"why": "set it with a multilingual model: other languages are then searched as they are, without the gloss"}
    )
    region: str = field(default="US", metadata={"why": "whose help lines are shown until the user chooses: US UK CA AU EU OTHER"})
    hits: int = field(default=3, metadata={"why": "one lead passage and two folded ones: what a phone reader still opens"})
    suggestions: int = field(default=3, metadata={"why": "next questions offered; more push the answer off a phone's screen"})
    question_weight: float = field(default=0.34, metadata={"why": "share of the nearest question; benchmarks/weights.py, tuning half"})
    questions_weight: float = field(default=0.14, metadata={"why": "share of the mean of the three nearest questions; benchmarks/weights.py, tuning half"})
    sentence_weight: float = field(default=0.04, metadata={"why": "share of the nearest sentence; benchmarks/weights.py, tuning half"})
    lexical_weight: float = field(default=0.24, metadata={"why": "share of BM25; benchmarks/weights.py, tuning half"})
    duplicate_similarity: float = field(
        default=0.9, metadata={"why": "two passages this close say the same: seven of the corpus's twenty closest pairs were read, and do"}
    )
    answer_threshold: float = field(default=0.33, metadata={"why": "probability below which the bot abstains; benchmarks/weights.py, calibration questions"})
    highlight_similarity: float = field(default=0.35, metadata={"why": "a sentence below this cosine rarely answers; set by reading answers, not tuned"})
    max_message: int = field(default=20_000, metadata={"why": "characters; over ten times the longest story in our sets, and still answered at once"})
    feedback: str = field(
        default="", metadata={"why": "a file to which thumbs and reports are added, one JSON line each; empty: none are kept and no thumbs are shown"}
    )
    feedback_message: bool = field(default=False, metadata={"why": "also keep the message in that file; off, since messages are about people's health"})
    reports: Path = field(default=PACKAGE.parent / "docs", metadata={"why": "evaluation.md and guardrails.md, whose figures the quality page draws"})
    port: int = field(default=7860, metadata={"why": "where a Hugging Face Space listens"})
    mcp_hosts: str = field(
        default="",
        metadata={"why": "names of this server, besides this machine's own, under which /mcp answers, separated by spaces; * for any, which a Space sets"},
    )
    host: str = field(default="127.0.0.1", metadata={"why": "local by default; a Space sets GRADIO_SERVER_NAME"})

    def with_environment(self, environment: dict[str, str] | None = None) -> Settings:
        """These settings, with each KRATOM_FAQ_<NAME> of the environment put in; SettingsError when one cannot be read."""
        environment = dict(os.environ) if environment is None else environment
        changes: dict[str, Any] = {}
        for setting in fields(self):
            raw = environment.get(PREFIX + setting.name.upper())
            if raw is not None:
                changes[setting.name] = _read(setting.name, raw, getattr(self, setting.name))
        return replace(self, **changes)


def _read(name: str, raw: str, default: Any) -> Any:
    if isinstance(default, bool):
        if raw.lower() not in ("0", "1", "false", "true"):
            raise SettingsError(f"{PREFIX}{name.upper()}={raw!r} is neither 1 nor 0; unset it or give one")
        return raw.lower() in ("1", "true")
    kind = Path if isinstance(default, Path) else type(default)
    try:
        return kind(raw)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}{name.upper()}={raw!r} is not a {kind.__name__}; unset it or give one") from error
