"""The third net: a fine-tuned copy of the embedded model, shipped with the code, that says which action a message calls for.

    message ─normalised→ one window, or many short ones ─onnxruntime→ logits ┐
                                                       └n-grams, linear→ logits ┴─calibrated together→ {action or rule: probability}

`python -m bot train-guardrails` makes bot/weights/guardrails.onnx from bot/guardrails.jsonl; the card beside it holds the data's hash,
the labels, the calibration and the scores. Without either model the other decides alone; without both, patterns do.
"""

from __future__ import annotations

import hashlib
import json
import logging
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

log = logging.getLogger(__name__)
WEIGHTS = Path(__file__).with_name("weights") / "guardrails.onnx"
CARD = WEIGHTS.with_suffix(".json")
ACTIONS = ("crisis", "emergency", "decline", "caution", "abstain", "smalltalk")  # the first labels of the model; `answer` is none of them
MAX_TOKENS = 256  # what the model reads at once; a longer message is read in windows and the most urgent window counts
WINDOW = 96  # tokens of such a window, as long as a telling message: in a wider one a single sentence of danger drowns
Shares = npt.NDArray[np.float32]
STRIDE = 64  # tokens from one window to the next: what stands on an edge is whole in a neighbour


class Classifier:
    """Probabilities per action and per rule, calibrated, each on its own: one message can be several things."""

    def __init__(self, weights: Path = WEIGHTS, *, paired: bool = True) -> None:
        """`paired`: with the linear half, where that can be read. Raises EncoderError where the weights cannot."""
        try:
            from tokenizers import Tokenizer

            self.card: dict[str, Any] = json.loads(weights.with_suffix(".json").read_text("utf-8"))
            with weights.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != self.card["weights_sha256"]:
                raise ValueError("the weights are not those of the card")
            alone = np.array(self.card["scales_alone"], dtype=np.float32)
            self._session = open_session(weights)
            self._tokenizer = Tokenizer.from_file(str(weights.with_name("tokenizer.json")))
        except Exception as error:  # each library raises its own kinds; all mean the weights are unusable
            raise EncoderError(
                f"the guardrails' weights in {weights.parent} cannot be read ({error}); restore them or run: python -m bot train-guardrails"
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._linear: LinearClassifier | None = None
        self._scales = np.insert(alone, 1, 0.0, axis=1)
        try:
            if paired:
                self._linear = linear_of(weights.parent)
                self._scales = np.array(self.card["scales"], dtype=np.float32)
        except EncoderError as error:
            log.warning("%s. The fine-tuned classifier decides without it.", error)

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
        other = self._linear.logits(text) if self._linear else 0.0
        both = self._scales[:, 0] * logits[0] + self._scales[:, 1] * other + self._scales[:, 2]
        shares: Shares = 1 / (1 + np.exp(-both))
        return shares


def linear_of(folder: Path) -> LinearClassifier:
    """The linear classifier of a folder of weights. EncoderError where it cannot be read or is not the one of the card that lies beside it."""
    linear, card = folder / LINEAR.name, folder / CARD.name
    try:
        if card.is_file() and json.loads(card.read_text("utf-8")).get("linear_sha256") != hashlib.sha256(linear.read_bytes()).hexdigest():
            raise ValueError("it is not the one of the card, or of an older version")
    except (OSError, ValueError) as error:
        raise EncoderError(f"{linear} cannot be read ({error}); restore it or run: python -m bot train-guardrails") from error
    return LinearClassifier(linear)


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
