"""How much of a service's output is kept. All drivers that keep logs on the host are ours; `none` keeps nothing."""

from __future__ import annotations

from composer.model.logging import Logging, LogOptions
from composer.model.service import Service
from composer.spec.container import LogMode, LogPolicy

_LOCAL = LogPolicy(max_size=20 << 20, max_file=5, compress=True)  # Docker's defaults for the driver `local`
_UNLIMITED = -1


def lower(service: Service) -> LogPolicy:
    logging = service.logging or Logging()
    match logging.driver:
        case "none":
            return LogPolicy(discard=True)
        case "local":
            return _policy(logging.options, default=_LOCAL)
        case _:
            return _policy(logging.options, default=LogPolicy())


def _policy(options: LogOptions, *, default: LogPolicy) -> LogPolicy:
    return LogPolicy(
        max_size=default.max_size if options.max_size is None else _limited(options.max_size),
        max_file=options.max_file or default.max_file,
        mode=LogMode(options.mode.value) if options.mode else default.mode,
        max_buffer_size=options.max_buffer_size or default.max_buffer_size,
        compress=default.compress if options.compress is None else options.compress,
    )


def _limited(size: int) -> int | None:
    return None if size == _UNLIMITED else size
