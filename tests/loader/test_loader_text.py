"""Variables in text and files of variables, form by form."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.loader.dotenv import BadEnvFile, parse_env, parse_raw_env
from composer.loader.nearest import edits, nearest
from composer.loader.template import BadTemplate, parse_template, substitute

VALUES: Mapping[str, str] = {"A": "1", "E": "", "b_2": "two"}


def meaning(text: str) -> tuple[str, list[str]]:
    unset: list[str] = []
    return substitute(parse_template(text), VALUES.get, unset=unset.append), unset


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("plain", "plain"),
        ("$A", "1"),
        ("${A}", "1"),
        ("x${A}y$b_2", "x1ytwo"),
        ("${U:-d}", "d"),
        ("${E:-d}", "d"),
        ("${E-d}", ""),
        ("${U-d}", "d"),
        ("${U-}", ""),
        ("${A:+y}", "y"),
        ("${E:+y}", ""),
        ("${E+y}", "y"),
        ("${U+y}", ""),
        ("${A:?never}", "1"),
        ("${E?never}", ""),
        ("${U:-${B:-z}}", "z"),
        ("${U:-x ${A} y}z", "x 1 yz"),
        ("${A:-x ${NEVER} y}", "1"),
        ("${A:?${NEVER}}", "1"),
        ("${U:-$$x}", "$x"),
        ("$$A", "$A"),
        ("$$$A", "$1"),
        ("$1", "$1"),
        ("$-x", "$-x"),
        ("a $ b", "a $ b"),
        ("$}", "$}"),
        ("end$", "end$"),
        ("{}", "{}"),
    ],
)
def test_variables(text: str, meant: str) -> None:
    assert meaning(text) == (meant, [])


def test_unset_variables_are_empty_and_told() -> None:
    assert meaning("$U ${V}") == (" ", ["U", "V"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${", "names no variable"),
        ("${}", "names no variable"),
        ("${ A}", "names no variable"),
        ("${1}", "names no variable"),
        ("${A }", '" " cannot follow the name'),
        ("${A!}", '"!" cannot follow the name'),
        ("${A/foo/bar}", '"/" cannot follow the name'),
        ("${A", "is not closed"),
        ("${A:-x", "is not closed"),
        ("${U:-${A}", "is not closed"),
        ("${U:?set it}", "U is not set: set it"),
        ("${E:?set it}", "E is empty: set it"),
        ("${U?}", "U is not set$"),
        ("${U?$A}", "U is not set: 1"),
        ("${U:-" * 60, "nested deeper"),
    ],
)
def test_what_is_no_variable(text: str, told: str) -> None:
    with pytest.raises(BadTemplate, match=told):
        meaning(text)


@given(st.text(alphabet="${}AU:-?+ x", max_size=30))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        meaning(text)
    except BadTemplate:
        pass


def env(text: str, **known: str) -> dict[str, str]:
    return parse_env(text, file="e.env", lookup=known.get, warn=lambda problem: pytest.fail(str(problem)))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1", {"A": "1"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export A = x y # c", {"A": "x y"}),
        ("A: 1", {"A": "1"}),
        ("A=x#y", {"A": "x#y"}),
        ("A=#x", {"A": ""}),
        ("A=", {"A": ""}),
        ("A=\nB=1", {"A": "", "B": "1"}),
        ("H", {"H": "home"}),
        ("NONE\nA=1", {"A": "1"}),
        ("A='$H # \\'x\\''", {"A": "$H # 'x'"}),
        ('A="a\\tb\\n\\"c\\" \\\\ \\$H $H"', {"A": 'a\tb\n"c" \\ $H home'}),
        ('A="\\0101"', {"A": "A"}),
        ('A="one\ntwo"\nB=1', {"A": "one\ntwo", "B": "1"}),
        ("A='one\ntwo'", {"A": "one\ntwo"}),
        ("A=1\nB=${A}$$x", {"A": "1", "B": "1$x"}),
        ("H=mine\nB=$H", {"H": "mine", "B": "home"}),
        ("A=\\n", {"A": "\\n"}),
        ("a.b-c[0]=1", {"a.b-c[0]": "1"}),
        ("# only\n\n  # comments\n", {}),
        ('A="x" # c', {"A": "x"}),
    ],
)
def test_env_files(text: str, values: dict[str, str]) -> None:
    assert env(text, H="home") == values


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A=1\na b=1", "e.env:2:1: .*contains a space"),
        ('A=1\nB=2\nX="x', "e.env:3:3: a quoted value is not closed"),
        ("=1", "no variable's name"),
        ('X="a"b', '"b" follows a quoted value'),
        ("ä=1", "is not a variable's name"),
        ("A=${B", "is not closed"),
    ],
)
def test_what_is_no_env_file(text: str, told: str) -> None:
    with pytest.raises(BadEnvFile, match=told):
        env(text)


def test_raw_env_files_are_taken_to_the_letter() -> None:
    text = 'A="x" # $c\n# comment\n\nB= y \nH\nNONE\n'
    assert parse_raw_env(text, file="x.env", lookup={"H": "home"}.get) == {"A": '"x" # $c', "B": " y ", "H": "home"}


@given(st.text(alphabet="A=\"'$\\#\n x:{}", max_size=40))
def test_any_text_is_an_env_file_or_refused(text: str) -> None:
    try:
        parse_env(text, file="e", lookup=VALUES.get, warn=lambda problem: None)
    except BadEnvFile:
        pass


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("enviroment", "environment"),
        ("prots", "ports"),
        ("dependsOn", "depends_on"),
        ("env-file", "env_file"),
        ("comand", "command"),
        ("zzz", None),
        ("x", None),
    ],
)
def test_the_nearest_word(word: str, meant: str | None) -> None:
    assert nearest(word, ("environment", "env_file", "ports", "depends_on", "command", "cpus")) == meant


def test_a_swap_is_one_edit() -> None:
    assert (edits("ports", "prots"), edits("ab", "ab"), edits("", "ab"), edits("abc", "axc")) == (1, 0, 2, 1)
