"""The names of `typing` that annotations are made of, without `typing`: that takes 3 ms, and `exec` takes fifty.

To type checkers they are those of `typing`. At run time nobody looks at them: annotations are not evaluated, and a
Protocol is a base class that does nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO as IO
    from typing import Any as Any
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
    from typing import TextIO as TextIO
    from typing import TypeVar as TypeVar
    from typing import assert_never as assert_never
else:
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
