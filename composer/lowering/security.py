"""What a container may do: capabilities, system calls, what it must not see. `privileged` lifts all of it."""

from __future__ import annotations

from composer.lowering import capabilities, defaults
from composer.model.choices import SecurityOption
from composer.model.service import Service
from composer.spec.container import DefaultSeccomp, Seccomp, SeccompProfile, Unconfined

# Options that ask for AppArmor or SELinux are accepted and have no effect: a file that names a profile of a host that
# confines containers works on one that does not, as with Docker.


def capabilities_of(service: Service) -> tuple[str, ...]:
    return capabilities.tweaked(add=service.cap_add, drop=service.cap_drop, privileged=service.privileged)


def no_new_privileges(service: Service) -> bool:
    option = _option(service, "no-new-privileges")
    return option is not None and option.enabled


def writable_cgroups(service: Service) -> bool:
    option = _option(service, "writable-cgroups")
    return option is not None and option.enabled


def seccomp(service: Service) -> Seccomp:
    """A privileged container is not filtered unless it says so itself."""
    option = _option(service, "seccomp")
    match option.value if option else None:
        case None:
            return Unconfined() if service.privileged else DefaultSeccomp()
        case "unconfined":
            return Unconfined()
        case "builtin":
            return DefaultSeccomp()
        case path:
            return SeccompProfile(path)


def masked_paths(service: Service) -> tuple[str, ...]:
    return () if _sees_all(service) else defaults.MASKED_PATHS


def readonly_paths(service: Service) -> tuple[str, ...]:
    return () if _sees_all(service) else defaults.READONLY_PATHS


def _sees_all(service: Service) -> bool:
    option = _option(service, "systempaths")
    return service.privileged or (option is not None and option.value == "unconfined")


def _option(service: Service, name: str) -> SecurityOption | None:
    """The last word on an option."""
    return next((option for option in reversed(service.security_opt) if option.name == name), None)
