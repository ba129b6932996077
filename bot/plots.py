"""Plots as tables: each row a name, a drawing and its number. The drawing is plain SVG in percentages, so that text keeps its size on a phone,
a screen reader reads the table, and no script is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from bot.reports import Share


def shares_plot(title: str, shares: Sequence[Share], unit: str) -> str:
    """A dot for each share with its interval as a line; "" for no shares. `unit`: what the counts count."""
    rows = []
    for one in shares:
        drawing = (
            f'<line class="kf-range" x1="{one.low:.1%}" x2="{one.high:.1%}" y1="50%" y2="50%"/><circle class="kf-dot" cx="{one.share:.1%}" cy="50%" r="6"/>'
        )
        counted = f" <small>{one.count} {escape(unit)}</small>" if one.count is not None else ""
        inner = one.name.startswith("· ")  # the report's sign for a part of the row above
        rows.append(
            _row(f"{escape(one.name.removeprefix('· '))}{counted}", drawing, f"<b>{one.share:.0%}</b> <small>{one.low:.0%}–{one.high:.0%}</small>", inner=inner)
        )
    axis = '<thead><tr aria-hidden="true"><td></td><td><div><span>0%</span><span>50%</span><span>100%</span></div></td><td></td></tr></thead>'
    return _table(title, rows, axis)


def bars_plot(title: str, counts: Mapping[str, int]) -> str:
    """A bar for each count, the largest as wide as the plot; "" for no counts."""
    largest = max(counts.values(), default=1) or 1
    bar = '<rect class="kf-fill" y="15%" height="70%" width="{:.1%}"/>'
    return _table(title, [_row(escape(name), bar.format(count / largest), f"<b>{count}</b>") for name, count in counts.items()])


def stacked_plot(title: str, rows: Mapping[str, Mapping[str, int]], order: Sequence[str]) -> str:
    """A bar of full width for each row, cut into the shares of `order` from dark to light, with a legend."""
    drawn = []
    for name, counts in rows.items():
        total, left, parts = sum(counts.values()) or 1, 0.0, []
        for place, part in enumerate(order):
            width = counts.get(part, 0) / total
            if width:
                parts.append(f'<rect class="kf-shade" fill-opacity="{_shade(place, order)}" x="{left:.2%}" width="{width:.2%}" y="10%" height="80%"/>')
            left += width
        drawn.append(_row(escape(name), "".join(parts), f"<b>{sum(counts.values())}</b>"))
    patch = '<svg width="18" height="18" aria-hidden="true"><rect class="kf-shade" fill-opacity="{}" width="18" height="18"/></svg>'
    legend = "".join(f"<li>{patch.format(_shade(place, order))} {escape(part)}</li>" for place, part in enumerate(order))
    return f'{_table(title, drawn)}<ul class="kf-legend">{legend}</ul>'


def numbers_table(title: str, corner: str, rows: Mapping[str, Mapping[str, int]], columns: Sequence[str]) -> str:
    """The counts behind a stacked plot; it scrolls sideways in a box of its own."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{counts.get(column, 0)}</td>" for column in columns)}</tr>' for name, counts in rows.items()
    )
    return (
        f'<div class="kf-scroll" tabindex="0" role="group" aria-label="{escape(title)}"><table class="kf-numbers">'
        f'<thead><tr><th scope="col">{escape(corner)}</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _shade(place: int, order: Sequence[str]) -> str:
    return f"{1 - 0.92 * place / max(len(order) - 1, 1):.2f}"


def _row(name: str, drawing: str, number: str, *, inner: bool = False) -> str:
    mark = ' class="kf-sub"' if inner else ""
    return (
        f'<tr{mark}><th scope="row">{name}</th><td><svg class="kf-drawing" width="100%" height="24" aria-hidden="true" focusable="false">'
        f'<line class="kf-grid" x1="0" x2="100%" y1="50%" y2="50%"/>{drawing}</svg></td><td>{number}</td></tr>'
    )


def _table(title: str, rows: Sequence[str], head: str = "") -> str:
    return f'<table class="kf-plot"><caption>{escape(title)}</caption>{head}<tbody>{"".join(rows)}</tbody></table>' if rows else ""
