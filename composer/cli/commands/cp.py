"""`pycompose cp`"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager

from composer.cli.containers import of_services, one_of_service
from composer.cli.invocation import Invocation
from composer.cli.options import Command, number, switch
from composer.cli.project import existing_project
from composer.cli.roots import root_of
from composer.errors import HostError, NoSuchThing, UsageError
from composer.frozen import frozen
from composer.hints import Iterator
from composer.runtime import transfer
from composer.runtime.copying import Copying, Owner
from composer.runtime.extracting import Extracting
from composer.runtime.transfer import Place
from composer.store.records import ContainerRecord

COMMAND = Command(
    operands="SERVICE:PATH PATH|-  or  PATH|- SERVICE:PATH",
    at_least=2,
    at_most=2,
    example="pycompose cp web:/etc/nginx/. ./nginx",
    options=(
        switch("--all", help="To containers of `run` as well"),
        switch("--archive", "-a", help="Keep owners, set-user-ID bits and capabilities; else all is root's, or yours"),
        switch("--follow-link", "-L", help="Copy what a symbolic link at SOURCE leads to, not the link"),
        number("--index", metavar="N", help="The container of this number; else from the first, and to all"),
    ),
)
STREAM = "-"
ROOT = Owner(0, 0)


@frozen
class _Inside:
    """SERVICE:PATH"""

    service: str
    path: str


def run(call: Invocation) -> int:
    call.refuse_dry_run()
    source, target = map(_side, call.operands)
    match source, target:
        case _Inside(), str():
            call.require_root()
            _copy_out(call, source, target)
        case str(), _Inside():
            call.require_root()
            _copy_in(call, source, target)
        case _Inside(), _Inside():
            raise UsageError("cannot copy from one container to another", hint="cp it here first, or use a volume")
        case _:
            raise UsageError("no side of this is a container's", hint="write SERVICE:PATH")
    return 0


def _side(word: str) -> _Inside | str:
    """As docker tells them apart: what begins with / or . is a path of this host."""
    service, colon, path = word.partition(":")
    if not colon or not service or word.startswith(("/", ".")):
        return word
    return _Inside(service, path)


def _copy_out(call: Invocation, source: _Inside, target: str) -> None:
    record = one_of_service(existing_project(call), source.service, index=call.arguments.number("index"))
    follow = call.arguments.switch("follow-link")
    if target == STREAM and sys.stdout.isatty():
        raise UsageError("cannot write an archive to a terminal", hint="redirect standard output")
    with _telling(f"cannot copy {source.service}:{source.path}"), root_of(call, record) as root_fd:
        inside = Place(root_fd, source.path, f"{record.spec.name}:{source.path}")
        if target == STREAM:
            transfer.write_archive(inside, sys.stdout.buffer, follow=follow)
            sys.stdout.buffer.flush()
            return
        copying = _copying(call, Owner(os.getuid(), os.getgid()))
        with _host(call, target) as outside:
            transfer.copy(inside, outside, copying=copying, follow=follow)
    _tell_left_out(copying.left_out)


def _copy_in(call: Invocation, source: str, target: _Inside) -> None:
    records = _receivers(call, target.service)
    if source == STREAM and len(records) > 1:
        hint = "say which container with --index"
        raise UsageError(f"standard input can be read once, and there are {len(records)} containers", hint=hint)
    for record in records:
        shown = f"{record.spec.name}:{target.path}"
        with _telling(f"cannot copy {source} to {shown}"), root_of(call, record) as root_fd:
            inside = Place(root_fd, target.path, shown)
            if source == STREAM:
                _tell_left_out(_extract(call, inside))
                continue
            copying = _copying(call, ROOT)
            with _host(call, source) as outside:
                transfer.copy(outside, inside, copying=copying, follow=call.arguments.switch("follow-link"))
        _tell_left_out(copying.left_out)


def _extract(call: Invocation, target: Place) -> list[str]:
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal, and is to be a tar archive")
    transfer.require_directory(target)
    owner = None if call.arguments.switch("archive") else ROOT
    extracting = Extracting(target.root_fd, target.path, owner)
    extracting.all(sys.stdin.buffer)
    return extracting.left_out


def _receivers(call: Invocation, service: str) -> list[ContainerRecord]:
    """All containers of a service, as with docker compose, or the one that was asked for. Raises NoSuchThing."""
    paths, index = existing_project(call), call.arguments.number("index")
    if index is not None:
        return [one_of_service(paths, service, index=index)]
    found = of_services(paths, (service,))
    everything = call.arguments.switch("all")
    wanted = [record for record in found if everything or not record.spec.oneoff or record.spec.name == service]
    if not wanted:
        raise NoSuchThing(f'service "{service}" has no container', hint="`pycompose up -d` makes it")
    return wanted


def _copying(call: Invocation, owner: Owner) -> Copying:
    return Copying(owner=None if call.arguments.switch("archive") else owner, devices=False)


@contextmanager
def _host(call: Invocation, path: str) -> Iterator[Place]:
    root_fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Place(root_fd, os.path.join(call.cwd, path), path)
    finally:
        os.close(root_fd)


@contextmanager
def _telling(purpose: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        hint = (
            "links of the kernel, as in /proc, are not followed; - is a stream" if error.errno == errno.ELOOP else None
        )
        raise HostError(f"{purpose}: {where}{error.strerror}", hint=hint) from error


def _tell_left_out(names: list[str]) -> None:
    for name in names:
        print(f"pycompose: {name} was left out: device nodes and sockets are not copied", file=sys.stderr)
