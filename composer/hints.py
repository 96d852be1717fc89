"""The names that annotations are made of, without `typing` and `collections`: these take 5 ms, and `ps` takes thirty.

To type checkers they are those of `typing` and `collections.abc`. At run time nobody looks at them: annotations are not
evaluated, and a Protocol is a base class that does nothing. Those of `collections.abc` are what they are, which every
Python has imported as it starts, under another name.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator as AsyncIterator
    from collections.abc import Awaitable as Awaitable
    from collections.abc import Callable as Callable
    from collections.abc import Collection as Collection
    from collections.abc import Iterable as Iterable
    from collections.abc import Iterator as Iterator
    from collections.abc import Mapping as Mapping
    from collections.abc import Sequence as Sequence
    from typing import IO as IO
    from typing import Any as Any
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
    from typing import TextIO as TextIO
    from typing import TypeVar as TypeVar
    from typing import assert_never as assert_never
else:
    from _collections_abc import AsyncIterator as AsyncIterator
    from _collections_abc import Awaitable as Awaitable
    from _collections_abc import Callable as Callable
    from _collections_abc import Collection as Collection
    from _collections_abc import Iterable as Iterable
    from _collections_abc import Iterator as Iterator
    from _collections_abc import Mapping as Mapping
    from _collections_abc import Sequence as Sequence

    IO = Any = NoReturn = TextIO = object

    class Protocol:
        """What a class has to have."""

        __slots__ = ()

    def TypeVar(name, *_, **__):  # noqa: N802  # as it is called
        """Any type, the same one wherever the name stands."""
        return name

    def assert_never(value):
        """For the case that there is not."""
        raise AssertionError(f"nobody has thought of {value!r}")
