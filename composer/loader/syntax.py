"""YAML syntax errors in words: what libyaml noticed, and what people mostly did to get there."""

from __future__ import annotations

import re

from yaml import Mark, MarkedYAMLError

from composer.frozen import frozen
from composer.loader.codes import Code
from composer.loader.problems import Place, Problem

MAX_DEPTH = 100  # levels of lists and mappings within each other
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


@frozen
class _Explanation:
    noticed: re.Pattern[str]
    message: str
    hint: str | None = None
    code: Code = Code.YAML_SYNTAX


def _explain(noticed: str, message: str, hint: str | None = None, *, code: Code = Code.YAML_SYNTAX) -> _Explanation:
    return _Explanation(re.compile(noticed), message, hint, code)


# In the words of libyaml and, behind the bar, of the Python scanner that stands in where libyaml is missing.
_EXPLANATIONS = (
    _explain(
        r"mapping values are not allowed",
        'a ": " is not expected here',
        "the line above is not finished, is indented differently, or this value needs quotes",
    ),
    _explain(
        r"did not find expected key|expected <block end>",
        "this line does not fit the lines above it",
        "keys of one mapping begin in the same column; a text that begins with a quote must end with it",
    ),
    _explain(r"could not find expected ':'", 'this key is not followed by ":"', 'write "key: value"'),
    _explain(
        r"did not find expected '-' indicator",
        "this line does not fit the list above it",
        'begin each item with "- ", all in the same column',
    ),
    _explain(r"block sequence entries", 'a "- " is not expected here', "begin the list on its own line"),
    _explain(r"expected ',' or '\]'", "a list in brackets is not closed", 'write "]" behind its last item'),
    _explain(r"expected ',' or '\}'", "a mapping in braces is not closed", 'write "}" behind its last entry'),
    _explain(r"unexpected end of stream", "a quote is opened and never closed", "close the quote"),
    _explain(r"unknown escape character", "unknown escape in a text in double quotes", 'write "\\\\" for a backslash'),
    _explain(r"found undefined tag handle", "unknown tag", 'a value that begins with "!" needs quotes'),
    _explain(
        r"expected alphabetic or numeric character",
        "an anchor or alias has no name",
        'a value that begins with "*" or "&" needs quotes',
    ),
    _explain(r"expected <document start>", "the document ended above this line", 'separate documents with "---"'),
    # Where brackets follow each other the scanner of newer libyamls reads ahead, and meets its own limit before us.
    _explain(r"exceeded|depth level", TOO_DEEP, code=Code.TOO_LARGE),
)


def explained(error: MarkedYAMLError, *, file: str, text: str) -> Problem:
    """What is wrong, at the place libyaml stopped."""
    mark = error.problem_mark or error.context_mark
    place = place_at(mark, file=file)
    noticed = error.problem or str(error)
    context = _context(error)
    if "cannot start any token" in noticed and mark is not None:
        return _bad_start(_character(text, mark), place)
    for explanation in _EXPLANATIONS:
        if explanation.noticed.search(noticed):
            return Problem(explanation.code, explanation.message + context, place, hint=explanation.hint)
    return Problem(Code.YAML_SYNTAX, f"not valid YAML: {noticed}{context}", place)


def place_at(mark: Mark | None, *, file: str) -> Place:
    if mark is None:
        return Place(file, 1, 1, 1, 2)
    line, column = mark.line + 1, mark.column + 1
    return Place(file, line, column, line, column + 1)


def _context(error: MarkedYAMLError) -> str:
    begun, stopped = error.context_mark, error.problem_mark
    if begun is None or stopped is None or begun.line == stopped.line:
        return ""
    return f"; what it would belong to began on line {begun.line + 1}"


def _character(text: str, mark: Mark) -> str:
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    return line[mark.column] if mark.column < len(line) else ""


def _bad_start(character: str, place: Place) -> Problem:
    if character == "\t":
        return Problem(Code.YAML_TAB, "a tab stands where YAML allows spaces only", place, hint="indent with spaces")
    hint = f"quote the value: '{character}…'"
    return Problem(Code.YAML_SYNTAX, f'a value cannot begin with "{character}"', place, hint=hint)
