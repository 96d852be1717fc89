"""Which process is which: a pid and when it began.

Reads /proc and needs nothing of the C library: for commands that only look.
"""

from __future__ import annotations

import os
import time

_LONGEST_STAT = 4096  # bytes: some fifty numbers and a name
START_TIME_FIELD = 22  # of /proc/PID/stat, proc_pid_stat(5), counted from 1


def start_time(pid: int) -> int:
    """When process `pid` started, in clock ticks (os.sysconf("SC_CLK_TCK") a second) since boot.

    A pid comes back after it was freed, a pid with its start time does not. Holds for a zombie too. Raises
    ProcessLookupError where there is no such process.
    """
    return stat_field(pid, START_TIME_FIELD)


def monotonic_start_ns(pid: int) -> int:
    """When a process was made, by CLOCK_MONOTONIC, to the tick. Raises ProcessLookupError.

    The kernel counts from the boot and with the time that the machine slept, which CLOCK_MONOTONIC leaves out.
    """
    return time.monotonic_ns() - age_ns(start_time(pid))


def age_ns(start_time: int) -> int:
    """How old a process is, or would be, that started then: by CLOCK_BOOTTIME, which nobody can set."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - start_time * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))


def stat_field(pid: int, number: int) -> int:
    """A numeric field of /proc/PID/stat, counted from 1. Raises ProcessLookupError."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ProcessLookupError(f"no process {pid}") from None
    try:
        text = os.read(fd, _LONGEST_STAT)
    finally:
        os.close(fd)
    # Field 2 is the name in parentheses, and a name may hold spaces and parentheses of its own.
    fields_from_third = text[text.rindex(b")") + 2 :].split()
    return int(fields_from_third[number - 3])
