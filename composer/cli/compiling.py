"""Compose files → what the machine is asked to do; remembered, so that nothing is read anew where nothing has changed.

What came of the same words on the command line is kept beside all that it came of: the content of every file that was
read, the files that were looked for in vain, the variables that were asked for, what was true of this host, and which
pycompose it was. If all that is as it was, so is the answer, and neither YAML nor pydantic is imported for it. The
memory is in the run directory, gone at reboot, as values of variables are in it. Whatever is odd about it is no
mistake of anybody's: then the files are read.

Not remembered: what came in through a pipe, and projects with configs or secrets, whose contents are nobody
else's business.
"""

from __future__ import annotations

import os
import sys
from zlib import crc32

import composer
from composer import jsontext
from composer.cli.facts import host_facts
from composer.cli.invocation import Invocation
from composer.cli.project import env_files, load_request, with_env_files
from composer.errors import PycomposeError
from composer.frozen import frozen, replace
from composer.hints import Iterator, Mapping
from composer.loader.discover import discover
from composer.loader.problems import Problems
from composer.spec import codec
from composer.spec.desired import Desired
from composer.store import atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from composer.loader.request import Loaded

_MOST = 64  # command lines that are remembered
_SETTINGS = ("COMPOSE_", "PYCOMPOSE_")  # variables that commands are told things by
_NAME = "COMPOSE_PROJECT_NAME"  # answered by the loader itself
_COMPILER = ("loader", "model", "lowering", "spec", "cli")  # the rooms that answers are made in


@frozen
class Memory:
    """An answer, and what it came of."""

    question: str
    files: tuple[tuple[str, str], ...]  # path, content
    absent: tuple[str, ...]
    variables: tuple[tuple[str, str | None], ...]
    rootfs: tuple[str, ...]
    host: tuple[str, ...]
    services: tuple[str, ...]
    warnings: tuple[tuple[str, str, str], ...]  # without colours, with them, JSON
    desired: Desired


@frozen
class Compiled:
    """A project in the machine's language."""

    desired: Desired
    services: tuple[str, ...]  # all that the files have, those of inactive profiles too
    found: Loaded | None = None  # what the files say, where they were read
    memory: Memory | None = None  # what may be remembered and is not yet

    def remember(self, call: Invocation) -> None:
        """Once it is used: who only looks, or makes a mistake, leaves nothing behind."""
        if self.memory is not None:
            try:
                _keep(call, self.memory)
            except OSError:
                pass  # a full or read-only disk only makes the next one slower

    def deposits(self, call: Invocation) -> Mapping[str, bytes]:
        """What the launcher must be handed beside it."""
        if self.found is None:
            return {}
        from composer.cli.loading import deposits_of

        return deposits_of(call, self.found, self.desired)

    def check_services(self, services: tuple[str, ...]) -> None:
        """Raises NoSuchThing for a service that the files do not have."""
        for service in services:
            if service not in self.services:
                from composer.cli.containers import no_such_service

                raise no_such_service(service, self.services)


def compiled(call: Invocation, *, services: tuple[str, ...], scale: Mapping[str, int]) -> Compiled:
    """What is asked of the machine; warnings are printed. Raises as `loading.loaded` and `loading.lowered` do."""
    question = _question(call, services, scale)
    memory = _recall(call, *question) if question else None
    if memory is None:
        return _compile(call, services, scale, question=question[0] if question else "")
    for plain, coloured, diagnostic in memory.warnings:
        print(
            diagnostic if call.console.progress == "json" else coloured if call.console.colour_error else plain,
            file=sys.stderr,
        )
    return Compiled(memory.desired, memory.services)


def _compile(call: Invocation, services: tuple[str, ...], scale: Mapping[str, int], *, question: str) -> Compiled:
    from composer.cli.loading import loaded, lowered
    from composer.lowering.rootfs import paths

    found = loaded(call, services=services)
    rootfs = tuple(paths(found.project))
    host = _host(call, rootfs)
    desired = lowered(call, found, scale=scale)
    services = (*found.project.services, *found.project.disabled_services)
    if not question or not _may_be_kept(found, desired):
        return Compiled(desired, services, found)
    memory = _memory(question, found, rootfs=rootfs, host=host, services=services, desired=desired)
    return Compiled(desired, services, found, memory)


def _may_be_kept(found: Loaded, desired: Desired) -> bool:
    is_secret = any(spec.grants for service in desired.services for spec in service.containers)
    return not is_secret and all(map(os.path.isfile, found.origin.files.paths.values()))


# ---- what is asked --------------------------------------------------------------------------------------------------


def _question(
    call: Invocation, services: tuple[str, ...], scale: Mapping[str, int]
) -> tuple[str, Mapping[str, str]] | None:
    """The question in words, and the variables that there are; None for one that is not to be remembered."""
    if call.uid:
        return None
    request = replace(load_request(call), services=services)
    if not all(map(os.path.isfile, env_files(request))):
        return None  # what comes through a pipe can be read once
    problems = Problems()
    try:
        environment = with_env_files(request)
        found = discover(request, environment=environment, problems=problems)
        environment = with_env_files(request, directory=found.directory)
    except PycomposeError:
        return None  # whoever reads the files says what is wrong
    if not all(map(os.path.isfile, found.files)):
        return None
    settings = sorted((name, value) for name, value in environment.items() if name.startswith(_SETTINGS))
    words = (request.cwd, request.project_name, request.project_directory, request.env_files, request.profiles)
    places = (call.paths.run, call.paths.root, found.files, found.directory, tuple(map(str, problems.warnings)))
    question = [_version(), *words, places, services, sorted(scale.items()), settings]
    return jsontext.dumps(question, ascii=True), environment


def _version() -> str:
    """Which pycompose this is: also one that is being worked on."""
    directories = (f"{os.path.dirname(composer.__file__)}/{room}" for room in _COMPILER)
    stats = [entry.stat() for directory in directories for entry in os.scandir(directory) if entry.name[-3:] == ".py"]
    return f"{composer.__version__} {max(it.st_mtime_ns for it in stats)} {sum(it.st_size for it in stats)}"


def _host(call: Invocation, rootfs: tuple[str, ...]) -> tuple[str, ...]:
    facts = host_facts(rootfs)
    return facts.hostname, facts.hosts, facts.resolv_conf, call.paths.root, *sorted(facts.directories)


# ---- memory ---------------------------------------------------------------------------------------------------------


def _path(call: Invocation, question: str) -> str:
    return f"{call.paths.compiled}/{crc32(question.encode(errors='surrogateescape')):08x}.json"


def _recall(call: Invocation, question: str, environment: Mapping[str, str]) -> Memory | None:
    try:
        with open(_path(call, question), "rb") as file:
            memory = codec.loads(Memory, file.read().decode(errors="surrogateescape"))
        is_true = memory.question == question and all(_differences(call, memory, environment))
    except (OSError, codec.DecodeError):
        return None
    return memory if is_true else None


def _differences(call: Invocation, memory: Memory, environment: Mapping[str, str]) -> Iterator[bool]:
    """Whether each thing is as it was. Raises OSError: not even there."""
    yield all(environment.get(name) == value for name, value in memory.variables)
    for path, content in memory.files:
        with open(path, "rb") as file:
            yield file.read() == content.encode(errors="surrogateescape")
    yield not any(map(os.path.isfile, memory.absent))
    yield _host(call, memory.rootfs) == memory.host


def _memory(
    question: str,
    found: Loaded,
    *,
    rootfs: tuple[str, ...],
    host: tuple[str, ...],
    services: tuple[str, ...],
    desired: Desired,
) -> Memory:
    from composer.cli.render import problems

    read = found.origin.files
    return Memory(
        question,
        files=tuple((read.paths[it], text.decode(errors="surrogateescape")) for it, text in read.contents.items()),
        absent=tuple(sorted(read.absent)),
        variables=tuple(sorted((name, value) for name, value in found.environment.asked.items() if name != _NAME)),
        rootfs=rootfs,
        host=host,
        services=services,
        warnings=tuple(map(problems.in_all_forms, found.warnings)),
        desired=desired,
    )


def _keep(call: Invocation, memory: Memory) -> None:
    os.makedirs(call.paths.compiled, mode=0o700, exist_ok=True)
    atomic.replace(_path(call, memory.question), codec.dumps(memory).encode(errors="surrogateescape"))
    with os.scandir(call.paths.compiled) as entries:
        kept = sorted(entries, key=lambda entry: entry.stat().st_mtime_ns, reverse=True)
    for entry in kept[_MOST:]:
        os.unlink(entry.path)
