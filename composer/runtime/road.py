"""How a forked child walks its steps to execve, and what it says when one fails.

                 launcher                                child
    pipe2(O_CLOEXEC) → reader, writer
    clone3 ───────────────────────────────────────────────► keeps `writer`, takes step after step
    close(writer)                                            1. a step fails: one JSON report, _exit
    poll(reader)                                             2. all privileged steps are done: one byte GO
    read: GO, then end of file     ◄──────────────────────── 3. execve closes `writer`: the program runs
    read: report, then end of file ◄──────────────────────── 1. or execve itself fails (after GO)
    read: end of file only                                   killed on the way: the wait status says by what

GO tells a child that was killed at work from one whose execve closed the pipe: both look like end of file.

Beyond this module: the steps. They use the memory of the parent as it was at the clone, import nothing, and
raise OSError or a PycomposeError.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from types import TracebackType

from composer import jsontext
from composer.errors import PycomposeError
from composer.frozen import frozen
from composer.hints import Callable, Iterator, NoReturn, Protocol, Sequence, TypeVar

GO = b"\x06"  # no JSON begins with it
REPORT_SIZE = 1 << 16  # bytes: what a pipe holds
FAILED = 125  # exit status of a child that could not be made, as Docker's for its own failures


class Traveller(Protocol):
    """Who walks. A step may move the writer to another descriptor."""

    writer: int


T = TypeVar("T", bound=Traveller)


@frozen
class Report:
    """What a child had to say about its failure."""

    step: str
    error: str  # class of the exception
    errno: int = 0  # of an OSError
    subject: str = ""  # what the step was about: a path, a name
    message: str = ""
    hint: str | None = None
    calls: tuple[str, ...] = ()  # the system call as strace would show it, the kernel's own words


class about:  # noqa: N801 - reads as a sentence: with about(target): mount...
    """Say what an OSError raised inside is about, unless something further in has said so."""

    __slots__ = ("subject",)

    def __init__(self, subject: str) -> None:
        self.subject = subject

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and not hasattr(error, "subject"):
            error.subject = self.subject  # type: ignore[attr-defined]  # travels with the error to `_report`


def walk(road: Sequence[tuple[str, Callable[[T], None]]], traveller: T) -> NoReturn:
    """Take the steps of `road` in order. The last one executes the program; nothing ever returns from here."""
    at = ""
    try:
        for name, step in road:
            at = name
            step(traveller)
    finally:  # whatever was raised, a defect's exception too: a second copy of the parent must not live on,
        try:  # undoing what is not its own, also where the parent is gone and nobody reads the report
            os.write(traveller.writer, _report(at, sys.exception()))
        finally:
            os._exit(FAILED)


def _report(step: str, error: BaseException | None) -> bytes:
    fields: dict[str, object] = {"step": step, "error": type(error).__name__, "message": str(error)}
    match error:
        case PycomposeError():
            fields |= {"message": error.message, "hint": error.hint}
        case OSError():
            subject = getattr(error, "subject", None) or error.filename or ""
            fields |= {"errno": error.errno or 0, "subject": os.fsdecode(subject), "message": error.strerror or ""}
    fields["calls"] = getattr(error, "__notes__", [])
    return jsontext.dumps(fields, ascii=True).encode()


def read_outcome(reader: int) -> tuple[bool, Report | None]:
    """Whether GO came, and the report if one did. Waits for the end of file."""
    parts = []
    while part := os.read(reader, REPORT_SIZE):
        parts.append(part)
    data = b"".join(parts)
    said = data.removeprefix(GO)
    return data != said, _decode_report(said) if said else None


def _decode_report(data: bytes) -> Report:
    fields = jsontext.loads(data)
    return Report(**{**fields, "calls": tuple(fields["calls"])})


@contextmanager
def open_report_pipe(undo: ExitStack) -> Iterator[tuple[int, int]]:
    """(reader, writer), close-on-exec. After the block the writer is the child's only; `undo` closes the reader."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    undo.callback(os.close, reader)
    try:
        yield reader, writer
    finally:
        os.close(writer)
