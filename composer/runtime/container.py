"""Starts a container, and removes what is left of one: the parent's side.

    begin()   everything that can be known and made beforehand, then clone3; the child walks its road (child)
    finish()  what the child said: it runs, or why not. To be called when `report_fd` is readable; before that it waits

Between the two a launcher begins other containers. A start that fails leaves nothing: every thing made is on a stack
that is unwound, the last one first. Mounts are not on it, they are in the child's mount namespace only.

Beyond this module: waiting for the container's end, and removing its cgroup after it.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager

from composer.errors import HostError, MissingFeature, PycomposeError
from composer.frozen import frozen
from composer.hints import Callable, Iterator
from composer.linux.clone import CLONE_CLEAR_SIGHAND, clone3
from composer.linux.identity import start_time
from composer.linux.process import command_line_area
from composer.runtime import (
    births,
    devices,
    failures,
    files,
    grants,
    idmaps,
    mounts,
    namespaces,
    program,
    rootfs,
    stdio,
    sysctl,
)
from composer.runtime.attendant.sockets import Opened, open_sockets
from composer.runtime.births import Birth
from composer.runtime.cgroup import control
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.cgroup.location import Location
from composer.runtime.child import ROAD, Child
from composer.runtime.grants import Deposits
from composer.runtime.launch import Launch
from composer.runtime.network.endpoints import open_places
from composer.runtime.outcome import end, error_named, require_success
from composer.runtime.ports import publishing
from composer.runtime.ports.porter import Porter
from composer.runtime.program import Program
from composer.runtime.road import about, open_report_pipe, walk
from composer.runtime.tree import remove_tree
from composer.spec.container import ContainerSpec
from composer.spec.mounts import Bind
from composer.spec.network import Attachment

Road = tuple[tuple[str, Callable[[Child], None]], ...]

NOTHING_DEPOSITED: Deposits = {}
BUNDLE_DIRECTORIES = (("upper", 0o755), ("work", 0o700))
STATE_DIRECTORIES = (("merged", 0o700), ("files", 0o700))


@frozen
class Started:
    """A running container. The descriptors are the caller's to close."""

    pid: int
    pidfd: int
    start_time: int
    cgroup: Cgroup
    pty_master: int | None  # of Stdio.PTY
    kept: tuple[int, ...]  # ends of the FIFOs of Stdio.FIFO, to be held until the container is forgotten (see stdio)
    warnings: tuple[str, ...]  # what was asked for and this host cannot do
    attachments: tuple[Attachment, ...] = ()  # its places in networks
    names: Opened | None = None  # where names are asked, in its network namespace
    porter: Porter | None = None  # a child that looks after its published ports until it ends


def start(launch: Launch, *, where: Location, deposits: Deposits = NOTHING_DEPOSITED) -> Started:
    """Start a container and wait until its program runs. Raises PycomposeError; then nothing is left."""
    return begin(launch, where=where, deposits=deposits).finish()


def begin(launch: Launch, *, where: Location, road: Road = ROAD, deposits: Deposits = NOTHING_DEPOSITED) -> Starting:
    """Make the container's process. `deposits` are contents of its secrets. Raises PycomposeError."""
    purpose = f"start container {launch.spec.name}"
    try:
        with ExitStack() as undo:
            started, reader = _begin(launch, purpose, where=where, road=road, deposits=deposits, undo=undo)
            return Starting(launch, purpose, started, reader, undo.pop_all())
    except (OSError, ValueError) as error:  # ValueError: a NUL in a path or name
        raise failures.cannot(purpose, error) from error
    except PycomposeError as error:
        raise error_named(purpose, error) from error
    raise AssertionError("ExitStack does not swallow exceptions")


def _begin(
    launch: Launch, purpose: str, *, where: Location, road: Road, deposits: Deposits, undo: ExitStack
) -> tuple[Started, int]:
    spec = launch.spec
    mounts.refuse_unsafe(spec.mounts)
    grants.refuse_unknown(spec.grants, deposits)
    sysctls = sysctl.settings(spec.sysctls, spec.namespaces)
    with about("its program"):
        prepared = prepare_program(spec, purpose, cache=launch.cache)
    with about("its published ports"):
        publishing.close(launch.state)
    with about("its devices"):
        asked_devices = devices.expand(spec.devices)
        nodes = devices.find(asked_devices, privileged=spec.privileged)
    with about("its directories"):
        _make_places(launch, undo)
    with about("its cgroup"):
        created = control.create(
            where,
            cgroup_name(spec),
            resources=spec.resources,
            nodes=asked_devices,
            privileged=spec.privileged,
        )
    undo.callback(control.remove, created.cgroup)
    with (
        about("its namespaces"),
        namespaces.open_plan(spec.namespaces, launch.joins) as plan,
        about("its standard streams"),
        stdio.open_streams(launch, undo) as streams,
        about("its cgroup"),
        control.entrance(created.cgroup) as entrance,
        about("the pipe for its report"),
        open_report_pipe(undo) as (reader, writer),
        about("its id-mapped mounts"),
        idmaps.opened(spec.mounts) as id_namespaces,
        about("its pid namespace"),
        namespaces.children_in_pid_namespace_of(plan.joined),
        about("its networks"),
        open_places(spec, launch.networks, lease_directory=launch.leases, before=launch.attached_before) as places,
        about("its process"),
        _prepared_birth(launch, undo) as birth,
    ):
        published = publishing.prepare(launch, places, undo)
        _write_files(launch, places.attachments, undo)
        layout = rootfs.Layout(launch, nodes, created.cgroup.directories, deposits)
        root = rootfs.Root(layout, namespaces=id_namespaces, devpts_fd=streams.devpts)
        newborn = Child(
            program=prepared,
            entrance=entrance,
            streams=streams.child,
            writer=writer,
            spec=spec,
            namespaces=plan,
            places=places,
            sysctls=sysctls,
            root=root,
            command_line=command_line_area() if spec.init else (0, 0),
            birth=birth,
        )
        pid, pidfd = clone3(plan.new | CLONE_CLEAR_SIGHAND, cgroup_fd=entrance.unified)
        if pid == 0:
            walk(road, newborn)
        undo.callback(end, pid, pidfd)
        began = start_time(pid)
        births.write(birth, launch.state, Birth(pid, began, created.cgroup, places.attachments))
        names, unheard = _open_names(places.attachments, pidfd, undo)
        places.attach(pid)
    with about("its published ports"):
        published.begin(pidfd)
    warnings = (*created.warnings, *prepared.limits.warnings, *published.warnings, *unheard)
    started = Started(
        pid,
        pidfd,
        began,
        created.cgroup,
        pty_master=streams.master,
        kept=streams.kept,
        warnings=warnings,
        attachments=places.attachments,
        names=names,
        porter=published.porter,
    )
    return started, reader


@contextmanager
def _prepared_birth(launch: Launch, undo: ExitStack) -> Iterator[int]:
    """Where parent and child write that there is a process; after the block the descriptor is the child's only."""
    fd = births.prepare(launch.state)
    undo.callback(births.forget, launch.state)
    try:
        yield fd
    finally:
        os.close(fd)


def _open_names(
    attachments: tuple[Attachment, ...], pidfd: int, undo: ExitStack
) -> tuple[Opened | None, tuple[str, ...]]:
    """The sockets, opened while the child waits at the gate, so that its program finds them from the first moment on;
    and why there are none, where there cannot be: the container does without."""
    if not attachments:
        return None, ()
    try:
        opened = open_sockets(pidfd)
    except (OSError, MissingFeature) as error:
        return None, (f"names of other containers cannot be asked for: {error}",)
    undo.callback(opened.close)
    return opened, ()


def prepare_program(spec: ContainerSpec, purpose: str, *, cache: str) -> Program:
    """The container's own program."""
    return program.prepare(spec.process, purpose=purpose, hostname=spec.hostname, filter_of=spec.seccomp, cache=cache)


def cgroup_name(spec: ContainerSpec) -> str:
    """The container's cgroup within its project: web-1; one-off containers go by their own name."""
    return spec.name if spec.oneoff else f"{spec.service}-{spec.number}"


def _make_places(launch: Launch, undo: ExitStack) -> None:
    """The container's directories, and the sources of binds that are to be made."""
    _make_directory(launch.state, undo, mode=0o711)
    for name, mode in STATE_DIRECTORIES:
        _make_directory(f"{launch.state}/{name}", undo, mode=mode)
    _make_directory(launch.bundle, undo, mode=0o710)
    for name, mode in BUNDLE_DIRECTORIES:
        _make_directory(f"{launch.bundle}/{name}", undo, mode=mode)
    for one in launch.spec.mounts:
        if isinstance(one, Bind) and one.create_source:
            _make_directory(one.source, undo, mode=0o755)


def _write_files(launch: Launch, attachments: tuple[Attachment, ...], undo: ExitStack) -> None:
    """The generated files; some tell the container its addresses."""
    for file in launch.spec.files:
        path = files.host_path(launch.state, file.target)
        if not os.path.lexists(path):
            undo.callback(_unlink, path)
        files.write(launch.state, files.addressed(file, attachments))


def _make_directory(path: str, undo: ExitStack, *, mode: int) -> None:
    """Make what is missing of `path`; what was made is removed again by `undo`, with what a child put into it."""
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        os.mkdir(directory, mode)
        os.chmod(directory, mode)  # the umask had its say
        undo.callback(remove_tree, directory)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


class Starting:
    """A container whose child is on its way."""

    def __init__(self, launch: Launch, purpose: str, started: Started, report_fd: int, undo: ExitStack) -> None:
        self.report_fd = report_fd  # readable once `finish` need not wait
        self.launch = launch
        self._purpose = purpose
        self.started = started  # as far as it is known before its program runs; not the caller's yet
        self._undo = undo

    def finish(self) -> Started:
        """The container, its program running; waits for it. Raises PycomposeError; then nothing is left."""
        limit = self.launch.spec.resources.memory
        try:
            with self._undo:
                with about("what it reported"):
                    require_success(self._purpose, self.report_fd, self.started, memory_limit=limit)
                self._undo.pop_all()
        except OSError as error:  # also of what had to be undone
            raise failures.cannot(self._purpose, error) from error
        os.close(self.report_fd)
        return self.started

    def abandon(self) -> None:
        """End the child and undo the start."""
        self._undo.close()


def remove(*directories: str) -> None:
    """Delete directories of a stopped container. Fine if they are gone. Raises HostError."""
    for directory in directories:
        try:
            remove_tree(directory)
        except OSError as error:
            raise HostError(f"cannot remove {directory}: {error.filename or ''} {error.strerror}") from error
