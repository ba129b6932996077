"""Ours beside what a user would pick instead: build, size, start, memory, time of a question, throughput and quality, in one run.

    python benchmarks/performance.py [--data FOLDER] [--rounds 5] [--questions 200] [--systems ours,txtai,…] [--report docs/performance.md]

Each system runs in a process of its own, in an environment of its own (benchmarks/peers/<environment>.lock.txt, set up under --environments), over
our corpus with our golden questions and over the public FAQ set in --data (BEIR layout: corpus.jsonl, queries.jsonl, qrels/*.tsv). A round asks every
system in turn, in another order each time; figures are medians of the rounds with their least and greatest. Read ratios, not times.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy as np

from bot.chunking import encoded_text
from bot.encoder import embedded_folder
from bot.evaluation import read_questions
from bot.index import open_index
from bot.pipeline import build
from bot.settings import Settings

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).with_name("peers")
DENSE = {
    "plain": ("sentence_transformers", "plain_store", "sentence-transformers + FAISS"),
    "langchain": ("langchain", "langchain_store", "LangChain + FAISS"),
    "txtai": ("txtai", "txtai_store", "txtai"),
    "chroma": ("chroma", "chroma_store", "Chroma"),
    "haystack": ("haystack", "haystack_store", "Haystack"),
    "llama_index": ("llama_index", "llama_index_store", "LlamaIndex"),
}
SYSTEMS = {
    "ours": ("", "ours", "ours, whole reply"),
    "published": ("", "ours", "ours, whole reply, published model"),
    **DENSE,
    "bm25s": ("bm25s", "bm25s_store", "bm25s (words alone)"),
    "floor": ("", "floor", "floor: both forward passes + exact search"),
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False", "HAYSTACK_TELEMETRY_ENABLED": "False", "TOKENIZERS_PARALLELISM": "false"}
PHASES = ("single", "rate_1", "rate_8", "rate_64")
Figures = dict[str, Any]


@dataclass(frozen=True)
class Given:
    """A set to search: `groups[n]` names what text n belongs to, `right[q]` the groups that answer question q; `more` are questions for the clock alone."""

    name: str
    texts: list[str]
    groups: list[str]
    questions: list[str]
    right: list[set[str]]
    more: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)  # where our own corpus door finds it


def our_corpus() -> Given:
    """Our passages and the answerable golden questions of the test half; those of the other sets are for the clock."""
    build()
    settings = Settings().with_environment()
    from bot.corpus import read_corpus

    passages = open_index(settings.index, read_corpus(settings.corpus), settings.model).passages
    asked = [question for question in read_questions("test") if question.answerable]
    names = [f"{passage.document_id}#{passage.section}" for passage in passages]
    right = [{name for name, passage in zip(names, passages, strict=True) if question.answered_by(passage)} for question in asked]
    more = [question.text for half in ("tune", "calibration") for question in read_questions(half)]
    return Given("our corpus", [encoded_text(passage) for passage in passages], names, [question.text for question in asked], right, more)


def public_set(folder: Path, work: Path) -> Given:
    """A set in BEIR layout; a document of each of its passages is written under `work` for our own corpus door."""
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").read_text("utf-8").splitlines() if line.strip()]
    asked = {row["_id"]: row["text"] for row in map(json.loads, (folder / "queries.jsonl").read_text("utf-8").splitlines())}
    right: dict[str, set[str]] = {}
    number = {row["_id"]: f"p{place}#0" for place, row in enumerate(rows)}
    for path in sorted((folder / "qrels").glob("*.tsv")):
        for line in path.read_text("utf-8").splitlines()[1:]:
            question, document, score = line.split("\t")[:3]
            if int(score) > 0 and question in asked and document in number:
                right.setdefault(question, set()).add(number[document])
    corpus = work / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    source = {"id": "set", "type": "dataset", "title": folder.name, "publisher": folder.name, "custom": {"tier": "official", "as_of": "2020"}}
    (corpus / "references.json").write_text(json.dumps([{**source, "custom": {**source["custom"], "tier": _tier()}}]), "utf-8")  # type: ignore[dict-item]  # an entry of CSL JSON is a plain object
    for place, row in enumerate(rows):
        (corpus / f"p{place}.md").write_text(_document(place, row), "utf-8")
    judged = list(right)
    more = [text for key, text in asked.items() if key not in right]
    return Given(
        folder.name,
        [f"{row.get('title', '')}\n{row['text']}".strip() for row in rows],
        list(number.values()),
        [asked[key] for key in judged],
        [right[key] for key in judged],
        more,
        {"KRATOM_FAQ_CORPUS": str(corpus), "KRATOM_FAQ_CLASSIFIER": "none"},  # ours knows kratom and would refuse all else before it searches
    )


def _tier() -> str:
    from bot.records import TIERS

    return TIERS[-1]


def _document(place: int, row: dict[str, str]) -> str:
    """One passage as a document of ours: its title is its heading, and its text one paragraph, so that nothing in it is read as a list."""
    title = " ".join((row.get("title") or row["text"][:80]).split()).lstrip("#:- ") or "untitled"
    text = " ".join(row["text"].split()).lstrip("#:-*+| ").replace("@", "@ ") or title  # "[@idx]" would be a citation
    head = {"id": f"p{place}", "title": title, "topic": "basics", "status": "reviewed", "reference": "set"}
    lines = "\n".join(f"{key}: {json.dumps(value)}" for key, value in head.items())
    return f"---\n{lines}\nreviewed: 2026-01-01\nreview_by: 2036-01-01\n---\n\n## {title}\n\n{text}\n"


def python_of(environment: str, folder: Path) -> str:
    """The interpreter of a peer's environment, set up from its lock where it is not there yet; our own for ""."""
    if not environment:
        return sys.executable
    target = folder / environment
    if not (target / "bin" / "python").exists():
        print(f"setting up {target}", file=sys.stderr)
        venv.create(target, with_pip=True)
        lock = PEERS / f"{environment}.lock.txt"
        subprocess.run([target / "bin" / "python", "-m", "pip", "install", "--quiet", "--requirement", lock], check=True)  # noqa: S603  # our own lock
    return str(target / "bin" / "python")


def phases(given: Given, count: int) -> dict[str, Any]:
    """Questions of each phase, none asked twice; fewer than `count` each where the set has too few."""
    pool = list(dict.fromkeys([*given.questions, *given.more]))
    random.Random(0).shuffle(pool)  # no secret
    share = min(count, (len(pool) - 1) // len(PHASES))
    if share < 1:
        raise SystemExit(f"{given.name} has {len(pool)} questions; at least {len(PHASES) + 1} are needed")
    found: dict[str, Any] = {name: pool[1 + place * share : 1 + (place + 1) * share] for place, name in enumerate(PHASES)}
    return {"first": pool[0], **found}


def run(system: str, what: str, python: str, path: Path, folder: Path, environment: dict[str, str], *, quick: bool) -> Figures:
    """One process of one system; with the seconds until its first answer, from before it was started. An empty dict where it failed."""
    own = {**os.environ, **OFFLINE, **environment, "PYTHONPATH": str(ROOT) if not SYSTEMS[system][0] else ""}
    if system == "published":
        own |= {"KRATOM_FAQ_MODEL": "published", "KRATOM_FAQ_INDEX": str(folder)}
    if system in ("ours", "floor") and not quick:
        own["KRATOM_FAQ_INDEX"] = str(folder.with_name("ours"))
    if system == "floor":
        own["OPENBLAS_NUM_THREADS"] = "1"  # its rate is counted on one thread
    began = time.perf_counter()
    command = [python, str(PEERS / "worker.py"), what, SYSTEMS[system][1], str(path), str(folder)]
    found: Figures = {}
    with subprocess.Popen(command, env=own, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own file
        for line in process.stdout or ():
            if line.startswith('{"first"'):
                found["first_s"] = time.perf_counter() - began
            elif line.startswith("{"):
                found |= json.loads(line)
    return found if process.returncode == 0 else {}


def quality(given: Given, ranked: Sequence[Sequence[int | str]]) -> dict[str, float]:
    """Hit@1, Hit@3, MRR@10 and nDCG@10 of rankings, each group counted once."""
    rows = []
    for wanted, found in zip(given.right, ranked, strict=True):
        names = list(dict.fromkeys(one if isinstance(one, str) else given.groups[one] for one in found))[:10]
        gains = [name in wanted for name in names]
        place = gains.index(True) + 1 if True in gains else 0
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(len(wanted), 10)))
        rows.append((place == 1, 1 <= place <= 3, 1 / place if place else 0.0, sum(gain / np.log2(rank + 2) for rank, gain in enumerate(gains)) / ideal))
    return dict(zip(("Hit@1", "Hit@3", "MRR@10", "nDCG@10"), np.mean(np.array(rows, dtype=float), axis=0).tolist(), strict=True))


def measure(given: Given, options: argparse.Namespace, work: Path) -> dict[str, list[Figures]]:
    """Every round's figures of every system over one set."""
    path = work / "given.json"
    data = {"texts": given.texts, "model": str(embedded_folder()), "phases": phases(given, options.questions), "ranked": given.questions}
    found: dict[str, list[Figures]] = {system: [] for system in options.systems}
    for number in range(options.rounds):
        path.write_text(json.dumps({**data, "ranked": data["ranked"] if number == 0 else []}), "utf-8")
        order = list(options.systems)
        random.Random(number).shuffle(order)  # no secret
        if number == 0 and "floor" in order and "ours" in order:
            order.sort(key=lambda system: system == "floor")  # it reads the index that ours builds
        for system in order:
            python = python_of(SYSTEMS[system][0], options.environments)
            quick = options.quick and not given.environment
            figures = run(system, "build", python, path, work / system, given.environment, quick=quick) if number == 0 else {}
            figures |= run(system, "answer", python, path, work / system, given.environment, quick=quick)
            if figures.get("ranked") and system != "floor":
                figures |= quality(given, figures["ranked"])
            if times := sorted(figures.get("single_ms", [])):
                cuts = quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
                figures |= {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}
            found[system].append(figures)
            print(f"{given.name}, round {number + 1}, {system}: p50 {figures.get('p50', float('nan')):.1f} ms", file=sys.stderr)
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a public FAQ set in BEIR layout; without it only our corpus is measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--questions", type=int, default=200, help="of each phase")
    parser.add_argument("--systems", type=lambda text: text.split(","), default=list(SYSTEMS))
    parser.add_argument("--environments", type=Path, default=ROOT / ".peers")
    parser.add_argument("--quick", action="store_true", help="ours over the index in service: a try of minutes, without the time of its first build")
    parser.add_argument("--report", type=Path, help="write the report and its plots here (docs/performance.md)")
    parser.add_argument("--raw", type=Path, metavar="FILE", help="keep every round's figures here after each set")
    options = parser.parse_args()
    from benchmarks.performance_report import report

    results = {}
    with tempfile.TemporaryDirectory() as folder:
        sets = [our_corpus()]
        if options.data:
            sets.append(public_set(options.data, Path(folder) / "public"))
        for given in sets:
            work = Path(folder) / ("ours" if given.name == "our corpus" else "theirs")
            work.mkdir()
            results[f"{given.name}: {len(given.texts)} passages, {len(given.questions)} judged questions"] = measure(given, options, work)
            if options.raw:
                options.raw.write_text(json.dumps(results), "utf-8")
    text = report(results, {name: title for name, (_, _, title) in SYSTEMS.items()}, set(DENSE), options.rounds, options.report, public=bool(options.data))
    print(text)


if __name__ == "__main__":
    main()
