from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.chat.nets import ThirdNet
from bot.classifier import ACTIONS, CARD, MAX_TOKENS, WEIGHTS, Classifier, rows_fingerprint
from bot.encoder import TUNED, TUNED_CARD
from bot.errors import EncoderError
from bot.guardrails import training_examples
from bot.linear import LINEAR, LinearClassifier
from bot.messages import ORDINARY, Example
from bot.training.guardrails import targets

CLASSIFIER = Classifier()


def test_the_weights_were_trained_on_the_examples_as_they_are_now() -> None:
    card = json.loads(CARD.read_text("utf-8"))
    assert card["data_sha256"] == rows_fingerprint(training_examples()), "guardrails.jsonl or a rule's examples changed; run: python -m bot train-guardrails"
    assert card["weights_sha256"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert tuple(card["labels"][: len(ACTIONS)]) == ACTIONS
    assert card["calibration"]["recall at 0.1"] > 0.8


def test_the_shipped_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size <= 25_000_000 and TUNED.stat().st_size <= 12_000_000
    assert json.loads(TUNED_CARD.read_text("utf-8"))["weights_sha256"] == hashlib.sha256(TUNED.read_bytes()).hexdigest()


def test_danger_scores_above_the_ordinary_question() -> None:
    danger, ordinary = CLASSIFIER.scores("his lips are grey and he makes a rattling noise, took 7oh"), CLASSIFIER.scores("is kratom legal in ohio")
    assert danger["emergency"] > 0.5 > 0.05 > ordinary["emergency"] + ordinary["crisis"]


def test_scores_are_the_same_each_time() -> None:
    assert CLASSIFIER.scores("is kratom legal in ohio") == CLASSIFIER.scores("is kratom legal in ohio")


def test_a_long_message_is_read_to_its_end() -> None:
    story = "We moved house in May and the garden needed work. " * 120
    scores = CLASSIFIER.scores(story + "he took a whole bag of 7oh and i cannot wake him up " + story)
    assert len(story.split()) > 4 * MAX_TOKENS and scores["emergency"] > 0.2


def test_changed_or_missing_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="train-guardrails"):
        Classifier(tmp_path / "guardrails.onnx")
    for path in WEIGHTS.parent.iterdir():
        shutil.copy(path, tmp_path)
    broken = tmp_path / WEIGHTS.name
    broken.write_bytes(broken.read_bytes()[:-1] + b"x")
    with pytest.raises(EncoderError, match="not those of the card"):
        Classifier(broken)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[: len(data) // 2], lambda _: b"other weights", lambda data: data[:500] + b"x" + data[501:], None]
)
def test_without_the_linear_half_the_other_decides_alone(damage: Callable[[bytes], bytes] | None, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in WEIGHTS.parent.iterdir():
        shutil.copy(path, tmp_path)
    linear = tmp_path / LINEAR.name
    linear.unlink() if damage is None else linear.write_bytes(damage(linear.read_bytes()))
    net = ThirdNet("tuned", tmp_path)
    read = net.read("he took a lot of kratom and wont wake up", (), "he took a lot of kratom and wont wake up")
    assert read and read.net == "classifier" and read.alone["emergency"] > 0.5
    assert "decides without it" in caplog.text
    (tmp_path / WEIGHTS.name).unlink()
    assert ThirdNet("tuned", tmp_path).read("hello", (), "hello") is None


def test_the_linear_classifier_decides_alone_without_the_other(tmp_path: Path) -> None:
    for path in WEIGHTS.parent.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / WEIGHTS.name).unlink()
    net = ThirdNet("tuned", tmp_path)
    read = net.read("he took a lot of kratom and wont wake up", (), "he took a lot of kratom and wont wake up")
    assert read and read.net == "linear" and read.alone["emergency"] > 0.5


def test_the_linear_half_is_read_with_the_other() -> None:
    """Its n-grams alone tell danger from an ordinary question, and the calibration gives it a share of both."""
    linear, card = LinearClassifier(), json.loads(CARD.read_text("utf-8"))
    danger, ordinary = linear.scores("he took a lot of kratom and wont wake up"), linear.scores("is kratom legal in ohio")
    assert danger["emergency"] > 0.5 > 0.05 > ordinary["emergency"] and linear.labels == card["labels"]
    assert all(model > 0 and other > 0 for model, other, _ in card["scales"][:2])


def test_a_row_teaches_its_action_and_what_is_more_urgent_and_nothing_of_what_is_less() -> None:
    labels = (*ACTIONS, "amount", "mixing")
    assert targets(Example("x", "crisis"), labels) == (1, -1, -1, -1, 0, 0, -1, -1)
    assert targets(Example("x", "decline", "amount"), labels) == (0, 0, 1, -1, 0, 0, 1, 0)
    assert targets(Example("x", "answer"), labels) == (0, 0, 0, 0, 0, 0, 0, 0)
    assert targets(Example("x", ORDINARY), labels) == (0, 0, 0, -1, 0, 0, -1, -1)
