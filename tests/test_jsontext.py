"""JSON without `json` is what `json` makes of it, and takes it for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from composer import jsontext

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just("a\udc80"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def outcome(load: Callable[[str], object], text: str) -> Any:
    try:
        return repr(load(text))
    except (ValueError, RecursionError) as error:
        return type(error), str(error)


@given(TREES)
def test_what_is_written_is_what_json_writes(tree: object) -> None:
    assert jsontext.dumps(tree) == json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
    assert jsontext.dumps(tree, ascii=True) == json.dumps(tree, separators=(",", ":"))
    assert jsontext.pretty(tree) == json.dumps(tree, indent=4, ensure_ascii=False)


@given(TREES, st.sampled_from([None, 2]), st.sampled_from(["", "\n", " \t\r\n", "\ufeff", " x", "\xa0"]))
def test_what_is_read_is_what_json_reads(tree: object, indent: int | None, around: str) -> None:
    text = around + json.dumps(tree, indent=indent) + around
    assert outcome(jsontext.loads, text) == outcome(json.loads, text)


@given(st.text(alphabet='[]{}",:0123456789.-+eE \n\\nulltruefasbNaInfity\u2028', max_size=12))
@example(" {")
def test_what_is_no_json_is_refused_in_the_words_of_json(text: str) -> None:
    assert outcome(jsontext.loads, text) == outcome(json.loads, text)


def test_bytes_are_read_as_json_reads_them() -> None:
    assert jsontext.loads('{"a": "ü"}'.encode()) == {"a": "ü"}
    with pytest.raises(ValueError, match="utf-8"):
        jsontext.loads(b'"\xff"')


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_what_is_too_deep_is_an_error_as_with_json(text: str) -> None:
    with pytest.raises(RecursionError):
        jsontext.loads(text)


def test_what_has_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="Object of type set is not JSON serializable"):
        jsontext.dumps({"a": {1}})


MISTAKES = ("", "{", '{"a" 1}', "[1,]", '"\\x"', '"a', "nul", "1 2")
ASKED = """
import sys
from composer import jsontext
for text in sys.argv[1:]:
    assert "json" not in sys.modules
    try:
        jsontext.loads(text)
    except ValueError as error:
        print(error)
    for name in [name for name in sys.modules if name.partition(".")[0] == "json"]:
        del sys.modules[name]
"""


def test_mistakes_are_told_where_json_is_not_imported() -> None:
    done = subprocess.run([sys.executable, "-c", ASKED, *MISTAKES], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(outcome(json.loads, text)[1]) for text in MISTAKES]


PROGRAM = """
import sys
sys.modules["_json"] = None
from composer import jsontext
assert jsontext._scan is None
print(jsontext.loads(sys.argv[1]) == {"a": [1, "\\u00fc"]}, ascii(jsontext.dumps({"a": [1, "\\u00fc"]})))
print(jsontext.dumps("\\u00fc", ascii=True))
"""


def test_an_interpreter_without_the_functions_in_c_does_it_by_json() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, '{"a": [1, "ü"]}'], capture_output=True, text=True, check=True
    )
    assert done.stdout == 'True \'{"a":[1,"\\xfc"]}\'\n"\\u00fc"\n'
