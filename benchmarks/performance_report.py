"""What benchmarks/performance.py measured, as Markdown with plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

COLUMNS = {
    "build_s": "build s",
    "index_mb": "index MB",
    "load_s": "load s",
    "first_s": "start to first answer s",
    "first_mb": "MB then",
    "peak_mb": "MB at most",
    "p50": "p50 ms",
    "p95": "p95 ms",
    "p99": "p99 ms",
    "rate_1": "1 client, questions/s",
    "rate_8": "8 clients",
    "rate_64": "64 clients",
}
QUALITY = ("Hit@1", "Hit@3", "MRR@10", "nDCG@10")
# (what must hold, column, whether less is better, limit as a ratio to the best dense peer)
CLAIMS = (
    ("start to first answer", "first_s", True, 0.2),
    ("peak memory", "peak_mb", True, 0.5),
    ("one question, p50", "p50", True, 0.5),
    ("throughput, 8 clients", "rate_8", False, 2.5),
    ("throughput, 64 clients", "rate_64", False, 2.5),
)
Rounds = Mapping[str, Sequence[Mapping[str, Any]]]


def report(results: Mapping[str, Rounds], titles: Mapping[str, str], dense: set[str], rounds: int, target: Path | None, *, public: bool) -> str:
    """The whole report; written to `target` with an SVG a set beside it, where there is one."""
    lines = [f"# Performance\n\nMade by `benchmarks/performance.py`: medians of {rounds} interleaved rounds [least, greatest]. Read ratios, not times."]
    if not public:
        lines.append("The public FAQ set was not measured: no --data was given.")
    lines.append("The page's own start, beside an empty one of Gradio's: [page-start.md](page-start.md).")
    for number, (name, found) in enumerate(results.items()):
        lines += [f"## {name}", _table(found, titles), _qualities(found, titles), _claims(found, dense), _floor(found)]
        if target:
            plot = target.with_name(f"{target.stem}-{number + 1}.svg")
            _plot(found, titles, plot)
            lines.append(f"![{name}]({plot.name})")
    text = "\n\n".join(line for line in lines if line) + "\n"
    if target:
        target.write_text(text, "utf-8")
    return text


def values(found: Rounds, system: str, column: str) -> list[float]:
    """A column's figure of every round that has one."""
    return [float(row[column]) for row in found.get(system, ()) if row.get(column) is not None]


def _table(found: Rounds, titles: Mapping[str, str]) -> str:
    rows = [f"| | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
    rows += [f"| {titles[system]} | {' | '.join(cell(values(found, system, column)) for column in COLUMNS)} |" for system in found]
    return "\n".join(rows)


def cell(figures: Sequence[float]) -> str:
    """Median [least, greatest]; a dash where there is nothing."""
    if not figures:
        return "–"
    spread = f" [{min(figures):.3g}, {max(figures):.3g}]" if len(figures) > 1 else ""
    return f"{median(figures):.3g}{spread}"


def _qualities(found: Rounds, titles: Mapping[str, str]) -> str:
    rows = [f"| quality | {' | '.join(QUALITY)} |", "|---" * (len(QUALITY) + 1) + "|"]
    shown = [system for system in found if values(found, system, QUALITY[0])]
    rows += [f"| {titles[system]} | {' | '.join(f'{values(found, system, column)[0]:.3f}' for column in QUALITY)} |" for system in shown]
    return "\n".join(rows)


def ratios(found: Rounds, dense: set[str], column: str, *, less: bool) -> list[float]:
    """Of each round: ours over the best dense peer of that round."""
    found_ratios = []
    for number, row in enumerate(found.get("ours", ())):
        peers = [rows[number][column] for system, rows in found.items() if system in dense and number < len(rows) and rows[number].get(column)]
        if peers and row.get(column):
            found_ratios.append(float(row[column]) / (min(peers) if less else max(peers)))
    return found_ratios


def _claims(found: Rounds, dense: set[str]) -> str:
    rows = ["| ours over the best dense peer | ratio | must be | |", "|---|---|---|---|"]
    for name, column, less, limit in CLAIMS:
        if got := ratios(found, dense, column, less=less):
            holds = median(got) <= limit if less else median(got) >= limit
            rows.append(f"| {name} | {cell(got)} | {'at most' if less else 'at least'} {limit} | {'holds' if holds else 'missed'} |")
    single, tail = values(found, "ours", "p50"), values(found, "ours", "p99")
    if single:
        got = [last / middle for last, middle in zip(tail, single, strict=True)]
        rows.append(f"| p99 over p50, ours alone | {cell(got)} | at most 3 | {'holds' if median(got) <= 3 else 'missed'} |")
    return "\n".join(rows) if len(rows) > 2 else ""


def _floor(found: Rounds) -> str:
    ours, floor = values(found, "ours", "p50"), values(found, "floor", "p50")
    if not ours or not floor:
        return ""
    row = next(row for row in found["floor"] if row.get("operations"))  # one that did not fail
    over = [one / least for one, least in zip(ours, floor, strict=False)]
    counted = f"{row['operations'] / 1e9:.2f} billion operations and {row['weights_mb']:.0f} MB of weights in the encoder"
    bound = f"at this machine's {row['rate'] / 1e9:.0f} billion a second on one thread {row['forward_ms']:.1f} ms"
    return (
        f"The floor is both forward passes and the exact search: ours takes {cell(over)} times as long (at most 1.5). The mean question has "
        f"{row['tokens']:.0f} word pieces: {counted}; {bound}. Where the rest goes: `python benchmarks/stages.py`."
    )


def _plot(found: Rounds, titles: Mapping[str, str], target: Path) -> None:
    """Bars of the four columns that users feel."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(14, 3.2), sharey=True)
    for axis, column in zip(axes, ("p50", "rate_8", "first_s", "peak_mb"), strict=True):
        shown = [(titles[system], median(got)) for system in reversed(list(found)) if (got := values(found, system, column))]
        axis.barh([name for name, _ in shown], [value for _, value in shown], color=["#1d6b57" if name.startswith("ours") else "#9aa5a1" for name, _ in shown])
        axis.set_title(COLUMNS[column], fontsize=9)
    figure.tight_layout()
    figure.savefig(target, format="svg", metadata={"Date": None})
    plt.close(figure)
