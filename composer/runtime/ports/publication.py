"""ports.json in a container's state directory: which ports are published, whereto, and which porter has them.

It is there as long as anything of it is: who removes the last of it removes the file.
"""

from __future__ import annotations

import os
import select

from composer.errors import HostError
from composer.frozen import frozen
from composer.linux.identity import start_time
from composer.linux.pidfd import pidfd_open
from composer.spec import codec
from composer.spec.network import PortBinding

NAME = "ports.json"


@frozen
class Publication:
    """One container's. `ipv4` and `ipv6` are its addresses that the ports lead to, "" where it has none."""

    project: str
    service: str
    container: str
    bindings: tuple[PortBinding, ...]
    ipv4: str = ""
    ipv6: str = ""
    porter_pid: int = 0
    porter_start_time: int = 0

    @property
    def backends(self) -> tuple[str, ...]:
        """Where the container is reached from the host."""
        return tuple(filter(None, (self.ipv4, self.ipv6)))


def load(state: str) -> Publication | None:
    """That of the container with this state directory; None where there is none, or none that can be read."""
    try:
        with open(f"{state}/{NAME}", encoding="utf-8") as file:
            return codec.loads(Publication, file.read())
    except (FileNotFoundError, NotADirectoryError, codec.DecodeError):
        return None


def save(state: str, publication: Publication) -> None:
    """Written beside and renamed. Raises HostError."""
    path = f"{state}/{NAME}"
    try:
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.write(codec.dumps(publication))
        os.rename(f"{path}.new", path)
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error


def remove(state: str) -> None:
    """Fine if it is gone."""
    try:
        os.unlink(f"{state}/{NAME}")
    except FileNotFoundError:
        pass


def is_alive(publication: Publication) -> bool:
    """Whether its porter is there; one that has ended and waits for its parent is not."""
    try:
        pidfd = pidfd_open(publication.porter_pid)
    except (ProcessLookupError, ValueError):
        return False
    try:
        same = start_time(publication.porter_pid) == publication.porter_start_time
        return same and not select.select([pidfd], [], [], 0)[0]
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
