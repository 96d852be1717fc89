"""A container's published ports, as docker writes them."""

from __future__ import annotations

from collections.abc import Iterable

from composer.spec.network import PortBinding
from composer.store.records import ContainerRecord


def published(record: ContainerRecord) -> tuple[PortBinding, ...]:
    """What is published now, by the container's ports; nothing of a container that does not run."""
    if not record.pid:
        return ()
    return tuple(sorted(record.ports, key=lambda it: (it.container, it.protocol.value, ":" in it.address, it.port)))


def summary(bindings: Iterable[PortBinding]) -> str:
    """ "0.0.0.0:8000-8002->80-82/tcp, [::]:8000-8002->80-82/tcp": neighbours are one range."""
    runs: list[list[PortBinding]] = []
    for it in sorted(
        bindings, key=lambda it: (":" in it.address, it.address, it.protocol.value, it.container, it.port)
    ):
        last = runs[-1][-1] if runs else None
        if last is not None and _follows(last, it):
            runs[-1].append(it)
        else:
            runs.append([it])
    return ", ".join(_run(run) for run in runs)


def _place_first(it: PortBinding) -> tuple[bool, str, str, int, int]:
    return ":" in it.address, it.address, it.protocol.value, it.container, it.port


def _follows(one: PortBinding, other: PortBinding) -> bool:
    return (other.address, other.protocol, other.port, other.container) == (
        one.address,
        one.protocol,
        one.port + 1,
        one.container + 1,
    )


def _run(run: list[PortBinding]) -> str:
    first, last = run[0], run[-1]
    host, inside = (_range(first.port, last.port), _range(first.container, last.container))
    return f"{_host(first.address)}:{host}->{inside}/{first.protocol.value}"


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def place(binding: PortBinding) -> str:
    """ "0.0.0.0:8080": where it is asked for on the host."""
    return f"{_host(binding.address)}:{binding.port}"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def publishers(bindings: Iterable[PortBinding]) -> list[dict[str, object]]:
    """As `docker compose ps --format json` has them."""
    return [
        {"URL": it.address, "TargetPort": it.container, "PublishedPort": it.port, "Protocol": it.protocol.value}
        for it in bindings
    ]


def by_port(bindings: Iterable[PortBinding]) -> dict[str, list[dict[str, str]]]:
    """As `docker inspect` has them: by the container's port."""
    found: dict[str, list[dict[str, str]]] = {}
    for it in bindings:
        name = f"{it.container}/{it.protocol.value}"
        found.setdefault(name, []).append({"HostIp": it.address, "HostPort": str(it.port)})
    return found
