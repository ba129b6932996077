"""The third net's fallback and yardstick: a linear classifier over hashed character n-grams, in numpy alone.

    message ─normalised→ n-grams ─weights of bot/weights/linear.npz→ {action: probability}

It needs neither onnxruntime nor the encoder; classifier.py is several times better (benchmarks/guardrails.py).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bot.errors import EncoderError
from bot.messages import normalise

Array = npt.NDArray[np.float32]

LINEAR = Path(__file__).with_name("weights") / "linear.npz"
BUCKETS = 8192  # hashed n-grams: a few thousand short messages collide rarely; not tuned
NGRAMS = (2, 3, 4, 5)
REGULARISATION = 10.0  # C: fewest false alarms at 90 % danger recall of 3, 10 and 30 in five-fold cross-validation
TEXT_LIMIT = 4000  # characters read for n-grams; the head and the tail of longer messages


class LinearClassifier:
    """Probabilities per action, from the shipped weights. Raises EncoderError when they cannot be read."""

    def __init__(self, path: Path = LINEAR) -> None:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                self._weights = arrays["weights"].astype(np.float32)
                self._bias = arrays["bias"].astype(np.float32)
                self._labels = [str(label) for label in arrays["labels"]]
        except (OSError, ValueError, KeyError) as error:
            raise EncoderError(f"{path} cannot be read ({error}); restore it or run: python -m bot train-guardrails") from error

    def scores(self, message: str) -> dict[str, float]:
        """Probability of each action for one message; they sum to 1."""
        logits = self._weights @ features(message) + self._bias
        shares = np.exp(logits - logits.max())
        return dict(zip(self._labels, (shares / shares.sum()).tolist(), strict=True))


def train_linear(messages: Sequence[str], actions: Sequence[str], path: Path = LINEAR) -> None:
    """Write the weights: (labels, BUCKETS), half precision. Deterministic; seconds to a minute."""
    from sklearn.linear_model import LogisticRegression

    rows = np.stack([features(message) for message in messages])
    model = LogisticRegression(C=REGULARISATION, max_iter=2000, class_weight="balanced").fit(rows, list(actions))
    labels = np.array([str(label) for label in model.classes_])
    np.savez(path, allow_pickle=False, weights=model.coef_.astype(np.float16), bias=model.intercept_.astype(np.float16), labels=labels)


def features(message: str) -> Array:
    """The message's hashed n-grams, a unit vector, float32, shape (BUCKETS,)."""
    text = message if len(message) <= TEXT_LIMIT else f"{message[: TEXT_LIMIT // 2]} {message[-TEXT_LIMIT // 2 :]}"
    counts = np.zeros(BUCKETS, dtype=np.float32)
    for word in normalise(text).split():
        padded = f" {word} ".encode()
        for size in NGRAMS:
            for start in range(len(padded) - size + 1):
                counts[zlib.crc32(padded[start : start + size]) % BUCKETS] = 1.0
    norm = np.linalg.norm(counts)
    return counts / norm if norm else counts
