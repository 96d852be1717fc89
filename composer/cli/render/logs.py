"""Lines of containers, each with whose it is in front: `web-1  | GET /`, aligned, one colour a service; or as JSON.

A very long line comes in pieces: nothing is put between them unless another container's line is.
"""

from __future__ import annotations

import binascii

from composer.cli.render import colour as colours
from composer.frozen import field, frozen, mutable
from composer.hints import Iterable, Protocol
from composer.store.events import rfc3339
from composer.store.logs.block import STDERR
from composer.store.logs.demux import Lines


@frozen
class Origin:
    """Whose lines they are."""

    label: str  # web-1
    service: str


class Drawing(Protocol):
    """How lines are printed."""

    origins: dict[str, Origin]  # by container

    def add(self, origins: dict[str, Origin]) -> None:
        """Containers that have come since."""

    def draw(self, container: str, lines: Lines) -> bytes:
        """The lines as they are printed."""


@mutable
class LogLines:
    """For people. Names seen first decide the width; a service has the colour of its place in `services`."""

    origins: dict[str, Origin]
    services: tuple[str, ...] = ()
    colour: bool = False
    prefix: bool = True
    timestamps: bool = False
    _prefixes: dict[str, bytes] = field(default_factory=dict)
    _open: tuple[str, int] | None = None  # container and stream of a line whose next piece is to come

    def add(self, origins: dict[str, Origin]) -> None:
        """Containers that have come since; wider names widen the column from now on."""
        if not origins.items() <= self.origins.items():
            self.origins |= origins
            self._prefixes.clear()

    def draw(self, container: str, lines: Lines) -> bytes:
        """The lines as they are printed, each with its newline."""
        before, self._open = self._open, (container, lines.stream) if lines.continues else None
        prefix = self._prefix(container)
        if self.timestamps:
            prefix += f"{rfc3339(lines.time_ns)} ".encode()
        if not (prefix or before or lines.notice or lines.continues) and lines.data.endswith(b"\n"):
            return lines.data  # no copy: they are most of the time that a large log takes
        end = b"" if lines.continues else b"\n"
        data = lines.data.removesuffix(b"\n")
        if lines.notice and self.colour:
            data = f"\x1b[{colours.YELLOW}m".encode() + data + colours.RESET.encode()
        if prefix:
            data = data.replace(b"\n", b"\n" + prefix)
        if before == (container, lines.stream) and not lines.notice:
            return data + end
        return (b"\n" if before else b"") + prefix + data + end

    def _prefix(self, container: str) -> bytes:
        if not self.prefix:
            return b""
        if container not in self._prefixes:
            self._make_prefixes({container})
        return self._prefixes[container]

    def _make_prefixes(self, containers: Iterable[str]) -> None:
        known = {name: self.origins.get(name, Origin(name, name)) for name in (*self.origins, *containers)}
        width = max(len(origin.label) for origin in known.values())
        for name, origin in known.items():
            text = colours.paint(f"{origin.label:<{width}}  | ", self._colour(origin.service), colour=self.colour)
            self._prefixes[name] = text.encode(errors="surrogateescape")

    def _colour(self, service: str) -> str:
        if service not in self.services:
            self.services += (service,)  # the others keep theirs
        return colours.SERVICES[self.services.index(service) % len(colours.SERVICES)]


@mutable
class JsonLines:
    """For programs: one object a line."""

    origins: dict[str, Origin]

    def add(self, origins: dict[str, Origin]) -> None:
        self.origins |= origins

    def draw(self, container: str, lines: Lines) -> bytes:
        import json  # not for people

        origin = self.origins.get(container, Origin(container, container))
        known = {
            "time": rfc3339(lines.time_ns),
            "service": origin.service,
            "container": container,
            "stream": "stderr" if lines.stream == STDERR else "stdout",
        }
        marks = {name: True for name, is_so in (("notice", lines.notice), ("partial", lines.continues)) if is_so}
        return b"".join(
            json.dumps(known | _message(line) | marks, ensure_ascii=False).encode() + b"\n"
            for line in lines.data.removesuffix(b"\n").split(b"\n")
        )


def _message(line: bytes) -> dict[str, str]:
    """Bytes that are no UTF-8 are U+FFFD in the text, as with Docker, and are there as they are beside it."""
    try:
        return {"message": line.decode()}
    except UnicodeDecodeError:
        return {
            "message": line.decode(errors="replace"),
            "message_base64": binascii.b2a_base64(line, newline=False).decode(),
        }
