"""Checks a reply or its receipt against corpus/ and replies.toml. Imports the standard library alone and no other part of the bot.

    python bot/verify.py reply.json --corpus corpus/ --texts bot/replies.toml

Every displayed piece must be the named slice of the named file, byte for byte; each source card must say what references.json says; and
the seals over receipt and reply must hold, so that nothing else of them was changed since. Exit code 0: all of it is; 1: the first piece that is
not is named; 2: the file given is no receipt.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

FORMAT = 2
LEAD = ("source", "url", "tier", "as_of", "jurisdiction")  # what a passage takes over from the source it leans on most


class VerifyError(Exception):
    """A piece is not what the receipt says, or the receipt cannot be read."""


def verify(data: dict[str, Any], corpus: Path, texts: Path, converted: Path | None = None) -> int:
    """The number of pieces checked. `data` is a receipt, or a whole reply, whose shown texts are then compared too. Raises VerifyError."""
    receipt = data.get("receipt")
    shown: list[str] | None = None
    if isinstance(receipt, dict):
        shown = _shown(data)
    else:
        receipt = data
    if receipt.get("receipt") != FORMAT or not isinstance(receipt.get("pieces"), list):
        raise VerifyError("this is neither a receipt nor a reply that carries one; save the output of: python -m bot ask --json")
    table = _read(texts, tomllib.loads)
    for number, piece in enumerate(receipt["pieces"], start=1):
        try:
            text = _passage(piece, corpus, converted) if piece["kind"] == "passage" else _fixed(piece, table)
            expected = piece["text_sha256"]
        except (AttributeError, KeyError, TypeError, OSError, ValueError) as error:
            raise VerifyError(f"piece {number} cannot be found: {error!r}") from error
        if hashlib.sha256(text.encode("utf-8")).hexdigest() != expected:
            raise VerifyError(f"piece {number} ({_name(piece)}) is not the text the receipt was made for")
        if shown is not None and (number > len(shown) or shown[number - 1] != text):
            raise VerifyError(f"piece {number} ({_name(piece)}): the reply shows something else")
    if shown is not None and len(shown) != len(receipt["pieces"]):
        raise VerifyError(f"the reply shows {len(shown)} pieces, its receipt covers {len(receipt['pieces'])}")
    if shown is not None:
        _cards(data, receipt["pieces"], corpus)
        _sealed({name: value for name, value in data.items() if name != "receipt"}, receipt.get("reply_sha256"), "reply")
    _sealed({name: value for name, value in receipt.items() if name != "sha256"}, receipt.get("sha256"), "receipt")
    return len(receipt["pieces"])


def _read(path: Path, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(path.read_bytes().decode("utf-8"))
    except (OSError, ValueError) as error:
        raise VerifyError(f"{path} cannot be read: {error}") from error


def _sealed(data: dict[str, Any], seal: object, what: str) -> None:
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() != seal:
        raise VerifyError(f"the {what} was changed since, beside its pieces: its seal does not hold")


def _cards(reply: dict[str, Any], pieces: list[dict[str, Any]], corpus: Path) -> None:
    """Each source of each passage says what the bibliography says. A converted file brings its own card, which the seal alone covers."""
    try:
        entries = {entry["id"]: entry for entry in _read(corpus / "references.json", json.loads)}
        for hit, piece in zip(reply["hits"], [piece for piece in pieces if piece["kind"] == "passage"], strict=True):
            for reference in [] if piece["converted_sha256"] else hit["passage"]["references"]:
                _card(reference, entries[reference["key"]], _name(piece))
            lead = [{name: reference[name] for name in LEAD} for reference in hit["passage"]["references"]]
            if {name: hit["passage"][name] for name in LEAD} not in lead:
                raise VerifyError(f"{_name(piece)}: its main source is none of its sources")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise VerifyError(f"a source cannot be found in references.json: {error!r}") from error


def _card(shown: dict[str, Any], entry: dict[str, Any], piece: str) -> None:
    custom = entry["custom"]
    true = {"title": entry["title"], "tier": custom["tier"], "as_of": str(custom["as_of"]), "undated": bool(custom.get("undated", False))}
    true |= {name: custom.get(name) for name in ("jurisdiction", "interest")}
    authors = entry.get("author") or [{"literal": "unknown publisher"}]
    publisher = entry.get("container-title") or entry.get("publisher") or authors[0].get("literal") or authors[0].get("family")
    addresses = [entry.get("URL")]
    if entry.get("PMID"):
        addresses.append(f"https://pubmed.ncbi.nlm.nih.gov/{entry['PMID']}/")
    if entry.get("DOI"):
        addresses = [f"https://doi.org/{entry['DOI']}"]
    wrong = [name for name, value in true.items() if shown[name] != value]
    wrong += ["source"] if shown["source"] != str(publisher) else []
    wrong += ["url"] if shown["url"] not in addresses else []
    if wrong:
        raise VerifyError(f"{piece}: its source {shown['key']} has another {' and '.join(wrong)} in references.json")


def _shown(reply: dict[str, Any]) -> list[str]:
    try:
        notices = [f"{notice['title']}\n{notice['text']}" for notice in reply["notices"]]
        for hit in reply["hits"]:
            mark, passage = hit["highlight"], hit["passage"]
            start = passage["start"]
            if mark and passage["text"][mark["start"] - start : mark["end"] - start] != mark["text"]:
                raise VerifyError("a highlight is not part of its passage")
        return notices + [hit["passage"]["text"] for hit in reply["hits"]]
    except (KeyError, TypeError) as error:
        raise VerifyError(f"the reply is incomplete: {error!r}") from error


def _passage(piece: dict[str, Any], corpus: Path, converted: Path | None) -> str:
    path = (corpus / piece["file"]).resolve()
    if not path.is_relative_to(corpus.resolve()):
        raise ValueError(f"{piece['file']} lies outside the corpus")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != piece["document_sha256"]:
        raise VerifyError(f"{_name(piece)}: the document was changed since")
    if piece.get("converted_sha256"):
        data = ((converted or corpus) / f"{piece['document_sha256']}.txt").read_bytes()
        if hashlib.sha256(data).hexdigest() != piece["converted_sha256"]:
            raise VerifyError(f"{_name(piece)}: its converted text was changed since")
    text: str = data.decode("utf-8")
    start, end = int(piece["start"]), int(piece["end"])
    if not 0 <= start < end <= len(text):
        raise ValueError(f"{start}:{end} is no slice of {piece['file']}")
    return text[start:end]


def _fixed(piece: dict[str, Any], table: dict[str, Any]) -> str:
    if piece["version"] != table["version"]:
        raise VerifyError(f"{_name(piece)}: replies.toml is version {table['version']}, the reply was made with {piece['version']}")
    entry: Any = table
    for part in piece["key"].split("."):
        entry = entry[part]
    return f"{entry['title']}\n{entry['text'].strip()}"


def _name(piece: dict[str, Any]) -> str:
    return f"{piece.get('file')} {piece.get('start')}:{piece.get('end')}" if piece.get("kind") == "passage" else str(piece.get("key"))


def main(arguments: Sequence[str] | None = None, then: Callable[[dict[str, Any]], None] | None = None) -> int:
    """The command line; returns the exit code. `then` gets the reply or receipt once it is verified, and may raise."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(prog="verify", description="Check that every displayed piece of a reply is quoted, not generated.")
    parser.add_argument("reply", help="a reply or receipt as JSON; - for standard input")
    beside = here / "_corpus"
    parser.add_argument("--corpus", type=Path, default=beside if beside.is_dir() else here.parent / "corpus")
    parser.add_argument("--converted", type=Path, default=here.parent / "index" / "converted", help="texts of files that are not Markdown")
    parser.add_argument("--texts", type=Path, default=here / "replies.toml")
    options = parser.parse_args(arguments)
    try:
        raw = sys.stdin.read() if options.reply == "-" else Path(options.reply).read_text("utf-8")
        data = json.loads(raw)
        if not isinstance(data, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        sys.stderr.write(f"{options.reply} cannot be read: {error}\n")
        return 2
    try:
        count = verify(data, options.corpus, options.texts, options.converted)
    except VerifyError as error:
        sys.stderr.write(f"not verified: {error}\n")
        return 1
    if then:
        then(data)
    sys.stdout.write(f"verified: {count} pieces, each word for word from the corpus or the fixed texts\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
