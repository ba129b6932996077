"""Every error the bot raises on purpose: what is wrong, and the command or edit that mends it.

BotError
├── SettingsError        a setting has a value that cannot be used
├── CorpusError          a document or the bibliography is malformed (names file and line)
├── TextsError           guardrails.toml or replies.toml is malformed
├── EncoderError         the embedding model is missing, altered or unreadable
├── StoreError           the vector store on a server or the place of the texts does not answer, or holds another build
├── InputError           a caller passed something that is not a message, a history or a filter
└── IndexFolderError
    ├── IndexMissingError    nothing has been built yet
    ├── IndexWriteError      the disk is full or the folder cannot be written
    └── IndexStaleError      what was built no longer matches corpus, model or code
"""

from __future__ import annotations

from dataclasses import dataclass

AWAY = "the store of vectors or texts does not answer"  # what programs are told of a StoreError


class BotError(Exception):
    """Base of the tree; catch it to catch everything the bot raises on purpose."""


class SettingsError(BotError):
    """A setting has a value that cannot be used."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in one file, so that an editor can jump to it."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class CorpusError(BotError):
    """One or more documents are malformed; `problems` lists them all, in file order."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the corpus"
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{count}:\n{lines}\nMend the file and run: python -m bot build  (the format: corpus/README.md)")


class TextsError(BotError):
    """A rule or a fixed text is malformed."""


class EncoderError(BotError):
    """The embedding model is missing, altered or unreadable."""


class StoreError(BotError):
    """The vector store on a server or the place of the texts does not answer, or holds another build. The message names an address: for the log alone."""


class InputError(BotError):
    """A caller passed something that is not a message, a history or a filter."""


class IndexFolderError(BotError):
    """The index folder cannot be used as it is."""


class IndexMissingError(IndexFolderError):
    """Nothing has been built yet."""


class IndexWriteError(IndexFolderError):
    """The index cannot be written: the disk is full, or the folder may not be written to."""


class IndexStaleError(IndexFolderError):
    """What was built no longer matches the corpus, the model or the code."""
