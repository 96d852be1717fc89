"""The language as a JSON schema, for editors: what may be written, short forms and our own keys too.

Generated from the model: its parts are the objects, its readers the values; the short forms stand in a table beside it,
place by place as in `long_form`. Anything may also be a text with a variable in it. A schema cannot say what `rules`
and `references` check; what it refuses is refused by the loader as well.
"""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from enum import Enum
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from composer.loader.shapes import keys_of
from composer.model import choices, devices, logging, network, ports, scalars, signals, volume
from composer.model.part import Part
from composer.model.project import Project
from composer.model.service import Service

Schema: TypeAlias = "dict[str, Any]"

FILE_NAME = "compose.schema.json"  # beside this module

# ---- values ---------------------------------------------------------------------------------------------------------

_ANYTHING: Schema = {}
_NULL: Schema = {"type": "null"}
_STRING: Schema = {"type": "string"}
_SPELLED: Schema = {"type": ["string", "number", "boolean"]}
_VARIABLE = "\\$"  # an unescaped `$` is taken for a variable, whatever stands round it


def _text(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^({pattern})$|{_VARIABLE}"}


def _words(*words: str) -> Schema:
    return _any({"enum": list(words)}, {"type": "string", "pattern": _VARIABLE})


def _any(*schemas: Schema) -> Schema:
    """One of several, each once; alternatives of alternatives are alternatives."""
    flat: list[Schema] = []
    for schema in schemas:
        flat += [part for part in schema.get("anyOf", [schema]) if part not in flat]
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def _whole(low: int | None = None, high: int | None = None) -> Schema:
    bounds = {key: bound for key, bound in (("minimum", low), ("maximum", high)) if bound is not None}
    return _any({"type": "integer", **bounds}, _text("[+-]?[0-9]+"))


def _caseless(*words: str) -> str:
    return "|".join("".join(f"[{letter.lower()}{letter.upper()}]" for letter in word) for word in words)


_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_UNITS = "ns|us|µs|μs|ms|s|m|h|d|w"
_DURATION = _text(rf"\+?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)({_UNITS}))+)")
_SIZE = _text(r"\s*([0-9]+(\.[0-9]*)?|\.[0-9]+) ?[kKmMgGtTpP]?[iI]?[bB]?\s*")
_BYTES = _any({"type": "integer", "minimum": 0}, _SIZE)
_UNLIMITED: Schema = {"enum": [-1, "-1"]}
_SIGNAL = "|".join(name.removeprefix("SIG") for name in signals.SIGNAL_NAMES)


def _reader(annotation: Any) -> object:
    """The function that reads a value: what tells one kind from another of the same Python type."""
    return next((getattr(item, "func", None) for item in get_args(annotation)[1:]), None)


_READ: dict[object, Schema] = {
    scalars.read_text: _STRING,
    scalars.read_spelled: _SPELLED,
    scalars.read_boolean: _any(
        {"type": "boolean"}, _text(_caseless("true", "false", "yes", "no", "on", "off", "y", "n"))
    ),
    scalars.read_integer: _whole(),
    scalars.read_number: _any({"type": "number"}, _text(_NUMBER)),
    scalars.read_cpus: _any({"type": "number", "minimum": 0}, _text(_NUMBER)),
    scalars.read_size: _BYTES,
    scalars.read_size_or_unlimited: _any(_BYTES, _UNLIMITED),
    logging.read_log_size: _any(_BYTES, _UNLIMITED),
    scalars.read_microseconds: _any(_whole(0), _DURATION),
    scalars.read_file_mode: _any({"type": "integer", "minimum": 0, "maximum": 0o7777}, _text("(0o)?[0-7]+")),
    choices.read_pull_policy: _any(
        _words("always", "never", "missing", "if_not_present", "build", "refresh", "daily", "weekly"),
        _text("every_([0-9]+[wdhms])+"),
    ),
    network.read_published: _any(
        {"type": "integer", "minimum": 0, "maximum": 65535}, _text("([0-9]+(-[0-9]+)?)?"), _NULL
    ),
    choices.read_cpuset: _any({"type": "integer", "minimum": 0}, _text("[0-9, -]*")),
    _reader(choices.NetworkMode): _any(_words("none", "host", "bridge"), _text("(service|container):.+")),
    _reader(choices.PidMode): _any(_words("host", "private"), _text("(service|container):.+")),
    _reader(choices.IpcMode): _any(_words("private", "host", "shareable", "none"), _text("(service|container):.+")),
    _reader(choices.UtsMode): _any(_words("private", "host"), _text("service:.+")),
    _reader(choices.CgroupMode): _any(_words("private", "host"), _text("service:.+")),
    _reader(choices.UsernsMode): _words("private", "host"),
    network.read_address: _STRING,
    network.read_host_address: _STRING,
    volume.read_mount_target: _text(r"/.*|\\\\.*"),
}

_READ_TEXT: dict[type, Schema] = {
    scalars.Duration: _any({"const": 0}, _DURATION),
    ports.PortRange: _any({"type": "integer", "minimum": 0, "maximum": 65535}, _text("[0-9]+(-[0-9]+)?")),
    ports.Exposed: _any(
        {"type": "integer", "minimum": 1, "maximum": 65535},
        _text(f"[0-9]+(-[0-9]+)?(/({_caseless(*ports.PROTOCOLS)}))?"),
    ),
    signals.Signal: _any(
        _words(*signals.SIGNAL_NAMES),
        {"type": "integer", "minimum": 1, "maximum": 64},
        _text(rf"[0-9]+|([sS][iI][gG])?({_caseless(*_SIGNAL.split('|'))}|RT(MIN|MAX)([+-][0-9]+)?|IOT|CLD|POLL|INFO)"),
    ),
    choices.Restart: _any(_words(*(when.value for when in choices.RestartWhen)), _text("on-failure:[0-9]+")),
    devices.Tmpfs: _text("/.*"),
    volume.Exchange: _text("[0-9]{1,10}:[0-9]{1,10}"),
    devices.DeviceRule: _text(r"a|[abc] ([0-9]+|\*):([0-9]+|\*) [rwm]+"),
}

# ---- short forms ----------------------------------------------------------------------------------------------------

_PORT: Schema = {"type": ["string", "integer"]}
_TEXTS: Schema = {"type": "array", "items": _STRING}
_ALL: Schema = {"const": "all"}
_EXTERNAL: Schema = {"type": "object", "properties": {"name": _STRING}, "additionalProperties": False}


def _and_null(*places: str) -> Iterator[tuple[str, Schema]]:
    """Mappings that may be written as a list of KEY=VALUE, and whose values may be left out."""
    for place in places:
        yield place, _TEXTS
        yield f"{place}.*", _NULL


ALSO: dict[str, Schema] = {
    **dict(
        _and_null(
            "services.*.annotations",
            "services.*.build.additional_contexts",
            "services.*.build.args",
            "services.*.build.labels",
            "services.*.build.ssh",
            "services.*.deploy.labels",
            "services.*.deploy.resources.reservations.devices.*.options",
            "services.*.develop.watch.*.exec.environment",
            "services.*.environment",
            "services.*.gpus.*.options",
            "services.*.labels",
            "services.*.post_start.*.environment",
            "services.*.pre_start.*.environment",
            "services.*.pre_stop.*.environment",
            "services.*.volumes.*.volume.labels",
            "networks.*.labels",
            "volumes.*.labels",
            "configs.*.labels",
            "secrets.*.labels",
        )
    ),
    **dict.fromkeys(
        (
            "include.*",
            "include.*.path",
            "include.*.env_file",
            "services.*.build",
            "services.*.build.extra_hosts.*",
            "services.*.build.no_cache_filter",
            "services.*.build.secrets.*",
            "services.*.command",
            "services.*.configs.*",
            "services.*.devices.*",
            "services.*.develop.watch.*.exec.command",
            "services.*.develop.watch.*.ignore",
            "services.*.develop.watch.*.include",
            "services.*.dns",
            "services.*.dns_search",
            "services.*.entrypoint",
            "services.*.env_file",
            "services.*.env_file.*",
            "services.*.extends",
            "services.*.extra_hosts.*",
            "services.*.healthcheck.test",
            "services.*.label_file",
            "services.*.post_start.*.command",
            "services.*.pre_start.*.command",
            "services.*.pre_stop.*.command",
            "services.*.secrets.*",
            "services.*.tmpfs",
            "services.*.volumes.*",
        ),
        _STRING,
    ),
    **dict.fromkeys(
        (
            "services.*.build.extra_hosts",
            "services.*.depends_on",
            "services.*.extra_hosts",
            "services.*.models",
            "services.*.networks",
            "services.*.sysctls",
        ),
        _TEXTS,
    ),
    **dict.fromkeys(("services.*.networks.*", "services.*.models.*", "networks.*", "volumes.*"), _NULL),
    **dict.fromkeys(("services.*.ulimits.*", "services.*.build.ulimits.*"), _whole(-1)),
    **dict.fromkeys(
        ("services.*.gpus", "services.*.gpus.*.count", "services.*.deploy.resources.reservations.devices.*.count"),
        _ALL,
    ),
    **dict.fromkeys(
        (f"{kind}.*.external" for kind in ("networks", "volumes", "configs", "secrets")),
        _EXTERNAL,
    ),
    "services.*.ports.*": _PORT,
    "services.*.provider.options.*": _SPELLED,
    "jobs.*.triggers.schedule.*": _STRING,
}

# ---- parts ----------------------------------------------------------------------------------------------------------

_DESCRIPTIONS = {
    "services.*.rootfs": 'The root file system: a directory, a tar archive, or "/" for the host\'s own root.',
    "services.*.x-rootfs": "The same as rootfs, in a file that docker compose is to read as well.",
    "services.*.x-on-unhealthy": "What is done about a container that turned unhealthy.",
    "services.*.volumes.*.bind.x-idmap": "Owners that change places between host and container.",
    "services.*.x-dns": "Which of the service's containers its names lead to.",
}


def schema() -> Schema:
    """The schema of a Compose file (JSON Schema, draft 7: what editors know best)."""
    properties: Schema = {"version": _any(_STRING, {"type": "number"}), "name": _STRING, "include": _include()}
    properties |= {key: _value(_annotation(Project.model_fields[key]), key) for key in _TOP}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Compose file, as pycompose reads it",
        **_object(properties),
    }


def as_text() -> str:
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


_TOP = ("services", "networks", "volumes", "configs", "secrets", "models", "jobs")


def _include() -> Schema:
    entry = _object({key: _also(_TEXTS, f"include.*.{key}") for key in ("path", "env_file")})
    entry["properties"]["project_directory"] = _STRING
    return {"type": "array", "items": _also(entry | {"required": ["path"]}, "include.*")}


def _extends() -> Schema:
    return _object({"service": _STRING, "file": _STRING}) | {"required": ["service"]}


def _value(annotation: Any, place: str) -> Schema:
    return _also(_plain(annotation, place), place)


def _also(schema: Schema, place: str) -> Schema:
    of_service = place.replace("jobs.", "services.", 1) if place.startswith("jobs.") else place
    short = ALSO.get(place) or ALSO.get(of_service)
    return schema if short is None else _any(short, schema)


def _plain(annotation: Any, place: str) -> Schema:
    """What `annotation` takes in long form."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _read(annotation)
    if origin in (Union, types.UnionType):
        return _any(*(_NULL if inner is type(None) else _plain(inner, place) for inner in arguments))
    if origin is tuple:
        return {"type": "array", "items": _value(arguments[0], f"{place}.*")}
    if isinstance(origin, type) and issubclass(origin, AnyMapping):
        return {"type": "object", "additionalProperties": _value(arguments[1], f"{place}.*")}
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return _part(annotation, place)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _words(*(str(choice.value) for choice in annotation))
    if isinstance(annotation, type) and issubclass(annotation, scalars.TextValue):
        return _READ_TEXT.get(annotation, _STRING)
    return _BY_TYPE.get(annotation, _ANYTHING)


_BY_TYPE: dict[object, Schema] = {str: _STRING, int: _whole(), float: _any({"type": "number"}, _text(_NUMBER))}


def _read(annotation: Any) -> Schema:
    reader = _reader(annotation)
    if isinstance(reader, scalars.Between):
        return _whole(reader.low, reader.high)
    if reader not in _READ:
        raise LookupError(f"the schema does not know what {reader} reads: add it to _READ")
    return _READ[reader]


def _part(part: type[Part], place: str) -> Schema:
    fields = {field.alias or name: field for name, field in part.model_fields.items()}
    written = {key: field for key, field in fields.items() if key in keys_of(part) and key != "*"}
    properties = {key: _value(_annotation(field), f"{place}.{key}") for key, field in written.items()}
    if issubclass(part, Service):
        properties["x-rootfs"] = properties["rootfs"]
        properties["extends"] = _also(_extends(), f"{place}.extends")
    for key in properties:
        if f"{place}.{key}" in _DESCRIPTIONS:
            properties[key] = {"description": _DESCRIPTIONS[f"{place}.{key}"], **properties[key]}
    found = _object(dict(sorted(properties.items())))
    required = [key for key, field in written.items() if field.is_required()]
    described = {"description": " ".join((inspect.getdoc(part) or "").split())}
    others = {"additionalProperties": _SPELLED} if "*" in fields else {}
    return described | found | others | ({"required": required} if required else {})


def _annotation(field: FieldInfo) -> Any:
    """With the reader that pydantic takes off it."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }
