"""Nothing in the house can write a sentence or ask something that can: read off what is declared, and off what a running bot has loaded."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement

from bot.chat import Bot

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# Clients of generative services, runners of generative models, and the frameworks around them: names on PyPI.
GENERATIVE = {
    "ai21", "aleph-alpha-client", "anthropic", "autogen", "boto3", "cohere", "crewai", "ctransformers", "dashscope", "dspy", "exllamav2",
    "fireworks-ai", "google-genai", "google-generativeai", "gpt4all", "groq", "haystack-ai", "instructor", "langchain", "langchain-core", "litellm",
    "llama-cpp-python", "llama-index", "llama-index-core", "mistralai", "mlx-lm", "ollama", "onnxruntime-genai", "openai", "openvino-genai",
    "outlines", "replicate", "together", "vertexai", "vllm", "zhipuai",
}  # fmt: skip
# A build loads these to export the encoder; they can do more than encode, so nothing that answers may load them.
BUILD_ONLY = {"torch", "transformers", "sentence_transformers", "huggingface_hub", "accelerate", "onnx", "onnxscript", "sklearn"}


def closure(requirements: list[str]) -> set[str]:
    """Names of everything that installing the requirements brings, on this machine, without extras that nobody asks for."""
    found: set[str] = set()
    waiting = [(requirement, "") for requirement in map(Requirement, requirements)]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        fresh = name not in found
        found.add(name)
        try:
            below = [Requirement(line) for line in requires(name) or []] if fresh or requirement.extras else []
        except PackageNotFoundError:
            continue
        waiting += [(one, wanted) for one in below for wanted in {"", *requirement.extras}]
    return found


def test_no_generative_client_is_among_what_is_installed_with_the_bot() -> None:
    names = closure(PROJECT["dependencies"])
    assert {"onnxruntime", "fastapi", "numpy", "tokenizers"} <= names  # the walk does walk
    assert not names & GENERATIVE
    assert not closure(PROJECT["optional-dependencies"]["mcp"] + PROJECT["optional-dependencies"]["sign"]) & GENERATIVE


PROBE = """
import sys
from fastapi.testclient import TestClient
from bot import open_bot
from bot.service import create_service, opened
import bot.verify
with TestClient(create_service(opened(open_bot())), "http://localhost:7860") as client:
    assert client.post("/v1/reply", json={"message": "does kratom harm the liver"}).json()["hits"]
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert client.post("/mcp", json=asked, headers={"accept": "application/json, text/event-stream"}).status_code == 200
print("loaded", *sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_a_bot_that_has_answered_through_every_door_for_programs_has_loaded_none_and_left_nothing_behind(bot: Bot, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_DATA_HOME": str(tmp_path / "data"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, env={**os.environ, **home}, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("loaded "), done.stderr
    loaded = set(done.stdout.split())
    assert "gradio" not in loaded, "the JSON service needs no page"
    assert not loaded & {*BUILD_ONLY, *(name.replace("-", "_") for name in GENERATIVE)}
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "something wrote a file: onnxruntime does when its telemetry is on"
