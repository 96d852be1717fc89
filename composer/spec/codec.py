"""Specs to JSON and back, by their annotations. Unions of dataclasses carry the class name as "type".

Fields at their default are left out, so a record stays short and an older reader meets fewer unknown fields.
"""

from __future__ import annotations

import sys
import types

from composer import jsontext
from composer.enums import Enum
from composer.errors import PycomposeError
from composer.frozen import MISSING, fields, is_ours, make, promise
from composer.hints import Any, Callable, TypeVar

T = TypeVar("T")
TAG = "type_"


class DecodeError(PycomposeError, ValueError):
    """The JSON does not describe a value of the expected type."""


def dumps(value: object) -> str:
    """A dataclass value as compact JSON, keys in field order."""
    return jsontext.dumps(encode(value))


def loads(cls: type[T], text: str | bytes, *, late: bool = False) -> T:
    """The value of type `cls` that `dumps` wrote. Raises DecodeError.

    `late`: for who looks at few of its fields. Each is decoded when it is looked at, which raises DecodeError then.
    """
    try:
        tree = jsontext.loads(text)
    except ValueError as error:
        raise DecodeError(f"not JSON: {error}") from error
    return decode(cls, tree, late=late)


def encode(value: object) -> Any:
    """A value as plain JSON data."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    if not is_ours(value):
        return value
    cls: Any = type(value)
    tree: dict[str, Any] = {}
    for name, default, tagged in _layout(cls):
        item = getattr(value, name)
        if default is MISSING or item != default:
            tree[name] = encode(item)
            if tagged:
                tree[name] = _tagged(item, tree[name])
    return tree


def decode(cls: type[T], tree: Any, *, late: bool = False) -> T:
    """The value of type `cls` that `encode` made plain. Raises DecodeError; unknown fields are an error."""
    hint: Any = cls
    try:
        value: T = _decoder(hint, late)(tree)
    except (TypeError, KeyError, AttributeError) as error:
        raise DecodeError(f"cannot read {cls.__name__}: {error}") from error
    return value


_LAYOUTS: dict[type, tuple[tuple[str, Any, bool], ...]] = {}
_DECODERS: dict[tuple[Any, bool], Callable[[Any], Any]] = {}


def _layout(cls: Any) -> tuple[tuple[str, Any, bool], ...]:
    """(field name, default, whether its type is a union that needs the tag) for each field."""
    if cls not in _LAYOUTS:
        _LAYOUTS[cls] = tuple((it.name, it.default, _is_tagged(_hint(cls, it.name))) for it in fields(cls))
    return _LAYOUTS[cls]


def _hint(cls: type, name: str) -> Any:
    """The type of a field, as `typing.get_type_hints` says it; nothing here is more than `|` and `[]`."""
    for base in cls.__mro__:
        text = base.__dict__.get("__annotations__", {}).get(name)  # noqa: RUF063  # inspect is dear
        if text is not None:
            return eval(text, sys.modules[base.__module__].__dict__)  # our own words
    raise AttributeError(name)


def _args(hint: Any) -> tuple[Any, ...]:
    args: tuple[Any, ...] = getattr(hint, "__args__", ())
    return args


def _is_tuple(hint: Any) -> bool:
    return getattr(hint, "__origin__", None) is tuple


def _is_tagged(hint: Any) -> bool:
    if _is_tuple(hint):
        hint = _args(hint)[0]
    return len(_dataclasses_of(hint)) > 1


def _dataclasses_of(hint: Any) -> list[Any]:
    return [arm for arm in _args(hint) if is_ours(arm)] if isinstance(hint, types.UnionType) else []


def _tagged(item: object, tree: Any) -> Any:
    if isinstance(item, tuple):
        return [_tagged(part, subtree) for part, subtree in zip(item, tree, strict=True)]
    return {TAG: type(item).__name__, **tree} if is_ours(item) else tree


def _decoder(hint: Any, late: bool) -> Callable[[Any], Any]:
    if (hint, late) not in _DECODERS:
        _DECODERS[hint, late] = _made_decoder(hint, late)
    return _DECODERS[hint, late]


def _made_decoder(hint: Any, late: bool) -> Callable[[Any], Any]:
    if isinstance(hint, types.UnionType):
        return _union_decoder(hint, late)
    if _is_tuple(hint):
        return _tuple_decoder(_args(hint), late)
    if is_ours(hint) and isinstance(hint, type):
        return _dataclass_decoder(hint, late)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_decoder(hint)
    return _plain_decoder(hint)


def _dataclass_decoder(cls: type, late: bool) -> Callable[[Any], Any]:
    names = {it.name for it in fields(cls)}
    decoders: dict[str, Callable[[Any], Any]] = {}  # of those fields that have been met
    required = {it.name for it in fields(cls) if it.default is MISSING and it.default_factory is MISSING}

    def decode_dataclass(tree: Any) -> Any:
        if not isinstance(tree, dict):
            raise DecodeError(f"cannot read {cls.__name__}: a JSON object expected, not {tree!r:.40}")
        if missing := required - tree.keys():
            raise DecodeError(f"cannot read {cls.__name__}: it lacks {', '.join(sorted(missing))}")
        if unknown := tree.keys() - names - {TAG}:
            raise DecodeError(f"cannot read {cls.__name__}: unknown {', '.join(sorted(unknown))}")
        if late:
            return promise(cls, tree, decode_late)
        return make(cls, {name: decoder(name)(item) for name, item in tree.items() if name != TAG})

    def decoder(name: str) -> Callable[[Any], Any]:
        if name not in decoders:
            decoders[name] = _decoder(_hint(cls, name), late)
        return decoders[name]

    def decode_late(name: str, item: Any) -> Any:
        try:
            return decoder(name)(item)
        except (TypeError, KeyError, AttributeError) as error:
            hint = "what is kept of it on disk is damaged, or another version of pycompose has written it"
            raise DecodeError(f"cannot read {name} of a {cls.__name__}: {error}", hint=hint) from error

    return decode_dataclass


def _union_decoder(hint: Any, late: bool) -> Callable[[Any], Any]:
    by_name = {arm.__name__: _decoder(arm, late) for arm in _dataclasses_of(hint)}
    others = [arm for arm in _args(hint) if not is_ours(arm)]

    def decode_union(tree: Any) -> Any:
        if isinstance(tree, dict) and by_name:
            return by_name[tree[TAG]](tree) if len(by_name) > 1 else next(iter(by_name.values()))(tree)
        if tree is None and type(None) in others:
            return None
        return _first_fit(tree, others)

    return decode_union


def _first_fit(tree: Any, arms: list[Any]) -> Any:
    for arm in arms:
        try:
            return _decoder(arm, False)(tree)
        except (TypeError, DecodeError):
            continue
    raise DecodeError(f"{tree!r} fits none of {arms}")


def _tuple_decoder(args: tuple[Any, ...], late: bool) -> Callable[[Any], Any]:
    if len(args) == 2 and args[1] is Ellipsis:
        item_decoder = _decoder(args[0], late)
        return lambda tree: tuple([item_decoder(item) for item in tree])
    decoders = [_decoder(arg, late) for arg in args]

    def decode_fixed(tree: Any) -> Any:
        if len(tree) != len(decoders):
            raise DecodeError(f"{len(decoders)} items expected, not {len(tree)}")
        return tuple([decoder(item) for decoder, item in zip(decoders, tree, strict=True)])

    return decode_fixed


def _enum_decoder(cls: type[Enum]) -> Callable[[Any], Any]:
    def decode_enum(tree: Any) -> Enum:
        try:
            return cls(tree)
        except ValueError as error:
            raise DecodeError(str(error)) from error

    return decode_enum


def _plain_decoder(hint: Any) -> Callable[[Any], Any]:
    def decode_plain(tree: Any) -> Any:
        # bool is an int to isinstance, and JSON writes 1.0 as 1: neither may pass for the other silently
        if type(tree) is not hint and not (hint is float and type(tree) is int):
            raise DecodeError(f"{hint.__name__} expected, not {tree!r}")
        return tree

    return decode_plain
