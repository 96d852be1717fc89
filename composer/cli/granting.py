"""Configs and secrets, from the command line's side: what lowering must know of them, and what goes to the launcher.

The content of a secret stays in this process's environment, where it was found, until it is handed over.
"""

from __future__ import annotations

import os
import stat

from composer.cli.invocation import Invocation
from composer.errors import HostError
from composer.frozen import replace
from composer.hints import Iterable, Iterator, Mapping
from composer.loader.request import Loaded
from composer.lowering import grants
from composer.lowering.host import HostFacts
from composer.model.project import Project
from composer.model.volume import Config, Secret
from composer.spec.container import ContainerSpec
from composer.spec.grant import Deposited
from composer.store import identities


def with_grants(host: HostFacts, found: Loaded, call: Invocation) -> HostFacts:
    """The facts, with those about the configs and secrets that services are granted. Raises HostError."""
    host = replace(host, root=call.paths.root)
    configs, secrets = _granted(found.project)
    if not configs and not secrets:
        return host
    key = _key(call)
    paths = [grants.path(it, host, kind="configs") for it in configs if it.content is it.environment is None]
    paths += [grants.path(it, host, kind="secrets") for it in secrets if it.environment is None]
    known = found.environment
    return replace(
        host,
        contents={path: _identity(path, key) for path in paths if _is_file(path)},
        values={name: known[name] for name in _variables(configs) if name in known},
        variables={
            name: identities.of_bytes(_bytes(known[name]), key=key) for name in _variables(secrets) if name in known
        },
    )


def _granted(project: Project) -> tuple[list[Config], list[Secret]]:
    services = project.services.values()
    configs = dict.fromkeys(it.source for service in services for it in service.configs)
    secrets = dict.fromkeys(it.source for service in services for it in service.secrets)
    return [project.configs[name] for name in configs], [project.secrets[name] for name in secrets]


def _variables(granted: Iterable[Config | Secret]) -> Iterator[str]:
    return (it.environment for it in granted if it.environment is not None)


def _key(call: Invocation) -> bytes:
    """The host's key. Somebody who may not read it looks only, and what he sees has no secret's identity."""
    try:
        return identities.key(call.paths)
    except OSError as error:
        if call.uid:
            return b""
        raise HostError(f"cannot use {call.paths.key}: {error.strerror}") from error


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False  # the plan says what is wrong with it


def _identity(path: str, key: bytes) -> str:
    try:
        return identities.of_file(path, key=key)
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror}") from error


def deposits(found: Loaded, call: Invocation, specs: Iterable[ContainerSpec]) -> Mapping[str, bytes]:
    """The contents that these containers' launcher must be handed, by their identities."""
    wanted = {it.identity for spec in specs for it in spec.grants if isinstance(it.content, Deposited)}
    if not wanted:
        return {}
    key = _key(call)
    contents = map(_bytes, _secret_values(found))
    return {identity: content for content in contents if (identity := identities.of_bytes(content, key=key)) in wanted}


def _secret_values(found: Loaded) -> Iterator[str]:
    _, secrets = _granted(found.project)
    return (found.environment[name] for name in _variables(secrets) if name in found.environment)


def _bytes(value: str) -> bytes:
    return value.encode(errors="surrogateescape")
