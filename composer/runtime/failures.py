"""What a failed step of a child means to a person.

The child says which step, about what, with which errno; here it becomes one sentence. A step that knows better
raises its own PycomposeError, which comes through as it is.
"""

from __future__ import annotations

import errno
import os
import signal

import composer.errors
from composer.errors import HostError, PycomposeError
from composer.runtime.road import Report

SENTENCES = {  # step: what could not be done; {} is what it was about
    "DETACH": "cannot detach its process from pycompose",
    "JOIN": "cannot join the namespaces of another container",
    "GATE": "cannot wait for its network interfaces",
    "NETWORK": "cannot set up its network namespace ({})",
    "NAMES": "cannot set its host name to {!r}",
    "SOURCES": "cannot bind {}",
    "PRIVATE": "cannot make its mounts private",
    "ROOT": "cannot mount its root file system over {}",
    "MOUNTS": "cannot mount {}",
    "DEVICES": "cannot make device {}",
    "FILES": "cannot show the generated file {}",
    "GRANTS": "cannot show the {}",
    "CONSOLE": "cannot show its terminal as {}",
    "MASKS": "cannot protect {}",
    "CWD": "cannot make its working directory {}",
    "READ_ONLY": "cannot make its root file system read-only",
    "CGROUP": "cannot enter its cgroup",
    "PIVOT": "cannot make its root file system the root",
    "STREAMS": "cannot set up its standard streams",
    "USER": "cannot look up user {!r}",
    "WORKDIR": "cannot enter its working directory {}",
    "BIRTH": "cannot write down that it begins",
    "PRIVILEGES": "cannot drop privileges ({})",
    "INIT": "cannot start below the init process",
    "EXEC": "cannot execute its command",
}
HINTS = {
    ("NETWORK", errno.ENOENT): "this kernel has no parameter of that name",
    ("NETWORK", errno.EINVAL): "the kernel does not take this value",
    ("NETWORK", errno.ENETUNREACH): "the gateway is not in the subnet",
    ("MOUNTS", errno.ENOTDIR): "a directory cannot be mounted on a file, nor a file on a directory",
    ("MOUNTS", errno.EISDIR): "a directory cannot be mounted on a file, nor a file on a directory",
    ("SOURCES", errno.ENOENT): "make it, or ask for it with create_host_path: true",
    ("ROOT", errno.ENOENT): "the root file system is gone: `pycompose up` prepares it again",
    ("DETACH", errno.EACCES): "an oom_score_adj below that of pycompose itself needs CAP_SYS_RESOURCE",
    ("CGROUP", errno.ENOSPC): "the cpuset has no processors or no memory nodes",
    ("EXEC", errno.EAGAIN): "the user has more processes than its ulimit nproc allows",
    ("EXEC", errno.E2BIG): "command and environment together are too long",
}
OUT_OF_MEMORY = (errno.ENOMEM,)


def failure(purpose: str, report: Report, *, memory_limit: int | None) -> PycomposeError:
    """The error that `report` is, for the user."""
    if report.error in ERRORS:
        return ERRORS[report.error](named(purpose, report.message), hint=report.hint)
    if (report.errno in OUT_OF_MEMORY and memory_limit is not None) or report.error == "MemoryError":
        return too_little_memory(purpose, memory_limit)
    sentence = SENTENCES.get(report.step, f"cannot take step {report.step}").format(report.subject)
    why = os.strerror(report.errno) if report.errno else f"{report.error}: {report.message}"
    calls = f" [{'; '.join(report.calls)}]" if report.calls else ""
    return HostError(
        f"cannot {purpose}: {sentence}: {why}{calls}",
        hint=report.hint or HINTS.get((report.step, report.errno)),
    )


def named(purpose: str, message: str) -> str:
    """What was attempted in front, where the message does not have it."""
    return message if message.startswith(f"cannot {purpose}") else f"cannot {purpose}: {message}"


ERRORS = {
    name: cls
    for name, cls in vars(composer.errors).items()
    if isinstance(cls, type) and issubclass(cls, PycomposeError) and name != "InvalidFile"
}


def too_little_memory(purpose: str, limit: int | None) -> PycomposeError:
    """The memory limit ends a container before its program does anything."""
    if limit is None:
        return HostError(f"cannot {purpose}: there is not enough memory")
    return HostError(
        f"cannot {purpose}: its memory limit of {limit} bytes is too small for its command to be executed at all",
        hint="raise mem_limit",
    )


def killed(purpose: str, signal_number: int | None) -> PycomposeError:
    """The child ended and said nothing: by a signal, None for another end."""
    names = {int(one): one.name for one in signal.Signals}
    by = "ended without a word" if signal_number is None else f"was killed by {names.get(signal_number, signal_number)}"
    return HostError(f"cannot {purpose}: its process {by}")


def cannot(purpose: str, error: OSError | ValueError) -> HostError:
    """An error of the parent's own work."""
    if isinstance(error, ValueError):
        return HostError(f"cannot {purpose}: {error}")
    calls = "; ".join(getattr(error, "__notes__", ()))
    about = error.filename or getattr(error, "subject", None)
    subject = f" {os.fsdecode(about)}:" if about else ""
    return HostError(f"cannot {purpose}:{subject} {error.strerror}{f' [{calls}]' if calls else ''}")
