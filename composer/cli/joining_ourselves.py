"""A command in a container that a foreground `run` keeps: no launcher looks after it, we are the command's parent."""

from __future__ import annotations

import os
import sys

from composer.cli.foreground import Foreground, OwnChild, exit_code
from composer.cli.invocation import Invocation
from composer.cli.joining import null_streams
from composer.runtime import join
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.join import JoinedProcess, Target
from composer.spec.process import Process
from composer.store.records import ContainerRecord


def execute(call: Invocation, record: ContainerRecord, process: Process) -> int:
    """The exit status is the command's own, 0 with --detach. Raises PycomposeError."""
    target = Target(record.spec, record.pid, record.start_time, Cgroup(record.cgroup), call.paths.cache)
    privileged = call.arguments.switch("privileged")
    if call.arguments.switch("detach"):
        return _execute_detached(target, process, privileged=privileged)
    joined = join.start_process(target, process, privileged=privileged)
    _warn(joined)
    child = OwnChild(joined.pidfd, kill=lambda: join.kill(joined))
    try:
        return exit_code(Foreground(child, master=joined.pty_master, reads_input=True).wait())
    finally:
        join.release(joined.branch)


def _execute_detached(target: Target, process: Process, *, privileged: bool) -> int:
    """Leave a process behind that reaps the command: not every host's init does, and nothing else would.

    this process                  the one left behind
    fork ───────────────────────► starts the command; a failure it tells itself, and ends
    read ◄─────────────────────── one byte: it runs
                                  waits for its end
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(writer)
        runs = os.read(reader, 1)
        os.close(reader)
        return 0 if runs else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with null_streams() as streams:
        joined = join.start_process(target, process, streams=streams, privileged=privileged)
        _warn(joined)
        for standard, null in enumerate(streams):
            os.dup2(null, standard)  # whoever reads what we print need not wait for the command
    os.setsid()
    os.write(writer, b"\n")
    os.waitid(os.P_PIDFD, joined.pidfd, os.WEXITED)
    join.release(joined.branch)
    return 0


def _warn(joined: JoinedProcess) -> None:
    for warning in joined.warnings:
        print(f"pycompose: {warning}", file=sys.stderr)
