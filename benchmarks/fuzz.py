"""Hostile input for a given time: message and history, HTTP bodies, corpus files, manifest and pointer; every reply rendered and its receipt checked.

    python benchmarks/fuzz.py [--seconds 30]        each target for so long; with `atheris` installed, guided by what code a message reaches as well

A finding is any error that is not ours (bot/errors.py), a status of 500, markup that came from input, or a receipt that does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi.testclient import TestClient

from benchmarks.hostile import PIECES, harmless, mutated
from benchmarks.throwaway import prepare
from bot import open_bot
from bot.corpus import read_corpus
from bot.errors import BotError
from bot.index import open_index
from bot.render import as_html
from bot.service import create_service, opened
from bot.verify import verify

ROOT = Path(__file__).parents[1]
TEXTS = ROOT / "bot" / "replies.toml"
Target = Callable[[random.Random], None]

GUIDED = """
import sys, time, atheris
seen = ["bot.messages", "bot.guardrails", "bot.dialogue", "bot.language", "bot.synonyms", "bot.markup", "bot.citations"]
with atheris.instrument_imports(include=seen):
    from bot import open_bot
    from bot.guardrails import load_guardrails
    from bot.dialogue import parts, resolve
    from bot.language import language_of, with_gloss
    from bot.markup import phones_html
    from bot.messages import normalise
rules, end = load_guardrails(), time.monotonic() + float(sys.argv[1])
count = 0
def one(data):
    global count
    text = atheris.FuzzedDataProvider(data).ConsumeUnicodeNoSurrogates(400)
    normalise(text); rules.decide(text); resolve(text, None); parts(text); language_of(text); with_gloss(text); phones_html(text)
    count += 1
    if time.monotonic() > end:
        print(count, flush=True)
        import os
        os._exit(0)
atheris.Setup([sys.argv[0], "-max_len=400", "-timeout=20", "-verbosity=0", "-print_final_stats=0"], one)
atheris.Fuzz()
"""


def message(source: random.Random) -> str:
    """Hostile pieces in any order, bytes of them changed."""
    text = " ".join(source.choice(PIECES) for _ in range(source.randint(1, 6)))
    return mutated(text.encode("utf-8", "surrogatepass"), source).decode("utf-8", source.choice(["replace", "surrogateescape"]))


def targets(folder: Path) -> dict[str, Target]:
    """What is fuzzed, by name; each call raises where something is wrong."""
    bot = open_bot()
    client = TestClient(create_service(opened(bot)), raise_server_exceptions=False)
    first, _ = prepare(folder)
    documents = read_corpus(first.corpus)
    [build] = first.index.glob("build-*")

    def messages(source: random.Random) -> None:
        text = message(source)
        reply = bot.reply(text, [message(source) for _ in range(source.randrange(3))])
        assert harmless(as_html(reply, text, bot.texts, date(2026, 11, 22), feedback=True, keeps_message=True)), "input became markup"
        verify(json.loads(json.dumps(reply.to_dict())), bot.settings.corpus, TEXTS)  # raises where the receipt does not hold

    def bodies(source: random.Random) -> None:
        whole = json.dumps({"message": message(source), "history": [message(source)], "region": "US"}).encode()
        path = source.choice(["/v1/reply", "/v1/search", "/mcp", "/v1/documents"])
        answer = client.post(path, content=mutated(whole, source), headers={"content-type": "application/json"})
        assert answer.status_code < 500, answer.text

    def damaged(path: Path, reads: Callable[[], object]) -> Target:
        data = path.read_bytes()

        def target(source: random.Random) -> None:
            path.write_bytes(mutated(data, source))
            try:
                reads()
            except BotError:
                pass
            finally:
                path.write_bytes(data)

        return target

    return {
        "message and history, rendered and verified": messages,
        "HTTP bodies": bodies,
        "a Markdown document": damaged(first.corpus / "liver.md", lambda: read_corpus(first.corpus)),
        "references.json": damaged(first.corpus / "references.json", lambda: read_corpus(first.corpus)),
        "manifest.json": damaged(build / "manifest.json", lambda: open_index(first.index, documents, first.model)),
        "current.json": damaged(first.index / "current.json", lambda: open_index(first.index, documents, first.model)),
        "passages.faiss": damaged(build / "passages.faiss", lambda: open_index(first.index, documents, first.model)),
        "bm25/vocab.index.json": damaged(build / "bm25" / "vocab.index.json", lambda: open_index(first.index, documents, first.model)),
    }


def guided(seconds: float) -> str:
    """The row of the coverage-guided run over the patterns, the dialogue, languages and markup; what is missing where it cannot run."""
    command = [sys.executable, "-c", GUIDED, str(seconds)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}, capture_output=True, text=True, check=False)  # noqa: S603  # our own program
    if "No module named 'atheris'" in done.stderr:
        return "| patterns, dialogue, languages, markup (atheris) | atheris is not installed | | |"
    count = done.stdout.strip().splitlines()[-1:] or ["?"]
    findings = 0 if done.returncode == 0 else done.stderr[-200:]
    return f"| patterns, dialogue, languages, markup (atheris, coverage-guided) | {count[0]} | {seconds:.0f} | {findings} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds = parser.parse_args().seconds
    print("| input | inputs | seconds | findings |\n|---|---|---|---|")
    with TemporaryDirectory() as folder:
        for name, target in targets(Path(folder)).items():
            source, inputs, findings, end = random.Random(name), 0, list[str](), time.monotonic() + seconds
            while time.monotonic() < end:
                inputs += 1
                try:
                    target(source)
                except Exception as error:
                    findings.append(f"{type(error).__name__}: {str(error)[:100]}")
            print(f"| {name} | {inputs} | {seconds:.0f} | {len(findings)} {sorted(set(findings))[:3] if findings else ''} |", flush=True)
    print(guided(seconds))


if __name__ == "__main__":
    main()
