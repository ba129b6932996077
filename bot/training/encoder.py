"""Tunes the upper layers of the embedded model so that a question lies near the section that answers it: python -m bot train-encoder.

    questions + sections ─contrastive, in-batch negatives→ upper layers ─float16→ bot/weights/encoder.safetensors

The lower layers and the word vectors stay the published model's, so what is shipped is small and words the corpus lacks keep their place.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.chunking import context_header
from bot.citations import plain
from bot.encoder import EMBEDDED_SHA256, PUBLISHED, TUNED, TUNED_CARD, Vectors, embedded_folder, load_model
from bot.records import Document

if TYPE_CHECKING:
    import torch

FROZEN = 3  # of six layers
EPOCHS = 3
RATE = 1e-4
BATCH = 64  # each other section in the batch is a negative
SCALE = 20.0  # of the cosine before the softmax, as in sentence-transformers
THREADS = 2  # the weights differ in their last digits with another number
WARM_UP = 50  # steps
HELD_OUT = 12  # every twelfth question is kept to measure with
QUESTION_TOKENS, SECTION_TOKENS = 48, 64  # read while training: a section's title, heading and first sentences decide

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and the text of the section that it belongs to."""

    question: str
    section: str


def pairs_of(documents: Iterable[Document]) -> list[Pair]:
    """Every question of the corpus with its section, as the encoder reads it."""
    found = []
    for document in documents:
        for section in document.sections:
            text = context_header(document.title, section.heading) + plain(document.text[section.span.start : section.span.end])
            found += [Pair(question, text[:400]) for question in section.questions]
    return found


def train_encoder(documents: Iterable[Document], report: Report) -> None:
    """Train, and write the tuned layers and their card beside the code. The same data give the same weights."""
    import torch

    torch.manual_seed(7)
    pairs = pairs_of(documents)
    held, kept = pairs[::HELD_OUT], [pair for number, pair in enumerate(pairs) if number % HELD_OUT]
    trainer = _Trainer()
    torch.set_num_threads(THREADS)
    before = trainer.accuracy(kept, held)
    report(f"{len(kept)} questions; right section first for {before:.3f} of {len(held)} held out, before")
    trainer.run(kept, report)
    after = trainer.accuracy(kept, held)
    report(f"{after:.3f} after")
    trainer.save()
    data = hashlib.sha256("\n".join(f"{pair.question}\t{pair.section}" for pair in pairs).encode()).hexdigest()
    card = {
        "base_sha256": EMBEDDED_SHA256,
        "weights_sha256": hashlib.sha256(TUNED.read_bytes()).hexdigest(),
        "data_sha256": data,
        "questions": len(kept),
        "held_out": len(held),
        "right_section_first": {"before": round(before, 3), "after": round(after, 3)},
        "epochs": EPOCHS,
        "frozen_layers": FROZEN,
        "rate": RATE,
    }
    TUNED_CARD.write_text(json.dumps(card, indent=2) + "\n", "utf-8")


class _Trainer:
    """The model while its upper layers learn."""

    def __init__(self) -> None:
        model: Any = load_model(embedded_folder(), PUBLISHED)
        self._tokenizer = model.tokenizer
        self._bert: Any = model[0].auto_model
        self._bert.set_attn_implementation("eager")  # its backward pass takes half the time of the fused one on a CPU
        for part in (self._bert.embeddings, *self._bert.encoder.layer[:FROZEN]):
            for weight in part.parameters():
                weight.requires_grad = False
        self._weights = [weight for weight in self._bert.parameters() if weight.requires_grad]

    def run(self, pairs: list[Pair], report: Report) -> None:
        """Let every question find its section, or another question of the same section, among those of the batch."""
        import torch

        chance = random.Random(7)  # noqa: S311  # shuffles training data
        siblings: dict[str, list[str]] = {}
        for pair in pairs:
            siblings.setdefault(pair.section, []).append(pair.question)
        optimiser = torch.optim.AdamW(self._weights, lr=RATE, weight_decay=0.01)
        steps, done = EPOCHS * (len(pairs) // BATCH), 0
        for _ in range(EPOCHS):
            order = chance.sample(pairs, len(pairs))
            self._bert.train()
            for start in range(0, len(order) - BATCH + 1, BATCH):
                batch = order[start : start + BATCH]
                done += 1
                for group in optimiser.param_groups:
                    group["lr"] = RATE * min(1, done / WARM_UP) * (1 - done / (steps + 1))
                loss = self._loss(batch, _positives(batch, siblings, chance, questions=done % 2 == 0))
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch types it so
                torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
                optimiser.step()
                if done % 50 == 0:
                    report(f"step {done} of {steps}, loss {loss.item():.3f}")

    def accuracy(self, known: Sequence[Pair], asked: Sequence[Pair]) -> float:
        """Share of `asked` whose nearest known question and section, half and half, are of the right section."""
        sections = list(dict.fromkeys(pair.section for pair in known))
        number = {section: place for place, section in enumerate(sections)}
        owners = np.array([number[pair.section] for pair in known])
        vectors = self._encode([pair.question for pair in asked])
        cosines = vectors @ self._encode([pair.question for pair in known]).T
        scores = vectors @ self._encode(sections).T
        for place in range(len(sections)):
            scores[:, place] += cosines[:, owners == place].max(axis=1)
        wanted = np.array([number.get(pair.section, -1) for pair in asked])
        return float((scores.argmax(axis=1) == wanted).mean())

    def save(self) -> None:
        """Write what was tuned, as float16."""
        import torch
        from safetensors.torch import save_file

        tuned = {name: weight.detach().to(torch.float16).contiguous() for name, weight in self._bert.named_parameters() if weight.requires_grad}
        TUNED.parent.mkdir(exist_ok=True)
        save_file(tuned, TUNED)

    def _loss(self, batch: Sequence[Pair], positives: Sequence[str]) -> torch.Tensor:
        import torch

        logits = SCALE * self._embed([pair.question for pair in batch], QUESTION_TOKENS) @ self._embed(positives, SECTION_TOKENS).T
        same = [[one.section == other.section and one is not other for other in batch] for one in batch]
        logits = logits.masked_fill(torch.tensor(same), -1e4)
        right = torch.arange(len(batch))
        cross_entropy = torch.nn.functional.cross_entropy
        return (cross_entropy(logits, right) + cross_entropy(logits.T, right)) / 2

    def _embed(self, texts: Sequence[str], tokens: int) -> torch.Tensor:
        import torch

        given = self._tokenizer(list(texts), padding=True, truncation=True, max_length=tokens, return_tensors="pt")
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=torch.is_grad_enabled()):
            states = self._bert(**given).last_hidden_state.float()
        mask = given["attention_mask"].unsqueeze(-1).float()
        return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        import torch

        self._bert.eval()
        with torch.no_grad():
            rows = [self._embed(texts[start : start + BATCH], 128).numpy() for start in range(0, len(texts), BATCH)]
        return np.concatenate(rows).astype(np.float32)


def _positives(batch: Sequence[Pair], siblings: dict[str, list[str]], chance: random.Random, *, questions: bool) -> list[str]:
    """For each pair of the batch what it should find: its section, or another question of that section."""
    if not questions:
        return [pair.section for pair in batch]
    return [chance.choice([other for other in siblings[pair.section] if other != pair.question] or [pair.section]) for pair in batch]
