r"""The part of Go's template language that `--format` is used with.

    {{.Name}}   {{.State.Status}}   {{json .}}   {{json .Labels}}   {{upper .Name}}   {{.Label "key"}}   {{"\t"}}
    table {{.Name}}\t{{.State}}          columns with a header

Anything else is refused with a message rather than misread.
"""

from __future__ import annotations

import json
import re

from composer.cli.render.table import table
from composer.errors import UsageError
from composer.hints import Callable, Mapping, Sequence

Row = Mapping[str, object]
Part = Callable[[Row], str]

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.S)
_CALL = re.compile(r"(?:(json|upper|lower|title|println)\s+)?\.((?:\w+(?:\.\w+)*)?)")
_LABEL = re.compile(r'\.Label\s+"([^"]*)"')
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPES = {r"\t": "\t", r"\n": "\n"}

_WORDS: dict[str, Callable[[object], str]] = {
    "json": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    "upper": lambda value: _plain(value).upper(),
    "lower": lambda value: _plain(value).lower(),
    "title": lambda value: _plain(value).title(),
    "println": lambda value: f"{_plain(value)}\n",
    "": lambda value: _plain(value),
}


def render(template: str, rows: Sequence[Row], *, fields: Sequence[str]) -> str:
    """One line per row; with `table ` in front, columns under headers. Raises UsageError."""
    is_table = template.startswith("table ")
    source = _unescaped(template.removeprefix("table ").strip() if is_table else template)
    parts = _compile(source, fields)
    lines = ["".join(part(row) for part in parts) for row in rows]
    if not is_table:
        return "\n".join(lines)
    header = _ACTION.sub(lambda match: _heading(match[1]), source).split("\t")
    return table(header, [line.split("\t") for line in lines])


def _compile(source: str, fields: Sequence[str]) -> list[Part]:
    parts: list[Part] = []
    position = 0
    for match in _ACTION.finditer(source):
        parts.append(_literal(source[position : match.start()]))
        parts.append(_action(match[1], fields))
        position = match.end()
    rest = source[position:]
    if "{{" in rest:
        raise UsageError(f"cannot read --format {source!r}: {{{{ is not closed")
    return [*parts, _literal(rest)]


def _action(text: str, fields: Sequence[str]) -> Part:
    if quoted := _TEXT.fullmatch(text):
        return _literal(_unescaped(quoted[1]))
    if label := _LABEL.fullmatch(text):
        return lambda row: _label(row, label[1])
    call = _CALL.fullmatch(text)
    if call is None:
        raise UsageError(
            f"cannot read {{{{{text}}}}} in --format", hint="write {{.Field}}, {{json .}} or {{upper .Field}}"
        )
    word, path = call[1] or "", call[2].split(".") if call[2] else []
    if path and fields and path[0] not in fields:
        raise UsageError(f"there is no field .{path[0]}", hint=_suggestion(path[0], fields))
    return lambda row: _WORDS[word](_found(row, path))


def _suggestion(name: str, fields: Sequence[str]) -> str:
    from composer.loader.nearest import did_you_mean

    return did_you_mean(name, fields) or f"there are {', '.join(fields)}"


def _found(row: Row, path: list[str]) -> object:
    value: object = row
    for name in path:
        value = value.get(name, "") if isinstance(value, Mapping) else ""
    return value


def _label(row: Row, key: str) -> str:
    labels = row.get("Labels", "")
    if isinstance(labels, Mapping):
        return _plain(labels.get(key, ""))
    pairs = dict(pair.partition("=")[::2] for pair in str(labels).split(","))
    return pairs.get(key, "")


def _literal(text: str) -> Part:
    return lambda _row: text


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def _heading(action: str) -> str:
    call = _CALL.fullmatch(action)
    name = call[2].rpartition(".")[2] if call else ""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).upper()


def _unescaped(text: str) -> str:
    for escape, character in _ESCAPES.items():
        text = text.replace(escape, character)
    return text
