"""`.env` and `env_file`: lines of variables, in the grammar docker compose reads.

    VAR=value      VAR: value      export VAR=value      VAR (taken from the environment)      # comment
    'literal'      "escapes \\n and $VARIABLES"             unquoted $VARIABLES, up to ` #`

Quoted values may span lines. Format `raw` takes what follows the `=` to the letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from composer.frozen import field, mutable
from composer.loader.codes import Code
from composer.loader.problems import Place, Problem, Severity
from composer.loader.template import BadTemplate, Lookup, parse_template, substitute

_KEY = re.compile(r"(?:export[ \t]+)?([^=:\n]*)(?:([=:])|(?=\n)|$)")
_GOOD_KEY = re.compile(r"[A-Za-z0-9_.\-\[\]]+")
_BLANK = re.compile(r"(?:\s+|#[^\n]*)*")
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_CLOSING = {"'": re.compile(r"(?:[^'\\]|\\.)*'", re.S), '"': re.compile(r'(?:[^"\\]|\\.)*"', re.S)}
_ESCAPE = re.compile(r"\\(0[0-7]{1,3}|.)", re.S)
_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "$": "$$",
}


class BadEnvFile(ValueError):
    """A file of variables cannot be read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def parse_env(
    text: str, *, file: str, lookup: Lookup, warn: Callable[[Problem], None], earlier: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The variables of a file in order. `lookup` answers first, then the values read so far, then `earlier` files."""
    reader = _Reader(text.removeprefix("\ufeff").replace("\r\n", "\n"), file, lookup, warn, earlier or {})
    reader.read()
    return reader.values


def parse_raw_env(text: str, *, file: str, lookup: Lookup) -> dict[str, str]:
    """Format `raw`: KEY=VALUE, verbatim."""
    values: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        key, equals, value = line.partition("=")
        if not key.strip() or key.lstrip().startswith("#"):
            continue
        if re.search(r"\s", key.strip() if not equals else key.lstrip()):
            place = Place(file, number, 1, number, len(key) + 1)
            message = f'the name "{key}" contains a space'
            raise BadEnvFile(Problem(Code.ENV_FILE_SYNTAX, message, place, hint="write NAME=value"))
        inherited = value if equals else lookup(key.strip())
        if inherited is not None:
            values[key.strip()] = inherited
    return values


@mutable
class _Reader:
    text: str
    file: str
    lookup: Lookup
    warn: Callable[[Problem], None]
    earlier: Mapping[str, str]
    position: int = 0
    values: dict[str, str] = field(default_factory=dict)

    def read(self) -> None:
        self._skip_blank()
        while self.position < len(self.text):
            self._statement()
            self._skip_blank()

    def _skip_blank(self) -> None:
        blank = _BLANK.match(self.text, self.position)
        self.position = blank.end() if blank else self.position

    def _statement(self) -> None:
        match = _KEY.match(self.text, self.position)
        assert match is not None  # every part of the pattern may be empty
        key = self._key(match[1].strip())
        self.position = match.end()
        value = self._value() if match[2] else self.lookup(key)
        if value is not None:
            self.values[key] = value

    def _key(self, key: str) -> str:
        if not key:
            raise self._bad("a line has no variable's name", hint="write NAME=value")
        if re.search(r"\s", key):
            raise self._bad(f'the name "{key}" contains a space', hint="write NAME=value")
        if not _GOOD_KEY.fullmatch(key):
            raise self._bad(f'"{key}" is not a variable\'s name', hint="use letters, digits and underscores")
        return key

    def _value(self) -> str:
        while self.text[self.position : self.position + 1] in (" ", "\t"):
            self.position += 1
        quote = self.text[self.position : self.position + 1]
        return self._quoted(quote) if quote in _CLOSING else self._unquoted()

    def _unquoted(self) -> str:
        end = self.text.find("\n", self.position)
        end = len(self.text) if end < 0 else end
        value = _COMMENT.sub("", self.text[self.position : end]).rstrip()
        value = self._expanded(value)
        self.position = end
        return value

    def _quoted(self, quote: str) -> str:
        closed = _CLOSING[quote].match(self.text, self.position + 1)
        if closed is None:
            line = self.text[self.position :].split("\n", 1)[0]
            raise self._bad(f"a quoted value is not closed: {line}", hint=f"write {quote} behind it")
        inner = closed[0][:-1]
        value = inner.replace("\\'", "'") if quote == "'" else self._expanded(_ESCAPE.sub(_unescaped, inner))
        self.position = closed.end()
        self._nothing_follows()
        return value

    def _nothing_follows(self) -> None:
        rest = self.text[self.position :].split("\n", 1)[0]
        if rest.strip() and not rest.strip().startswith("#"):
            raise self._bad(f'"{rest.strip()}" follows a quoted value', hint="quote the whole value")
        self.position += len(rest)

    def _expanded(self, value: str) -> str:
        if "$" not in value:
            return value
        try:
            return substitute(parse_template(value), self._known, unset=self._unset)
        except BadTemplate as problem:
            raise self._bad(problem.message, hint=problem.hint) from None

    def _known(self, name: str) -> str | None:
        value = self.lookup(name)
        if value is None:
            value = self.values.get(name)
        return self.earlier.get(name) if value is None else value

    def _unset(self, name: str) -> None:
        message = f'the variable "{name}" is not set; an empty text is used'
        hint = "quote the value with ' where $ is meant literally"
        self.warn(Problem(Code.UNSET_VARIABLE, message, self._place(), hint=hint, severity=Severity.WARNING))

    def _bad(self, message: str, *, hint: str | None) -> BadEnvFile:
        return BadEnvFile(Problem(Code.ENV_FILE_SYNTAX, message, self._place(), hint=hint))

    def _place(self) -> Place:
        before = self.text[: self.position]
        line, column = before.count("\n") + 1, self.position - before.rfind("\n")
        return Place(self.file, line, column, line, column + 1)


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if escape[0] == "0" and len(escape) > 1:
        return chr(int(escape, 8))
    return _ESCAPES.get(escape, match[0])
