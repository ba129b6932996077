"""The bibliography: CSL-JSON entries whose `custom` carries tier and as-of date."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from bot.citations import KEY
from bot.corpus.faults import FaultError, decode, line
from bot.records import TIERS, Reference


def read_bibliography(path: Path) -> dict[str, Reference]:
    """Every reference by its key. Raises FaultError at the first mistake."""
    if not path.is_file():
        raise FaultError(1, "missing; it is a JSON array of CSL-JSON entries ([] when there are none yet)")
    text = decode(path.read_bytes())
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise FaultError(error.lineno, f"broken JSON: {error.msg}") from error
    if not isinstance(entries, list):
        raise FaultError(1, "must be a JSON array of CSL-JSON entries")
    bibliography: dict[str, Reference] = {}
    for entry in entries:
        key = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(key, str) or not KEY.fullmatch(f"@{key}"):
            raise FaultError(line(text, text.find(f'"{key}"')), f"entry {str(entry)[:60]!r} has no usable 'id'")
        if key in bibliography:
            raise FaultError(line(text, text.rfind(f'"{key}"')), f"id '{key}' is there twice")
        try:
            bibliography[key] = _reference(key, entry)
        except ValueError as error:
            raise FaultError(line(text, text.find(f'"{key}"')), f"entry '{key}': {error}") from error
    return bibliography


def _reference(key: str, entry: dict[str, Any]) -> Reference:
    custom = entry.get("custom")
    if not isinstance(custom, dict):
        raise ValueError("no 'custom' with tier and as_of")
    tier, as_of = custom.get("tier"), str(custom.get("as_of", ""))
    if tier not in TIERS:
        raise ValueError(f"tier {tier!r} is not one of {', '.join(TIERS)}")
    if not re.fullmatch(r"\d{4}(-\d{2}){0,2}", as_of):
        raise ValueError(f"as_of {as_of!r} is not a date such as 2021, 2021-01 or 2021-01-15")
    if not entry.get("title"):
        raise ValueError("no title")
    return Reference(
        key,
        entry["title"],
        _publisher(entry),
        tier,
        as_of,
        _link(entry),
        custom.get("jurisdiction"),
        custom.get("interest"),
        bool(custom.get("undated", False)),
    )


def _publisher(entry: dict[str, Any]) -> str:
    if entry.get("container-title") or entry.get("publisher"):
        return str(entry.get("container-title") or entry["publisher"])
    authors = entry.get("author") or [{"literal": "unknown publisher"}]
    return str(authors[0].get("literal") or authors[0].get("family"))


def _link(entry: dict[str, Any]) -> str | None:
    if entry.get("DOI"):
        return f"https://doi.org/{entry['DOI']}"
    url = entry.get("URL")
    if url is not None and not re.match(r"https?://[^\s]+$", str(url)):
        raise ValueError(f"URL {url!r} is not an http(s) address")
    if url is None and entry.get("PMID"):
        return f"https://pubmed.ncbi.nlm.nih.gov/{entry['PMID']}/"
    return url
