"""Labels that say whose container it is, by the names docker compose gives them: filters and tools know them.

Where the files were is not among them, though docker compose says it: the same files called by another path would
make every container anew.
"""

from __future__ import annotations

from collections.abc import Mapping

_PREFIX = "com.docker.compose."


def of(own: Mapping[str, str], *, project: str, service: str, number: int, oneoff: bool) -> tuple[tuple[str, str], ...]:
    """The user's labels and ours, sorted: their order in a file means nothing."""
    ours = {
        f"{_PREFIX}project": project,
        f"{_PREFIX}service": service,
        f"{_PREFIX}container-number": str(number),
        f"{_PREFIX}oneoff": "True" if oneoff else "False",
    }
    return tuple(sorted({**own, **ours}.items()))
