"""A new supervisor takes over what one before it looked after: from the records, and from what the launcher says.

in the record        process                     what is done
any                  the launcher's child        looked after; if it has ended, the launcher says how
running or paused    there, of a launcher gone   looked after by pidfd
any                  there, and not written down looked after by pidfd: see births
any                  gone, and not written down  has run and ended: told of now, then as below
running or paused    gone                        has ended, nobody knows how: the restart policy decides
restarting           none                        waits for its delay anew
created, exited      none                        left as it is
being removed        none                        removed
any                  of a foreground `run`       left to it, as long as it lives and nobody takes the project down
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from composer import errors
from composer.frozen import replace
from composer.linux.identity import age_ns
from composer.planner import lifecycle
from composer.planner.life import Exited, Outcome
from composer.planner.observed import State
from composer.planner.plan import Anonymous
from composer.runtime import births
from composer.runtime.births import Birth
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.launcher.protocol import RunningContainer
from composer.spec.codec import DecodeError
from composer.store import records
from composer.store.events import Event
from composer.store.observe import is_alive, is_kept_elsewhere, is_process
from composer.store.records import ContainerRecord
from composer.supervisor import journal
from composer.supervisor.journal import happened
from composer.supervisor.launcher_link import Child, Launched
from composer.supervisor.project import Project
from composer.supervisor.run import clear, read_exit


async def adopt_all(project: Project, running: tuple[RunningContainer, ...], *, boot: str) -> None:
    """Look after every container that has a record; `running` are those that the launcher has."""
    _finish_removals(project)
    children = {there.container: there for there in running}
    for record in _load_all(project):
        if is_kept_elsewhere(record, boot=boot):
            continue
        project.bus.catch_up(record.story, since=record.story_at)
        launched = _of_launcher(children.get(record.spec.name)) or _ended(project, record)
        if launched is None and (launched := _orphan(record, boot) or _unrecorded(project, record)):
            await _introduce(project, launched)
        if launched is not None:
            await _adopt_running(project, record, launched)
        else:
            await _adopt_resting(project, record)
    for name in children.keys() - project.keepers.keys():
        project.log.warning("the launcher has a container that nobody recorded", container=name)


def _finish_removals(project: Project) -> None:
    for record in records.put_away_before(project.paths):
        project.bus.catch_up(record.story, since=record.story_at)
    records.clear_away(project.paths)


async def adopt_kept(project: Project, *, boot: str) -> None:
    """Take over what foreground `run`s keep, to end it. They see the end as well, and leave the rest to us."""
    for record in _load_all(project):
        if record.spec.name in project.keepers or not is_kept_elsewhere(record, boot=boot):
            continue
        launched = _orphan(record, boot)
        if launched is not None:
            ours = replace(record, keeper_pid=0, keeper_start_time=0)
            records.save(project.paths, ours)
            await _introduce(project, launched)
            await _adopt_running(project, ours, launched)


def _load_all(project: Project) -> Iterator[ContainerRecord]:
    """The records that can be read. One that cannot is left for a person to look at."""
    for name in records.names(project.paths):
        try:
            record = records.load(project.paths, name)
        except DecodeError as error:
            project.log.error("cannot read the record", container=name, why=str(error))
        else:
            if record is not None:
                yield record


def _of_launcher(there: RunningContainer | None) -> Launched | None:
    if there is None:
        return None
    child = Child(there.container, there.pid, there.start_time)
    return Launched(child, Cgroup(there.cgroup), attachments=there.attachments)


def _ended(project: Project, record: ContainerRecord) -> Launched | None:
    """A run whose end the launcher has noted and the record does not have yet: its last output may wait as well."""
    end = read_exit(project.paths.state(record.spec.name))
    if end is None or (end.pid, end.start_time) == record.ended:
        return None  # by the time that stands there it cannot be told: a launcher that came later may have written it
    return Launched(Child(record.spec.name, end.pid, end.start_time), Cgroup(record.cgroup))


def _orphan(record: ContainerRecord, boot: str) -> Launched | None:
    """A container that runs although the launcher that started it is gone."""
    if not is_alive(record, boot=boot):
        return None
    child = Child(record.spec.name, record.pid, record.start_time)
    return Launched(child, Cgroup(record.cgroup), attachments=record.attachments)


def _unrecorded(project: Project, record: ContainerRecord) -> Launched | None:
    """A container that runs although both were gone, launcher and supervisor, before its start was written down."""
    birth = births.read(project.paths.state(record.spec.name))
    if birth is None or not is_process(birth.pid, birth.start_time):
        return None
    child = Child(record.spec.name, birth.pid, birth.start_time)
    return Launched(child, birth.cgroup, attachments=birth.attachments)


async def _introduce(project: Project, orphan: Launched) -> None:
    """Have the launcher look after an orphan: probes and hooks are its children."""
    name = orphan.child.container
    launch_path = project.launching.launch_path(name)
    try:
        await project.link.adopt(orphan.child, orphan.cgroup, launch_path=launch_path, attachments=orphan.attachments)
    except errors.PycomposeError as error:
        project.log.warning("the launcher cannot adopt", container=name, why=error.message)


async def _with_terminal(project: Project, record: ContainerRecord, launched: Launched) -> Launched:
    if not record.spec.process.tty or not project.link.is_parent_of(launched.child):
        return launched
    try:
        return replace(launched, terminal=await project.link.open_terminal(record.spec.name))
    except errors.PycomposeError as error:
        project.log.warning("cannot have the terminal", container=record.spec.name, why=error.message)
        return launched


async def _adopt_running(project: Project, record: ContainerRecord, launched: Launched) -> None:
    launched = await _with_terminal(project, record, launched)
    run = project.launching.follow(record.spec, launched, age_ns=max(0, age_ns(launched.child.start_time)))
    state = record.state if record.state is State.PAUSED else State.RUNNING
    await project.keep(record, _adopted(record, state), run=run)
    project.log.info("adopted", container=record.spec.name, process=launched.child.pid)


async def _adopt_resting(project: Project, record: ContainerRecord) -> None:
    birth = births.read(project.paths.state(record.spec.name))
    match record.state:
        case State.RUNNING | State.PAUSED:
            await _adopt_vanished(project, record)
        case _ if birth is not None and birth.began_ns and (birth.pid, birth.start_time) != record.ended:
            await _adopt_missed(project, record, birth)
        case State.REMOVING:
            await project.keep(record, _adopted(record, record.state))
            await project.remove(record.spec.name, anonymous=Anonymous.KEEP)
        case _:
            await project.keep(record, _adopted(record, record.state))


async def _adopt_vanished(project: Project, record: ContainerRecord, story: tuple[Event, ...] = ()) -> None:
    """It ended while nobody was there to see how. `story` is what is to be told before that."""
    await clear(Cgroup(record.cgroup))
    who = (record.pid, record.start_time)
    ended = replace(record, pid=0, start_time=0, ended=who, cgroup=(), exit_code=None, finished_ns=time.time_ns())
    life = _adopted(record, State.RUNNING).life
    outcome = lifecycle.advance(life, Exited(None, ran_for_ns=0), record.policy)
    await project.keep(ended, outcome, story=(*story, happened(ended, "die", exitCode="unknown")))
    births.forget(project.paths.state(record.spec.name))


async def _adopt_missed(project: Project, record: ContainerRecord, birth: Birth) -> None:
    """It was started and ended while nobody was there."""
    run = replace(
        record,
        pid=birth.pid,
        start_time=birth.start_time,
        cgroup=birth.cgroup.directories,
        started_ns=birth.began_ns,
        oom_killed=False,
        error="",
    )
    await _adopt_vanished(project, run, (journal.started(run),))


def _adopted(record: ContainerRecord, state: State) -> Outcome:
    return lifecycle.adopt(
        state,
        restarts=record.restart_count,
        delay_ns=record.delay_ns,
        manually_stopped=record.manually_stopped,
    )
