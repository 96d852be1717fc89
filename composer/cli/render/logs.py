"""Lines of containers, each with whose it is in front: `web-1  | GET /`, aligned, one colour a service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from composer.cli.render import colour as colours
from composer.store.events import rfc3339
from composer.store.logs.demux import Lines


@dataclass(slots=True)
class LogLines:
    """How lines are drawn. `label` gives the name shown for a container; names seen first decide the width."""

    labels: dict[str, str]  # by container: web-1
    colour: bool = False
    prefix: bool = True
    timestamps: bool = False
    _width: int = 0
    _prefixes: dict[str, bytes] = field(default_factory=dict)

    def add(self, labels: dict[str, str]) -> None:
        """Containers that have come since; wider names widen the column from now on."""
        if not labels.items() <= self.labels.items():
            self.labels |= labels
            self._prefixes.clear()

    def draw(self, container: str, lines: Lines) -> bytes:
        """The lines as they are printed, each with its newline."""
        prefix = self._prefix(container)
        if self.timestamps:
            prefix += f"{rfc3339(lines.time_ns)} ".encode()
        data = lines.data if lines.data.endswith(b"\n") else lines.data + b"\n"
        if lines.notice and self.colour:
            data = f"\x1b[{colours.YELLOW}m".encode() + data[:-1] + colours.RESET.encode() + b"\n"
        if not prefix:
            return data
        return prefix + data[:-1].replace(b"\n", b"\n" + prefix) + b"\n"

    def _prefix(self, container: str) -> bytes:
        if not self.prefix:
            return b""
        if container not in self._prefixes:
            self._make_prefixes({container})
        return self._prefixes[container]

    def _make_prefixes(self, containers: Iterable[str]) -> None:
        known = {name: self.labels.get(name, name) for name in (*self.labels, *containers)}
        width = max(map(len, known.values()))
        services = sorted({label.rpartition("-")[0] or label for label in known.values()})
        for name, label in known.items():
            code = colours.SERVICES[services.index(label.rpartition("-")[0] or label) % len(colours.SERVICES)]
            text = colours.paint(f"{label:<{width}}  | ", code, colour=self.colour)
            self._prefixes[name] = text.encode(errors="surrogateescape")
