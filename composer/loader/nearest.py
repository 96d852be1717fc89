"""The known word closest to a misspelt one: what "did you mean" suggests."""

from __future__ import annotations

from itertools import islice

from composer.hints import Iterable

MAX_CANDIDATES = 1000  # a project of thousands of services gets its answer soon rather than a guess


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The closest of `known`, where it is close enough to be meant: a third of the letters may be wrong, never all."""
    best, best_distance = None, min(max(1, len(word) // 3) + 1, len(word))
    for candidate in islice(known, MAX_CANDIDATES):
        if abs(len(candidate) - len(word)) >= best_distance:
            continue
        distance = edits(_folded(word), _folded(candidate))
        if distance < best_distance:
            best, best_distance = candidate, distance
    return best


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    found = nearest(word, known)
    return f"did you mean {found}?" if found is not None and found != word else None


def advice(guess: str | None, hint: str | None) -> str | None:
    """A guess and what a good one looks like, in one hint."""
    return " ".join(filter(None, (guess, hint))) or None


def _folded(word: str) -> str:
    return word.lower().replace("-", "_")


def edits(first: str, second: str) -> int:
    """Letters to insert, remove, replace or swap with their neighbour (Damerau's distance, each place edited once)."""
    if len(first) > 64 or len(second) > 64:
        return 64
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        before, above, row = row, before, [i]
        for j, b in enumerate(second, start=1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                best = min(best, above[j - 2] + 1)
            row.append(best)
    return row[-1]
