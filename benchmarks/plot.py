"""The comparison as a picture: for each row one bar, how many times faster or slower than what it is beside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Protocol

WIDTH, LEFT, RIGHT, LINE, TOP = 900, 400, 70, 26, 64
STYLE = """text{font:13px system-ui,sans-serif;fill:#24292f}
.t{font-size:16px;font-weight:600}.s{fill:#57606a;font-size:12px}
.f{fill:#1a7f64}.w{fill:#bf5b17}.g{stroke:#8c959f;stroke-dasharray:3 3}.o{stroke:#24292f}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.f{fill:#3fb98f}.w{fill:#e08a4a}.o{stroke:#e6edf3}}"""


class Compared(Protocol):
    """A row of the table."""

    @property
    def what(self) -> str: ...
    @property
    def peer(self) -> str: ...
    @property
    def goal(self) -> float | None: ...
    @property
    def ratios(self) -> tuple[float, float]:
        """Ours by theirs: of the clock's seconds, of processor seconds."""
        ...


def drawn(rows: Sequence[Compared]) -> str:
    """An SVG: bars to the right are faster than the peer, to the left slower; a dashed mark is the goal."""
    largest = max(2.0, *(max(ratio, 1 / ratio) for ratio in (row.ratios[0] for row in rows)))
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    scale = (WIDTH - LEFT - RIGHT) / 2 / math.log2(largest)
    height = TOP + LINE * len(rows) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>Time beside what it replaces</title><style>{STYLE}</style>",
        '<text class="t" x="12" y="26">Time beside what it replaces</text>',
        '<text class="s" x="12" y="46">by the clock, logarithmic; left of the line: slower; dashed: the goal</text>',
    ]
    for number, row in enumerate(rows):
        y = TOP + LINE * number
        times = 1 / row.ratios[0]
        end = middle + scale * math.log2(times)
        label = escape(f"{row.what.replace('`', '')} — {row.peer}")
        kind, low = ("f", middle) if times >= 1 else ("w", end)
        parts.append(f'<text x="12" y="{y + 15}">{label}</text>')
        parts.append(
            f'<rect class="{kind}" x="{low:.1f}" y="{y + 3}" width="{abs(end - middle):.1f}" height="{LINE - 10}"/>'
        )
        place, anchor = (end + 6, "start") if times >= 1 else (end - 6, "end")
        parts.append(f'<text class="s" x="{place:.1f}" y="{y + 15}" text-anchor="{anchor}">{_times(times)}</text>')
        if row.goal and (mark := middle + scale * math.log2(1 / row.goal)) < WIDTH:
            parts.append(f'<line class="g" x1="{mark:.1f}" x2="{mark:.1f}" y1="{y}" y2="{y + LINE - 4}"/>')
    parts.append(f'<line class="o" x1="{middle}" x2="{middle}" y1="{TOP - 6}" y2="{height - 14}"/></svg>')
    return "\n".join(parts) + "\n"


def _times(times: float) -> str:
    return f"{times:.1f} ×" if times >= 1 else f"1/{1 / times:.1f}"
