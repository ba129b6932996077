"""A public FAQ as a set to search: perlfaq1 to perlfaq9 (Debian package perl-doc; CPAN distribution perlfaq), in BEIR layout.

    python benchmarks/perlfaq.py /usr/share/perl/5.36.0/pod FOLDER

A question is a heading; its answer is cut into passages at paragraphs. The question is not part of any passage, so that an answer must be found by
what it says. Read by benchmarks/performance.py --data FOLDER.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

WORDS = 20  # of a passage at least, where its answer has more: a paragraph or two
MARK = re.compile(r"[A-Z]<+\s*(?:[^<>|]*\|)?([^<>]*?)\s*>+")  # C<code>, L<text|address>


def answers(pod: str) -> Iterator[tuple[str, list[str]]]:
    """Each question of a file with the passages of its answer."""
    for piece in re.split(r"^=head2 ", pod, flags=re.MULTILINE)[1:]:
        question, _, rest = piece.partition("\n")
        body = re.split(r"^=(?:head1|cut)", rest, maxsplit=1, flags=re.MULTILINE)[0]
        passages: list[str] = []
        for paragraph in re.split(r"\n\s*\n", body):
            text = " ".join(MARK.sub(r"\1", MARK.sub(r"\1", paragraph)).split())
            if not text or text.startswith(("=", "(contributed")):
                continue
            if passages and len(passages[-1].split()) < WORDS:
                passages[-1] += f" {text}"
            else:
                passages.append(text)
        yield " ".join(MARK.sub(r"\1", question).split()), passages


def main() -> None:
    """Write corpus.jsonl, queries.jsonl and qrels/test.tsv."""
    pods, target = Path(sys.argv[1]), Path(sys.argv[2])
    (target / "qrels").mkdir(parents=True, exist_ok=True)
    corpus, queries, judged = [], [], ["query-id\tcorpus-id\tscore"]
    for path in sorted(pods.glob("perlfaq[1-9].pod")):
        for place, (question, passages) in enumerate(answers(path.read_text("utf-8", "replace"))):
            key = f"{path.stem}-{place}"
            queries.append(json.dumps({"_id": key, "text": question}))
            for number, text in enumerate(passages):
                corpus.append(json.dumps({"_id": f"{key}-{number}", "title": "", "text": text}))
                judged.append(f"{key}\t{key}-{number}\t1")
    (target / "corpus.jsonl").write_text("\n".join(corpus), "utf-8")
    (target / "queries.jsonl").write_text("\n".join(queries), "utf-8")
    (target / "qrels" / "test.tsv").write_text("\n".join(judged), "utf-8")
    print(f"{len(queries)} questions, {len(corpus)} passages")


if __name__ == "__main__":
    main()
