"""One record per container: what is known about it, so that any process can tell its story.

The supervisor (or a foreground `run`) writes it at each change of state; everyone may read it.
"""

from __future__ import annotations

import os

from composer.errors import HostError
from composer.frozen import frozen
from composer.hints import Iterator
from composer.planner.observed import HealthStatus, State
from composer.spec import codec
from composer.spec.container import ContainerSpec
from composer.spec.network import Attachment, PortBinding
from composer.spec.policy import Policy
from composer.store import atomic
from composer.store.events import Event
from composer.store.paths import Paths, ProjectPaths

VERSION = 1


@frozen
class ProbeResult:
    """One health probe, as Docker's State.Health.Log has it. Times are wall clock, nanoseconds since the epoch."""

    start_ns: int
    end_ns: int
    exit_code: int  # -1: killed at the timeout
    output: str  # at most 4096 bytes


@frozen
class Health:
    """What the probes say."""

    status: HealthStatus = HealthStatus.STARTING
    failing_streak: int = 0
    log: tuple[ProbeResult, ...] = ()  # the last five, oldest first


@frozen
class ContainerRecord:
    """What is known of one container. Times are wall clock, nanoseconds since the epoch; 0 is "never"."""

    id: str  # 64 hexadecimal digits
    spec: ContainerSpec
    policy: Policy
    fingerprint: str
    state: State
    created_ns: int
    version: int = VERSION
    boot_id: str = ""  # /proc/sys/kernel/random/boot_id: pid and start_time mean something in this boot only
    pid: int = 0  # of PID 1 in the host's numbering, 0 while there is none
    start_time: int = 0  # field 22 of /proc/PID/stat: together with the pid it names a process
    ended: tuple[int, int] = (0, 0)  # pid and start time of the run before, whose end is told of
    cgroup: tuple[tuple[str, str], ...] = ()  # (controller or "unified", absolute directory)
    attachments: tuple[Attachment, ...] = ()  # its places in networks: of the last run, where it does not run
    ports: tuple[PortBinding, ...] = ()  # what is published for it: in the last run, where it does not run
    layer: str = ""  # digest of the unpacked root file system, "" where there is none
    started_ns: int = 0
    finished_ns: int = 0
    exit_code: int | None = None  # 128 + n after signal n; None while running or unknown
    oom_killed: bool = False  # the last exit was the kernel's out-of-memory killer
    oom_kills: int = 0  # processes of the container it has killed, all runs together
    earlier_oom_kills: int = 0  # of the runs before the last one
    restart_count: int = 0  # automatic restarts
    delay_ns: int = 0  # the last delay before an automatic restart
    manually_stopped: bool = False
    volumes: tuple[tuple[str, str], ...] = ()  # (target, name) of its anonymous ones
    auto_remove: bool = False  # it is forgotten once it has ended (`run --rm`)
    error: str = ""  # why it could not be started
    health: Health | None = None
    keeper_pid: int = 0  # who looks after it where that is not the supervisor: a foreground `run`, while it lives
    keeper_start_time: int = 0
    story: tuple[Event, ...] = ()  # the events that go with this change: in events.jsonl, or to be put there
    story_at: int = 0  # size of events.jsonl before


def save(paths: ProjectPaths, record: ContainerRecord) -> None:
    """Write a container's record. Raises OSError."""
    directory = paths.state(record.spec.name)
    os.makedirs(directory, mode=0o711, exist_ok=True)
    atomic.replace(f"{directory}/record.json", codec.dumps(record).encode(errors="surrogateescape"))


def load(
    paths: ProjectPaths, container: str, *, late: bool = False, mentioning: tuple[str, ...] = ()
) -> ContainerRecord | None:
    """A container's record, None where there is none. Raises codec.DecodeError on a damaged or newer one.

    `late`: as `codec.loads` has it, for who looks at a few fields of many records. `mentioning`: None as well for one
    in which none of these names occurs, where there are names: for who looks at few of many.
    """
    return _load(f"{paths.state(container)}/record.json", late=late, mentioning=mentioning)


def _load(path: str, *, late: bool = False, mentioning: tuple[str, ...] = ()) -> ContainerRecord | None:
    try:
        text = atomic.read(path)
    except FileNotFoundError:
        return None
    if mentioning and not any(name.encode(errors="surrogateescape") in text for name in mentioning):
        return None
    return codec.loads(ContainerRecord, text.decode(errors="surrogateescape"), late=late)


def put_away(paths: ProjectPaths, container: str) -> None:
    """Have a container's state directory gone in one step: it is in `removed` afterwards. Raises OSError."""
    os.makedirs(paths.removed, mode=0o700, exist_ok=True)
    target = f"{paths.removed}/{container}"
    _delete(target)
    try:
        os.rename(paths.state(container), target)
    except FileNotFoundError:
        pass  # somebody has tidied up


def put_away_before(paths: ProjectPaths) -> Iterator[ContainerRecord]:
    """The records that somebody has put away, and has not lived to delete."""
    for name in _listed(paths.removed):
        try:
            record = _load(f"{paths.removed}/{name}/record.json")
        except codec.DecodeError:
            continue
        if record is not None:
            yield record


def clear_away(paths: ProjectPaths) -> None:
    """Delete all that was put away."""
    _delete(paths.removed)


def _delete(path: str) -> None:
    if not os.path.lexists(path):
        return
    import shutil  # brings four compressions along: not for who only reads

    shutil.rmtree(path, ignore_errors=True)


def names(paths: ProjectPaths) -> list[str]:
    """The containers that have a state directory, sorted."""
    return _listed(paths.containers)


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def load_all(paths: ProjectPaths) -> Iterator[ContainerRecord]:
    """All records of a project, by container name. Raises codec.DecodeError on a damaged or newer one."""
    for name in names(paths):
        record = load(paths, name)
        if record is not None:
            yield record


def load_everywhere(paths: Paths) -> Iterator[ContainerRecord]:
    """All records of all projects: what a volume or a network is used by. Raises HostError."""
    try:
        projects = sorted(os.listdir(paths.run))
    except (FileNotFoundError, NotADirectoryError):
        return
    for project in projects:
        try:
            yield from load_all(paths.project(project))
        except NotADirectoryError:
            continue
        except codec.DecodeError as error:
            raise HostError(f"cannot tell what the containers of project {project} use: {error}") from error
