"""Projects of busybox containers, driven as the command line drives them: through control.client."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from composer.control.client import Client
from composer.control.messages import Answer, Down, Happened, Operation, Ping, Planned, Pong, Up
from composer.planner.options import DownOptions, UpOptions
from composer.spec.container import ContainerSpec
from composer.spec.desired import Dependency, Desired, Service
from composer.spec.policy import HealthCheck, Policy
from composer.spec.process import Process
from composer.spec.rootfs import Directory
from composer.store import events, records
from composer.store.events import Event
from composer.store.paths import Paths
from composer.store.records import ContainerRecord
from tests.runtime.containers import CAPABILITIES, DOCKER_MOUNTS, MASKED, PROCESS_FIELDS, READ_ONLY

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
PLAIN = Policy()
PATIENCE = 20.0  # seconds, of a test that waits for what ought to happen
FOREVER = "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"  # ends at once when asked to


def probe(script: str, **settings: Any) -> HealthCheck:
    """A health check: quick, unless `settings` says otherwise."""
    defaults = {"interval_ns": 50 * MILLISECOND, "timeout_ns": 5 * SECOND, "retries": 2}
    return HealthCheck(("/bin/sh", "-c", script), **{**defaults, **settings})


@dataclass(slots=True)
class Shop:
    """One project."""

    paths: Paths
    rootfs: Path
    name: str
    answers: list[Answer] = field(default_factory=list)  # of the last request

    # ---- what is wanted

    def service(
        self,
        name: str,
        script: str = FOREVER,
        *,
        policy: Policy = PLAIN,
        depends_on: tuple[Dependency, ...] = (),
        scale: int = 1,
        **settings: Any,
    ) -> Service:
        containers = tuple(self.spec(name, script, number=number, **settings) for number in range(1, scale + 1))
        return Service(name, containers, policy, depends_on)

    def spec(self, service: str, script: str, *, number: int = 1, **settings: Any) -> ContainerSpec:
        process = {key: settings.pop(key) for key in list(settings) if key in PROCESS_FIELDS}
        return ContainerSpec(
            name=settings.pop("name", f"{self.name}-{service}-{number}"),
            project=self.name,
            service=service,
            number=number,
            rootfs=settings.pop("rootfs", Directory(str(self.rootfs))),
            process=Process(("/bin/sh", "-c", script), **{"capabilities": CAPABILITIES, **process}),
            mounts=(*DOCKER_MOUNTS, *settings.pop("mounts", ())),
            masked_paths=MASKED,
            readonly_paths=READ_ONLY,
            **settings,
        )

    def desired(self, *services: Service) -> Desired:
        return Desired(self.name, services)

    # ---- what is done

    @property
    def client(self) -> Client:
        return Client(self.paths, project=self.name, name="test")

    def request(self, operation: Operation) -> list[Answer]:
        self.answers = []
        for answer in self.client.request(operation):
            self.answers.append(answer)
        return self.answers

    def up(self, *services: Service, **options: Any) -> list[Answer]:
        return self.request(Up(self.desired(*services), UpOptions(**options)))

    def down(self, *, timeout_ns: int | None = 0, **options: Any) -> list[Answer]:
        answers = self.request(Down(DownOptions(**options), timeout_ns=timeout_ns))
        self.client.sweep()
        return answers

    # ---- what is

    @property
    def plan(self) -> str:
        return str(next(answer.plan for answer in self.answers if isinstance(answer, Planned)))

    @property
    def happened(self) -> list[str]:
        """What happened during the last request: "shop-web-1 start"."""
        return [told(answer.event) for answer in self.answers if isinstance(answer, Happened)]

    def container(self, service: str, number: int = 1) -> str:
        return f"{self.name}-{service}-{number}"

    def record(self, service: str, number: int = 1) -> ContainerRecord:
        record = records.load(self.paths.project(self.name), self.container(service, number))
        assert record is not None, f"no record of {service}"
        return record

    def output(self, service: str, number: int = 1) -> str:
        return Path(self.paths.project(self.name).log(self.container(service, number)), "output").read_text()

    def pid_of_supervisor(self) -> int:
        return next(answer.pid for answer in self.request(Ping()) if isinstance(answer, Pong))

    def events(self) -> list[Event]:
        return list(events.read(self.paths.project(self.name).events))

    def wait_event(self, service: str, action: str, *, count: int = 1) -> Event:
        """Wait until this has happened to the service's first container so many times."""
        deadline = time.time_ns() + int(PATIENCE * SECOND)
        for event in events.follow(self.paths.project(self.name).events, until_ns=deadline):
            count -= event.name == self.container(service) and event.action == action
            if count == 0:
                return event
        raise AssertionError(f"{service}: no {action}; there were {[told(event) for event in self.events()]}")


def told(event: Event) -> str:
    """An event in short."""
    return f"{event.name} {event.action}"


def wait_pid_gone(pid: int) -> None:
    """Wait until a process, no child of ours, has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        readable, _, _ = select.select([pidfd], [], [], PATIENCE)
        assert readable, f"process {pid} does not end"
    finally:
        os.close(pidfd)
