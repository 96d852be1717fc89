"""What a person may say about an operation on a project, as far as the plan depends on it."""

from __future__ import annotations

from composer.frozen import frozen


@frozen
class UpOptions:
    """`up` and `create`. No `services` means all of them."""

    services: tuple[str, ...] = ()
    no_deps: bool = False  # leave dependencies alone
    force_recreate: bool = False
    no_recreate: bool = False
    always_recreate_deps: bool = False
    remove_orphans: bool = False
    renew_volumes: bool = False  # containers made anew do not keep their anonymous volumes
    start: bool = True  # False: make containers, start none
    wait: bool = False  # end only when all are running, healthy or through


@frozen
class DownOptions:
    """`down`. With `services`, only these; without, everything the project has made but orphans."""

    services: tuple[str, ...] = ()
    remove_orphans: bool = False
    volumes: bool = False  # what the project made, and anonymous ones


@frozen
class RemoveOptions:
    """`rm`: stopped containers only, unless `stop` ends the running ones first."""

    services: tuple[str, ...] = ()
    stop: bool = False
    volumes: bool = False  # their anonymous volumes as well


@frozen
class RestartOptions:
    """`restart`."""

    services: tuple[str, ...] = ()
    no_deps: bool = False  # leave those alone that ask to be restarted along with a dependency
