"""The documents for people who carry on are short and true."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import bot as package
from bot.chat import Bot
from bot.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "corpus/README.md",
    "index/README.md",
    "docs/commands.md",
    "docs/your-own-corpus.md",
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listing.split("\0") if name]


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return {line.split("==")[0].lower().replace("_", "-"): line.split("==")[1] for line in lines if "==" in line and not line.startswith("#")}


def test_every_module_stands_in_the_architecture() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for path in (ROOT / "bot").rglob("*"):
        if path.suffix in {".py", ".toml", ".css", ".js", ".jsonl"} and path.name != "__init__.py":
            assert path.name in text, path.name


@pytest.mark.parametrize("page", PAGES)
def test_links_and_named_files_exist_and_pages_stay_short(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert text.count("\n") <= (120 if page != "docs/commands.md" else 250)  # a reference is looked up, not read
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (ROOT / page).parent.joinpath(target).exists(), target
    for name in re.findall(r"`((?:bot|corpus|tests|benchmarks|docs)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name


def test_every_file_that_the_code_names_exists() -> None:
    for path in tracked():
        if path.suffix in {".py", ".toml"} and path.parent.name != "tests":
            for name in re.findall(r"\b(?:benchmarks|docs)/[\w./-]+\.(?:py|md)", path.read_text("utf-8")):
                assert (ROOT / name).exists(), f"{path.relative_to(ROOT)} names {name}"


def test_the_readmes_python_runs(bot: Bot, capsys: pytest.CaptureFixture[str]) -> None:
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})  # that is the test: what the README shows must run
    assert capsys.readouterr().out.startswith("caution none")


def test_the_front_matter_is_a_space_card_that_matches_the_lock() -> None:
    card = yaml.safe_load(README.split("---")[1])
    assert card["sdk"] == "gradio" and card["app_file"] == "app.py"
    assert card["sdk_version"] == pins("requirements.txt")["gradio"]
    assert isinstance(card["python_version"], str)
    assert len(card["short_description"]) <= 60
    assert card["colorFrom"] in {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def test_the_lock_holds_every_dependency_and_no_cuda() -> None:
    locked = pins("requirements.txt")
    for requirement in PROJECT["project"]["dependencies"]:
        name = re.split(r"[=><~\[ ]", requirement)[0].lower()
        assert name in locked, name
    assert locked["torch"] == "2.13.0"
    assert not [name for name in locked if name.startswith(("nvidia", "triton"))]


def test_the_changelog_has_the_version() -> None:
    assert f"## {package.__version__} " in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_commands_the_readme_names_are_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    text = README + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for command in set(re.findall(r"(?:^|`|&& )make (\w+)", text, re.MULTILINE)):
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), command


def test_every_setting_has_a_reason_and_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import fields

    assert all(setting.metadata["why"] for setting in fields(Settings))
    monkeypatch.setenv(f"{PREFIX}REGION", "UK")
    assert Settings().with_environment().region == "UK"


def test_public_names_are_complete_and_sorted() -> None:
    assert package.__all__ == sorted(package.__all__)
    for name in package.__all__:
        assert getattr(package, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    words = re.compile(r"(?<![\w.])/(?:root|work|opt/pypi)/|pyenv")
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".txt", ".json", ".jsonl", ".css", ".js", ".yml"} and path != Path(__file__):
            found = words.search(path.read_text("utf-8", errors="replace"))
            assert not found, f"{path.relative_to(ROOT)}: {found.group() if found else ''}"


def test_the_wheel_carries_the_code_the_texts_and_the_corpus(tmp_path: Path) -> None:
    import sys
    import zipfile

    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "bot").rglob("*"):
        if path.suffix in {".py", ".toml", ".jsonl", ".css", ".js", ".typed"}:
            assert path.relative_to(ROOT).as_posix() in names
    for path in (ROOT / "corpus").rglob("*"):
        if path.is_file():
            assert f"bot/_corpus/{path.relative_to(ROOT / 'corpus').as_posix()}" in names
    assert not [name for name in names if name.startswith(("tests/", "index/"))]


def test_the_counts_in_the_readme_are_those_of_the_corpus(bot: Bot) -> None:
    from bot.audit import figures

    counts = figures(bot)
    [line] = re.findall(r"^The corpus: .*", README, re.MULTILINE)
    told = {name: int(number.replace(",", "")) for number, name in re.findall(r"(\d[\d,]*) (\w+)", line)}
    assert told == {name: counts[name] for name in ("documents", "passages", "references", "questions")}
