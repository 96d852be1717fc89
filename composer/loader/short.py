"""Short syntaxes, taken apart: "8080:80/tcp", "./data:/data:ro", "/dev/sda:/dev/xvda:r", "host=10.0.0.1".

Text in, long form as plain dicts out; Unreadable where a text is none of its kind.
"""

from __future__ import annotations

from typing import Any

from composer.model.ports import PortRange, read_protocol
from composer.model.scalars import Unreadable, WrongType

Long = dict[str, Any]

_GOOD_PORT = 'write "8080:80", "127.0.0.1:8080:80" or "8080:80/udp"'


def ports(text: str) -> list[Long]:
    """`[[IP:]HOST:]CONTAINER[/PROTOCOL]`; a range of container ports is that many entries."""
    rest, slash, protocol = text.partition("/")
    protocol = read_protocol(protocol) if slash else "tcp"
    address, host, container = _port_parts(rest)
    targets = PortRange.parse(container)
    published = PortRange.parse(host) if host else None
    base: Long = {"protocol": protocol, "mode": "ingress"} | ({"host_ip": address} if address else {})
    return [base | pair for pair in _paired(targets, published, text)]


def _port_parts(text: str) -> tuple[str, str, str]:
    head, _, container = text.rpartition(":")
    if not container:
        raise Unreadable(f'"{text}" names no container port', hint=_GOOD_PORT)
    address, colon, host = head.rpartition(":")
    if colon and not address:
        raise Unreadable(f'"{text}" is not a port', hint=_GOOD_PORT)
    if address.startswith("[") != address.endswith("]"):
        raise Unreadable(f'"{address}" is not an IP address', hint=_GOOD_PORT)
    return address.removeprefix("[").removesuffix("]"), host, container


def _paired(targets: PortRange, published: PortRange | None, text: str) -> list[Long]:
    if published is None:
        return [{"target": target} for target in range(targets.first, targets.last + 1)]
    if len(targets) == 1:
        return [{"target": targets.first, "published": str(published)}]
    if len(targets) != len(published):
        message = f'"{text}" pairs {len(published)} host ports with {len(targets)} container ports'
        raise Unreadable(message, hint=f"write {published.first}-{published.first + len(targets) - 1}:{targets}")
    return [
        {"target": target, "published": str(published.first + index)}
        for index, target in enumerate(range(targets.first, targets.last + 1))
    ]


_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_CONSISTENCIES = ("consistent", "cached", "delegated")
_OPTIONS = ("ro", "rw", "z", "Z", "nocopy", *_PROPAGATIONS, *_CONSISTENCIES)
_GOOD_VOLUME = 'write "./host/path:/container/path:ro" or "name:/container/path"'


def volume(text: str) -> Long:
    """`[SOURCE:]TARGET[:OPTIONS]`; a source that begins with . / or ~ is a path of the host, else a volume's name."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise Unreadable(f'"{text}" is not a volume', hint=_GOOD_VOLUME)
    if len(parts) == 1:
        return {"type": "volume", "target": text, "volume": {}}
    source, target = parts[0], parts[1]
    if len(source) == 1 and source.isalpha():
        message = f'the volume name "{source}" has one letter, which docker compose takes for a Windows drive'
        raise Unreadable(message, hint="use a longer name, or the long form with type: volume")
    if not target.startswith("/"):
        raise _not_a_target(text, target)
    options = parts[2].split(",") if len(parts) == 3 else []
    is_path = source.startswith((".", "/", "~"))
    return {"type": "bind" if is_path else "volume", "source": source, "target": target} | _options(options, is_path)


def _not_a_target(text: str, target: str) -> Unreadable:
    if set(target.split(",")) <= set(_OPTIONS):
        return Unreadable(
            f'"{text}" has options but no container path', hint=f'write "SOURCE:/container/path:{target}"'
        )
    return Unreadable(f'the container path "{target}" is not absolute', hint=_GOOD_VOLUME)


def _options(options: list[str], is_path: bool) -> Long:
    long: Long = {}
    own: Long = {"create_host_path": True} if is_path else {}
    for option in filter(None, options):
        if option in ("ro", "rw"):
            long["read_only"] = option == "ro"
        elif option in _CONSISTENCIES:
            pass  # for Docker Desktop's shared file systems; the short form never kept it
        elif option in _PROPAGATIONS:
            own["propagation"] = option
        elif option in ("z", "Z"):
            own["selinux"] = option
        elif option == "nocopy":
            own["nocopy"] = True
        else:
            hint = "known are ro, rw, z, Z, nocopy, rprivate, rshared, rslave"
            raise Unreadable(f'"{option}" is not an option of a volume', hint=hint, near=option, known=_OPTIONS)
    misplaced = set(own) & ({"nocopy"} if is_path else {"propagation"})
    if misplaced:
        kind = "path of the host" if is_path else "named volume"
        raise Unreadable(f"{misplaced.pop()} means nothing for a {kind}", hint="remove it")
    if not is_path:
        own.pop("selinux", None)  # Docker relabels named volumes by itself
    return long | {"bind" if is_path else "volume": own}


def device(text: str) -> Long:
    """`HOST[:CONTAINER[:rwm]]`, or a CDI name, vendor/class=name."""
    if "=" in text and not text.startswith("/"):
        return {"source": text, "target": text, "permissions": "rwm"}
    source, _, rest = text.partition(":")
    target, _, permissions = rest.partition(":")
    if target and set(target) <= set("rwm") and not permissions:
        target, permissions = "", target
    if not source.startswith("/") or not set(permissions) <= set("rwm"):
        raise Unreadable(f'"{text}" is not a device', hint='write "/dev/sda:/dev/xvda:rwm"')
    return {"source": source, "target": target or source, "permissions": permissions or "rwm"}


def host(text: str) -> tuple[str, str]:
    """`NAME=ADDRESS`, or the older `NAME:ADDRESS`."""
    name, separator, address = text.partition("=")
    if not separator:
        name, separator, address = text.partition(":")
    if not name or not address:
        raise Unreadable(f'"{text}" is not a host and its address', hint='write "somehost=10.0.0.1"')
    return name.strip(), address.strip().removeprefix("[").removesuffix("]")


def pair(text: str) -> tuple[str, str | None]:
    """`KEY=VALUE` or `KEY`."""
    key, equals, value = text.partition("=")
    if not key or key != key.rstrip():
        raise Unreadable(f'"{text}" has {"a space before" if key else "no name before"} "="', hint="write KEY=VALUE")
    return key, value if equals else None


def name_and_alias(text: str) -> tuple[str, str]:
    """`SERVICE[:ALIAS]`."""
    name, _, alias = text.partition(":")
    if not name:
        raise WrongType(text, "a service's name")
    return name, alias or name
