"""Where a container's output goes and how much of it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from composer.model.part import Part
from composer.model.scalars import Boolean, ByteSize, Spelled, Text, between, read_decimal_size


class LogMode(StrEnum):
    """What happens to a container that writes faster than its log is kept."""

    BLOCKING = "blocking"
    NON_BLOCKING = "non-blocking"


def read_log_size(value: object) -> int:
    """Bytes with decimal units, or -1: unlimited."""
    return -1 if value in (-1, "-1") and not isinstance(value, bool) else read_decimal_size(value)


LogSize = Annotated[int, BeforeValidator(read_log_size)]
LogFiles = Annotated[int, between(1)]


class LogOptions(Part):
    """What we act upon. `others` are options of Docker's drivers that we do not."""

    max_size: LogSize | None = Field(default=None, alias="max-size")
    max_file: LogFiles | None = Field(default=None, alias="max-file")
    mode: LogMode | None = None
    max_buffer_size: ByteSize | None = Field(default=None, alias="max-buffer-size")
    compress: Boolean | None = None
    others: Mapping[str, Spelled] = Field(default_factory=dict, alias="*")


class Logging(Part):
    """`logging`. A driver of None is json-file."""

    driver: Text | None = None
    options: LogOptions = LogOptions()
