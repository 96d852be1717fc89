"""Somebody at a terminal: types, reads the screen, resizes the window, looks whether the terminal is as it was."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PATIENCE = 20.0  # seconds until something that does not come is a failure


class Typist:
    """A program with a terminal of its own as its controlling one."""

    def __init__(
        self, argv: Sequence[str], *, environment: Mapping[str, str], cwd: Path, size: tuple[int, int] = (24, 80)
    ) -> None:
        self._master, self._terminal = pty.openpty()
        termios.tcsetwinsize(self._terminal, size)
        self.before = self.attributes()
        self.screen = ""
        self.process = subprocess.Popen(
            argv,
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=self._terminal,
            env={**environment, "TERM": "xterm"},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
        )

    def __enter__(self) -> Typist:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._terminal)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def read_until(self, pattern: str) -> re.Match[str]:
        """The first match on the screen; what is before it and itself is then forgotten."""
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.screen)) is None:
            self._read(deadline, pattern)
        self.screen = self.screen[found.end() :]
        return found

    def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self._master, (rows, columns))

    def attributes(self) -> list[Any]:
        return termios.tcgetattr(self._terminal)

    def is_raw(self) -> bool:
        return not self.attributes()[3] & (termios.ICANON | termios.ECHO)

    def is_as_before(self) -> bool:
        return self.attributes() == self.before

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit status; the screen is read meanwhile, or the program could not end."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            readable, _, _ = select.select([self._master], [], [], 0.02)
            if readable:
                self.screen += os.read(self._master, 4096).decode(errors="replace")
            assert time.monotonic() < deadline, f"it does not end; on the screen: {self.screen!r}"
        while select.select([self._master], [], [], 0)[0]:
            self.screen += os.read(self._master, 4096).decode(errors="replace")
        return self.process.returncode

    def has_ended(self) -> bool:
        """Whether it ends within a moment."""
        try:
            self.process.wait(0.05)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait_stopped(self) -> None:
        """Until the program is stopped, as by Ctrl-Z."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def _read(self, deadline: float, pattern: str) -> None:
        readable, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        assert readable, f"{pattern!r} does not come; on the screen: {self.screen!r}"
        self.screen += os.read(self._master, 4096).decode(errors="replace")
