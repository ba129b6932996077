"""The exported encoder beside sentence-transformers: same vectors, time of one question, peak memory, each in a process of its own.

    python benchmarks/encoder.py

Each engine encodes the same golden questions one by one on one thread. Times are medians of one run: read them as a ratio.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from bot.encoder import EMBEDDED, OnnxEncoder, Vectors, model_identity
from bot.evaluation import read_questions
from bot.settings import Settings

Encode = Callable[[str], Vectors]


def texts() -> list[str]:
    """The questions of the tuning half."""
    return [question.text for question in read_questions("tune")]


def load(engine: str) -> Encode:
    """One call that encodes one text with the engine."""
    if engine == "onnxruntime":
        onnx = OnnxEncoder(next(Settings().index.glob("encoder-*")))
        return lambda text: onnx.encode([text])[0]
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    model = SentenceTransformer(str(model_identity(EMBEDDED)[1]), device="cpu")
    return lambda text: np.asarray(model.encode(text, normalize_embeddings=True, show_progress_bar=False))


def measure(engine: str, target: Path) -> None:
    """Encode every question with one engine, keep the vectors in `target` and print the figures as JSON."""
    began = time.perf_counter()
    encode = load(engine)
    encode("one question before the clock runs")
    ready = time.perf_counter() - began
    times, vectors = [], []
    for text in texts():
        began = time.perf_counter()
        vectors.append(encode(text))
        times.append(1000 * (time.perf_counter() - began))
    np.save(target, np.array(vectors, dtype=np.float32), allow_pickle=False)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"p50_ms": round(median(times), 2), "ready_s": round(ready, 2), "peak_mb": round(megabytes)}))


def main() -> None:
    """Run both engines and print them side by side."""
    figures: dict[str, dict[str, float]] = {}
    found: dict[str, Vectors] = {}
    with tempfile.TemporaryDirectory() as folder:
        for engine in ("sentence-transformers", "onnxruntime"):
            target = Path(folder) / f"{engine}.npy"
            command = [sys.executable, __file__, engine, str(target)]
            figures[engine] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603  # our own file
            found[engine] = np.load(target, allow_pickle=False)
    print(f"{len(texts())} questions")
    for engine, row in figures.items():
        print(f"{engine}: {row}")
    slow, fast = figures["sentence-transformers"], figures["onnxruntime"]
    print(f"faster {slow['p50_ms'] / fast['p50_ms']:.1f} times, memory {fast['peak_mb'] / slow['peak_mb']:.2f}")
    print(f"least cosine {(found['sentence-transformers'] * found['onnxruntime']).sum(axis=1).min():.6f}")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
