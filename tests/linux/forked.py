"""Runs a piece of a test in a forked child, for what cannot be undone: namespaces, privileges, filters."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from typing import Any

from composer.linux.namespaces import CLONE_NEWNET, unshare


def run_in_child(work: Callable[[], object]) -> Any:
    """What `work` returns (as JSON) when called in a child; an AssertionError with its traceback if it raises."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _answer(work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        answer = file.read()
    _, status = os.waitpid(pid, 0)
    assert answer, f"the child ended without an answer: wait status {status}"
    kind, value = json.loads(answer)
    assert kind == "returned", value
    return value


def run_in_own_network(work: Callable[[], object]) -> Any:
    """The same in a network namespace that ends with the child."""

    def inside() -> object:
        unshare(CLONE_NEWNET)
        return work()

    return run_in_child(inside)


def _answer(work: Callable[[], object], writer: int) -> None:
    answer = None
    try:
        answer = ("returned", work())
    finally:  # whatever happened: the child must not return into pytest
        answer = answer or ("raised", traceback.format_exc())
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)


def errno_of(call: Callable[[], object]) -> int:
    """The errno that `call` raises OSError with, 0 when it succeeds."""
    try:
        call()
    except OSError as error:
        return error.errno or -1
    return 0
