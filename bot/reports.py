"""The only reader of the evaluation's reports: the tables of docs/evaluation.md and docs/guardrails.md as records, so that no figure is kept twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SHARE = re.compile(r"(\d\.\d+) \[(\d\.\d+), (\d\.\d+)\]")


@dataclass(frozen=True, slots=True)
class Share:
    """A share between 0 and 1 with the limits of its interval; `count`: of how many, None where the report does not say."""

    name: str
    share: float
    low: float
    high: float
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One report: the line that says how it was made, and under each heading the rows of its table."""

    made: str
    tables: dict[str, list[dict[str, str]]]

    def shares(self, heading: str, column: str, count: str = "") -> list[Share]:
        """The shares of a table's column, each named by its row's first cell; rows without one are left out."""
        found = []
        for row in self.tables.get(heading, []):
            match = SHARE.fullmatch(row.get(column, ""))
            if match:
                name, number = next(iter(row.values())), row.get(count, "")
                share, low, high = (float(value) for value in match.groups())
                found.append(Share(name, share, low, high, int(number) if number.isdecimal() else None))
        return found


def read_report(path: Path) -> Report | None:
    """The report at `path`; None where there is none."""
    if not path.is_file():
        return None
    tables: dict[str, list[dict[str, str]]] = {}
    made, heading, columns = "", "", list[str]()
    for line in path.read_text("utf-8").splitlines():
        made = made or (line if line.startswith("Made by") else "")
        if line.startswith("#"):
            heading, columns = line.lstrip("# ").strip(), []
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not columns:
                columns = cells
            elif not set(line) <= set("|-: "):
                tables.setdefault(heading, []).append(dict(zip(columns, cells, strict=False)))
    return Report(made.replace("`", ""), tables)
