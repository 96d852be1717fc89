"""Which services take part: those without profiles, and those with one that is active."""

from __future__ import annotations

from collections.abc import Mapping as Table

from composer.loader.request import LoadRequest
from composer.loader.tree import Mapping, Node, Scalar, Sequence, child, entries_at

ALL = "*"


def active_profiles(request: LoadRequest, root: Mapping, *, environment: Table[str, str]) -> tuple[str, ...]:
    """--profile, else COMPOSE_PROFILES; and the profiles of services named on the command line."""
    listed = request.profiles or tuple(filter(None, environment.get("COMPOSE_PROFILES", "").split(",")))
    own = [profile for name in request.services for profile in profiles_of(child(child(root, "services"), name))]
    return tuple(dict.fromkeys((*(profile.strip() for profile in listed), *own)))


def profiles_of(service: Node | None) -> tuple[str, ...]:
    node = child(service, "profiles")
    items = node.items if isinstance(node, Sequence) else ()
    return tuple(item.value for item in items if isinstance(item, Scalar) and isinstance(item.value, str))


def active_services(root: Mapping, profiles: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name for name, node in entries_at(root, "services") if is_active(profiles_of(node), profiles))


def is_active(own: tuple[str, ...], active: tuple[str, ...]) -> bool:
    return not own or ALL in active or not set(own).isdisjoint(active)
