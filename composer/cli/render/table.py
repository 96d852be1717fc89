"""Columns, aligned as docker aligns them: three spaces between, nothing behind the last."""

from __future__ import annotations

from composer.hints import Sequence

_GAP = 3


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines of aligned cells."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) + _GAP for column in range(len(header))]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def shorten(text: str, width: int) -> str:
    """At most `width` characters, with an ellipsis where some are missing."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
