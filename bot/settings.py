"""Every number and path that can be changed, each with its reason.

A setting is read from the environment as KRATOM_FAQ_<NAME> (KRATOM_FAQ_REGION=UK), else it keeps its default. KRATOM_FAQ_FOLDER=my-faq names
the folder of a FAQ of one's own (`python -m bot init my-faq`): its corpus, index, rules and texts, and its settings.toml, take the defaults' place.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from bot.errors import SettingsError

PREFIX = "KRATOM_FAQ_"
PACKAGE = Path(__file__).resolve().parent
OWN = "settings.toml"  # in the folder of a FAQ of one's own
CLASSIFIERS = ("tuned", "linear", "none")
STORES = ("faiss", "milvus")
EXACT_UP_TO = 100_000


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
    texts: str = field(
        default="",
        metadata={"why": "a folder or http(s) address with the corpus's files, for a replica without them: a text is read when shown; empty: the corpus"},
    )
    guardrails: Path = field(default=PACKAGE / "guardrails.toml", metadata={"why": "the rules; a FAQ on another subject has its own"})
    replies: Path = field(default=PACKAGE / "replies.toml", metadata={"why": "every sentence the bot says itself; the same"})
    synonyms: Path = field(default=PACKAGE / "synonyms.toml", metadata={"why": "people's words and the corpus's; the same"})
    weights: Path = field(default=PACKAGE / "weights", metadata={"why": "the guardrails' classifiers; a FAQ that trains its own keeps them in its folder"})
    classifier: str = field(
        default="tuned",
        metadata={
            "why": "what reads a message beside the patterns: tuned, linear, or none; ours know kratom and refuse other subjects (docs/your-own-corpus.md)"
        },
    )
    model: str = field(
        default="embedded",
        metadata={"why": "'embedded' is all-MiniLM-L6-v2 from PyPI; or any sentence-transformers model name or folder"},
    )
    multilingual: bool = field(
        default=False, metadata={"why": "set it with a multilingual model: other languages are then searched as they are, without the gloss"}
    )
    store: str = field(
        default="faiss", metadata={"why": "who holds the vectors: faiss, in this process; milvus, a server for replicas (docs/scale-figures.md)"}
    )
    milvus_uri: str = field(default="", metadata={"why": "where Milvus listens, http://localhost:19530; its token is KRATOM_FAQ_MILVUS_TOKEN alone"})
    milvus_alias: str = field(default="kratom_faq", metadata={"why": "the name under which this FAQ lies on the server; another FAQ there has its own"})
    exact_up_to: int = field(
        default=EXACT_UP_TO,
        metadata={"why": "rows of a table up to which every vector is compared; above it the nearest are looked up approximately (docs/scale-figures.md)"},
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
    gaps: str = field(
        default="",
        metadata={"why": "a file to which questions without an answer are added, personal data taken out; empty: none, since they are about people's health"},
    )
    feedback: str = field(
        default="", metadata={"why": "a file to which thumbs and reports are added, one JSON line each; empty: none are kept and no thumbs are shown"}
    )
    feedback_message: bool = field(default=False, metadata={"why": "also keep the message in that file; off, since messages are about people's health"})
    feedback_days: int = field(
        default=90, metadata={"why": "days after which a line of that file or of `gaps` is deleted; 0 keeps them. Three months: time to act"}
    )
    log: str = field(default="text", metadata={"why": "text: warnings, for people; json: an object a line on standard error, requests too"})
    log_messages: bool = field(default=False, metadata={"why": "errors in the log may repeat a message; off, since messages are about people's health"})
    rate: int = field(
        default=120,
        metadata={"why": "requests a minute of one address outside this machine; 0: no limit. A clinic behind one address may need more"},
    )
    frames: str = field(default="", metadata={"why": "sites that may frame the pages, separated by spaces (https://clinic.example); a Space sets its own"})
    origins: str = field(default="", metadata={"why": "sites whose pages may read the JSON, separated by spaces (https://clinic.example); none by default"})
    reports: Path = field(default=PACKAGE.parent / "docs", metadata={"why": "evaluation.md and guardrails.md, whose figures the quality page draws"})
    port: int = field(default=7860, metadata={"why": "where a Hugging Face Space listens"})
    mcp_hosts: str = field(
        default="",
        metadata={"why": "names of this server, besides this machine's own, under which /mcp answers, separated by spaces; * for any, which a Space sets"},
    )
    host: str = field(default="127.0.0.1", metadata={"why": "local by default; a Space sets GRADIO_SERVER_NAME"})

    def with_environment(self, environment: dict[str, str] | None = None) -> Settings:
        """These settings, with KRATOM_FAQ_FOLDER's and then each KRATOM_FAQ_<NAME> of the environment put in; SettingsError when one cannot be read."""
        environment = dict(os.environ) if environment is None else environment
        folder = environment.get(f"{PREFIX}FOLDER")
        base = self.with_folder(Path(folder)) if folder else self
        changes: dict[str, Any] = {}
        for setting in fields(base):
            raw = environment.get(PREFIX + setting.name.upper())
            if raw is not None:
                changes[setting.name] = _read(PREFIX + setting.name.upper(), raw, getattr(base, setting.name))
        if changes.get("log", base.log) not in ("text", "json"):
            raise SettingsError(f"{PREFIX}LOG={changes.get('log', base.log)!r} is neither text nor json; unset it or give one")
        return replace(base, **changes)

    def with_folder(self, folder: Path) -> Settings:
        """These settings, with the corpus, index, rules and texts of a folder that `python -m bot init` made, and its settings.toml. Raises SettingsError."""
        folder = folder.resolve()
        try:
            own = tomllib.loads((folder / OWN).read_text("utf-8"))
        except OSError as error:
            raise SettingsError(f"{folder} has no {OWN}; make the folder with: python -m bot init {folder}") from error
        except ValueError as error:  # broken TOML, or not UTF-8
            raise SettingsError(f"{folder / OWN}: {error}; mend the line") from error
        changes: dict[str, Any] = {name: folder / name for name in ("corpus", "index", "weights")}
        changes |= {name: folder / f"{name}.toml" for name in ("guardrails", "replies", "synonyms")}
        changes["reports"] = folder / "docs"
        for name, value in own.items():
            if name not in {setting.name for setting in fields(self)}:
                raise SettingsError(f"{folder / OWN}: there is no setting '{name}'; those there are stand in bot/settings.py")
            read = _read(f"{folder / OWN}: {name}", str(value), getattr(self, name))
            named = name in ("gaps", "feedback", "texts") and read and not str(read).startswith(("http://", "https://"))
            changes[name] = str(folder / read) if named else folder / read if isinstance(read, Path) else read
        return replace(self, **changes)


def _read(name: str, raw: str, default: Any) -> Any:
    """`raw` as the kind of value that `default` is; `name` says in an error where it stood."""
    if isinstance(default, bool):
        if raw.lower() not in ("0", "1", "false", "true"):
            raise SettingsError(f"{name}={raw!r} is neither 1 nor 0; unset it or give one")
        return raw.lower() in ("1", "true")
    for choices in (CLASSIFIERS, STORES):
        if default in choices and raw not in choices:
            raise SettingsError(f"{name}={raw!r} is not one of {', '.join(choices)}; unset it or give one")
    kind = Path if isinstance(default, Path) else type(default)
    try:
        return kind(raw)
    except ValueError as error:
        raise SettingsError(f"{name}={raw!r} is not a {kind.__name__}; unset it or give one") from error
