"""`@frozen` and `@mutable`: dataclasses with slots that cost next to nothing to make.

The methods of a frozen dataclass are written and compiled when its module is imported: half a millisecond a class, and
with some three hundred classes more than half of the time in which a command or a supervisor starts. Here equality,
hash and representation are functions that all classes share, and `__init__` is a copy of one compiled for the first
class of its shape, under other names, made when the first object of the class is. `dataclasses` itself, which imports
`inspect`, is loaded only when somebody asks it about one of these classes; to it, and to type checkers, they are
dataclasses.

That nobody changes an object of a frozen class is what the type checker sees to, and no check at run time, which would
make every object twice as dear to create.
"""

from __future__ import annotations

from operator import attrgetter
from types import CodeType, FunctionType

TYPE_CHECKING = (
    False  # as type checkers know it: `typing` itself is too dear for the rooms that containers are forked from
)
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import MISSING as MISSING
    from dataclasses import field as field
    from dataclasses import fields as fields
    from dataclasses import replace as replace
    from typing import Any, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_):
        return lambda decorator: decorator

    class _Missing:
        def __repr__(self):
            return "MISSING"

    MISSING = _Missing()

    def field(*, default=MISSING, default_factory=MISSING, init=True, repr=True, compare=True):
        """As `dataclasses.field`."""
        return _Field("", default, default_factory, init, repr, compare)

    def fields(cls):
        """Of a class, or of the class of an object: in the order of `__init__`."""
        return cls.__frozen_fields__

    def replace(this, /, **changes):
        """A copy with other values in some fields."""
        for name in this.__match_args__:
            if name not in changes:
                changes[name] = getattr(this, name)
        return this.__class__(**changes)


def make(cls: type[T], values: dict[str, Any]) -> T:
    """An object with these values of fields by their names, and defaults in the others: asks for no `__init__`, which
    is dear to make where there is going to be one object."""
    this = cls.__new__(cls)
    those: Any = cls
    for it in those.__frozen_fields__:
        setattr(this, it.name, values[it.name] if it.name in values else _default(it))
    return this


def promise(cls: type[T], values: dict[str, Any], read: Callable[[str, Any], Any]) -> T:
    """As `make`, of values that `read`, called with a field's name and its value here, turns into what the field has,
    once that is first looked at. What `read` raises, that look raises."""
    this: Any = (_PROMISED.get(cls) or _promised(cls)).__new__(_PROMISED[cls])
    this.__values__, this.__read__ = values, read
    return this  # type: ignore[no-any-return]  # an object of a class below it


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A dataclass whose objects are equal where their fields are, and hashable where these are."""
    return _made(cls, _VALUE)


@dataclass_transform(eq_default=False, field_specifiers=(field,))
def mutable(cls: type[T]) -> type[T]:
    """A dataclass whose objects change, and are equal to themselves alone."""
    return _made(cls, _ENTITY)


def complete() -> None:
    """Have everything made of all classes that are there, for who is going to fork and share it."""
    for cls in tuple(_PENDING):
        _complete(cls)


def is_ours(it: object) -> bool:
    """Whether it is such a class, or an object of one."""
    return hasattr(it, "__frozen_fields__")


class _Field:
    """What a class says about one of its fields; `fields` gives them."""

    __slots__ = ("compare", "default", "default_factory", "init", "name", "repr")

    def __init__(
        self,
        name: str,
        default: Any = MISSING,
        default_factory: Any = MISSING,
        init: bool = True,
        repr: bool = True,
        compare: bool = True,
    ) -> None:
        self.name = name
        self.default = default
        self.default_factory = default_factory
        self.init = init
        self.repr = repr
        self.compare = compare


def _made(cls: type[T], methods: dict[str, Any]) -> type[T]:
    """The class anew, with slots. Hundreds are made before a command begins: no call, no copy that need not be."""
    namespace: dict[str, Any] = {**methods, **cls.__dict__}
    for name in ("__dict__", "__weakref__"):
        namespace.pop(name, None)
    everything: dict[str, Any] = {}
    for base in cls.__mro__[-2:0:-1]:
        everything |= {it.name: it for it in base.__dict__.get("__frozen_fields__", ())}
    own = []
    for name in namespace.get("__annotations__", ()):
        given = namespace.pop(name, MISSING)
        if given is MISSING:
            it = _Field(name)
        elif isinstance(given, _Field):
            it, it.name = given, name
        elif type(given).__module__ == "dataclasses":
            raise TypeError(f"{cls.__qualname__}.{name}: the field() of composer.frozen is wanted")
        else:
            it = _Field(name, given)
        if name not in everything:
            own.append(name)
        everything[name] = it
    those = namespace["__frozen_fields__"] = (*everything.values(),)
    namespace["__slots__"] = own
    namespace["__match_args__"] = tuple([it.name for it in those if it.init])
    namespace["__dataclass_fields__"] = _AS_DATACLASS
    namespace["__init__"] = _first_init
    compared = [it.name for it in those if it.compare]
    namespace["__key__"] = staticmethod(attrgetter(*compared) if compared else _nothing)
    metaclass: Any = type(cls)
    made: type[T] = metaclass(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    _PENDING[made] = None
    return made


# ---- __init__ -------------------------------------------------------------------------------------------------------


_PENDING: dict[type, None] = {}  # classes of which there has been no object


def _first_init(self: Any, /, *args: Any, **kwargs: Any) -> None:
    """In the place of `__init__` until somebody needs it: most classes that are imported are never used.

    Another thread may be here for the same class: then it is done twice, to the same effect.
    """
    cls = next(base for base in type(self).__mro__ if "__frozen_fields__" in base.__dict__)
    _complete(cls)
    cls.__init__(self, *args, **kwargs)  # type: ignore[misc]  # it is this very class's


def _complete(cls: Any) -> None:
    cls.__init__ = _initializer(cls, cls.__frozen_fields__)
    _PENDING.pop(cls, None)


def _initializer(cls: type, those: tuple[Any, ...]) -> FunctionType:
    shape = "".join(map(_letter, those))
    code = _TEMPLATES.get(shape) or _TEMPLATES.setdefault(shape, _compiled(shape))
    names = {f"field{number}": it.name for number, it in enumerate(those)}
    code = code.replace(
        co_varnames=tuple(names.get(name, name) for name in code.co_varnames),
        co_names=tuple(names.get(name, name) for name in code.co_names),
        co_qualname=f"{cls.__qualname__}.__init__",
    )
    factories = {f"make{number}": _maker(it) for number, it in enumerate(those)}
    init = FunctionType(code, {"MISSING": MISSING, **factories}, "__init__")
    init.__defaults__ = tuple(it.default for it in those if it.init and not _is_required(it))
    return init


# ---- fields that are made when they are looked at -------------------------------------------------------------------


_PROMISED: dict[type, Any] = {}  # to each class one below it, whose objects pass for its own


def _promised(cls: Any) -> Any:
    """Python asks `__getattr__` for a slot in which nothing is yet, and a class without it pays nothing for this."""
    those = {it.name: it for it in cls.__frozen_fields__}

    def look(this: Any, name: str) -> Any:
        if name not in those:
            raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r}")
        value = this.__read__(name, this.__values__[name]) if name in this.__values__ else _default(those[name])
        setattr(this, name, value)
        return value

    namespace = {"__slots__": ("__read__", "__values__"), "__getattr__": look, "__class__": property(lambda _: cls)}
    made = _PROMISED[cls] = type(cls)(cls.__name__, (cls,), namespace)
    return made


def _default(it: Any) -> Any:
    return it.default if it.default_factory is MISSING else it.default_factory()


def _is_required(it: Any) -> bool:
    return it.default is MISSING and it.default_factory is MISSING


def _letter(it: Any) -> str:
    """What distinguishes shapes: given, or made by a factory where it is not; "i" is made always, and in no call."""
    if not it.init:
        return "i"
    return "g" if it.default_factory is MISSING else "f"


def _maker(it: Any) -> Callable[[], Any]:
    made: Callable[[], Any] = (lambda: it.default) if it.default_factory is MISSING else it.default_factory
    return made


def _compiled(shape: str) -> CodeType:
    parameters, lines = ["self"], []
    for number, letter in enumerate(shape):
        name = f"field{number}"
        parameter, value = {
            "g": (name, name),
            "f": (name, f"make{number}() if {name} is MISSING else {name}"),
            "i": ("", f"make{number}()"),
        }[letter]
        parameters += [parameter] if parameter else []
        lines.append(f" self.{name} = {value}\n")
    made: dict[str, Any] = {}
    exec(f"def __init__({', '.join(parameters)}):\n{''.join(lines) or ' pass'}", made)  # our own words
    code: CodeType = made["__init__"].__code__
    return code


_TEMPLATES: dict[str, CodeType] = {}


# ---- what all classes share -----------------------------------------------------------------------------------------


class _AsDataclass:
    """`__dataclass_fields__`, by which `dataclasses` knows a class as one of its own: made when it is asked for."""

    def __get__(self, _this: object, cls: Any) -> Any:
        import dataclasses

        missing = {id(MISSING): dataclasses.MISSING}
        types = {
            name: it
            for base in reversed(cls.__mro__)
            for name, it in base.__dict__.get("__annotations__", {}).items()  # noqa: RUF063  # inspect is what costs
        }
        made = {}
        for it in cls.__frozen_fields__:
            as_field: Any = dataclasses.field(
                default=missing.get(id(it.default), it.default),
                default_factory=missing.get(id(it.default_factory), it.default_factory),
                init=it.init,
                repr=it.repr,
                compare=it.compare,
            )
            as_field.name, as_field.type = it.name, types[it.name]
            as_field._field_type = dataclasses._FIELD  # type: ignore[attr-defined]
            made[it.name] = as_field
        return made


_AS_DATACLASS = _AsDataclass()


def _nothing(_self: object) -> tuple[()]:
    return ()


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self.__key__(self) == self.__key__(other)


def _hash(self: Any) -> int:
    return hash(self.__key__(self))


def _repr(self: Any) -> str:
    inner = ", ".join(f"{it.name}={getattr(self, it.name)!r}" for it in self.__frozen_fields__ if it.repr)
    return f"{self.__class__.__qualname__}({inner})"


_VALUE = {"__eq__": _eq, "__hash__": _hash, "__repr__": _repr}
_ENTITY = {"__repr__": _repr}
