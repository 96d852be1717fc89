"""nftables where there is none: told, and the process that asked lives."""

from __future__ import annotations

import os

import pytest

from composer.errors import MissingFeature
from composer.linux import nftables
from composer.linux.seccomp.compile import compile_filter
from composer.linux.seccomp.load import load
from composer.linux.seccomp.profile import decode_profile
from tests.linux.forked import run_in_child

EPROTONOSUPPORT, AF_NETLINK, NETLINK_NETFILTER = 93, 16, 12


def without_netfilter() -> None:
    """From here on this process is told what a kernel without nf_tables says."""
    arguments = [
        {"index": index, "value": value, "op": "SCMP_CMP_EQ"}
        for index, value in ((0, AF_NETLINK), (2, NETLINK_NETFILTER))
    ]
    refusal = {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": EPROTONOSUPPORT, "args": arguments}
    profile = decode_profile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refusal]})
    load(compile_filter(profile, bounding=0, machine=os.uname().machine, kernel=(5, 12)).program)


@pytest.mark.root
def test_a_kernel_without_nf_tables_is_told() -> None:
    def ask() -> object:
        without_netfilter()
        try:
            nftables.run("list tables")
        except MissingFeature as error:
            return error.message, error.hint
        return None

    message, hint = run_in_child(ask)
    assert message == "this kernel has no nf_tables"
    assert "modprobe nf_tables" in hint
