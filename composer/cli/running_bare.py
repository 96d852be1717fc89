"""`run --rootfs`: a container with no file at all. Neither pydantic nor YAML is imported."""

from __future__ import annotations

import os

from composer.cli import running
from composer.cli.facts import host_facts
from composer.cli.invocation import Invocation
from composer.cli.oneoff import Needs
from composer.cli.quantities import processors, size
from composer.errors import FileNotFound
from composer.lowering.bare import BareRequest, bare
from composer.spec.rootfs import Archive, Directory, HostRoot, RootfsSource

_PROJECT = "run"  # what containers without a project are kept under
_BILLION = 1_000_000_000


def run(call: Invocation) -> int:
    source = _rootfs(call)
    request = _request(call, source)
    spec, policy = bare(request, host=host_facts(()))
    return running.start(call, spec, policy, needs=Needs(running.volumes(call, request.project)))


def _request(call: Invocation, source: RootfsSource) -> BareRequest:
    given = call.arguments
    project = given.text("project-name") or call.environment.get("COMPOSE_PROJECT_NAME") or _PROJECT
    memory = given.text("mem") or given.text("memory")
    cpus = given.text("cpus")
    return BareRequest(
        rootfs=source,
        argv=call.operands,
        project=project,
        name=given.text("name") or f"{project}-{running.suffix()}",
        entrypoint=running.entrypoint(call) or (),
        env=running.environment(call),
        user=given.text("user") or "",
        cwd=given.text("workdir") or "/",
        hostname=given.text("hostname") or "",
        memory=size(memory, option="--mem") if memory else None,
        nano_cpus=round(processors(cpus, option="--cpus") * _BILLION) if cpus else None,
        cpuset=given.text("cpuset") or "",
        cpu_shares=given.number("cpu-shares"),
        read_only=given.switch("read-only"),
        privileged=given.switch("privileged"),
        cap_add=given.texts("cap-add"),
        cap_drop=given.texts("cap-drop"),
        mounts=running.mounts(call),
        labels=running.labels(call),
        tty=running.terminal(call),
        stdin_open=running.reads_input(call),
    )


def _rootfs(call: Invocation) -> RootfsSource:
    path = os.path.normpath(os.path.join(call.cwd, os.path.expanduser(call.arguments.text("rootfs") or "")))
    if path == "/":
        return HostRoot()
    if not os.path.lexists(path):
        raise FileNotFound(f"cannot find the root file system {path}", hint="give a directory, a tar archive, or /")
    return Directory(path) if os.path.isdir(path) else Archive(path)
