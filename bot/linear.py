"""The linear half of the third net: hashed character n-grams, in numpy alone; the fallback and the yardstick of classifier.py as well.

    message ─normalised→ n-grams ─weights of bot/weights/linear.npz→ {action or rule: probability}

It needs neither onnxruntime nor the encoder. It knows no meaning, so it errs elsewhere than the fine-tuned model, and the two are
read together (`bot.training.guardrails.calibrate`).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bot.errors import EncoderError
from bot.messages import normalise

Array = npt.NDArray[np.float32]

LINEAR = Path(__file__).with_name("weights") / "linear.npz"
BUCKETS = 32768  # hashed n-grams; with a quarter as many one false alarm in ten is more, with four times as many none is fewer
NGRAMS = (2, 3, 4, 5)
REGULARISATION = 10.0  # C: fewest false alarms at 90 % danger recall of 3, 10 and 30 in five-fold cross-validation
TEXT_LIMIT = 4000  # characters read for n-grams; the head and the tail of longer messages


class LinearClassifier:
    """Probabilities per action and rule, from the shipped weights. Raises EncoderError when they cannot be read."""

    def __init__(self, path: Path = LINEAR) -> None:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                self._weights = arrays["weights"]
                self._bias = arrays["bias"].astype(np.float32)
                self.labels = [str(label) for label in arrays["labels"]]
            if self._weights.shape != (BUCKETS, len(self.labels)) or self._bias.shape != (len(self.labels),):
                raise ValueError("the weights have another shape than the labels")
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise EncoderError(f"{path} cannot be read ({error}); restore it or run: python -m bot train-guardrails") from error

    def logits(self, text: str) -> Array:
        """Of a normalised text, shape (labels,)."""
        places = buckets(text)
        logits: Array = self._bias + self._weights[places].sum(axis=0, dtype=np.float32) / np.float32(max(len(places), 1) ** 0.5)
        return logits

    def scores(self, message: str) -> dict[str, float]:
        """Probability of each action and rule for one message, each on its own: one message can be several things."""
        shares = 1 / (1 + np.exp(-self.logits(normalise(message))))
        return dict(zip(self.labels, shares.tolist(), strict=True))


def train_linear(texts: Sequence[str], known: npt.NDArray[np.int64], labels: Sequence[str], path: Path = LINEAR) -> None:
    """Write the weights of one logistic regression a label, shape (BUCKETS, labels), half precision. Deterministic; about a minute.

    `texts` are normalised; `known` says of each text and label 1, 0 or -1 (nothing is known), shape (texts, labels).
    """
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    places = [buckets(text) for text in texts]
    ends = np.cumsum([0, *map(len, places)])
    values = np.concatenate([np.full(len(row), max(len(row), 1) ** -0.5) for row in places])
    rows = csr_matrix((values, np.concatenate(places), ends), shape=(len(texts), BUCKETS))
    weights, bias = np.zeros((BUCKETS, len(labels)), dtype=np.float16), np.full(len(labels), -10, dtype=np.float16)  # -10: never, where no row tells
    for place in range(len(labels)):
        told = known[:, place] >= 0
        if len({*known[told, place].tolist()}) == 2:
            model = LogisticRegression(C=REGULARISATION, max_iter=300, solver="liblinear", random_state=0).fit(rows[told], known[told, place])
            weights[:, place], bias[place] = model.coef_[0], model.intercept_[0]
    np.savez(path, allow_pickle=False, weights=weights, bias=bias, labels=np.array([str(label) for label in labels]))


def buckets(text: str) -> npt.NDArray[np.int64]:
    """The places of a normalised text's hashed n-grams, each once, in order; n-grams end at words."""
    found: set[int] = set()
    for word in (text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT // 2]} {text[-TEXT_LIMIT // 2 :]}").split():
        padded = f" {word} ".encode()
        for size in NGRAMS:
            found.update(zlib.crc32(padded[start : start + size]) % BUCKETS for start in range(len(padded) - size + 1))
    return np.array(sorted(found), dtype=np.int64)
