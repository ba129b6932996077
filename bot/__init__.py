"""A kratom and pain-care FAQ that only quotes.

from bot import open_bot
bot = open_bot()
reply = bot.reply("does kratom slow breathing?")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# onnxruntime 1.32 on Linux keeps a device id and queues usage events for Microsoft. `disable_telemetry_events()` does not stop it;
# this does, before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from bot.chat import Bot
    from bot.pipeline import build, open_bot

__all__ = ["Bot", "build", "open_bot"]
__version__ = "0.7.0"

_HOMES = {"Bot": "bot.chat", "build": "bot.pipeline", "open_bot": "bot.pipeline"}


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for, so that `import bot` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bot' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
