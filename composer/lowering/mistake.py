"""What is wrong with a service and shows only when it becomes containers.

Where it stands in a file is the loader's knowledge: a mistake names the path that is to blame, and whoever has both
rooms at hand tells it in its place.
"""

from __future__ import annotations

from dataclasses import dataclass

from composer.errors import InvalidFile


@dataclass(frozen=True, slots=True)
class Mistake:
    """`path` leads to the value to blame, or to the service that lacks one; `code` is one of the loader's."""

    code: str
    message: str
    path: tuple[str, ...]
    hint: str | None = None

    @property
    def service(self) -> str:
        return self.path[1]


def refused(code: str, message: str, *, service: str, key: str | None = None, hint: str | None = None) -> InvalidFile:
    """A refusal that says "service web" before the message, for those who cannot show its place."""
    path = ("services", service, key) if key else ("services", service)
    mistake = Mistake(code, message, path, hint)
    return InvalidFile(f"service {service} {message}", problems=(mistake,), hint=hint)
