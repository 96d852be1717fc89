"""The ground every part of a Compose file stands on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

EXTENSIONS = "x-*"  # the loader gathers `x-…` keys under this one, which a file cannot use for anything else


class Part(BaseModel):
    """Frozen, closed to unknown keys, in canonical (long) form. `extensions` are the `x-…` keys beside its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    extensions: Mapping[str, Any] = Field(default_factory=dict, alias="x-*")
