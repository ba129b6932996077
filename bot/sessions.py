"""onnxruntime as this bot runs it: one thread a session, since two were far slower on two busy cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SLOWER = ["SkipLayerNormFusion"]  # what onnxruntime fuses into an operator that takes longer: with it 3.9 ms for 31 tokens, without 3.2


def open_session(path: Path, *, optimised: bool = False, save_to: Path | None = None) -> Any:
    """The graph, ready to run. `optimised`: it is fused already. `save_to`: a folder for the fused graph and, in a file that is mapped, its weights.

    Raises ImportError without onnxruntime, and onnxruntime's own kinds for an unusable file.
    """
    import onnxruntime

    options, levels = onnxruntime.SessionOptions(), onnxruntime.GraphOptimizationLevel
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if optimised:
        options.graph_optimization_level = levels.ORT_DISABLE_ALL
    if save_to:
        options.graph_optimization_level = levels.ORT_ENABLE_EXTENDED  # the level above is for one kind of processor
        options.optimized_model_filepath = str(save_to / "model.onnx")
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "model.weights")
        options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER)
