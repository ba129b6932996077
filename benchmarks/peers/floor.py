"""What a reply cannot do without: both forward passes on onnxruntime and the exact search; and what that costs in operations on this machine.

Run in our own environment over our own index.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bot.classifier import Classifier
from bot.encoder import open_encoder
from bot.index import current_build
from bot.index.matrix import cosines, first, lent
from bot.index.shared import read_json
from bot.settings import Settings

LAYERS, WIDTH, INNER = 6, 384, 1536  # of MiniLM
PARAMETERS = LAYERS * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)  # multiplied once per token
TOKENS: list[int] = []


def build(texts: list[str], model: str, folder: Path) -> None:
    """Nothing: it reads our index."""


def opened(model: str, folder: Path) -> Callable[[str], list[int]]:
    settings = Settings().with_environment()
    build = current_build(settings.index)
    encoder = open_encoder(settings.index / read_json(build / "manifest.json")["encoder"]["folder"], settings.model)
    classifier, passages, questions = Classifier(), lent(build / "passages.faiss"), lent(build / "questions.faiss")

    def answer(question: str) -> list[int]:
        TOKENS.append(encoder.count_tokens(question))
        classifier.scores(question)
        vector = encoder.encode([question])[0]
        first(cosines(questions, vector), 10)
        return first(cosines(passages, vector), 10)

    return answer


def more() -> dict[str, float]:
    """Operations of one forward pass of the mean question, and this machine's rate for such products on one thread."""
    tokens = float(np.mean(TOKENS))
    left, right = np.ones((round(tokens), WIDTH), np.float32), np.ones((WIDTH, INNER), np.float32)
    times = []
    for _ in range(300):
        began = time.perf_counter()
        left @ right
        times.append(time.perf_counter() - began)
    rate = 2 * left.shape[0] * WIDTH * INNER / float(np.median(times))
    operations = 2 * PARAMETERS * tokens + 4 * LAYERS * tokens * tokens * WIDTH
    return {"tokens": tokens, "operations": operations, "rate": rate, "weights_mb": 4 * PARAMETERS / 1e6, "forward_ms": 1000 * operations / rate}
