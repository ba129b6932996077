"""The third net: a linear classifier over the encoder's vector and hashed character n-grams, trained at each build.

    rows + vectors ─train (scikit-learn, build only)→ arrays ─Classifier.scores(message, vector)→ {action: probability}

Linear because it trains in seconds from data in the repo; a fine-tuned encoder is several times better and is to replace it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

BUCKETS = 8192  # hashed n-grams: a few thousand short messages collide rarely; not tuned
NGRAMS = (2, 3, 4, 5)
REGULARISATION = 10.0  # C: fewest false alarms at 90 % danger recall of 3, 10 and 30 in five-fold cross-validation
TEXT_LIMIT = 4000  # characters read for n-grams; the head and the tail of longer messages


class Classifier:
    """Probabilities per action. Arrays as `train` made them."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        self._weights = np.asarray(arrays["weights"], dtype=np.float32)
        self._bias = np.asarray(arrays["bias"], dtype=np.float32)
        self._labels = [str(label) for label in arrays["labels"]]

    def scores(self, message: str, vector: Array) -> dict[str, float]:
        """Probability of each action for one message and its unit vector; they sum to 1."""
        logits = self._weights @ features(message, vector) + self._bias
        shares = np.exp(logits - logits.max())
        return dict(zip(self._labels, (shares / shares.sum()).tolist(), strict=True))


def train(messages: Sequence[str], vectors: Array, actions: Sequence[str]) -> dict[str, npt.NDArray[np.generic]]:
    """Arrays for `Classifier`: weights (labels, dimension + BUCKETS), bias (labels,), labels. Deterministic."""
    from sklearn.linear_model import LogisticRegression

    rows = np.stack([features(message, vector) for message, vector in zip(messages, vectors, strict=True)])
    model = LogisticRegression(C=REGULARISATION, max_iter=2000, class_weight="balanced").fit(rows, list(actions))
    return {
        "weights": model.coef_.astype(np.float32),
        "bias": model.intercept_.astype(np.float32),
        "labels": np.array([str(label) for label in model.classes_]),
    }


def features(message: str, vector: Array) -> Array:
    """The unit vector and the message's hashed n-grams, float32, shape (dimension + BUCKETS,)."""
    text = message if len(message) <= TEXT_LIMIT else f"{message[: TEXT_LIMIT // 2]} {message[-TEXT_LIMIT // 2 :]}"
    counts = np.zeros(BUCKETS, dtype=np.float32)
    for word in text.casefold().split():
        padded = f" {word} ".encode()
        for size in NGRAMS:
            for start in range(len(padded) - size + 1):
                counts[zlib.crc32(padded[start : start + size]) % BUCKETS] = 1.0
    norm = np.linalg.norm(counts)
    return np.concatenate([vector, counts / norm if norm else counts])
