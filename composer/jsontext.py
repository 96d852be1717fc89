"""JSON for what is read and written at every start, without `json`, which imports `re`: together a quarter of `ps`.

The functions in C that `json` is made of do the work. Nobody has documented them: an interpreter that has none, or
others, does it by `json`. So does whatever is not JSON, for the words to be the ones that everybody knows.
"""

from __future__ import annotations

from composer.hints import Any, Callable

_WHITESPACE = " \t\n\r"


def loads(text: str | bytes) -> Any:
    """As `json.loads`, of UTF-8. Raises ValueError, RecursionError."""
    if isinstance(text, bytes):
        text = text.decode(errors="surrogatepass")
    if _scan is not None:
        stripped = text.strip(_WHITESPACE)
        try:
            value, end = _scan(stripped, 0)
        except (StopIteration, ValueError, SystemError):  # the last while nobody has imported `json.decoder`
            end = -1
        if end == len(stripped):
            return value
    import json

    return json.loads(text)


def dumps(value: object, *, ascii: bool = False) -> str:
    """As `json.dumps`, without spaces. `ascii`: characters beyond it are escaped, surrogates as well."""
    encode = _encode_ascii if ascii else _encode
    if encode is not None:
        return "".join(encode(value, 0))
    import json

    return json.dumps(value, ensure_ascii=ascii, separators=(",", ":"))


def pretty(value: object, *, indent: str = "    ", margin: str = "\n") -> str:
    """As `json.dumps` of trees whose keys are strings, a line for each item, `indent` further in than what it is in."""
    inner = margin + indent
    if isinstance(value, dict) and value:
        items = [f"{dumps(key)}: {pretty(it, indent=indent, margin=inner)}" for key, it in value.items()]
        return f"{{{inner}{f',{inner}'.join(items)}{margin}}}"
    if isinstance(value, list | tuple) and value:
        items = [pretty(it, indent=indent, margin=inner) for it in value]
        return f"[{inner}{f',{inner}'.join(items)}{margin}]"
    return dumps(value)


class _Decoder:
    """What the scanner asks how to read things."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod({"-Infinity": float("-inf"), "Infinity": float("inf"), "NaN": float("nan")}.get)


def _refuse(value: object) -> object:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_scan: Callable[[str, int], tuple[Any, int]] | None
_encode: Callable[[object, int], tuple[str, ...]] | None
_encode_ascii: Callable[[object, int], tuple[str, ...]] | None
try:
    import _json

    make_scanner: Any = _json.make_scanner  # typeshed says nothing of its argument
    _scan = make_scanner(_Decoder)
    _encode, _encode_ascii = (
        _json.make_encoder({}, _refuse, escape, None, ":", ",", False, False, True)
        for escape in (_json.encode_basestring, _json.encode_basestring_ascii)
    )
except (ImportError, AttributeError, TypeError):
    _scan = _encode = _encode_ascii = None
