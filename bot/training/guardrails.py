"""Fine-tunes a copy of the embedded model to say which action a message calls for: python -m bot train-guardrails.

    guardrails.jsonl ─normalised, with typing slips→ all layers ─calibrated on rows of their own→ ONNX, int8 → bot/weights/guardrails.onnx

One message can be several things, and a row names the most urgent. So what a row teaches is: its own action applies, more urgent ones do
not, and of less urgent ones nothing is known. Rules (which refusal, which caution) are learned from the rows that name one.
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bot.classifier import ACTIONS, CARD, MAX_TOKENS, WEIGHTS, rows_fingerprint
from bot.encoder import EMBEDDED_SHA256, PUBLISHED, embedded_folder, load_model
from bot.errors import InputError
from bot.exporting import export_single, round_classifier
from bot.language import with_gloss
from bot.linear import LINEAR, LinearClassifier, train_linear
from bot.messages import ORDINARY, Example, normalise
from bot.sessions import open_session
from bot.training.slips import slipped

if TYPE_CHECKING:
    import torch

EPOCHS = 4
RATE, HEAD_RATE = 5e-5, 1e-3
BATCH = 32
MEAN_FROM, MEAN_DECAY = 0.5, 0.995  # share of the steps; of the moving mean, about one two-hundredth a step
SLIPS = 0.3  # share of rows read with one or two typing slips, drawn anew in each epoch
THREADS = 2  # the weights differ in their last digits with another number
HELD_OUT = 8  # every eighth group of rows calibrates and is not learned; the two rows of a contrast pair stay together
ASIDES = ("follow-up", "unheld")  # labels beside the actions: the message leans on what was said before; the corpus lacks its answer
URGENT = ("crisis", "emergency", "decline", "caution")  # most urgent first; the others exclude each other
Array = npt.NDArray[np.float32]
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Row:
    """A message as the model reads it, what it teaches of each label (1 yes, 0 no, -1 nothing), and what must not be split from it."""

    text: str
    targets: tuple[int, ...]
    group: str


def train_guardrails(examples: Sequence[Example], report: Report, folder: Path = WEIGHTS.parent) -> None:
    """Train, calibrate, export, and write the model and its card into the folder, beside the code unless told otherwise."""
    import torch

    torch.manual_seed(7)
    labels, rows = _rows(examples)
    groups = {group: number for number, group in enumerate(sorted({row.group for row in rows}, key=lambda name: hashlib.sha256(name.encode()).digest()))}
    kept = [row for row in rows if groups[row.group] % HELD_OUT]
    held = [row for row in rows if not groups[row.group] % HELD_OUT]
    trainer = _Trainer(len(labels))
    torch.set_num_threads(THREADS)
    trainer.run(kept, report)
    report(f"loss on the calibration rows, last step: {trainer.loss(held):.4f}")
    trainer.use_mean()
    report(f"mean of the steps: {trainer.loss(held):.4f}")
    weights = folder / WEIGHTS.name
    trainer.export(weights)
    train_linear([row.text for row in kept], _known(kept), labels, folder / LINEAR.name)
    texts, linear = [row.text for row in held], LinearClassifier(folder / LINEAR.name)
    logits, others = shipped_logits(weights, texts), np.stack([linear.logits(text) for text in texts])
    scales, alone = calibrate((logits, others), _known(held)), calibrate((logits,), _known(held))
    danger = (1 / (1 + np.exp(-(scales[:2, 0] * logits[:, :2] + scales[:2, 1] * others[:, :2] + scales[:2, 2])))).max(axis=1)
    card = {
        "base_sha256": EMBEDDED_SHA256,
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "linear_sha256": hashlib.sha256((folder / LINEAR.name).read_bytes()).hexdigest(),
        "data_sha256": rows_fingerprint(examples),
        "labels": list(labels),
        "scales": scales.round(4).tolist(),
        "scales_alone": alone.round(4).tolist(),
        "rows": len(kept),
        "calibration_rows": len(held),
        "calibration": _scores(danger, held),
        "epochs": EPOCHS,
        "rate": RATE,
    }
    weights.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", "utf-8")
    report(json.dumps(card["calibration"]))


def train_fallback(examples: Sequence[Example], folder: Path = WEIGHTS.parent) -> None:
    """Train the linear classifier alone: about a minute. Raises InputError where the rows are all of one action, or another one is half of a pair there."""
    if (folder / CARD.name).is_file():
        raise InputError(f"the linear classifier in {folder} belongs to the fine-tuned one beside it; train both (without --linear), or remove {CARD.name}")
    if len({example.action for example in examples if example.action != ORDINARY}) < 2:
        raise InputError("the examples are all of one action, so there is nothing to tell apart; add rows of others to guardrails.jsonl")
    folder.mkdir(parents=True, exist_ok=True)
    labels, rows = _rows(examples)
    train_linear([row.text for row in rows], _known(rows), labels, folder / LINEAR.name)


def _rows(examples: Sequence[Example]) -> tuple[tuple[str, ...], list[Row]]:
    """(labels, what the models read)."""
    labels = (*ACTIONS, *sorted({example.rule for example in examples if example.rule}))
    return labels, [Row(normalise(with_gloss(example.text)), targets(example, labels), example.pair or example.text) for example in examples]


def _known(rows: Sequence[Row]) -> npt.NDArray[np.int64]:
    return np.array([row.targets for row in rows], dtype=np.int64)


def targets(example: Example, labels: Sequence[str]) -> tuple[int, ...]:
    """What a row teaches of each label: 1 it applies, 0 it does not, -1 nothing is known."""
    if example.action == ORDINARY:
        return tuple(_of_ordinary(example.rule, label) for label in labels)
    urgency = URGENT.index(example.action) if example.action in URGENT else len(URGENT)
    values = []
    for label in labels:
        if label in URGENT:
            place = URGENT.index(label)
            values.append(1 if place == urgency else 0 if place < urgency else -1)
        elif label in ACTIONS:
            values.append(int(label == example.action))
        elif label in ASIDES:
            values.append(-1)
        elif example.rule:
            values.append(int(label == example.rule))
        else:
            values.append(0 if example.action not in URGENT else -1)
    return tuple(values)


def _of_ordinary(rule: str, label: str) -> int:
    """What an ordinary question teaches of a label: no danger, no refusal; and whether it leans on what was said, or the corpus lacks its answer."""
    if label in ASIDES:
        return int(label == rule) if rule != "follow-up" or label == rule else -1
    if label == "abstain" and rule == "unheld":
        return -1
    return 0 if label in ("crisis", "emergency", "decline", "abstain", "smalltalk") else -1


def shipped_logits(weights: Path, texts: Sequence[str]) -> Array:
    """Logits of each text by the model as it is shipped, shape (texts, labels): rounding moves them, and the calibration must know."""
    from tokenizers import Tokenizer

    session = open_session(weights)
    tokenizer = Tokenizer.from_file(str(weights.with_name("tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    given = [np.array([encoding.ids], dtype=np.int64) for encoding in tokenizer.encode_batch(list(texts))]
    return np.concatenate([session.run(None, {"input_ids": ids})[0] for ids in given]).astype(np.float32)


def calibrate(logits: Sequence[Array], known: npt.NDArray[np.int64]) -> Array:
    """Platt scaling on held-out rows of one model or of several together, `logits` of each of shape (rows, labels): for each label their weights and
    the intercept, shape (labels, models + 1); the first model's logit as it is where too few rows tell."""
    from sklearn.linear_model import LogisticRegression

    scales = np.tile(np.array([1.0, *[0.0] * len(logits)], dtype=np.float32), (known.shape[1], 1))
    for label in range(known.shape[1]):
        told = known[:, label] >= 0
        if min((known[told, label] == 1).sum(), (known[told, label] == 0).sum()) >= 20:
            model = LogisticRegression().fit(np.stack([one[told, label] for one in logits], axis=1), known[told, label])
            scales[label] = *model.coef_[0], model.intercept_[0]
    return scales


class _Trainer:
    """The model while it learns."""

    def __init__(self, labels: int) -> None:
        import torch

        loaded: Any = load_model(embedded_folder(), PUBLISHED)
        self._tokenizer = loaded.tokenizer
        self._bert: Any = loaded[0].auto_model
        self._bert.set_attn_implementation("eager")  # its backward pass takes half the time of the fused one on a CPU
        for weight in self._bert.embeddings.parameters():
            weight.requires_grad = False
        self._head = torch.nn.Linear(self._bert.config.hidden_size, labels)
        self._mean: list[torch.Tensor] = []

    def run(self, rows: Sequence[Row], report: Report) -> None:
        """Batches of similar length in random order, with typing slips."""
        import torch

        chance = random.Random(7)  # noqa: S311  # shuffles training data
        layers = [weight for weight in self._bert.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW([{"params": layers, "lr": RATE}, {"params": self._head.parameters(), "lr": HEAD_RATE}], weight_decay=0.01)
        steps = EPOCHS * ((len(rows) + BATCH - 1) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, [RATE, HEAD_RATE], total_steps=steps + 1, pct_start=0.1)
        done = 0
        for _ in range(EPOCHS):
            self._bert.train()
            for batch in _batches(rows, chance):
                texts = [slipped(row.text, chance, chance.choice((1, 1, 2))) if chance.random() < SLIPS else row.text for row in batch]
                loss = self._loss(self._forward(texts), torch.tensor([row.targets for row in batch]))
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch types it so
                torch.nn.utils.clip_grad_norm_(layers, 1.0)
                optimiser.step()
                schedule.step()
                done += 1
                self._keep_mean(done / steps)
                if done % 50 == 0:
                    report(f"step {done} of {steps}, loss {loss.item():.3f}")

    def _keep_mean(self, done: float) -> None:
        """From half way on a moving mean of the weights is kept: no better than the last step (loss 0.0482 against 0.0480), but what is shipped."""
        import torch

        weights = [weight for part in (self._bert, self._head) for weight in part.parameters() if weight.requires_grad]
        if not self._mean:
            self._mean = [weight.detach().clone() for weight in weights] if done >= MEAN_FROM else []
            return
        with torch.no_grad():
            for mean, weight in zip(self._mean, weights, strict=True):
                mean.lerp_(weight, 1 - MEAN_DECAY)

    def use_mean(self) -> None:
        """Put the mean in place of the last weights."""
        import torch

        weights = [weight for part in (self._bert, self._head) for weight in part.parameters() if weight.requires_grad]
        with torch.no_grad():
            for mean, weight in zip(self._mean, weights, strict=True):
                weight.copy_(mean)

    def logits(self, texts: Sequence[str]) -> Array:
        """Logits of each text, shape (texts, labels)."""
        import torch

        self._bert.eval()
        with torch.no_grad():
            rows = [self._forward(texts[start : start + BATCH]).numpy() for start in range(0, len(texts), BATCH)]
        return np.concatenate(rows).astype(np.float32)

    def loss(self, rows: Sequence[Row]) -> float:
        """Mean loss over rows that are not learned."""
        import torch

        return float(self._loss(torch.from_numpy(self.logits([row.text for row in rows])), torch.tensor([row.targets for row in rows])))

    def export(self, target: Path) -> None:
        """Write the model as ONNX with 8-bit weights."""
        import torch

        target.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            export_single(self._bert.eval(), self._head.eval(), MAX_TOKENS, Path(folder) / "whole.onnx")
            round_classifier(Path(folder) / "whole.onnx", target)
        self._tokenizer.backend_tokenizer.save(str(target.with_name("tokenizer.json")))

    def _forward(self, texts: Sequence[str]) -> torch.Tensor:
        import torch

        given = self._tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=torch.is_grad_enabled()):
            states = self._bert(**given).last_hidden_state.float()
        mask = given["attention_mask"].unsqueeze(-1).float()
        logits: torch.Tensor = self._head((states * mask).sum(1) / mask.sum(1))
        return logits

    @staticmethod
    def _loss(logits: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        import torch

        losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, known.clamp(min=0).float(), reduction="none")
        told = (known >= 0).float()
        loss: torch.Tensor = (losses * told).sum() / told.sum()
        return loss


def _batches(rows: Sequence[Row], chance: random.Random) -> list[list[Row]]:
    """Batches of rows of similar length, in random order: little padding, and no epoch like the one before."""
    ordered = sorted(rows, key=lambda row: len(row.text) + 40 * chance.random())
    batches = [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]
    return chance.sample(batches, len(batches))


def _scores(danger: Array, held: Sequence[Row]) -> dict[str, float]:
    """Recall and false alarms for danger to life on the calibration rows, at a few thresholds."""
    truth = np.array([max(row.targets[:2]) == 1 for row in held])
    table = {}
    for threshold in (0.1, 0.3, 0.5, 0.7, 0.9):
        table[f"recall at {threshold}"] = round(float((danger[truth] >= threshold).mean()), 3)
        table[f"false alarms at {threshold}"] = round(float((danger[~truth] >= threshold).mean()), 3)
    return table
