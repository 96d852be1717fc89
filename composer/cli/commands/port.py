"""`pycompose port`"""

from __future__ import annotations

from composer.cli.containers import running_one
from composer.cli.invocation import Invocation
from composer.cli.options import Command, number, text
from composer.cli.project import existing_project
from composer.cli.render import ports
from composer.errors import NoSuchThing, UsageError
from composer.spec.network import PortBinding, Protocol
from composer.store.records import ContainerRecord

COMMAND = Command(
    operands="SERVICE [PRIVATE_PORT]",
    at_least=1,
    at_most=2,
    completes="services",
    example="pycompose port web 80\npycompose port web",
    options=(
        number("--index", metavar="N", help="Which of the service's containers, counted from 1"),
        text(
            "--protocol",
            metavar="PROTOCOL",
            choices=tuple(protocol.value for protocol in Protocol),
            help="tcp (default), udp or sctp",
        ),
    ),
)


def run(call: Invocation) -> int:
    """One line, the first address; without a port a line for each published port."""
    service, *rest = call.operands
    record = running_one(existing_project(call), service, index=call.arguments.number("index"))
    found = ports.published(record)
    if not rest:
        print("".join(f"{it.container}/{it.protocol.value} -> {ports.place(it)}\n" for it in found), end="")
        return 0
    print(ports.place(_one(record, found, rest[0], call.arguments.text("protocol"))))
    return 0


def _one(record: ContainerRecord, found: tuple[PortBinding, ...], word: str, protocol: str | None) -> PortBinding:
    """PRIVATE_PORT may carry its protocol: 53/udp."""
    port, slash, own = word.partition("/")
    wanted = own if slash else protocol or Protocol.TCP.value
    if not port.isdecimal() or wanted not in {it.value for it in Protocol}:
        raise UsageError(f'cannot read "{word}" as a port of the container', hint="write 80, or 53/udp")
    for it in found:
        if (it.container, it.protocol.value) == (int(port), wanted):
            return it
    there = ", ".join(dict.fromkeys(f"{it.container}/{it.protocol.value}" for it in found))
    raise NoSuchThing(
        f"cannot find port {port}/{wanted} of container {record.spec.name}: it is not published",
        hint=f"published are {there}" if there else "none of its ports is",
    )
