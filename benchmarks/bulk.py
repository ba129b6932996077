"""What a build costs as the corpus grows, apart from the encoder; and who encodes fastest.

    python benchmarks/bulk.py --sizes 1000 10000 30000 100000     seconds, memory and disk of a build whose vectors cost nothing, each in a process of its own
    python benchmarks/bulk.py --workers threads processes ray     texts a second on this machine, in turn, three rounds

The documents are made while they are read, so that what is measured is the build's own. docs/scale.md holds the figures.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bot.encoder import Vectors, model_identity, open_encoder
from bot.index import current_build
from bot.index.known import Known, Shards
from bot.index.shared import read_json
from bot.index.workers import encoding
from bot.index.writing import CHUNK, Making, Writer, windows
from bot.records import Document, Reference, Section, Span
from bot.settings import Settings

SENTENCES = 5  # of a passage, as in our corpus
CARD = ("basics", "reviewed", "2026-01-01", "2028-01-01", "")  # topic, status, dates and file of every document


class Quick:
    """An encoder that costs nothing: a text's vector is drawn from its hash."""

    name, max_tokens, query_prefix = "quick", 256, ""

    def __init__(self, dimension: int = 64) -> None:
        self.dimension = dimension
        self.card: dict[str, Any] = {"name": "quick", "identity": "quick", "dimension": dimension, "max_tokens": 256, "query_prefix": ""}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (n, dimension)."""
        digests = np.frombuffer(b"".join(hashlib.sha512(text.encode()).digest() for text in texts), dtype=np.uint8).reshape(len(texts), 64)
        rows = np.tile(digests.astype(np.float32) - 127.5, self.dimension // 64)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    def count_tokens(self, text: str) -> int:
        """Words."""
        return len(text.split())


class Endless:
    """Documents of one passage, one question and some sentences, made while they are read."""

    def __init__(self, count: int, sentences: int = SENTENCES) -> None:
        self._count, self._sentences = count, sentences

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Document]:
        reference = Reference(key="a-study", title="A study", source="Journal", tier="human trial", as_of="2020")
        for number in range(self._count):
            text = " ".join(f"Document {number} says in sentence {turn} that kratom has effect number {number * 7 + turn}." for turn in range(self._sentences))
            section = Section(f"Title {number}", (f"what does {number} do",), Span(0, len(text)))
            yield Document(f"d{number}", f"Title {number}", *CARD, text, "", (section,), (reference,))


def written(folder: Path, count: int, encoder: Quick) -> dict[str, int]:
    """Write a build of `count` documents into `folder`; its counts."""
    work = folder / "work"
    work.mkdir(parents=True)
    making = Making(Known(), Shards(folder / "shards", encoder.dimension), lambda chunks: map(encoder.encode, chunks), encoder.dimension)
    with Writer(work, making) as writer:
        for window in windows(Endless(count), encoder):
            writer.add(window, lambda *_: None, count)
        counts: dict[str, int] = writer.close()["counts"]
    return counts


def _grow(count: int) -> None:
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        cpu = time.process_time()
        counts = written(Path(folder) / "index", count, Quick(384))
        taken, cpu = time.perf_counter() - began, time.process_time() - cpu
        disk = sum(path.stat().st_size for path in (Path(folder) / "index" / "work").rglob("*") if path.is_file())
    rows = sum(counts[name] for name in ("passages", "questions", "sentences"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {count:,} | {rows:,} | {taken:.1f} | {cpu:.1f} | {peak:.0f} | {disk / 1e6:.0f} |", flush=True)


def grow(sizes: list[int]) -> None:
    """A row of the table for each size."""
    print("| passages | vectors | seconds | CPU s | peak MB (mapped files included) | disk MB |\n|---|---|---|---|---|---|", flush=True)
    for count in sizes:
        process = multiprocessing.get_context("spawn").Process(target=_grow, args=(count,))
        process.start()
        process.join()


def compare(names: list[str], rounds: int = 3, chunks: int = 4) -> None:
    """Texts a second of each kind of worker, in turn."""
    settings = Settings()
    folder = settings.index / read_json(current_build(settings.index) / "manifest.json")["encoder"]["folder"]
    encoder = open_encoder(folder, settings.model)
    texts = [document.text for document in Endless(chunks * CHUNK)]
    work = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
    print(f"{model_identity(settings.model)[0]}, {len(texts)} texts of {encoder.count_tokens(texts[0])} tokens")
    for turn in range(rounds):
        for name in names:
            with encoding(name, encoder, folder, settings.model) as encode:
                list(encode([texts[:8]] * 2))  # workers started, libraries loaded
                began = time.perf_counter()
                made = sum(len(vectors) for vectors in encode(work))
                print(f"round {turn + 1}: {name} {made / (time.perf_counter() - began):.1f} texts a second", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="*", default=[])
    parser.add_argument("--workers", nargs="*", default=[])
    options = parser.parse_args()
    if options.sizes:
        grow(options.sizes)
    if options.workers:
        compare(options.workers)


if __name__ == "__main__":
    main()
