"""Volumes as docker tells them: rows of a list, and everything about one."""

from __future__ import annotations

import json

from composer.cli.invocation import Invocation
from composer.cli.render import template
from composer.cli.render.table import table
from composer.errors import UsageError
from composer.store import volumes
from composer.store.events import rfc3339
from composer.store.volumes import VolumeRecord

FIELDS = ("Availability", "Driver", "Group", "Labels", "Links", "Mountpoint", "Name", "Scope", "Size", "Status")


def row(call: Invocation, record: VolumeRecord) -> dict[str, object]:
    """A volume with the fields of `docker volume ls --format json`."""
    return {
        "Availability": "N/A",
        "Driver": "local",
        "Group": "N/A",
        "Labels": ",".join(f"{key}={value}" for key, value in record.labels),
        "Links": "N/A",
        "Mountpoint": volumes.data(call.paths, record.name),
        "Name": record.name,
        "Scope": "local",
        "Size": "N/A",
        "Status": "N/A",
    }


def inspection(call: Invocation, record: VolumeRecord) -> dict[str, object]:
    """A volume as `docker volume inspect` tells it."""
    return {
        "CreatedAt": rfc3339(record.created_ns),
        "Driver": "local",
        "Labels": dict(record.labels) or None,
        "Mountpoint": volumes.data(call.paths, record.name),
        "Name": record.name,
        "Options": dict(record.options) or None,
        "Scope": "local",
    }


def show(call: Invocation, records: list[VolumeRecord]) -> None:
    """Print the list as --quiet and --format want it."""
    rows = [row(call, record) for record in records]
    wanted = call.arguments.text("format") or "table"
    if call.arguments.switch("quiet"):
        lines = [record.name for record in records]
    elif wanted == "table":
        lines = [table(("DRIVER", "VOLUME NAME"), [(str(it["Driver"]), str(it["Name"])) for it in rows])]
    elif wanted == "json":
        lines = [json.dumps(it, ensure_ascii=False) for it in rows]
    else:
        lines = [template.render(wanted, rows, fields=FIELDS)]
    print("".join(f"{line}\n" for line in lines), end="")


def selected(call: Invocation, records: list[VolumeRecord], *, known: tuple[str, ...]) -> list[VolumeRecord]:
    """Those that every --filter lets through; of one key several values are alternatives. Raises UsageError."""
    wanted: dict[str, list[str]] = {}
    for given in call.arguments.texts("filter"):
        key, equals, value = given.partition("=")
        if not equals or key not in known:
            raise UsageError(f'cannot filter volumes by "{given}"', hint=f"there is {', '.join(known)}")
        wanted.setdefault(key, []).append(value)
    used = volumes.in_use(call.paths) if "dangling" in wanted else frozenset()
    return [record for record in records if all(_fits(record, key, wanted[key], used=used) for key in wanted)]


def _fits(record: VolumeRecord, key: str, values: list[str], *, used: frozenset[str]) -> bool:
    match key:
        case "name":
            return any(value in record.name for value in values)
        case "driver":
            return "local" in values
        case "dangling":
            return ("true" if record.name not in used else "false") in map(str.lower, values)
        case "label!":
            return not any(_has_label(record, value) for value in values)
    return all(_has_label(record, value) for value in values)


def _has_label(record: VolumeRecord, text: str) -> bool:
    key, equals, value = text.partition("=")
    labels = dict(record.labels)
    return key in labels and (not equals or labels[key] == value)
