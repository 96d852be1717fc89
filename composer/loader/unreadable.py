"""What the model says of a value it cannot read, in the loader's terms: a code, a message and a hint."""

from __future__ import annotations

from composer.loader.codes import Code
from composer.loader.nearest import advice, did_you_mean
from composer.model.scalars import NoUnit, OutOfRange, Unreadable, WrongType


def code_of(unreadable: Unreadable) -> Code:
    """What kind of mistake it is."""
    match unreadable:
        case WrongType():
            return Code.WRONG_TYPE
        case OutOfRange():
            return Code.OUT_OF_RANGE
        case NoUnit():
            return Code.MISSING_UNIT
        case Unreadable(known=known) if known:
            return Code.UNKNOWN_CHOICE
        case _:
            return Code.BAD_VALUE


def hint_of(unreadable: Unreadable) -> str | None:
    """The word that was probably meant, and what a good one looks like."""
    guess = did_you_mean(unreadable.near, unreadable.known) if unreadable.near else None
    return advice(guess, unreadable.hint)
