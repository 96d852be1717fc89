"""Variables, and which of them somebody has asked for: what a project depends on of its environment, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Consulted(Mapping[str, str]):
    """Answers like `values`, after `first` where that is given: then it is only `first` that takes down who asks."""

    def __init__(self, values: Mapping[str, str], *, first: Mapping[str, str] | None = None) -> None:
        self.asked: dict[str, str | None] = {}  # name → value, None where there is none
        self._values = values
        self._first = first

    def __getitem__(self, name: str) -> str:
        if self._first is None:
            self.asked[name] = self._values.get(name)
        elif (value := self._first.get(name)) is not None:
            return value
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        yield from {**self._values, **(self._first or {})}

    def __len__(self) -> int:
        return len({**self._values, **(self._first or {})})
