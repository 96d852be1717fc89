"""Where in a file something was asked for: "compose.yaml:12:9", or "" where nobody knows. For messages alone."""

from __future__ import annotations


def at(place: str) -> str:
    """A place as it follows, in brackets, the name of what stands there."""
    return f" ({place})" if place else ""
