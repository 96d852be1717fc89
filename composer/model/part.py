"""The ground every part of a Compose file stands on."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any


def _without_plugins() -> None:
    """pydantic looks for plugins among all packages of the environment, and lets them change what models accept.

    What a Compose file means is nobody else's business, and looking takes 20 ms. Where its module of that name is no
    more, this has no effect.
    """
    name = "pydantic.plugin._loader"
    if name not in sys.modules:
        loader = ModuleType(name)
        loader.get_plugins = lambda: ()  # type: ignore[attr-defined]
        sys.modules[name] = loader


_without_plugins()

from pydantic import BaseModel, ConfigDict, Field  # noqa: E402

EXTENSIONS = "x-*"  # the loader gathers `x-…` keys under this one, which a file cannot use for anything else


class Part(BaseModel):
    """Frozen, closed to unknown keys, in canonical (long) form. `extensions` are the `x-…` keys beside its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    extensions: Mapping[str, Any] = Field(default_factory=dict, alias="x-*")
