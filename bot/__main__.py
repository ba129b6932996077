"""The command line: python -m bot COMMAND. The commands are in bot/commands/, what they take in docs/commands.md."""

from __future__ import annotations

import sys

from bot.commands import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
