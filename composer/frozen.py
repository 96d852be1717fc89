"""`@frozen`: what `@dataclass(frozen=True, slots=True)` says, at a quarter of its price.

Seven methods of a frozen dataclass are written and compiled when its module is imported: half a millisecond a class,
and with some three hundred classes more than half of the time in which a supervisor starts. Here only `__init__` is
written. Equality, hash and representation are functions that all classes share; that nobody changes an object is what
the type checker sees to, and no check at run time, which would make every object twice as dear to create.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter

TYPE_CHECKING = (
    False  # as type checkers know it: `typing` itself is too dear for the rooms that containers are forked from
)
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_):
        return lambda decorator: decorator


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A dataclass with slots whose objects are equal where their fields are, and hashable where these are."""
    made: Any = dataclass(slots=True, eq=False, repr=False)(cls)
    names = tuple(it.name for it in fields(made) if it.compare)
    made.__key__ = staticmethod(attrgetter(*names) if names else _nothing)
    for name, shared in _SHARED.items():
        if name not in made.__dict__:
            setattr(made, name, shared)
    return made  # type: ignore[no-any-return]  # dataclass() gives the class, or its copy with slots


def _nothing(_self: object) -> tuple[()]:
    return ()


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self.__key__(self) == self.__key__(other)


def _hash(self: Any) -> int:
    return hash(self.__key__(self))


def _repr(self: Any) -> str:
    inner = ", ".join(f"{it.name}={getattr(self, it.name)!r}" for it in fields(self) if it.repr)
    return f"{self.__class__.__qualname__}({inner})"


_SHARED: dict[str, Callable[..., object]] = {"__eq__": _eq, "__hash__": _hash, "__repr__": _repr}
