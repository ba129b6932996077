"""Trains the weights that are shipped with the bot, from data in the repository: torch on two CPU cores at most, run by hand, never at start.

corpus questions ─encoder→ bot/weights/encoder.safetensors    (the upper layers of the embedded model, tuned to our questions)
guardrails.jsonl ─guardrails→ bot/weights/guardrails.onnx     (a copy of the embedded model that says which action a message calls for)
"""
