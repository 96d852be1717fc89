"""Processes that join containers, of `exec`, health checks and hooks: started, watched, reaped, told about."""

from __future__ import annotations

import os
from functools import partial

from composer.errors import PycomposeError
from composer.frozen import field, mutable
from composer.hints import Callable
from composer.runtime import join
from composer.runtime.join import JoinedProcess, StartingProcess, Target
from composer.runtime.launcher import protocol
from composer.runtime.launcher.audience import Audience, Everybody, failed
from composer.runtime.launcher.loop import Loop


@mutable
class _Process:
    request: int
    joined: JoinedProcess
    audience: Audience
    independent: bool


@mutable
class Processes:
    """All of them; `target` knows the containers, and raises NoSuchThing."""

    loop: Loop
    everybody: Everybody
    target: Callable[[str], Target]

    _living: dict[tuple[int, int], _Process] = field(default_factory=dict)  # by identity of the audience, request

    def start(self, request: protocol.StartProcess, streams: tuple[int, ...], audience: Audience) -> None:
        """Answers ProcessStarted or Failed, later, then ProcessExited. `streams` are the caller's to close."""
        try:
            starting = join.begin_process(
                self.target(request.container), request.process, streams=streams, privileged=request.privileged
            )
        except PycomposeError as error:
            audience.tell(failed(request.request, error))
            return
        self.loop.watch(starting.report_fd, partial(self._finish, request, starting, audience))

    def _finish(self, request: protocol.StartProcess, starting: StartingProcess, audience: Audience) -> None:
        self.loop.unwatch(starting.report_fd)
        try:
            joined = starting.finish()
        except PycomposeError as error:
            audience.tell(failed(request.request, error))
            return
        process = _Process(request.request, joined, audience, request.independent)
        self._living[id(audience), request.request] = process
        self.loop.watch(joined.pidfd, partial(self._bury, process))
        masters = () if joined.pty_master is None else (joined.pty_master,)
        pidfds = (joined.pidfd,) if request.independent else ()
        audience.tell(protocol.ProcessStarted(request.request, joined.pid, joined.warnings), (*pidfds, *masters))
        for master in masters:
            os.close(master)  # the audience has it now

    def _bury(self, process: _Process) -> None:
        joined = process.joined
        self.loop.unwatch(joined.pidfd)
        _, status = os.waitpid(joined.pid, 0)
        os.close(joined.pidfd)
        join.release(joined.branch)
        self._living.pop((id(process.audience), process.request), None)
        process.audience.tell(protocol.ProcessExited(process.request, status))

    def kill(self, request: int, audience: Audience) -> None:
        """End a joined process with all it started; ProcessExited follows. Fine if it has ended."""
        process = self._living.get((id(audience), request))
        if process is None:
            return
        try:
            join.kill(process.joined)
        except PycomposeError as error:
            self.everybody.log(error.message)

    def abandon(self, audience: Audience) -> None:
        """Nobody waits for this audience's processes any more: end them, but for the independent ones."""
        for process in list(self._living.values()):
            if process.audience is audience and not process.independent:
                self.kill(process.request, audience)
