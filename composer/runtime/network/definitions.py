"""What a network was made from, one file each: an interface's alias has no room for it.

Durable: after a reboot a network that was made by hand is made again when it is needed, and one of a project gets the
subnet it had.
"""

from __future__ import annotations

import os

from composer.errors import HostError
from composer.spec import codec
from composer.spec.network import Network


def load(directory: str, name: str) -> Network | None:
    """The network as it was resolved; None where there is none, or none that can be read."""
    try:
        with open(_path(directory, name), "rb") as file:
            return codec.loads(Network, file.read().decode(errors="surrogateescape"))
    except (FileNotFoundError, codec.DecodeError):
        return None


def load_all(directory: str) -> list[Network]:
    """All of them, by name."""
    try:
        names = sorted(name.removesuffix(".json") for name in os.listdir(directory) if name.endswith(".json"))
    except FileNotFoundError:
        return []
    return [network for name in names if (network := load(directory, name))]


def created_ns(directory: str, name: str) -> int:
    """When a network was made, in nanoseconds since the epoch; 0 where nobody knows."""
    try:
        return os.stat(_path(directory, name)).st_mtime_ns
    except FileNotFoundError:
        return 0


def save(directory: str, network: Network) -> None:
    """Written beside and renamed. Raises HostError."""
    path = _path(directory, network.name)
    try:
        os.makedirs(directory, mode=0o711, exist_ok=True)
        with open(f"{path}.new", "wb") as file:
            file.write(codec.dumps(network).encode(errors="surrogateescape"))
        os.rename(f"{path}.new", path)
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error


def remove(directory: str, name: str) -> None:
    """Fine if it is gone."""
    try:
        os.unlink(_path(directory, name))
    except FileNotFoundError:
        pass
    try:
        os.rmdir(directory)
    except OSError:
        pass  # there are others


def _path(directory: str, name: str) -> str:
    return f"{directory}/{name}.json"
