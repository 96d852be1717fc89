"""This terminal at a container that the supervisor looks after.

keyboard ──► connection to the supervisor ──► the container's standard input
screen ◄──── the log file, from now on
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import ExitStack

from composer.cli.foreground import FORWARDED, HANDLED
from composer.cli.signals import Signals
from composer.cli.terminal import DetachKeys, RawTerminal, window_size
from composer.control.client import Client, Connection, Disconnected
from composer.control.messages import Attach, Done
from composer.errors import PycomposeError
from composer.linux.identity import start_time
from composer.linux.pidfd import pidfd_open, pidfd_send_signal
from composer.runtime import exits
from composer.store import records
from composer.store.logs.block import STDERR
from composer.store.logs.demux import Undivided
from composer.store.logs.follow import LogFollower
from composer.store.logs.reader import Selection
from composer.store.paths import ProjectPaths
from composer.store.records import ContainerRecord

_BLOCK = 64 * 1024
_UNKNOWN = 1  # the exit status where nobody saw how the container ended
_DETACHED = "\r\nread escape sequence"


class Attaching:
    """One attachment to one container."""

    def __init__(
        self,
        peer: Client,
        record: ContainerRecord,
        *,
        paths: ProjectPaths,
        detach_keys: bytes,
        reads_input: bool,
        passes_signals: bool,
    ) -> None:
        self._peer = peer
        self._record = record
        self._paths = paths
        self._keys = DetachKeys(detach_keys)
        self._input: int | None = 0 if reads_input else None
        self._passes_signals = passes_signals
        self._raw: RawTerminal | None = None

    def run(self) -> int:
        """Until the container ends or the detach keys are typed; the exit status."""
        name = self._record.spec.name
        with ExitStack() as undo:
            follower = LogFollower(self._paths.bundles, selects=lambda it: it == name, demultiplexer=Undivided)
            undo.callback(follower.close)
            for _ in follower.history(Selection(tail=0)):
                pass
            connection = undo.enter_context(self._peer.open(Attach(name)))
            signals = undo.enter_context(Signals(HANDLED))
            if self._record.spec.process.tty:
                self._resize(connection)
                if self._input is not None and os.isatty(0):
                    self._raw = undo.enter_context(RawTerminal())
            ended = self._carry(connection, follower, signals)
        if not ended:
            print(_DETACHED, file=sys.stderr)
            return 0
        return self._exit_code()

    def _carry(self, connection: Connection, follower: LogFollower, signals: Signals) -> bool:
        """Until the end; whether it was the container's."""
        while True:
            waiting = [connection.fileno(), follower.fileno(), signals.fileno()]
            readable, _, _ = select.select([*waiting, *([] if self._input is None else [self._input])], [], [])
            if signals.fileno() in readable:
                for number in signals.received():
                    self._take(number, connection)
            if follower.fileno() in readable:
                self._show(follower)
            if connection.fileno() in readable and self._has_ended(connection):
                self._show(follower)
                return True
            if self._input is not None and self._input in readable and self._read_input(connection):
                return False

    def _has_ended(self, connection: Connection) -> bool:
        try:
            return any(isinstance(answer, Done) for answer in connection.receive())
        except Disconnected:
            raise PycomposeError(
                "cannot stay attached: the supervisor went away", hint="the container runs on: attach again"
            ) from None

    def _show(self, follower: LogFollower) -> None:
        for _, lines in follower.read():
            descriptor = 2 if lines.stream == STDERR else 1
            data = lines.data
            while data:
                data = data[os.write(descriptor, data) :]

    def _read_input(self, connection: Connection) -> bool:
        """Pass on what was typed; whether that was the sequence that detaches."""
        typed = os.read(0, _BLOCK)
        if not typed:
            self._input = None
            return False
        data, detaches = self._keys.feed(typed)
        if data:
            connection.send_input(data)
        return detaches

    def _take(self, number: signal.Signals, connection: Connection) -> None:
        match number:
            case signal.SIGWINCH:
                self._resize(connection)
            case signal.SIGTSTP if self._raw is not None:
                self._raw.stop()
            case signal.SIGTSTP:
                os.kill(os.getpid(), signal.SIGSTOP)
            case signal.SIGCONT:
                if self._raw is not None:
                    self._raw.resume()
            case _ if number in FORWARDED and self._passes_signals:
                self._send_signal(number)
            case _:
                raise KeyboardInterrupt

    def _resize(self, connection: Connection) -> None:
        size = window_size()
        if size and all(size):
            connection.resize(self._record.spec.name, rows=size[0], columns=size[1])

    def _send_signal(self, number: signal.Signals) -> None:
        try:
            pidfd = pidfd_open(self._record.pid)
        except ProcessLookupError:
            return
        try:
            if start_time(self._record.pid) == self._record.start_time:
                pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(pidfd)

    def _exit_code(self) -> int:
        name = self._record.spec.name
        last = exits.read(self._paths.state(name))
        if last is None or (last.pid, last.start_time) != (self._record.pid, self._record.start_time):
            now = records.load(self._paths, name)
            code = now.exit_code if now is not None else None
        else:
            code = last.exit_code
        return _UNKNOWN if code is None else code
