"""A seccomp profile as a value: Docker's JSON, of which the OCI runtime specification's is a part.

Beyond this module: numbers and programs (`compile`). A mistake in a profile loosens a sandbox unseen, so
whatever is not understood is an error that names its place in the JSON.

Docker's format adds `archMap`, `includes` and `excludes` to the specification's (config-linux.md, "Seccomp").
"""

from __future__ import annotations

from typing import Any, TypeVar

from composer.frozen import field, frozen
from composer.hints import Callable, Collection, Mapping
from composer.linux.capability import mask_of
from composer.linux.seccomp.architecture import KNOWN_ARCHITECTURES

EPERM = 1

ACTIONS = {  # SECCOMP_RET_* of <linux/seccomp.h>
    "SCMP_ACT_KILL": 0x00000000,  # the thread: the name is older than the choice
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
WITH_ERRNO = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")  # the low half of the value is an errno, or the tracer's message
PERMISSIVE = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE")

OPERATORS = tuple(f"SCMP_CMP_{name}" for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"))

Json = Any
Value = TypeVar("Value")
Default = TypeVar("Default")


@frozen
class Action:
    """What the kernel does: one of ACTIONS, with its errno where it has one."""

    name: str
    errno: int = EPERM

    @property
    def value(self) -> int:
        """The filter's return value."""
        return ACTIONS[self.name] | (self.errno if self.name in WITH_ERRNO else 0)


@frozen
class Argument:
    """A condition on call argument `index`, as an unsigned 64-bit number.

    For SCMP_CMP_MASKED_EQ, `value` is the mask and `value_two` what must be left under it.
    """

    index: int
    value: int
    operator: str
    value_two: int = 0


@frozen
class Conditions:
    """When a rule counts. `caps` is a mask; `min_kernel` is (major, minor), (0, 0) for no condition."""

    caps: int = 0
    arches: tuple[str, ...] = ()
    min_kernel: tuple[int, int] = (0, 0)


ALWAYS = Conditions()


@frozen
class Rule:
    """What to do with the calls `names` when all `args` hold, if `includes` and not `excludes`."""

    names: tuple[str, ...]
    action: Action
    args: tuple[Argument, ...] = ()
    includes: Conditions = ALWAYS
    excludes: Conditions = ALWAYS


@frozen
class Profile:
    """A profile. `architectures` counts on every machine, `arch_map` adds to each machine's own architecture."""

    default_action: Action
    rules: tuple[Rule, ...] = ()
    architectures: tuple[str, ...] = ()
    arch_map: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def decode_profile(document: Json) -> Profile:
    """A profile from decoded JSON. Raises ValueError that begins with the place, e.g. "$.syscalls[2].action: "."""
    fields = _Fields(document, "$")
    default_errno = fields.take("defaultErrnoRet", _errno, default=EPERM)
    profile = Profile(
        default_action=_action(fields, "defaultAction", errno=default_errno),
        rules=fields.take("syscalls", _tuple_of(_rule), default=()),
        architectures=fields.take("architectures", _tuple_of(_architecture), default=()),
        arch_map=dict(fields.take("archMap", _tuple_of(_arch_map_entry), default=())),
    )
    if profile.architectures and profile.arch_map:
        raise ValueError("$.archMap: cannot be used together with architectures")
    fields.take("flags", _tuple_of(_flag), default=())
    fields.refuse_others()
    return profile


class _Fields:
    """The members of a JSON object, taken one by one; null counts as absent, as in Go's decoder."""

    def __init__(self, document: Json, place: str) -> None:
        if not isinstance(document, dict):
            raise ValueError(f"{place}: expected an object, found {_kind(document)}")
        self.members = {key: value for key, value in document.items() if value is not None}
        self.place = place
        self.expected: list[str] = []

    def take(self, key: str, decode: Callable[[Json, str], Value], *, default: Default) -> Value | Default:
        self.expected.append(key)
        if key not in self.members:
            return default
        return decode(self.members.pop(key), f"{self.place}.{key}")

    def require(self, key: str, decode: Callable[[Json, str], Value]) -> Value:
        if key not in self.members:
            raise ValueError(f"{self.place}.{key}: missing")
        self.expected.append(key)
        return decode(self.members.pop(key), f"{self.place}.{key}")

    def refuse_others(self) -> None:
        for key in self.members:
            raise ValueError(f"{self.place}.{key}: unknown; expected one of {', '.join(self.expected)}")


def _rule(document: Json, place: str) -> Rule:
    fields = _Fields(document, place)
    name: tuple[str, ...] = fields.take("name", _one_text, default=())  # as profiles had it before Docker 1.13
    names: tuple[str, ...] = fields.take("names", _tuple_of(_text), default=())
    if bool(name) == bool(names):
        raise ValueError(f"{place}: needs either names or name")
    rule = Rule(
        names=names or name,
        action=_action(fields, "action", errno=fields.take("errnoRet", _errno, default=None)),
        args=fields.take("args", _tuple_of(_argument), default=()),
        includes=fields.take("includes", _conditions, default=ALWAYS),
        excludes=fields.take("excludes", _conditions, default=ALWAYS),
    )
    fields.take("comment", _text, default="")
    fields.refuse_others()
    return rule


def _action(fields: _Fields, key: str, *, errno: int | None) -> Action:
    name = fields.require(key, _one_of(ACTIONS))
    if errno is not None and key == "action" and name not in WITH_ERRNO:
        raise ValueError(f"{fields.place}.errnoRet: {name} has no errno")
    return Action(name, EPERM if errno is None else errno)


def _argument(document: Json, place: str) -> Argument:
    fields = _Fields(document, place)
    argument = Argument(
        index=fields.require("index", _number_to(5)),
        value=fields.take("value", _number_to(2**64 - 1), default=0),
        operator=fields.require("op", _one_of(OPERATORS)),
        value_two=fields.take("valueTwo", _number_to(2**64 - 1), default=0),
    )
    fields.refuse_others()
    return argument


def _conditions(document: Json, place: str) -> Conditions:
    fields = _Fields(document, place)
    conditions = Conditions(
        caps=fields.take("caps", _capabilities, default=0),
        arches=fields.take("arches", _tuple_of(_text), default=()),
        min_kernel=fields.take("minKernel", _kernel_version, default=(0, 0)),
    )
    fields.refuse_others()
    return conditions


def _arch_map_entry(document: Json, place: str) -> tuple[str, tuple[str, ...]]:
    fields = _Fields(document, place)
    entry = (
        fields.require("architecture", _architecture),
        fields.take("subArchitectures", _tuple_of(_architecture), default=()),
    )
    fields.refuse_others()
    return entry


def _architecture(document: Json, place: str) -> str:
    return _one_of(KNOWN_ARCHITECTURES)(document, place)


def _flag(document: Json, place: str) -> str:
    return _one_of(("SECCOMP_FILTER_FLAG_TSYNC",))(document, place)  # there is one thread to synchronise


def _capabilities(document: Json, place: str) -> int:
    names = _tuple_of(_text)(document, place)
    try:
        return mask_of(names)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _kernel_version(document: Json, place: str) -> tuple[int, int]:
    major, _, minor = _text(document, place).partition(".")
    if not (major.isascii() and major.isdecimal() and minor.isascii() and minor.isdecimal()):
        raise ValueError(f'{place}: expected a version like "4.8", found {document!r}')
    return int(major), int(minor)


def _errno(document: Json, place: str) -> int:
    return _number_to(4095)(document, place)  # MAX_ERRNO: the kernel would cut it


def _text(document: Json, place: str) -> str:
    if not isinstance(document, str):
        raise ValueError(f"{place}: expected text, found {_kind(document)}")
    return document


def _one_text(document: Json, place: str) -> tuple[str, ...]:
    return (_text(document, place),)


def _number_to(largest: int) -> Callable[[Json, str], int]:
    def decode(document: Json, place: str) -> int:
        if type(document) is not int or not 0 <= document <= largest:
            raise ValueError(f"{place}: expected a whole number from 0 to {largest}, found {document!r}")
        return document

    return decode


def _one_of(choices: Collection[str]) -> Callable[[Json, str], str]:
    def decode(document: Json, place: str) -> str:
        text = _text(document, place)
        if text not in choices:
            raise ValueError(f"{place}: unknown {text!r}; expected one of {', '.join(sorted(choices))}")
        return text

    return decode


def _tuple_of(decode: Callable[[Json, str], Value]) -> Callable[[Json, str], tuple[Value, ...]]:
    def decode_all(document: Json, place: str) -> tuple[Value, ...]:
        if not isinstance(document, list):
            raise ValueError(f"{place}: expected a list, found {_kind(document)}")
        return tuple(decode(item, f"{place}[{index}]") for index, item in enumerate(document))

    return decode_all


def _kind(document: Json) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "a truth value", type(None): "null"}
    return kinds.get(type(document), "a number")
