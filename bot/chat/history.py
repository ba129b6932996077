"""What a door hands over as message and history, as the strings that the bot reads. Raises InputError for anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.errors import InputError

MAX_HISTORY = 50  # earlier messages read; the guardrails and the dialogue look at the last few only


def readable(message: object, limit: int) -> tuple[str, bool]:
    """(the message without what cannot be encoded, whether it was longer than `limit` characters and only its two ends were kept)."""
    if not isinstance(message, str):
        raise InputError(f"a message is a string, not {type(message).__name__}")
    text = message.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")  # lone surrogates cannot be encoded
    half = limit // 2
    return (text, False) if len(text) <= 2 * half else (f"{text[:half]}\n{text[-half:]}", True)


def user_messages(history: Sequence[str | Mapping[str, Any]]) -> list[str]:
    """The user's earlier messages, oldest first, from strings or Gradio's message dicts. Raises InputError."""
    if isinstance(history, str) or not isinstance(history, Sequence):
        raise InputError(f"history is a list of earlier messages, not {type(history).__name__}")
    messages = []
    for entry in list(history)[-MAX_HISTORY:]:
        if isinstance(entry, str):
            messages.append(entry)
        elif isinstance(entry, Mapping):
            if entry.get("role") == "user":
                messages.append(_content(entry.get("content")))
        else:
            raise InputError(f"an entry of history is a string or a message dict, not {type(entry).__name__}")
    return [message for message in messages if message.strip()]


def _content(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return ""
