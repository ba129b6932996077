"""What breaks, and what happens then: real processes killed while they build, damaged files, full and read-only disks, wrong clocks, missing parts.

    python -m benchmarks.faults [--kills 200]        the table of docs/robustness.md; some faults need root (mount)

Every fault is done to a throwaway index of two small corpora (benchmarks/throwaway.py). tests/test_faults.py does a few of each.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.throwaway import prepare, run, serves, told, whole
from bot.corpus import read_corpus
from bot.errors import BotError, IndexFolderError, IndexStaleError
from bot.feedback import Feedback
from bot.index import open_index
from bot.pipeline import build, open_bot
from bot.settings import Settings

Row = tuple[str, str, str, int]  # fault, expected, observed, how many


def _build(settings: Settings) -> None:
    os.close(2)  # a killed child has nothing to say
    build(settings, force=True)


def kill_builds(folder: Path, kills: int, seed: int = 0) -> Row:
    """Kill building processes at random points. After each the index must be whole: that of before, or that of the build."""
    first, second = prepare(folder)
    context = multiprocessing.get_context("forkserver")  # imports once, so that the kills fall into the build and not into the imports
    context.set_forkserver_preload(["bot.pipeline", "onnxruntime", "tokenizers"])
    source, killed, done, broken, old, new = random.Random(seed), 0, 0, 0, 0, 0
    process = context.Process(target=_build, args=(second,))
    process.start()
    process.join()
    began = time.perf_counter()
    process = context.Process(target=_build, args=(first,))
    process.start()
    process.join()
    length, serving = time.perf_counter() - began, first
    while killed < kills:
        target = second if serving is first else first
        process = context.Process(target=_build, args=(target,))
        process.start()
        time.sleep(source.uniform(0, 1.15 * length))
        alive = process.is_alive()
        process.kill()
        process.join()
        killed += alive
        done += not alive
        check = serves if killed % 20 == 0 else whole
        if check(target):
            new, serving = new + alive, target
        elif check(serving):
            old += alive
        else:
            broken += 1
            build(serving)
    broken += not serves(serving)
    left = [path.name for path in first.index.iterdir() if path.name.startswith((".building-", ".exporting-"))]
    build(serving, force=True)
    swept = not [path.name for path in first.index.iterdir() if path.name.startswith((".building-", ".exporting-"))]
    told = f"{broken} broken; old index served after {old}, new one after {new}; {done} builds ended before their kill; {len(left)} leftovers, swept: {swept}"
    return ("a building process is killed (SIGKILL) at a random point", "a whole index serves, old or new; leftovers are swept", told, killed)


def _feed(path: Path, said: Path) -> None:
    feedback = Feedback(path, {("liver", "key")}, "index", days=30)
    number = 0
    with said.open("a", encoding="utf-8") as acknowledged:
        while True:
            feedback.keep({"kind": "helpful", "document": "liver", "passage": "key"})
            number += 1
            acknowledged.write("1\n")
            acknowledged.flush()
            if number % 50 == 0:
                from bot.retention import forget

                forget(str(path), before="2020-01-01")


def kill_feedback(folder: Path, kills: int, seed: int = 1) -> Row:
    """Kill processes that write the feedback file while others delete from it: every line that was acknowledged must be there."""
    folder.mkdir(parents=True, exist_ok=True)
    path, source, lost = folder / "feedback.jsonl", random.Random(seed), 0
    context = multiprocessing.get_context("forkserver")
    for number in range(kills):
        said = folder / f"said-{number}"
        process = context.Process(target=_feed, args=(path, said))
        process.start()
        time.sleep(source.uniform(0.05, 0.4))
        process.kill()
        process.join()
        acknowledged = sum(len(one.read_text("utf-8").splitlines()) for one in folder.glob("said-*"))
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        lost += max(0, acknowledged - sum(1 for line in lines if line.endswith("}")))
    return ("a process that writes feedback is killed at a random point", "no acknowledged line is lost", f"{lost} lines lost", kills)


def damage(folder: Path, times: int, seed: int = 2) -> list[Row]:
    """Cut, flip or delete each file of the index; the next opening must notice, build anew and answer."""
    first, _ = prepare(folder)
    source = random.Random(seed)
    rows = []
    for fault in ("truncated", "bit-flipped", "missing"):
        noticed = harmless = wrong = 0
        for _ in range(times):
            [current] = first.index.glob("build-*")
            files = [path for path in (*current.rglob("*"), first.index / "current.json") if path.is_file() and path.name != "certificate.json"]
            path = source.choice(files)
            _harm(path, fault, source)
            try:
                open_index(first.index, read_corpus(first.corpus), first.model)
                harmless += 1  # white space or a date inside JSON
            except IndexFolderError:
                noticed += 1
            if "liver" not in open_bot(first).search("liver", limit=1)[0].passage.text:
                wrong += 1
        told = f"noticed and built anew {noticed}, changed nothing {harmless}, wrong answers {wrong}"
        rows.append((f"an index file is {fault}", "noticed, built anew by itself", told, times))
    return rows


def _harm(path: Path, fault: str, source: random.Random) -> None:
    data = bytearray(path.read_bytes())
    if fault == "missing" or not data:
        path.unlink()
    elif fault == "truncated":
        path.write_bytes(data[: source.randrange(len(data))])
    else:
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)
        path.write_bytes(data)


def others(folder: Path) -> Iterator[Row]:
    """Faults that happen once each."""
    first, second = prepare(folder)
    yield ("the disk is full (RLIMIT_FSIZE 4 kB) while building", "IndexWriteError, the old index serves", _kept(first, run(second, before=FULL)), 1)
    if os.geteuid() == 0:
        yield from _mounted(folder, first, second)
    yield ("onnxruntime is missing", "EncoderError naming the command", told(run(first, "open_bot(settings)", before="sys.modules['onnxruntime'] = None")), 1)
    yield (
        "the embedded model's weights are tampered with, an export is needed",
        "EncoderError naming the command",
        _kept(first, run(second, before=TAMPERED)),
        1,
    )
    yield ("the guardrails' weights are tampered with", "the linear classifier takes their place", _guardrails(first, "guardrails.onnx", "linear"), 1)
    yield ("their linear half is tampered with", "the other half decides alone", _guardrails(first, "linear.npz", "classifier"), 1)
    yield (
        "the clock goes back by two years while building and opening",
        "done",
        told(run(first, "build(settings, force=True); open_bot(settings).search('liver')", before=CLOCK)),
        1,
    )
    yield (
        "the clock goes back, feedback is kept and deleted by age",
        "no line is lost",
        told(run(first, FEEDBACK.format(path=folder / "f.jsonl"), before=CLOCK)),
        1,
    )
    yield _exported(first)
    yield _at_once(first, second)
    yield _changed_under(first)
    yield from _older(first)


def _mounted(folder: Path, first: Settings, second: Settings) -> Iterator[Row]:
    """A full disk and a read-only one, each in a mount namespace of the process that meets it; needs root."""
    tmpfs = folder / "full"
    tmpfs.mkdir()
    mount = f"mount -t tmpfs -o size=64k none {tmpfs} && cp -a {first.index}/build-* {first.index}/current.json {tmpfs}/"
    full = ("unshare", "-m", "sh", "-c", f'{mount} && ln -s {first.index}/encoder-* {tmpfs}/ && exec "$0" "$@"')
    small = Settings(corpus=second.corpus, index=tmpfs)
    yield ("the disk is full (tmpfs of 64 kB) while building", "IndexWriteError, the old index serves", _kept(first, run(small, wrap=full)), 1)
    read_only = ("unshare", "-m", "sh", "-c", f'mount --bind {first.index} {first.index} && mount -o remount,ro,bind {first.index} && exec "$0" "$@"')
    yield ("the index folder is read-only and fresh", "it serves", told(run(first, "open_bot(settings).search('liver')", wrap=read_only)), 1)
    stale = _kept(first, run(second, "open_bot(settings)", wrap=read_only))
    yield ("the index folder is read-only and stale", "IndexWriteError, the old index is untouched", stale, 1)


FULL = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))"
TAMPERED = """
import bot.encoder, bot.index.building, shutil, tempfile
copy = Path(tempfile.mkdtemp()); (copy / "model.safetensors").write_bytes(b"other weights")
bot.encoder.embedded_folder = lambda: copy
bot.index.building.is_whole = lambda folder: False
"""
CLOCK = """
import datetime as module
class Back(module.datetime):
    @classmethod
    def now(cls, tz=None): return super().now(tz) - module.timedelta(days=730)
module.datetime = Back
"""
FEEDBACK = (
    'from bot.feedback import Feedback; path = Path(\'{path}\'); path.write_text(\'{{"day": "2026-11-22", "kind": "wrong"}}\\n\'); '
    "Feedback(path, {{('liver', 'key')}}, 'i', days=30).keep({{'kind': 'helpful', 'document': 'liver', 'passage': 'key'}}); "
    "assert len(path.read_text().splitlines()) == 2"
)


def _kept(settings: Settings, result: tuple[int, str]) -> str:
    return f"{told(result)}; old index serves: {'yes' if serves(settings) else 'NO'}"


def _guardrails(settings: Settings, name: str, decides: str) -> str:
    before = "import bot.classifier as c, tempfile, shutil; from dataclasses import replace; w = Path(tempfile.mkdtemp()); "
    before += f"[shutil.copy(p, w) for p in c.WEIGHTS.parent.glob('*')]; f = w / '{name}'; b = bytearray(f.read_bytes()); b[len(b) // 2] ^= 1; f.write_bytes(b)"
    opened = f"bot = open_bot(replace(settings, weights=w)); assert bot._net.name == '{decides}'"
    return told(run(settings, f"{opened}; assert bot.reply('he wont wake up').action == 'emergency'", before))


def _exported(settings: Settings) -> Row:
    """A bit of the exported encoder flips: a fresh export costs seconds and mends it."""
    [encoder] = settings.index.glob("encoder-*")
    path = encoder / "model.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    noticed = not serves(settings)
    open_bot(settings)
    return ("the exported encoder is bit-flipped", "noticed, exported anew by itself", f"noticed: {noticed}, serves again: {serves(settings)}", 1)


def _at_once(first: Settings, second: Settings, times: int = 10) -> Row:
    context = multiprocessing.get_context("forkserver")
    ended = []
    for _ in range(times):
        both = [context.Process(target=_build, args=(settings,)) for settings in (first, second)]
        for process in both:
            process.start()
        for process in both:
            process.join()
        ended.append([process.exitcode for process in both] == [0, 0] and serves(first) != serves(second))
    build(first)
    return ("two builds at once, of different corpora", "both end, one of the two serves whole", f"{sum(ended)} of {times}", times)


def _changed_under(settings: Settings) -> Row:
    """Corpus and index change, then vanish, under a bot that is open: it goes on quoting what it has read, and its receipts hold."""
    bot = open_bot(settings)
    before = bot.reply("tell me about liver").to_dict()
    document = settings.corpus / "liver.md"
    text = document.read_text("utf-8")
    document.write_text(text.replace("linked to", "not linked to"), "utf-8")
    build(settings)
    same = bot.reply("tell me about liver").to_dict() == before
    shutil.rmtree(settings.index / json.loads((settings.index / "current.json").read_text("utf-8"))["build"])
    same = same and bot.reply("tell me about liver").to_dict() == before
    document.write_text(text, "utf-8")
    open_bot(settings)
    return ("the corpus and the index change, then vanish, under a running bot", "the same answers as before", f"the same: {same}", 3)


def _older(settings: Settings) -> Iterator[Row]:
    [current] = settings.index.glob("build-*")
    manifest = json.loads((current / "manifest.json").read_text("utf-8"))
    changes: dict[str, Callable[[], object]] = {
        "from another version (format)": lambda: manifest.update(format=99),
        "from another model": lambda: manifest["encoder"].update(identity="someone's"),
        "of another chunker": lambda: manifest.update(chunker="0"),
    }
    for name, change in changes.items():
        change()
        (next(settings.index.glob("build-*")) / "manifest.json").write_text(json.dumps(manifest), "utf-8")
        try:
            open_index(settings.index, read_corpus(settings.corpus), settings.model)
            observed = "NOT NOTICED"
        except IndexStaleError as error:
            observed = str(error).split(";")[0][:80]
        open_bot(settings)
        yield (f"an index {name}", "IndexStaleError, built anew by itself", f"{observed}; serves again: {serves(settings)}", 1)


@contextmanager
def workplace() -> Iterator[Path]:
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    kills = parser.parse_args().kills
    began = time.perf_counter()
    with workplace() as folder:
        rows = [kill_builds(folder / "kills", kills), kill_feedback(folder / "feedback", max(5, kills // 5))]
        try:
            rows += [*damage(folder / "damage", max(5, kills // 5)), *others(folder / "others")]
        except BotError as error:
            print(f"STOPPED: {error}")
    print("| fault | expected | observed | count |\n|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
