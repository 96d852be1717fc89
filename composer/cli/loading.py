"""Compose files → what they say → what the machine is asked to do.

Imports pydantic and YAML: only for the commands that cannot do without. What comes after reading is imported where it
is done, as `config` mostly only reads.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from composer.cli.invocation import Invocation
from composer.cli.project import load_request
from composer.cli.render import problems
from composer.errors import InvalidFile
from composer.frozen import replace
from composer.hints import Iterator, Mapping
from composer.loader.origin import Origin, refusal
from composer.loader.pipeline import load
from composer.loader.problems import Path
from composer.loader.request import Loaded
from composer.model.project import Project

if TYPE_CHECKING:
    from composer.lowering.host import HostFacts
    from composer.spec.desired import Desired


def loaded(
    call: Invocation,
    *,
    services: tuple[str, ...] = (),
    require_rootfs: bool = True,
    normalize: bool = True,
    resolve_paths: bool = True,
    resolve_environment: bool = True,
    consistency: bool = True,
) -> Loaded:
    """What the files say; warnings are printed. Raises InvalidFile with all mistakes, FileNotFound, NoSuchThing."""
    request = replace(
        load_request(call),
        services=services,
        stdin=sys.stdin,
        require_rootfs=require_rootfs,
        normalize=normalize,
        resolve_paths=resolve_paths,
        resolve_environment=resolve_environment,
        consistency=consistency,
    )
    found = load(request)
    for warning in found.warnings:
        print(problems.warned(warning, call.console), file=sys.stderr)
    check_services(found.project, services)
    return found


def check_services(project: Project, services: tuple[str, ...]) -> None:
    """Raises NoSuchThing for a service that the files do not have."""
    known = (*project.services, *project.disabled_services)
    for service in services:
        if service not in known:
            from composer.cli.containers import no_such_service

            raise no_such_service(service, known)


def lowered(call: Invocation, found: Loaded, *, scale: Mapping[str, int] | None = None) -> Desired:
    """What the machine is asked to do, with other numbers of containers for some services.

    Raises InvalidFile, NoSuchThing, UsageError.
    """
    from composer.cli.pools import address_pools
    from composer.lowering.desired import LoweringOptions, lower

    check_services(found.project, tuple(scale or ()))
    host = facts_of(call, found)
    options = LoweringOptions(
        scale=dict(scale or {}), address_pools=address_pools(call), place=partial(_place, found.origin)
    )
    with located(found.origin):
        return lower(found.project, host=host, options=options)


def _place(origin: Origin, path: Path) -> str:
    """ "" for what stands in no file, such as the default network."""
    place = origin.place(path)
    return str(place) if place != origin.root.place else ""


@contextmanager
def located(origin: Origin) -> Iterator[None]:
    """What is noticed of the files only now is told where it stands in them, as all mistakes are."""
    try:
        yield
    except InvalidFile as error:
        from composer.lowering.mistake import Mistake

        mistakes = [mistake for mistake in error.problems if isinstance(mistake, Mistake)]
        if not mistakes:
            raise
        errors = (origin.problem(it.code, f"the {it.kind} {it.message}", path=it.path, hint=it.hint) for it in mistakes)
        raise refusal(errors, files=origin.files) from None


def facts_of(call: Invocation, found: Loaded) -> HostFacts:
    """This host, as far as the project's containers need to know it. Raises HostError."""
    from composer.cli.facts import host_facts
    from composer.cli.granting import with_grants
    from composer.lowering import rootfs

    return with_grants(host_facts(rootfs.paths(found.project)), found, call)


def deposits_of(call: Invocation, found: Loaded, desired: Desired) -> Mapping[str, bytes]:
    """What the launcher of these containers must be handed beside them."""
    from composer.cli.granting import deposits

    return deposits(found, call, (spec for service in desired.services for spec in service.containers))
