"""Relative paths of the host, made absolute against the directory they are meant for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping as Table

from composer.frozen import replace
from composer.loader.places import Places, Rewrite, Spot, for_jobs
from composer.loader.problems import Problems
from composer.loader.tree import Mapping, Node, Scalar, child, plain

_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/|service:|target:", re.IGNORECASE)


def absolute(path: str, *, directory: str, home: str | None) -> str:
    if home and (path == "~" or path.startswith("~/")):
        path = home + path[1:]
    return os.path.normpath(os.path.join(directory, path))


def with_absolute_paths(node: Node, *, directory: str, environment: Table[str, str], problems: Problems) -> Node:
    """The tree in which every path of the host is absolute; it was relative to `directory`."""
    home = environment.get("HOME")

    def path(node: Node, _spot: Spot) -> Node:
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
            return node
        return replace(node, value=absolute(node.value, directory=directory, home=home))

    def local_path(node: Node, spot: Spot) -> Node:
        """Unless it names something remote."""
        remote = isinstance(node, Scalar) and isinstance(node.value, str) and _REMOTE.match(node.value)
        return node if remote else path(node, spot)

    def bind(node: Node, spot: Spot) -> Node:
        if not isinstance(node, Mapping) or plain(child(node, "type") or Scalar(None, node.place)) != "bind":
            return node
        source = node.entries.get("source")
        return node if source is None else node.having("source", path(source, spot))

    def bound_device(node: Node, spot: Spot) -> Node:
        """Of the local volume driver with `o: bind`, the device is a directory."""
        options = str(plain(child(node, "o") or Scalar("", node.place))).split(",")
        device = child(node, "device")
        if not isinstance(node, Mapping) or device is None or "bind" not in options:
            return node
        return node.having("device", path(device, spot))

    def seccomp_profile(node: Node, _spot: Spot) -> Node:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return node
        match = re.fullmatch(r"(seccomp[=:])(.+)", node.value, re.DOTALL)
        if match is None or match[2] in ("unconfined", "builtin"):
            return node
        return replace(node, value=match[1] + absolute(match[2], directory=directory, home=home))

    table: dict[str, Rewrite] = {
        "services.*.rootfs": path,
        "services.*.env_file.*.path": path,
        "services.*.label_file.*": path,
        "services.*.volumes.*": bind,
        "services.*.security_opt.*": seccomp_profile,
        "services.*.build.context": local_path,
        "services.*.build.additional_contexts.*": local_path,
        "services.*.develop.watch.*.path": path,
        "volumes.*.driver_opts": bound_device,
        "configs.*.file": path,
        "secrets.*.file": path,
    }
    return Places(for_jobs(table)).rewritten(node, Spot((), problems))
