"""What the attendant is told, one JSON message per packet.

    launcher, `run`                                attendant
                                                   Hello(pid, version) first on every connection
    Serve(request, resident) [pidfd, UDP, TCP]     Done(request)
    SetHealthy(request, container, healthy)        Done(request)

In brackets: descriptors that travel with the packet; without the sockets, the attendant opens them itself. It leaves
when nobody is connected and no resident lives.
"""

from __future__ import annotations

from composer import jsontext
from composer.frozen import frozen
from composer.hints import TypeVar
from composer.runtime.attendant.zone import Resident
from composer.spec import codec

VERSION = 1


@frozen
class Serve:
    """A container runs: it has names, and may ask for names. Said again of the same process, it changes what was said;
    its health stays what it was."""

    request: int
    resident: Resident


@frozen
class SetHealthy:
    """What the health checks of a container say has changed."""

    request: int
    container: str
    healthy: bool


Request = Serve | SetHealthy


@frozen
class Hello:
    """First on every connection. Never to change: it is what every version understands of every other."""

    pid: int
    version: int


@frozen
class Done:
    """It has been taken note of."""

    request: int


Message = Hello | Done

_REQUESTS: dict[str, type[Request]] = {cls.__name__: cls for cls in Request.__args__}
_MESSAGES: dict[str, type[Message]] = {cls.__name__: cls for cls in Message.__args__}
T = TypeVar("T")


def encode(value: Request | Message) -> bytes:
    """One packet."""
    return jsontext.dumps({codec.TAG: type(value).__name__, **codec.encode(value)}, ascii=True).encode()


def decode_request(packet: bytes) -> Request:
    """What the attendant was told. Raises codec.DecodeError."""
    return _decode(packet, _REQUESTS)


def decode_message(packet: bytes) -> Message:
    """What the attendant said. Raises codec.DecodeError."""
    return _decode(packet, _MESSAGES)


def _decode(packet: bytes, classes: dict[str, type[T]]) -> T:
    try:
        tree = jsontext.loads(packet)
        cls = classes[tree[codec.TAG]]
    except (ValueError, KeyError, TypeError) as error:
        raise codec.DecodeError(f"not a message: {error!r}") from error
    return codec.decode(cls, tree)
