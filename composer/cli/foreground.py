"""A process in a container, this terminal its terminal, until it ends.

keyboard ─► stdin ──┐                        ┌──► stdout ─► screen
SIGWINCH, SIGTERM ──┼──► this loop ◄─► master ┘
the process's end ──┘       (without a terminal of its own the process has our descriptors, and only
                             signals and its end are left to wait for)

Beyond this module: whose child it is (`Watched`).
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import ExitStack

from composer.cli.signals import Signals
from composer.cli.terminal import RawTerminal, set_window_size, window_size
from composer.hints import Callable, Protocol
from composer.linux.pidfd import pidfd_send_signal

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
HANDLED = (*FORWARDED, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)

_BLOCK = 64 * 1024
_PATIENCE = 3  # requests to end after which the process is killed
_END_OF_FILE = b"\x04"  # VEOF of a new terminal


class Watched(Protocol):
    """A process whose end is waited for."""

    def fileno(self) -> int:
        """Readable when it may have ended."""

    def status(self) -> int | None:
        """Its wait status once it has ended. Raises HostError: nobody knows."""

    def send_signal(self, number: int) -> None:
        """Signal it. Raises ProcessLookupError: it has ended."""

    def kill(self) -> None:
        """End it for good, with what it has started."""


class OwnChild:
    """A child of this process. `kill` ends it for good."""

    def __init__(self, pidfd: int, *, kill: Callable[[], None]) -> None:
        self._pidfd = pidfd
        self.kill = kill

    def fileno(self) -> int:
        return self._pidfd

    def status(self) -> int | None:
        """Its wait status. It is reaped."""
        ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        if ended is None:
            return None
        return ended.si_status << 8 if ended.si_code == os.CLD_EXITED else ended.si_status

    def send_signal(self, number: int) -> None:
        pidfd_send_signal(self._pidfd, number)


class Foreground:
    """Waits for one process."""

    def __init__(self, process: Watched, *, master: int | None, reads_input: bool) -> None:
        self._process = process
        self._master = master
        self._input: int | None = 0 if reads_input and master is not None else None
        self._pending = b""  # typed and not yet taken by the container's terminal
        self._raw: RawTerminal | None = None
        self._requests = 0

    def wait(self) -> int:
        """Until the process has ended; its wait status."""
        with ExitStack() as undo:
            signals = undo.enter_context(Signals(HANDLED))
            if self._master is not None:
                os.set_blocking(self._master, False)
                set_window_size(self._master, window_size())
                if self._input is not None and os.isatty(0):
                    self._raw = undo.enter_context(RawTerminal())
            while (status := self._step(signals)) is None:
                pass
            self._show_rest()
        return status

    def _step(self, signals: Signals) -> int | None:
        """Wait for one thing to happen; the wait status when it was the end."""
        reading = [signals.fileno(), ending := self._process.fileno()]
        reading += [fd for fd in (self._input, self._master) if fd is not None]
        writing = [self._master] if self._pending and self._master is not None else []
        readable, writable, _ = select.select(reading, writing, [])
        if signals.fileno() in readable:
            for number in signals.received():
                self._take(number)
        if self._master in readable:
            self._show()
        if self._input is not None and self._input in readable:
            self._read_input()
        if writable or (self._pending and not writing):
            self._write_pending()
        return self._process.status() if ending in readable else None

    def _take(self, number: signal.Signals) -> None:
        match number:
            case signal.SIGWINCH:
                if self._master is not None:
                    set_window_size(self._master, window_size())
            case signal.SIGTSTP:
                self._stop()
            case signal.SIGCONT:
                if self._raw is not None:
                    self._raw.resume()
            case _:
                self._forward(number)

    def _stop(self) -> None:
        if self._raw is not None:
            self._raw.stop()
        else:
            os.kill(os.getpid(), signal.SIGSTOP)
        if self._master is not None:
            set_window_size(self._master, window_size())

    def _forward(self, number: signal.Signals) -> None:
        """PID 1 of a container only gets what it has a handler for, so somebody who insists gets his way."""
        if number in (signal.SIGINT, signal.SIGTERM):
            self._requests += 1
        if self._requests >= _PATIENCE:
            self._process.kill()
            return
        try:
            self._process.send_signal(number)
        except ProcessLookupError:
            pass

    def _show(self) -> None:
        assert self._master is not None
        try:
            data = os.read(self._master, _BLOCK)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has the other side open
            data = b""
        if not data:
            self._master = None
        while data:
            data = data[os.write(1, data) :]

    def _show_rest(self) -> None:
        """What the terminal still holds; a process left behind may have it open, so there need not be an end."""
        while self._master is not None and select.select([self._master], [], [], 0)[0]:
            self._show()

    def _read_input(self) -> None:
        data = os.read(0, _BLOCK)
        if not data:
            self._input = None
            data = _END_OF_FILE
        self._pending += data

    def _write_pending(self) -> None:
        if self._master is None:
            self._pending = b""
            return
        try:
            self._pending = self._pending[os.write(self._master, self._pending) :]
        except BlockingIOError:
            pass
        except OSError:  # EIO: nobody has the other side open
            self._pending = b""


def exit_code(status: int) -> int:
    """A wait status as a shell says it: 128 + n after signal n."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
