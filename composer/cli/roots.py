"""The root file systems of containers, whether they run or not, for commands that read and write in them."""

from __future__ import annotations

from contextlib import contextmanager

from composer import images
from composer.cli.containers import ALIVE
from composer.cli.invocation import Invocation
from composer.control import volumes
from composer.errors import HostError
from composer.hints import Iterator
from composer.runtime import view
from composer.runtime.view import Stopped
from composer.spec.rootfs import HostRoot
from composer.store.records import ContainerRecord


@contextmanager
def root_of(call: Invocation, record: ContainerRecord, *, bare: bool = False) -> Iterator[int]:
    """A descriptor of a container's root; a `bare` one is without what is mounted in it. Raises PycomposeError."""
    try:
        if record.state not in ALIVE:
            opened = view.of_stopped(_stopped(call, record, bare=bare), bare=bare)
        elif bare:
            opened = view.of_running_bare(record.pid, record.start_time)
        else:
            opened = view.of_running(record.pid, record.start_time)
        root_fd = opened.__enter__()
    except OSError as error:
        what = f"cannot open the root file system of {record.spec.name}"
        raise HostError(f"{what}: {error.filename or ''} {error.strerror}") from error
    try:
        yield root_fd
    finally:
        opened.__exit__(None, None, None)


def _stopped(call: Invocation, record: ContainerRecord, *, bare: bool) -> Stopped:
    store = images.LayerStore(call.paths.root)
    known = record.layer and store.has(record.layer)
    return Stopped(
        record.spec,
        store.path(record.layer) if known else images.resolve(record.spec.rootfs, store_root=call.paths.root).path,
        bundle=call.paths.project(record.spec.project).bundle(record.spec.name),
        volumes=() if bare else volumes.places(call.paths, record),
        hidden=hidden(call),
    )


def hidden(call: Invocation) -> tuple[str, ...]:
    """Our own directories, which are no part of a container over the host's root."""
    return call.paths.run, call.paths.root


def not_its_own(call: Invocation, record: ContainerRecord) -> tuple[str, ...]:
    """Paths of a bare root that do not belong into an archive of it."""
    return hidden(call) if isinstance(record.spec.rootfs, HostRoot) else ()
