"""structlog, set up once per process: JSON lines into a file, for the supervisor.

What a user is told goes through `cli.render` or over `control`; this log is for whoever asks why the supervisor did
something.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

# structlog.dev pulls in rich for pretty tracebacks where that is installed: 5 MB and 50 ms in a process that
# writes JSON. A None entry makes the import fail as if it were not there (importlib, "The module cache").
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # documented, but typed as ModuleType only

import structlog  # noqa: E402
from structlog.typing import FilteringBoundLogger  # noqa: E402

Log = FilteringBoundLogger

INFO = 20


def open_log(path: str, *, level: int = INFO) -> Log:
    """A logger that appends JSON lines to `path`. Raises OSError."""
    return to_stream(_opened(path), level=level)


def to_stream(stream: TextIO, *, level: int = INFO) -> Log:
    """A logger that writes JSON lines to an open text stream."""
    log: Log = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    return log


def _opened(path: str) -> TextIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
