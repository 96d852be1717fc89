"""A start as text: bars on a terminal, columns for everything else; below them the critical chain and advice."""

from __future__ import annotations

import textwrap

from composer.cli.render import colour as colours
from composer.cli.render import timeline_words as words
from composer.cli.render.colour import paint
from composer.cli.render.table import shorten, table
from composer.hints import Iterable, Iterator, Sequence
from composer.planner.advice import span
from composer.planner.analysis import Analysis
from composer.planner.timeline import Phase, Row, Span, Standing

LOOKS: dict[Phase, tuple[str, str]] = {  # how a phase is drawn: by shape, for who sees no colours, and colour
    Phase.WAITING: ("·", colours.DIM),
    Phase.STOPPING: ("▚", colours.RED),
    Phase.UNPACKING: ("▓", colours.MAGENTA),
    Phase.LAUNCHING: ("█", colours.BLUE),
    Phase.HOOKS: ("▞", colours.CYAN),
    Phase.PROBING: ("▒", colours.YELLOW),
    Phase.RESTARTING: ("×", colours.RED),
    Phase.RUNNING: ("━", colours.GREEN),
    Phase.HEALTHY: ("━", colours.GREEN),
    Phase.UNHEALTHY: ("━", colours.RED),
}
_BAD = frozenset((Standing.FAILED, Standing.UNHEALTHY, Standing.EXITED, Standing.NOT_STARTED))
_NARROWEST = 24  # a chart that is narrower says nothing
_GAP = 2
_NAME, _STANDING = 28, 34  # columns that they may take at most


def chart(found: Analysis, *, columns: int, colour: bool) -> str:
    """For a terminal of that many columns."""
    planned_ns = found.timeline.walk.begun.planned_ns
    names = [words.BEFORE, *(shorten(words.name(row), _NAME) for row in found.rows)]
    standings = [words.planned(found), *(shorten(words.standing(row), _STANDING) for row in found.rows)]
    left = max(map(len, names)) + _GAP
    width = columns - 1 - left - max(map(len, standings)) - _GAP
    if width < _NARROWEST:
        drawn = [_list(found)]
    else:
        horizon_ns = max(found.timeline.horizon_ns, 1)
        before = ("─" * round(planned_ns / horizon_ns * width)).ljust(width)
        drawn = [
            f"{'':{left}}{axis(horizon_ns, width)}",
            paint(f"{names[0]:{left}}{before}{'':{_GAP}}{standings[0]}", colours.DIM, colour=colour),
        ]
        for name, row, standing in zip(names[1:], found.rows, standings[1:], strict=True):
            bar = _bar(row.spans, horizon_ns, width, colour=colour)
            code = colours.RED if row.standing in _BAD else colours.DIM if not row.spans else ""
            drawn.append(f"{name:{left}}{bar}{'':{_GAP}}{paint(standing, code, colour=colour and bool(code))}")
        drawn += ["", *_legend(found.rows, columns=columns, colour=colour)]
    return "\n".join(_around(found, drawn, columns=columns, colour=colour))


def columns(found: Analysis) -> str:
    """For a file, a pipe, or a terminal too narrow to draw on."""
    return "\n".join(_around(found, [_list(found)], columns=100, colour=False))


def _list(found: Analysis) -> str:
    used = [phase for phase in Phase if any(row.took_ns(phase) for row in found.rows) and phase not in _LASTING]
    header = ("CONTAINER", *(phase.value.upper() for phase in used), "STATUS")
    rows = [
        (words.name(row), *(_seconds(row.took_ns(phase)) for phase in used), words.standing(row)) for row in found.rows
    ]
    return table(header, rows)


_LASTING = frozenset((Phase.RUNNING, Phase.HEALTHY, Phase.UNHEALTHY))


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:.3f}s" if ns else "-"


def _around(found: Analysis, drawn: Iterable[str], *, columns: int, colour: bool) -> Iterator[str]:
    """The title above, chain and advice below."""
    yield paint(words.title(found.timeline), colours.BOLD, colour=colour)
    if error := words.failure(found.timeline):
        yield paint(error, colours.RED, colour=colour)
    if remark := words.remark(found.timeline):
        yield remark
    yield ""
    yield from drawn
    yield from _chain(found, colour=colour)
    yield from _advice(found, columns=columns, colour=colour)


def _chain(found: Analysis, *, colour: bool) -> Iterator[str]:
    lines = list(words.before_plan(found)) + [(words.step(link), link.began_ns, link.ended_ns) for link in found.chain]
    if not lines:
        return
    yield ""
    yield paint(words.CHAIN, colours.BOLD, colour=colour)
    for text, began_ns, ended_ns in lines:
        yield f"  {span(began_ns):>9}  {'+' + span(ended_ns - began_ns):>9}  {text}"


def _advice(found: Analysis, *, columns: int, colour: bool) -> Iterator[str]:
    for number, advice in enumerate(found.advice, 1):
        if number == 1:
            yield ""
            yield paint("What would make it faster, and by how much at most", colours.BOLD, colour=colour)
        width = max(40, min(columns, 100) - 13)
        first, *rest = [*textwrap.wrap(advice.finding, width), *textwrap.wrap(f"→ {advice.change}", width)]
        yield f"  {span(advice.gain_ns):>9}  {first}"
        yield from (f"  {'':>9}  {line}" for line in rest)


# ---- bars -------------------------------------------------------------------------------------------------------


def axis(horizon_ns: int, width: int) -> str:
    """Marks of time, each at its place: "0 s       1 s       2 s"."""
    line = [" "] * width
    end = -1
    for mark_ns in marks(horizon_ns, at_most=max(2, width // 12)):
        text = mark(mark_ns)
        place = mark_ns * width // max(horizon_ns, 1)
        if place > end and place + len(text) <= width:
            line[place : place + len(text)] = text
            end = place + len(text)
    return "".join(line).rstrip()


def marks(horizon_ns: int, *, at_most: int) -> tuple[int, ...]:
    """Round moments up to the end, not more than `at_most` of them."""
    step_ns = 1_000_000
    while horizon_ns // step_ns >= at_most:
        leading = int(str(step_ns)[0])  # 1, 2, 5, 10, 20 ...
        step_ns = step_ns * 5 // 2 if leading == 2 else step_ns * 2
    return tuple(range(0, horizon_ns + 1, step_ns))


def mark(ns: int) -> str:
    """ "0 s", "1.5 s", "250 ms"."""
    return f"{ns / 1e6:g} ms" if 0 < ns < 1_000_000_000 else f"{ns / 1e9:g} s"


def _bar(spans: Sequence[Span], horizon_ns: int, width: int, *, colour: bool) -> str:
    """One character for each piece of time: the phase that has most of it."""
    phases = [_at(spans, place * horizon_ns // width, (place + 1) * horizon_ns // width) for place in range(width)]
    drawn, begin = "", 0
    for place in range(1, width + 1):
        if place == width or phases[place] is not phases[begin]:
            drawn += _piece(phases[begin], place - begin, colour=colour)
            begin = place
    return drawn


def _at(spans: Sequence[Span], began_ns: int, ended_ns: int) -> Phase | None:
    found, most_ns = None, 0
    for it in spans:
        there_ns = min(it.ended_ns, ended_ns) - max(it.began_ns, began_ns)
        if there_ns > most_ns:
            found, most_ns = it.phase, there_ns
    return found


def _piece(phase: Phase | None, length: int, *, colour: bool) -> str:
    if phase is None:
        return " " * length
    shape, code = LOOKS[phase]
    return paint(shape * length, code, colour=colour)


def _legend(rows: Sequence[Row], *, columns: int, colour: bool) -> Iterator[str]:
    """What the bars mean, in lines that fit."""
    names: dict[tuple[str, str], list[str]] = {}
    for phase in Phase:
        if any(row.took_ns(phase) for row in rows):
            names.setdefault(LOOKS[phase], []).append(words.phase(phase))
    line, length = "", 0
    for (shape, code), alike in names.items():
        text = f" {' or '.join(alike)}"
        if length and length + 5 + len(text) >= columns:
            yield line
            line, length = "", 0
        gap = "   " if length else ""
        line += gap + paint(shape * 2, code, colour=colour) + text
        length += len(gap) + 2 + len(text)
    if line:
        yield line
