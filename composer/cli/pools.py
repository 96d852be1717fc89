"""Where subnets of networks that name none come from: PYCOMPOSE_ADDRESS_POOLS."""

from __future__ import annotations

from composer.cli.invocation import Invocation
from composer.planner.addresses import read_pools
from composer.spec.network import AddressPool


def address_pools(call: Invocation) -> tuple[AddressPool, ...]:
    """The pools that the environment names; () for the usual ones. Raises UsageError."""
    return read_pools(call.environment.get("PYCOMPOSE_ADDRESS_POOLS", ""))
