"""A short name for what a container is made of: the same text, the same container."""

from __future__ import annotations

from composer.digest import sha256
from composer.frozen import replace
from composer.spec import codec
from composer.spec.container import ContainerSpec
from composer.spec.mounts import Bind
from composer.spec.network import Network, without_places
from composer.spec.policy import Policy

_VERSION = 1  # part of every fingerprint: a change of meaning here recreates containers, on purpose


def fingerprint(spec: ContainerSpec, policy: Policy) -> str:
    """SHA-256, in hexadecimal, of all that makes it necessary to recreate the container when it changes."""
    files = tuple(file if file.identity is None else replace(file, content="") for file in spec.files)
    made = replace(
        spec,
        files=files,
        mounts=tuple(replace(mount, place="") if isinstance(mount, Bind) else mount for mount in spec.mounts),
        grants=tuple(replace(grant, place="") for grant in spec.grants),
        endpoints=tuple(replace(endpoint, place="") for endpoint in spec.endpoints),
        ports=tuple(replace(port, place="") for port in spec.ports),
    )
    text = f"{_VERSION}\n{codec.dumps(made)}\n{codec.dumps(policy)}"
    return sha256(text.encode(errors="surrogateescape")).hexdigest()


def network_fingerprint(network: Network) -> str:
    """The same for a network, short enough for a label in the kernel. Which addresses are kept free may change."""
    text = f"{_VERSION}\n{codec.dumps(replace(without_places(network), reserved=(), external=False))}"
    return sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]
