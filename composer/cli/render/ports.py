"""A container's ports, published and exposed, as docker writes them."""

from __future__ import annotations

from itertools import groupby

from composer.hints import Iterable, Iterator
from composer.spec.network import PortBinding, Protocol
from composer.store.records import ContainerRecord

Exposed = tuple[Protocol, int]  # a port of the container


def published(record: ContainerRecord) -> tuple[PortBinding, ...]:
    """What is published now, by the container's ports; nothing of a container that does not run."""
    if not record.pid:
        return ()
    return tuple(sorted(record.ports, key=lambda it: (it.container, it.protocol.value, ":" in it.address, it.port)))


def exposed(record: ContainerRecord) -> tuple[Exposed, ...]:
    """What is exposed and not published; nothing of a container that does not run."""
    if not record.pid:
        return ()
    said = {(it.protocol, port) for it in record.spec.expose for port in range(it.ports.first, it.ports.last + 1)}
    left = said - {(it.protocol, it.container) for it in record.ports}
    return tuple(sorted(left, key=lambda it: (it[0].value, it[1])))


def summary(bindings: Iterable[PortBinding], only_exposed: Iterable[Exposed]) -> str:
    """ "0.0.0.0:8000-8002->80-82/tcp, [::]:8000-8002->80-82/tcp, 6379/tcp": neighbours are one range."""
    return ", ".join((*_published_words(bindings), *_exposed_words(only_exposed)))


def _published_words(bindings: Iterable[PortBinding]) -> Iterator[str]:
    runs: list[list[PortBinding]] = []
    for it in sorted(
        bindings, key=lambda it: (":" in it.address, it.address, it.protocol.value, it.container, it.port)
    ):
        last = runs[-1][-1] if runs else None
        if last is not None and _follows(last, it):
            runs[-1].append(it)
        else:
            runs.append([it])
    return map(_run, runs)


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


def _exposed_words(ports: Iterable[Exposed]) -> Iterator[str]:
    # consecutive numbers keep their distance to their positions
    for (protocol, _), run in groupby(enumerate(ports), key=lambda it: (it[1][0], it[1][1] - it[0])):
        numbers = [port for _, (_, port) in run]
        yield f"{_range(numbers[0], numbers[-1])}/{protocol.value}"


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def place(binding: PortBinding) -> str:
    """ "0.0.0.0:8080": where it is asked for on the host."""
    return f"{_host(binding.address)}:{binding.port}"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def publishers(bindings: Iterable[PortBinding], only_exposed: Iterable[Exposed]) -> list[dict[str, object]]:
    """As `docker compose ps --format json` has them: what is only exposed has no address and port 0."""
    return [
        *(_publisher(it.address, it.container, it.port, it.protocol) for it in bindings),
        *(_publisher("", port, 0, protocol) for protocol, port in only_exposed),
    ]


def _publisher(address: str, container: int, port: int, protocol: Protocol) -> dict[str, object]:
    return {"URL": address, "TargetPort": container, "PublishedPort": port, "Protocol": protocol.value}


def by_port(bindings: Iterable[PortBinding], only_exposed: Iterable[Exposed]) -> dict[str, list[dict[str, str]] | None]:
    """As `docker inspect` has them: by the container's port; null is exposed only."""
    found: dict[str, list[dict[str, str]]] = {}
    for it in bindings:
        name = f"{it.container}/{it.protocol.value}"
        found.setdefault(name, []).append({"HostIp": it.address, "HostPort": str(it.port)})
    return {**found, **{f"{port}/{protocol.value}": None for protocol, port in only_exposed}}
