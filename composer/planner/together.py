"""All that stands in the way of a plan, told as one: a person mends it all before the next try."""

from __future__ import annotations

from contextlib import contextmanager

from composer.errors import Conflict, PycomposeError
from composer.hints import Iterator, Sequence


@contextmanager
def noting(mistakes: list[PycomposeError]) -> Iterator[None]:
    """What the body cannot do is noted, and goes on after it."""
    try:
        yield
    except PycomposeError as mistake:
        mistakes.append(mistake)


def together(mistakes: Sequence[PycomposeError]) -> PycomposeError:
    """One refusal with the messages of all, each once, and the first hint that there is."""
    if len(mistakes) == 1:
        return mistakes[0]
    messages = dict.fromkeys(mistake.message for mistake in mistakes)
    hint = next((mistake.hint for mistake in mistakes if mistake.hint), None)
    alike = {type(mistake) for mistake in mistakes}
    kind = alike.pop() if len(alike) == 1 else Conflict
    return kind("\n".join(messages), hint=hint)
