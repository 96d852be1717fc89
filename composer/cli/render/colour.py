"""Colours of terminals (ECMA-48 "select graphic rendition"), and what takes them out of a text again."""

from __future__ import annotations

RESET = "\x1b[0m"
BOLD = "1"
DIM = "2"
RED = "31"
GREEN = "32"
YELLOW = "33"
BLUE = "34"
MAGENTA = "35"
CYAN = "36"

# What docker compose gives its services, without black, white and red, which means trouble
SERVICES = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")


def paint(text: str, code: str, *, colour: bool) -> str:
    """`text` in a colour, or as it is."""
    return f"\x1b[{code}m{text}{RESET}" if colour else text
