"""A start as a drawing: a bar for each container on an axis of time, as systemd-analyze plot has it.

Colours are classes, so that whoever looks at it in the dark has a dark one; a reader that knows no media queries draws
the light one. What is on the critical chain is framed.
"""

from __future__ import annotations

from html import escape

from composer.cli.render import timeline_words as words
from composer.cli.render.timeline import mark, marks
from composer.hints import Iterator
from composer.planner.advice import span
from composer.planner.analysis import Analysis
from composer.planner.timeline import Phase, Row

_COLOURS: dict[Phase, tuple[str, str]] = {  # light, dark
    Phase.WAITING: ("#d8dce2", "#3a4048"),
    Phase.STOPPING: ("#e8927c", "#b35a45"),
    Phase.UNPACKING: ("#b48ead", "#8d6a87"),
    Phase.LAUNCHING: ("#3b76c4", "#5a94e0"),
    Phase.HOOKS: ("#3fa7b5", "#3c95a2"),
    Phase.PROBING: ("#edb94c", "#c9973a"),
    Phase.RESTARTING: ("#c43b3b", "#e06565"),
    Phase.RUNNING: ("#a9d3a4", "#44694a"),
    Phase.HEALTHY: ("#6fb56a", "#4f9455"),
    Phase.UNHEALTHY: ("#d96c6c", "#b04a4a"),
}
_LETTER = 7  # pixels, of the widest letters at this size
_ROW, _BAR, _MARGIN, _CHART = 24, 16, 16, 760
_TOP = 72  # title, what went wrong, marks


def render(found: Analysis) -> str:
    """The whole file."""
    names = [words.BEFORE, *(words.name(row) for row in found.rows)]
    standings = [words.planned(found), *(words.standing(row) for row in found.rows)]
    left = _MARGIN + max(map(len, names)) * _LETTER + 12
    width = left + _CHART + 12 + max(map(len, standings)) * _LETTER + _MARGIN
    bottom = _TOP + len(names) * _ROW + 8
    chain = list(_chain(found, top=bottom + 64))
    height = bottom + 64 + (len(found.chain) + 1) * 18 + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{_style()}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        _text(_MARGIN, 26, words.title(found.timeline), "title"),
        _text(_MARGIN, 46, (words.failure(found.timeline) or words.remark(found.timeline)).partition("\n")[0], "bad"),
        *_axis(found, left=left, bottom=bottom),
        *_before(found, left=left, top=_top(0)),
        *(part for place, row in enumerate(found.rows, 1) for part in _row(found, row, left=left, top=_top(place))),
        *_legend(found, top=bottom + 16),
        *chain,
        "</svg>",
    ]
    return "\n".join(filter(None, parts))


def _style() -> str:
    light = "".join(f".{phase.value}{{fill:{_COLOURS[phase][0]}}}" for phase in Phase)
    dark = "".join(f".{phase.value}{{fill:{_COLOURS[phase][1]}}}" for phase in Phase)
    return (
        "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-size:15px;font-weight:600}"
        ".heading{font-weight:600}.quiet,.before{fill:#6b7280}"
        ".bad{fill:#b42318}.paper{fill:#ffffff}.line{stroke:#e5e7eb}.critical{fill:none;stroke:#24292f;stroke-width:1.5}"
        f"{light}@media(prefers-color-scheme:dark){{text{{fill:#d7dbe0}}.quiet,.before{{fill:#8b949e}}"
        f".bad{{fill:#ff8a80}}.paper{{fill:#16191d}}.line{{stroke:#2b3036}}.critical{{stroke:#f0f3f6}}{dark}}}"
    )


def _top(place: int) -> int:
    return _TOP + place * _ROW


def _text(x: float, y: float, text: str, style: str = "", *, anchor: str = "") -> str:
    attributes = (f' class="{style}"' if style else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{x:g}" y="{y:g}"{attributes}>{_escaped(text)}</text>' if text else ""


def _escaped(text: str) -> str:
    """XML allows no control characters, and a file name may have any byte."""
    printable = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return escape(printable)


def _axis(found: Analysis, *, left: int, bottom: int) -> Iterator[str]:
    for mark_ns in marks(found.timeline.horizon_ns, at_most=12):
        x = _x(found, mark_ns, left)
        yield f'<line class="line" x1="{x:g}" y1="{_TOP - 6}" x2="{x:g}" y2="{bottom}"/>'
        yield _text(x, _TOP - 10, mark(mark_ns), "quiet", anchor="middle")


def _x(found: Analysis, at_ns: int, left: int) -> float:
    return round(left + at_ns / max(found.timeline.horizon_ns, 1) * _CHART, 1)


def _before(found: Analysis, *, left: int, top: int) -> Iterator[str]:
    """Until there was a plan."""
    end = _x(found, found.timeline.walk.begun.planned_ns, left)
    yield _text(left - 8, top + 13, words.BEFORE, "quiet", anchor="end")
    yield f'<rect class="before" x="{left}" y="{top + _BAR // 2 - 1}" width="{end - left:.1f}" height="2"/>'
    yield _text(left + _CHART + 8, top + 13, words.planned(found), "quiet")


def _row(found: Analysis, row: Row, *, left: int, top: int) -> Iterator[str]:
    yield _text(left - 8, top + 13, words.name(row), anchor="end")
    for it in row.spans:
        x, end = _x(found, it.began_ns, left), _x(found, it.ended_ns, left)
        hint = f"{row.name}: {it.phase.value} from {span(it.began_ns)} to {span(it.ended_ns)}, {span(it.took_ns)}"
        yield (
            f'<rect class="{it.phase.value}" x="{x:g}" y="{top}" width="{max(end - x, 0.5):.1f}" height="{_BAR}">'
            f"<title>{_escaped(hint)}</title></rect>"
        )
    for link in found.chain:
        if link.container == row.name:
            x, end = _x(found, link.began_ns, left), _x(found, link.ended_ns, left)
            yield (
                f'<rect class="critical" x="{x:g}" y="{top - 1}" width="{max(end - x, 1):.1f}" height="{_BAR + 2}"/>'
            )
    yield _text(left + _CHART + 8, top + 13, words.standing(row), "quiet")


def _legend(found: Analysis, *, top: int) -> Iterator[str]:
    x = _MARGIN
    for phase in Phase:
        if any(row.took_ns(phase) for row in found.rows):
            name = words.phase(phase)
            yield f'<rect class="{phase.value}" x="{x}" y="{top}" width="14" height="14"/>'
            yield _text(x + 20, top + 12, name, "quiet")
            x += 20 + len(name) * _LETTER + 18
    yield f'<rect class="critical" x="{x}" y="{top}" width="14" height="14"/>'
    yield _text(x + 20, top + 12, "on the critical chain", "quiet")


def _chain(found: Analysis, *, top: int) -> Iterator[str]:
    """Lines, their columns aligned."""
    if found.chain:
        yield _text(_MARGIN, top, words.CHAIN, "heading")
    for number, it in enumerate(found.chain, 1):
        y = top + number * 18
        yield _text(_MARGIN + 60, y, span(it.began_ns), "quiet", anchor="end")
        yield _text(_MARGIN + 130, y, f"+{span(it.took_ns)}", anchor="end")
        yield _text(_MARGIN + 146, y, words.step(it))
