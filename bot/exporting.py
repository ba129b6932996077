"""Models as ONNX graphs. Imports torch; runs at builds and trainings only."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.sessions import open_session

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer


def export_any(model: SentenceTransformer, target: Path) -> None:
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
    names = ["input_ids", "attention_mask"]
    _export(Graph(), tuple(example[name] for name in names), names, {name: {0: rows, 1: columns} for name in names}, target)


def export_single(bert: Any, finish: Callable[[torch.Tensor], torch.Tensor], longest: int, target: Path) -> None:
    """A BERT that reads one text at a time, from its token ids, shape (1, tokens), to what `finish` makes of its mean state, shape (1, width).

    One text needs no padding and no mask, and query, key and value are one product: of 31 tokens in 8 bits 2.3 ms, by the library's own graph 2.9.
    """
    import torch

    width, heads = bert.config.hidden_size, bert.config.num_attention_heads

    def joined(attention: Any) -> torch.nn.Linear:
        """Query, key and value in one; the query takes the scale of the products along."""
        scale, both = (width // heads) ** -0.5, torch.nn.Linear(width, 3 * width)
        with torch.no_grad():
            for part in ("weight", "bias"):
                query, key, value = (getattr(getattr(attention, name), part) for name in ("query", "key", "value"))
                getattr(both, part).copy_(torch.cat([query * scale, key, value]))
        return both

    class Graph(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert, self.joined = bert, torch.nn.ModuleList(joined(layer.attention.self) for layer in bert.encoder.layer)

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            states = self.bert.embeddings(input_ids=input_ids)
            for layer, all_three in zip(self.bert.encoder.layer, self.joined, strict=True):
                parts = all_three(states).split(width, dim=-1)
                query, key, value = (part.view(1, -1, heads, width // heads).transpose(1, 2) for part in parts)
                seen = torch.softmax(query @ key.transpose(-1, -2), dim=-1) @ value
                states = layer.attention.output(seen.transpose(1, 2).reshape(1, -1, width), states)
                states = layer.output(layer.intermediate(states), states)
            return finish(states.mean(1))

    columns = torch.export.Dim("columns", min=2, max=longest)
    _export(Graph(), (torch.tensor([[101, 2028, 3793, 102]]),), ["input_ids"], {"input_ids": {1: columns}}, target)


def _export(graph: torch.nn.Module, given: tuple[Any, ...], names: list[str], shapes: dict[str, Any], target: Path) -> None:
    import torch

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own internals; nothing a reader could do about it
        torch.onnx.export(graph.eval(), given, str(target), input_names=names, dynamic_shapes=shapes, dynamo=True, external_data=False, verbose=False)


def round_encoder(exported: Path) -> None:
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


def round_classifier(exported: Path, target: Path) -> None:
    """All weights to 8 bits, of which seven are used: the same scores with and without VNNI."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    rounded = ["MatMul", "Gather", "Gemm"]
    quantize_dynamic(exported, target, weight_type=QuantType.QInt8, op_types_to_quantize=rounded, per_channel=True, reduce_range=True)


def optimise(exported: Path, target: Path) -> None:
    """Fuse the graph once, not at each start, and put its weights in a file that onnxruntime maps: a third of the time to load, 80 MB less at its peak."""
    open_session(exported, save_to=target)
    exported.unlink()
