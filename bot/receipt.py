"""A receipt: where each displayed piece of a reply stands, so that bot/verify.py can prove that nothing was generated.

{"receipt": 2, "index": manifest id, "query": …, "decision": …, "reply_sha256": all of the reply but this receipt, "sha256": all of this but itself,
 "pieces": [{"kind": "passage", "document", "file", "document_sha256", "converted_sha256", "start", "end", "text_sha256"},
            {"kind": "text", "key", "version", "text_sha256"}]}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from bot.records import Decision, Document, Hit, Notice

FORMAT = 2  # 2: sealed


def make_receipt(
    index_id: str | None, documents: dict[str, Document], query: str, decision: Decision, notices: Sequence[Notice], hits: Sequence[Hit]
) -> dict[str, Any]:
    """The receipt of a reply, JSON-ready. `index_id` is None where the reply needed no index."""
    pieces: list[dict[str, Any]] = [
        {"kind": "text", "key": notice.key, "version": notice.version, "text_sha256": _sha256(f"{notice.title}\n{notice.text}")} for notice in notices
    ]
    for hit in hits:
        passage = hit.passage
        pieces.append(
            {
                "kind": "passage",
                "document": passage.document_id,
                "file": passage.file,
                "document_sha256": documents[passage.document_id].sha256,
                "converted_sha256": documents[passage.document_id].converted_sha256,
                "start": passage.start,
                "end": passage.end,
                "text_sha256": _sha256(passage.text),
            }
        )
    return {"receipt": FORMAT, "index": index_id, "query": query, "decision": decision.to_dict(), "pieces": pieces}


def sealed(receipt: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    """The receipt with the seal of what is shown beside it, and its own: a change of anything in either is noticed."""
    whole = {**receipt, "reply_sha256": _sha256(canonical(shown))}
    return {**whole, "sha256": _sha256(canonical(whole))}


def canonical(data: dict[str, Any]) -> str:
    """The one JSON text of `data`: keys sorted, no white space."""
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()  # a message may hold half a character
