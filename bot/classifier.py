"""The third net: a fine-tuned copy of the embedded model, shipped with the code, that says which action a message calls for.

    message ─normalised→ one window, or many short ones ─onnxruntime→ logits ┐
                                                       └n-grams, linear→ logits ┴─calibrated together→ {action or rule: probability}

`python -m bot train-guardrails` makes bot/weights/guardrails.onnx from bot/guardrails.jsonl; the card beside it holds the data's hash,
the labels, the calibration and the scores. Without the weights, linear.py decides alone; without that, patterns do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bot.errors import EncoderError
from bot.linear import LINEAR, LinearClassifier
from bot.messages import Example, normalise
from bot.sessions import open_session

if TYPE_CHECKING:
    from tokenizers import Encoding

WEIGHTS = Path(__file__).with_name("weights") / "guardrails.onnx"
CARD = WEIGHTS.with_suffix(".json")
ACTIONS = ("crisis", "emergency", "decline", "caution", "abstain", "smalltalk")  # the first labels of the model; `answer` is none of them
MAX_TOKENS = 256  # what the model reads at once; a longer message is read in windows and the most urgent window counts
WINDOW = 96  # tokens of such a window, as long as a telling message: in a wider one a single sentence of danger drowns
Shares = npt.NDArray[np.float32]
STRIDE = 64  # tokens from one window to the next: what stands on an edge is whole in a neighbour


class Classifier:
    """Probabilities per action and per rule, calibrated, each on its own: one message can be several things."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        try:
            from tokenizers import Tokenizer

            self.card: dict[str, Any] = json.loads(weights.with_suffix(".json").read_text("utf-8"))
            linear = weights.with_name(LINEAR.name)
            if [hashlib.sha256(file.read_bytes()).hexdigest() for file in (weights, linear)] != [self.card["weights_sha256"], self.card["linear_sha256"]]:
                raise ValueError("the weights are not those of the card")
            self._linear = LinearClassifier(linear)
            self._session = open_session(weights)
            self._tokenizer = Tokenizer.from_file(str(weights.with_name("tokenizer.json")))
        except Exception as error:  # each library raises its own kinds; all mean the weights are unusable
            raise EncoderError(
                f"the guardrails' weights in {weights.parent} cannot be read ({error}); restore them or run: python -m bot train-guardrails"
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._scales = np.array(self.card["scales"], dtype=np.float32)

    def scores(self, message: str) -> dict[str, float]:
        """The probability of each action and rule, 0 to 1; of a long message, that of its most telling window.

        Windows are read one by one: in a batch the 8-bit activations share a scale, and a message's scores would depend on its neighbours.
        """
        text = normalise(message)
        encoding = self._tokenizer.encode(text)
        shares = np.stack([self._shares(encoding.ids, text)] if len(encoding.ids) <= MAX_TOKENS else [self._shares(*each) for each in _windows(encoding, text)])
        named = dict(zip(self.card["labels"], shares.max(axis=0).tolist(), strict=True))
        named["abstain"] = float(shares[:, ACTIONS.index("abstain")].min())  # one window on our subject is enough
        return named

    def _shares(self, window: list[int], text: str) -> Shares:
        ids = np.array([window], dtype=np.int64)
        [logits] = self._session.run(None, {"input_ids": ids})
        both = self._scales[:, 0] * logits[0] + self._scales[:, 1] * self._linear.logits(text) + self._scales[:, 2]
        shares: Shares = 1 / (1 + np.exp(-both))
        return shares


def rows_fingerprint(examples: Sequence[Example]) -> str:
    """sha256 over what the classifier learns from, in any order: weights made from other rows are stale."""
    lines = sorted(f"{example.text}\0{example.action}\0{example.rule}\0{example.pair}\n" for example in examples)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _windows(encoding: Encoding, text: str) -> Iterator[tuple[list[int], str]]:
    """Overlapping windows of a long text: token ids between the model's own marks, and the text that they stand for."""
    ids, spans, width = encoding.ids[1:-1], encoding.offsets[1:-1], WINDOW - 2
    for start in range(0, max(len(ids) - width, 0) + STRIDE, STRIDE):
        inner, places = ids[start : start + width], spans[start : start + width]
        if inner:
            yield [encoding.ids[0], *inner, encoding.ids[-1]], text[places[0][0] : places[-1][1]]
