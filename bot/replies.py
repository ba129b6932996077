"""Every sentence the bot says itself, from replies.toml: keys become Notices, with the help lines of a region."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from bot.errors import SettingsError, TextsError
from bot.records import Notice
from bot.settings import Settings

TEXTS = Path(__file__).with_name("replies.toml")
LINES_FIRST = ("emergency", "crisis")  # levels at which the number comes before everything else


@dataclass(frozen=True, slots=True)
class Texts:
    """The fixed texts, read once."""

    version: str
    regions: Mapping[str, str]
    labels: Mapping[str, str]
    tiers: Mapping[str, str]  # what each evidence grade means, strongest first
    interface: Mapping[str, Mapping[str, str]]  # the chat page's own words in other languages, by language and label
    everything: str  # the file as it stands, for checks
    reviewed: date  # when the help lines were last checked, and by when they must be again
    review_by: date
    _notices: Mapping[str, Mapping[str, Any]]
    _lines: Mapping[str, Mapping[str, Mapping[str, str]]]

    def notices(self, keys: Iterable[str], region: str) -> tuple[Notice, ...]:
        """The notices under `keys` in that order, each with the help line it calls for; no text twice."""
        found: dict[str, Notice] = {}
        for key in keys:
            notice = self._notice(key)
            kind = self._notices[key].get("lines")
            line = self.line(kind, region, notice.level) if kind else None
            for piece in (line, notice) if notice.level in LINES_FIRST else (notice, line):
                if piece:
                    found.setdefault(piece.key, piece)
        return tuple(found.values())

    def localised(self, keys: Iterable[str], language: str) -> tuple[str, ...]:
        """The keys, each behind its translation where there is one: the person's own language first."""
        return tuple(name for key in keys for name in (f"{key}-{language}", key) if name == key or name in self._notices)

    def line(self, kind: str, region: str, level: str = "info") -> Notice | None:
        """The help line of a kind for a region; None where the region has none of that kind."""
        entry = self._lines[kind].get(self.region(region))
        if entry is None:
            return None
        return Notice(f"line.{kind}.{region}", entry["title"], entry["text"].strip(), level, self.version)

    def region(self, region: str) -> str:
        """`region`, checked. SettingsError naming the ones there are."""
        if region not in self.regions:
            raise SettingsError(f"region {region!r} is not one of {', '.join(self.regions)}; set KRATOM_FAQ_REGION to one of them")
        return region

    def _notice(self, key: str) -> Notice:
        entry = self._notices[key]
        return Notice(f"notice.{key}", entry["title"], entry["text"].strip(), entry["level"], self.version)


def load_texts(path: Path | None = None) -> Texts:
    """The texts of replies.toml, read once; without a path those of the settings. TextsError when the file or a table of it cannot be used."""
    return _texts(path or Settings().with_environment().replies)


@cache
def _texts(path: Path) -> Texts:
    try:
        text = path.read_text("utf-8")
        raw = tomllib.loads(text)
        return Texts(
            raw["version"], raw["region"], raw["label"], raw["tier"], raw["interface"], text, raw["reviewed"], raw["review_by"], raw["notice"], raw["line"]
        )
    except KeyError as error:
        raise TextsError(f"{path.name} has no [{error.args[0]}]; put it back from the last commit") from error
    except (OSError, ValueError) as error:
        raise TextsError(f"{path} cannot be read ({error}); mend it or put it back") from error
