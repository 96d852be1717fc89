"""Specs to JSON and back, by their annotations. Unions of dataclasses carry the class name as "type".

Fields at their default are left out, so a record stays short and an older reader meets fewer unknown fields.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from composer.frozen import MISSING, fields, is_ours

T = TypeVar("T")
TAG = "type_"


class DecodeError(ValueError):
    """The JSON does not describe a value of the expected type."""


def dumps(value: object) -> str:
    """A dataclass value as compact JSON, keys in field order."""
    return json.dumps(encode(value), ensure_ascii=False, separators=(",", ":"))


def loads(cls: type[T], text: str | bytes) -> T:
    """The value of type `cls` that `dumps` wrote. Raises DecodeError."""
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise DecodeError(f"not JSON: {error}") from error
    return decode(cls, tree)


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


def decode(cls: type[T], tree: Any) -> T:
    """The value of type `cls` that `encode` made plain. Raises DecodeError; unknown fields are an error."""
    hint: Any = cls
    try:
        value: T = _decoder(hint)(tree)
    except (TypeError, KeyError, AttributeError) as error:
        raise DecodeError(f"cannot read {cls.__name__}: {error}") from error
    return value


@cache
def _layout(cls: Any) -> tuple[tuple[str, Any, bool], ...]:
    """(field name, default, whether its type is a union that needs the tag) for each field."""
    hints = get_type_hints(cls)
    return tuple((field.name, field.default, _is_tagged(hints[field.name])) for field in fields(cls))


def _is_tagged(hint: Any) -> bool:
    if get_origin(hint) is tuple:
        hint = get_args(hint)[0]
    return len(_dataclasses_of(hint)) > 1


def _dataclasses_of(hint: Any) -> list[Any]:
    return [arm for arm in get_args(hint) if is_ours(arm)] if _is_union(hint) else []


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _tagged(item: object, tree: Any) -> Any:
    if isinstance(item, tuple):
        return [_tagged(part, subtree) for part, subtree in zip(item, tree, strict=True)]
    return {TAG: type(item).__name__, **tree} if is_ours(item) else tree


@cache
def _decoder(hint: Any) -> Callable[[Any], Any]:
    origin = get_origin(hint)
    if _is_union(hint):
        return _union_decoder(hint)
    if origin is tuple:
        return _tuple_decoder(get_args(hint))
    if is_ours(hint) and isinstance(hint, type):
        return _dataclass_decoder(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_decoder(hint)
    return _plain_decoder(hint)


def _dataclass_decoder(cls: type) -> Callable[[Any], Any]:
    hints = get_type_hints(cls)
    decoders = {field.name: _decoder(hints[field.name]) for field in fields(cls)}
    required = {it.name for it in fields(cls) if it.default is MISSING and it.default_factory is MISSING}

    def decode_dataclass(tree: Any) -> Any:
        if not isinstance(tree, dict):
            raise DecodeError(f"cannot read {cls.__name__}: a JSON object expected, not {tree!r:.40}")
        if missing := required - tree.keys():
            raise DecodeError(f"cannot read {cls.__name__}: it lacks {', '.join(sorted(missing))}")
        if unknown := tree.keys() - decoders.keys() - {TAG}:
            raise DecodeError(f"cannot read {cls.__name__}: unknown {', '.join(sorted(unknown))}")
        return cls(**{name: decoders[name](item) for name, item in tree.items() if name != TAG})

    return decode_dataclass


def _union_decoder(hint: Any) -> Callable[[Any], Any]:
    by_name = {arm.__name__: _decoder(arm) for arm in _dataclasses_of(hint)}
    others = [arm for arm in get_args(hint) if not is_ours(arm)]

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
            return _decoder(arm)(tree)
        except (TypeError, DecodeError):
            continue
    raise DecodeError(f"{tree!r} fits none of {arms}")


def _tuple_decoder(args: tuple[Any, ...]) -> Callable[[Any], Any]:
    if len(args) == 2 and args[1] is Ellipsis:
        item_decoder = _decoder(args[0])
        return lambda tree: tuple([item_decoder(item) for item in tree])
    decoders = [_decoder(arg) for arg in args]

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
        if hint is not Any and (type(tree) is not hint and not (hint is float and type(tree) is int)):
            raise DecodeError(f"{hint.__name__} expected, not {tree!r}")
        return tree

    return decode_plain
