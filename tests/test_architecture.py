"""The promises of ARCHITECTURE.md that can be read off the code."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for path in (ROOT / "bot").rglob("*.py") if path.name != "__init__.py")
LEVELS: list[set[str]] = [
    {"records", "errors", "citations", "readability", "headers"},
    {"settings", "messages", "retention", "remembered", "logs", "sessions"},
    {"linear", "exporting", "identifier"},
    {
        "corpus",
        "chunking",
        "encoder",
        "classifier",
        "guardrails",
        "replies",
        "receipt",
        "synonyms",
        "language",
        "balance",
        "feedback",
        "gaps",
        "reports",
    },
    {"markup", "plots"},
    {"render", "index", "dialogue", "schema", "metrics", "signing"},
    {"retrieval", "pages"},
    {"chat", "library", "quality", "waiting", "starter"},
    {"pipeline"},
    {"training", "audit", "integrations", "mcp_server", "doctor"},
    {"evaluation", "service"},
    {"commands"},
    {"__main__"},
]
LAZY = {
    "torch": {"encoder", "exporting", "training"},
    "sentence_transformers": {"encoder", "exporting"},
    "sklearn": {"linear", "training"},
    "matplotlib": {"evaluation"},
    "gradio": {"app"},
    "pymilvus": {"index"},
    "grpc": {"index"},
}
# Imported at the top of one room, which is itself imported only by those who want that door.
DOORS = {
    "fastapi": {"service", "app"},
    "uvicorn": {"commands"},
    "pydantic": {"schema", "mcp_server", "integrations"},
    "prometheus_client": {"metrics"},
    "mcp": {"mcp_server"},
    "cryptography": {"signing"},
    "langchain_core": {"integrations"},
    "llama_index": {"integrations"},
    "haystack": {"integrations"},
    "rich": {"commands"},
    "shtab": {"commands"},
    "tomlkit": {"starter"},
}
SENTENCES = {"verify"}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(imported module, whether the import runs when the file is imported)."""
    tree = ast.parse(path.read_text("utf-8"))
    checking = {id(node) for branch in ast.walk(tree) if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test) for node in ast.walk(branch)}
    inner = {id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef | ast.ClassDef) for node in ast.walk(function)}
    for node in ast.walk(tree):
        if id(node) in checking:
            continue
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            yield name, id(node) not in inner


def room(path: Path) -> str:
    return path.stem if path.parent.name in ("bot", ROOT.name) else path.parent.name


def level(name: str) -> int:
    return next(number for number, names in enumerate(LEVELS) if name in names)


@pytest.mark.parametrize("path", [path for path in MODULES if path.stem != "verify"], ids=lambda path: path.stem)
def test_a_module_imports_only_from_levels_below_it(path: Path) -> None:
    for name, _ in imports(path):
        if name.startswith("bot."):
            own = room(path)
            other = name.split(".")[1]
            if other == own or (other in SENTENCES and own == "commands"):
                continue  # inside one package; the verifier may be called, it imports nothing
            assert level(other) < level(own), f"{own} imports {other}"


def test_the_verifier_imports_the_standard_library_alone() -> None:
    for name, _ in imports(ROOT / "bot" / "verify.py"):
        assert name.split(".")[0] in {*sys.stdlib_module_names, "__future__"}


@pytest.mark.parametrize("path", [*MODULES, ROOT / "app.py"], ids=lambda path: path.stem)
def test_heavy_libraries_have_one_home_and_are_imported_lazily(path: Path) -> None:
    for name, eager in imports(path):
        homes = LAZY.get(name.split(".")[0])
        if homes:
            assert room(path) in homes, f"{name} belongs in {homes}"
            assert room(path) == "app" or not eager, f"{name} must be imported where it is used"


@pytest.mark.parametrize("path", [*(ROOT / "bot").rglob("*.py"), ROOT / "app.py"], ids=lambda path: path.stem)
def test_what_a_door_needs_is_imported_in_its_room_alone(path: Path) -> None:
    for name, _ in imports(path):
        homes = DOORS.get(name.split(".")[0])
        own = path.parent.name if path.name == "__init__.py" else room(path)
        assert not homes or own in homes, f"{name} belongs in {homes}"


@pytest.mark.parametrize("path", [*MODULES, ROOT / "app.py"], ids=lambda path: path.stem)
def test_no_module_pickles_prints_or_calls_out(path: Path) -> None:
    text = path.read_text("utf-8")
    names = {name.split(".")[0] for name, _ in imports(path)}
    assert not names & {"pickle", "joblib", "shelve", "requests", "httpx", "urllib3", "openai", "anthropic"}
    assert "allow_pickle=True" not in text


@pytest.mark.parametrize("path", [*MODULES, ROOT / "app.py"], ids=lambda path: path.stem)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and (path.stem, node.name) != ("app", "build_page"):
            assert (node.end_lineno or 0) - node.lineno <= 45, f"{path.name}: {node.name}"
