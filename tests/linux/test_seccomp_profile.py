"""Profiles written by users, and what they get for mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from composer.linux.capability import mask_of
from composer.linux.seccomp.profile import Action, Argument, Conditions, Profile, Rule, decode_profile

DENY = {"defaultAction": "SCMP_ACT_ERRNO"}
NOT_A_NUMBER = "expected a whole number from 0 to"


def rule(**members: Any) -> dict[str, Any]:
    return DENY | {"syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"} | members]}


def test_a_whole_profile() -> None:
    document = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
            {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": None},
        ],
        "syscalls": [
            {
                "names": ["clone", "fork"],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": 11,
                "args": [{"index": 1, "value": 2114060288, "valueTwo": 7, "op": "SCMP_CMP_MASKED_EQ"}],
                "comment": "why",
                "includes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["amd64"], "minKernel": "4.8"},
                "excludes": {"caps": ["CAP_BPF"]},
            },
            {"name": "read", "action": "SCMP_ACT_ALLOW", "args": [], "includes": {}},
        ],
    }
    assert decode_profile(document) == Profile(
        default_action=Action("SCMP_ACT_ERRNO", 38),
        arch_map={"SCMP_ARCH_X86_64": ("SCMP_ARCH_X86", "SCMP_ARCH_X32"), "SCMP_ARCH_RISCV64": ()},
        rules=(
            Rule(
                names=("clone", "fork"),
                action=Action("SCMP_ACT_ERRNO", 11),
                args=(Argument(1, 2114060288, "SCMP_CMP_MASKED_EQ", 7),),
                includes=Conditions(mask_of(["CAP_SYS_ADMIN"]), ("amd64",), (4, 8)),
                excludes=Conditions(mask_of(["CAP_BPF"])),
            ),
            Rule(("read",), Action("SCMP_ACT_ALLOW")),
        ),
    )


def test_what_is_left_out_has_dockers_defaults() -> None:
    document = DENY | {"architectures": ["SCMP_ARCH_ARM"], "syscalls": None, "flags": []}
    assert decode_profile(document) == Profile(Action("SCMP_ACT_ERRNO", 1), architectures=("SCMP_ARCH_ARM",))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "$: expected an object, found a list"),
        ({}, "$.defaultAction: missing"),
        ({"defaultAction": "deny"}, "$.defaultAction: unknown 'deny'; expected one of SCMP_ACT_ALLOW, SCMP_ACT_"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "$.defaultAction: unknown 'SCMP_ACT_NOTIFY'"),
        (DENY | {"sycalls": []}, "$.sycalls: unknown; expected one of defaultErrnoRet, defaultAction, syscalls, "),
        (DENY | {"defaultErrnoRet": 5000}, f"$.defaultErrnoRet: {NOT_A_NUMBER} 4095, found 5000"),
        (DENY | {"architectures": ["amd64"]}, "$.architectures[0]: unknown 'amd64'; expected one of SCMP_ARCH_"),
        (
            DENY | {"architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "SCMP_ARCH_X86_64"}]},
            "$.archMap: cannot be used together with architectures",
        ),
        (DENY | {"flags": ["SECCOMP_FILTER_FLAG_LOG"]}, "$.flags[0]: unknown 'SECCOMP_FILTER_FLAG_LOG'"),
        (DENY | {"listenerPath": "/x"}, "$.listenerPath: unknown"),
        (DENY | {"syscalls": {}}, "$.syscalls: expected a list, found an object"),
        (DENY | {"syscalls": ["read"]}, "$.syscalls[0]: expected an object, found text"),
        (rule(name="read"), "$.syscalls[0]: needs either names or name"),
        (rule(names=[]), "$.syscalls[0]: needs either names or name"),
        (rule(names=["read", 7]), "$.syscalls[0].names[1]: expected text, found a number"),
        (rule(action="ALLOW"), "$.syscalls[0].action: unknown 'ALLOW'"),
        (rule(action=None), "$.syscalls[0].action: missing"),
        (rule(errnoRet=1), "$.syscalls[0].errnoRet: SCMP_ACT_ALLOW has no errno"),
        (rule(exclude={}), "$.syscalls[0].exclude: unknown; expected one of "),
        (rule(args=[{"index": 6, "op": "SCMP_CMP_EQ"}]), f"$.syscalls[0].args[0].index: {NOT_A_NUMBER} 5, found 6"),
        (rule(args=[{"index": 0, "op": "=="}]), "$.syscalls[0].args[0].op: unknown '=='; expected one of SCMP_CMP"),
        (rule(args=[{"index": 0}]), "$.syscalls[0].args[0].op: missing"),
        (
            rule(args=[{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]),
            f"$.syscalls[0].args[0].value: {NOT_A_NUMBER} 18446744073709551615, found -1",
        ),
        (
            rule(args=[{"index": True, "op": "SCMP_CMP_EQ"}]),
            f"$.syscalls[0].args[0].index: {NOT_A_NUMBER} 5, found True",
        ),
        (rule(includes={"caps": ["SYS_ADMIN"]}), "$.syscalls[0].includes.caps: unknown capability SYS_ADMIN"),
        (
            rule(excludes={"minKernel": "5"}),
            "$.syscalls[0].excludes.minKernel: expected a version like \"4.8\", found '5'",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(document: object, message: str) -> None:
    with pytest.raises(ValueError, match=r"^\$") as caught:
        decode_profile(document)
    assert str(caught.value).startswith(message)
