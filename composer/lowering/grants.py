"""The configs and secrets of a service, as files with an owner and a mode.

What is secret does not come through here: a grant says where its content is to be found, and an identity that tells
one content from another.
"""

from __future__ import annotations

from collections.abc import Iterator

from composer.errors import InvalidFile
from composer.lowering.host import HostFacts
from composer.lowering.mistake import Place, nowhere, refused
from composer.model.project import Project
from composer.model.service import Service
from composer.model.volume import SECRETS, Config, FileReference, Secret
from composer.spec.grant import Content, Deposited, Grant, HostFile, Literal

MODE = 0o444


def lower(service: Service, *, project: Project, host: HostFacts, place: Place = nowhere) -> tuple[Grant, ...]:
    """Configs, then secrets. Raises InvalidFile for a variable that is not set."""
    return (*_configs(service, project, host, place), *_secrets(service, project, host, place))


def _configs(service: Service, project: Project, host: HostFacts, place: Place) -> Iterator[Grant]:
    for said in service.configs:
        name = f"config {said.source}"
        content, identity = _config(project.configs[said.source], name, host, service=service.name)
        yield _grant(said, name, content, identity, below="/", place=place(("configs", said.source, "file")))


def _config(config: Config, name: str, host: HostFacts, *, service: str) -> tuple[Content, str]:
    if config.content is not None:
        return Literal(config.content), ""
    if config.environment is not None:
        if config.environment not in host.values:
            raise _unset(service, "configs", name, config.environment)
        return Literal(host.values[config.environment]), ""
    return _file(path(config, host, kind="configs"), host)


def _secrets(service: Service, project: Project, host: HostFacts, place: Place) -> Iterator[Grant]:
    for said in service.secrets:
        name = f"secret {said.source}"
        content, identity = _secret(project.secrets[said.source], name, host, service=service.name)
        yield _grant(said, name, content, identity, below=SECRETS, place=place(("secrets", said.source, "file")))


def _secret(secret: Secret, name: str, host: HostFacts, *, service: str) -> tuple[Content, str]:
    if secret.environment is not None:
        if secret.environment not in host.variables:
            raise _unset(service, "secrets", name, secret.environment)
        return Deposited(), host.variables[secret.environment]
    return _file(path(secret, host, kind="secrets"), host)


def _file(path: str, host: HostFacts) -> tuple[Content, str]:
    return HostFile(path), host.contents.get(path, "")


def path(said: Config | Secret, host: HostFacts, *, kind: str) -> str:
    """Where the content is kept; that of an external one where whoever looks after the host has put it."""
    return said.file if said.file is not None else f"{host.root}/{kind}/{said.name}"


def _grant(said: FileReference, name: str, content: Content, identity: str, *, below: str, place: str) -> Grant:
    return Grant(
        name=name,
        target=said.path(below=below),
        content=content,
        identity=identity,
        uid=None if said.uid is None else int(said.uid),
        gid=None if said.gid is None else int(said.gid),
        mode=MODE if said.mode is None else said.mode,
        place=place,
    )


def _unset(service: str, key: str, name: str, variable: str) -> InvalidFile:
    message = f"cannot have the {name}: the environment variable {variable} is not set"
    return refused("unset-variable", message, "services", service, key, hint=f"{variable}=... pycompose up")
