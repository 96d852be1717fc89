"""Lines for a person: standard error of launcher and holder is the launcher's log."""

from __future__ import annotations

import os
import time


def say(text: str) -> None:
    """Write a line with the time. A log that cannot be written stops nothing."""
    line = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}\n"
    try:
        os.write(2, line.encode(errors="backslashreplace"))
    except OSError:
        pass
