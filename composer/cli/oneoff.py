"""A one-off container in the foreground: this process is its launcher and its keeper.

    made ──► record "created" ──► runtime.container.start ──► record "running" ──► waited for ──► record "exited"
                                                                                        └──► --rm: all removed

Nobody else looks after it: it is not restarted, not probed, and its output goes where ours goes. Beyond this module:
what it is made of (lowering), and one-offs in the background (the supervisor's).
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, contextmanager

from composer import images
from composer.cli.containers import containers
from composer.cli.foreground import Foreground, OwnChild, exit_code
from composer.cli.invocation import Invocation
from composer.cli.render import human
from composer.control import volumes
from composer.errors import Conflict, HostError, NoSuchThing
from composer.frozen import field, fields, frozen, mutable, replace
from composer.hints import Iterator, Mapping
from composer.linux.identity import start_time
from composer.linux.memory import sealed_memory_file
from composer.planner.observed import State
from composer.planner.plan import Anonymous
from composer.runtime import births, container, exits
from composer.runtime.cgroup import control, kill, location, oom
from composer.runtime.cgroup.location import Location
from composer.runtime.container import Started
from composer.runtime.launch import Launch, Stdio
from composer.runtime.ports import publication, publishing
from composer.spec import codec
from composer.spec.codec import DecodeError
from composer.spec.container import ContainerSpec, Join
from composer.spec.fingerprint import fingerprint
from composer.spec.network import Network
from composer.spec.policy import Policy
from composer.spec.volume import Volume
from composer.store import atomic, observe, records
from composer.store import volumes as volume_store
from composer.store.paths import ProjectPaths
from composer.store.records import ContainerRecord

_PATIENCE = 2.0  # seconds for the process that answers for names to leave after the last container


@frozen
class Needs:
    """What must be there before a container starts, beside what its spec says."""

    volumes: tuple[Volume, ...] = ()
    deposits: Mapping[str, bytes] = field(default_factory=dict)  # contents of secrets by their identities


@mutable
class Oneoff:
    """One container, from its making to its end."""

    call: Invocation
    paths: ProjectPaths
    record: ContainerRecord
    needs: Needs
    taken: bool = False  # `down` has taken the container over: its end and its removal are not ours to write down

    def run(self) -> int:
        """Start it and wait for it; its exit code. Raises PycomposeError: it could not be started."""
        self._make_volumes()
        where = location.prepare(self.record.spec.project)
        self._save(volumes=volumes.anonymous(self.call.paths, self.record))
        try:
            launch = self._launch()
            # for a supervisor that takes over should we be killed
            atomic.replace(f"{launch.state}/launch.json", codec.dumps(launch).encode(errors="surrogateescape"))
            started = self._start(launch, where)
            self._introduce(launch, started)
        except BaseException:
            self.remove()
            control.remove_empty(where)
            raise
        try:
            return self._wait(started)
        finally:
            publishing.close(self.paths.state(self.record.spec.name), started.porter)
            control.remove(started.cgroup)
            control.remove_empty(where)

    def _make_volumes(self) -> None:
        for volume in self.needs.volumes:
            if not volume.external:
                volume_store.create(self.call.paths, volume)
            elif volume_store.load(self.call.paths, volume.name) is None:
                hint = f"pycompose volume create {volume.name}"
                raise NoSuchThing(f"cannot run: the external volume {volume.name} does not exist", hint=hint)

    def _start(self, launch: Launch, where: Location) -> Started:
        with ExitStack() as opened:
            deposits = {}
            for identity, content in self.needs.deposits.items():
                deposits[identity] = sealed_memory_file("secret", content)
                opened.callback(os.close, deposits[identity])
            return container.start(launch, where=where, deposits=deposits)
        raise AssertionError("ExitStack does not swallow exceptions")

    def remove(self) -> None:
        """Forget it and its anonymous volumes, if it is ours to forget. Raises HostError."""
        if self.taken:
            return
        name = self.record.spec.name
        container.remove(self.paths.bundle(name), self.paths.state(name))
        volumes.let_go(self.call.paths, self.record, fate=Anonymous.REMOVE)
        # a project that was made for this container goes with it; rmdir(2) refuses while there is anything else
        for directory in (self.paths.bundles, self.paths.containers):
            _remove_if_empty(directory)
        if self.record.spec.endpoints and not os.path.exists(self.paths.containers):
            from composer.runtime.attendant import spawn

            spawn.wait_gone(self.paths.run, patience=_PATIENCE)
        _remove_if_empty(self.paths.run)

    def _launch(self) -> Launch:
        spec = self.record.spec
        return Launch(
            spec=spec,
            lower=self._lower(spec),
            bundle=self.paths.bundle(spec.name),
            state=self.paths.state(spec.name),
            cache=self.call.paths.cache,
            hidden=(self.call.paths.run, self.call.paths.root),
            joins=tuple(self._joins(spec)),
            volumes=volumes.places(self.call.paths, self.record),
            stdio=Stdio.PTY if spec.process.tty else Stdio.INHERIT,
            networks=tuple(self._networks(spec)),
            leases=self.call.paths.leases,
        )

    def _lower(self, spec: ContainerSpec) -> str:
        with _unpacking() as progress:
            layer = images.resolve(spec.rootfs, store_root=self.call.paths.root, progress=progress)
        for warning in layer.warnings:
            print(f"pycompose: {warning}", file=sys.stderr)
        self.record = replace(self.record, layer=layer.digest or "")
        return layer.path

    def _joins(self, spec: ContainerSpec) -> Iterator[tuple[str, int, int]]:
        """Whose namespaces it lives in."""
        running = {it.spec.name: it for it in containers(self.paths) if it.pid}
        for kind in fields(spec.namespaces):
            namespace = getattr(spec.namespaces, kind.name)
            if isinstance(namespace, Join):
                joined = running.get(namespace.container)
                if joined is None:
                    what = f"it shares the {kind.name} namespace of {namespace.container}, which is not running"
                    raise HostError(f"cannot start container {spec.name}: {what}")
                yield kind.name, joined.pid, joined.start_time

    def _networks(self, spec: ContainerSpec) -> Iterator[Network]:
        """What it is to be attached to. Raises NoSuchThing, HostError."""
        if spec.endpoints:
            from composer.runtime.network import networks

            for endpoint in spec.endpoints:
                yield networks.resolved(endpoint.network, directory=self.call.paths.networks)

    def _introduce(self, launch: Launch, started: Started) -> None:
        """Have names answered, its own and those that it asks for: by a process that needs nobody to look after it."""
        if not started.attachments:
            return
        from composer.runtime.attendant import front

        resident = front.resident_of(launch, started.attachments, pid=started.pid, start_time=started.start_time)
        sockets = started.names.descriptors if started.names else ()
        try:
            front.introduce(
                resident, started.pidfd, sockets=sockets, project=launch.spec.project, directory=self.paths.run
            )
        except HostError as error:  # it runs on without
            print(
                f"pycompose: names are not answered in container {launch.spec.name}: {error.message}", file=sys.stderr
            )
        if started.names is not None:
            started.names.close()

    def _wait(self, started: Started) -> int:
        for warning in started.warnings:
            print(f"pycompose: {warning}", file=sys.stderr)
        self._note_start(started)
        process = OwnChild(started.pidfd, kill=lambda: kill.kill(started.cgroup))
        reads_input = self.record.spec.process.stdin_open
        status = Foreground(process, master=started.pty_master, reads_input=reads_input).wait()
        kill.kill(started.cgroup)  # whatever it left behind ends with it
        self.taken = not self._is_ours()
        if not self.taken:
            self._note_end(started, status)
        if self.record.oom_killed:
            _tell_out_of_memory(self.record.spec)
        return exit_code(status)

    def _note_start(self, started: Started) -> None:
        published = publication.load(self.paths.state(self.record.spec.name))
        self._save(
            state=State.RUNNING,
            boot_id=observe.boot_id(),
            pid=started.pid,
            start_time=started.start_time,
            cgroup=started.cgroup.directories,
            attachments=started.attachments,
            ports=published.bindings if published else (),
            started_ns=time.time_ns(),
            keeper_pid=os.getpid(),
            keeper_start_time=start_time(os.getpid()),
        )
        births.forget(self.paths.state(self.record.spec.name))

    def _is_ours(self) -> bool:
        try:
            there = records.load(self.paths, self.record.spec.name)
        except DecodeError:
            return False
        return there is not None and there.keeper_pid == self.record.keeper_pid

    def _note_end(self, started: Started, status: int) -> None:
        end = exits.describe(
            pid=started.pid,
            start_time=started.start_time,
            status=status,
            oom_kills=oom.oom_kills(started.cgroup),
            finished_ns=time.time_ns(),
        )
        self._save(
            state=State.EXITED,
            pid=0,
            start_time=0,
            keeper_pid=0,
            keeper_start_time=0,
            cgroup=(),
            exit_code=end.exit_code,
            oom_killed=end.oom_killed,
            oom_kills=end.oom_kills,
            finished_ns=end.finished_ns,
        )

    def _save(self, **changes: object) -> None:
        self.record = replace(self.record, **changes)  # type: ignore[arg-type]  # mypy does not know which fields
        records.save(self.paths, self.record)


def new(call: Invocation, spec: ContainerSpec, policy: Policy, needs: Needs) -> Oneoff:
    """A container to be. Raises Conflict: its name is taken."""
    paths = call.paths.project(spec.project)
    if os.path.lexists(paths.state(spec.name)):
        hint = "choose another with --name, or remove that one: `pycompose rm`"
        raise Conflict(f"cannot make container {spec.name}: there is one of this name", hint=hint)
    record = ContainerRecord(
        id=os.urandom(32).hex(),
        spec=spec,
        policy=policy,
        fingerprint=fingerprint(spec, policy),
        state=State.CREATED,
        created_ns=time.time_ns(),
    )
    return Oneoff(call, paths, record, needs)


@contextmanager
def _unpacking() -> Iterator[images.Progress | None]:
    """How far the unpacking of an archive is, where a person is watching."""
    if not sys.stderr.isatty():
        yield None
        return
    drawn = False

    def show(done: int, total: int) -> None:
        nonlocal drawn
        drawn = True
        share = f" {100 * done // total}%" if total else ""
        print(f"\rUnpacking the root file system{share} ({human.binary_size(done)})\x1b[K", end="", file=sys.stderr)

    yield show
    if drawn:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _tell_out_of_memory(spec: ContainerSpec) -> None:
    limit = f" (limit {human.binary_size(spec.resources.memory)})" if spec.resources.memory else ""
    print(f"pycompose: {spec.name} was killed: out of memory{limit}", file=sys.stderr)


def _remove_if_empty(directory: str) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        pass
