"""What was last asked of a project: <run>/<project>/desired.json, two lines.

The first, the outline, is all that most readers want, and short however many containers there are; the second is the
whole. Written by the supervisor, read by everyone.
"""

from __future__ import annotations

from composer import jsontext
from composer.frozen import frozen
from composer.hints import Any
from composer.spec import codec
from composer.store import atomic
from composer.store.paths import ProjectPaths

TYPE_CHECKING = False
if TYPE_CHECKING:  # who wants the outline has no use for what the whole is made of
    from composer.spec.desired import Desired


@frozen
class Outline:
    """Where a project comes from, and its services by name."""

    config_files: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


def write(paths: ProjectPaths, desired: Desired) -> None:
    """Put down what is asked for. Raises OSError."""
    outline = Outline(desired.config_files, tuple(service.name for service in desired.services))
    text = f"{codec.dumps(outline)}\n{codec.dumps(desired)}\n"
    atomic.replace(paths.desired, text.encode(errors="surrogateescape"))  # paths may be any bytes


def read(paths: ProjectPaths) -> Desired | None:
    """What was asked for; None where nothing was. Raises OSError, codec.DecodeError."""
    from composer.spec.desired import Desired

    try:
        with open(paths.desired, "rb") as file:
            *_, whole = file.read().splitlines() or [b""]
    except FileNotFoundError:
        return None
    return codec.loads(Desired, whole.decode(errors="surrogateescape"))


def outline(paths: ProjectPaths) -> Outline:
    """The outline; empty where nothing is known, or nothing readable."""
    try:
        with open(paths.desired, "rb") as file:
            tree = jsontext.loads(file.readline().decode(errors="surrogateescape"))
    except (OSError, ValueError):
        return Outline()
    return Outline(_words(tree, "config_files"), _words(tree, "services"))


def _words(tree: Any, key: str) -> tuple[str, ...]:
    """Nobody but `read` says that a file is damaged, and another version may have written this one."""
    found = tree.get(key) if isinstance(tree, dict) else None
    return tuple(filter(lambda word: isinstance(word, str), found)) if isinstance(found, list) else ()
