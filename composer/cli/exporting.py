"""What `export` and `commit` have in common: a container's own file system, as an archive in a file that is whole."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from composer.cli.invocation import Invocation
from composer.cli.roots import not_its_own, root_of
from composer.errors import HostError, UsageError
from composer.hints import IO, Iterator
from composer.runtime import archive
from composer.store.records import ContainerRecord


def write(call: Invocation, record: ContainerRecord, output: IO[bytes], *, comment: str = "") -> None:
    """Write the archive. What is mounted in the container is no part of it. Raises PycomposeError."""
    with root_of(call, record, bare=True) as root_fd:
        tree_fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root_fd)
        try:
            archive.write_tree(tree_fd, output, comment=comment, without=not_its_own(call, record))
        except BrokenPipeError:
            raise
        except OSError as error:
            what = f"cannot write the file system of {record.spec.name}"
            raise HostError(f"{what}: {error.filename or ''} {error.strerror}") from error
        finally:
            os.close(tree_fd)


@contextmanager
def output_file(path: str) -> Iterator[IO[bytes]]:
    """A file that takes its name once it is whole; a pipe or device is written to as it is. Raises HostError."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as file:
                yield file
            return
        beside = f"{path}.{os.urandom(4).hex()}.new"
        try:
            with open(beside, "xb") as file:
                yield file
            os.rename(beside, path)
        finally:
            if os.path.lexists(beside):
                os.unlink(beside)
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error


def standard_output() -> IO[bytes]:
    """Raises UsageError for a terminal."""
    if sys.stdout.isatty():
        raise UsageError("cannot write an archive to a terminal", hint="redirect standard output, or say -o FILE")
    return sys.stdout.buffer
