from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from composer.linux.capability import (
    ALL_KNOWN,
    CAPABILITIES,
    DOCKER_DEFAULT,
    CapabilitySets,
    bounding_set,
    capget,
    capset,
    clear_ambient_set,
    last_cap,
    limit_bounding_set,
    mask_of,
    names_of,
    raise_ambient,
)
from tests.linux.forked import errno_of, run_in_child


def status() -> dict[str, int]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line[3:6]: int(line.split()[1], 16) for line in lines if line.startswith("Cap")}


def test_names_and_masks_are_each_others_inverse() -> None:
    assert mask_of(names_of(ALL_KNOWN)) == ALL_KNOWN
    assert mask_of(["CAP_CHOWN", "CAP_SYS_ADMIN"]) == 1 | 1 << 21
    assert names_of(1 << 40 | 1 << 62) == ("CAP_CHECKPOINT_RESTORE",)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="CAP_FLY"):
        mask_of(["CAP_FLY"])


def test_docker_gives_fourteen() -> None:
    wanted = (
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE"
        " SYS_CHROOT KILL AUDIT_WRITE"
    )
    assert mask_of(f"CAP_{name}" for name in wanted.split()) == DOCKER_DEFAULT
    assert len(names_of(DOCKER_DEFAULT)) == 14


def test_the_numbers_are_the_kernels() -> None:
    header = Path("/usr/include/linux/capability.h")
    if not header.exists():
        pytest.skip("no linux/capability.h: linux-libc-dev is not installed")
    lines = (line.split() for line in header.read_text().splitlines() if line.startswith("#define CAP_"))
    numbers = {words[1]: int(words[2]) for words in lines if words[2].isdigit()}
    assert {name: number for number, name in enumerate(CAPABILITIES)} == numbers


def test_the_sets_are_those_of_proc() -> None:
    sets, proc = capget(), status()
    assert (sets.effective, sets.permitted, sets.inheritable) == (proc["Eff"], proc["Prm"], proc["Inh"])
    assert bounding_set(last_cap()) == proc["Bnd"]
    assert capget(os.getpid()) == sets


@pytest.mark.root
def test_a_container_is_left_with_its_fourteen() -> None:
    def work() -> object:
        last = last_cap()
        limit_bounding_set(DOCKER_DEFAULT, last=last)
        clear_ambient_set()
        capset(CapabilitySets(DOCKER_DEFAULT, DOCKER_DEFAULT, 0))
        return status()

    limited = run_in_child(work)
    assert limited == {"Inh": 0, "Prm": DOCKER_DEFAULT, "Eff": DOCKER_DEFAULT, "Bnd": DOCKER_DEFAULT, "Amb": 0}


@pytest.mark.root
def test_high_capabilities_have_their_own_half() -> None:
    wanted = mask_of(["CAP_CHOWN", "CAP_BPF"])

    def work() -> object:
        capset(CapabilitySets(effective=1, permitted=wanted, inheritable=wanted))
        return status()

    result = run_in_child(work)
    assert (result["Eff"], result["Prm"], result["Inh"]) == (1, wanted, wanted)


@pytest.mark.root
def test_ambient_capabilities_need_the_inheritable_set() -> None:
    wanted = mask_of(["CAP_NET_BIND_SERVICE", "CAP_CHOWN"])

    def work() -> object:
        refused = errno_of(lambda: raise_ambient(wanted))
        capset(CapabilitySets(wanted, wanted, wanted))
        raise_ambient(wanted)
        raised = status()["Amb"]
        clear_ambient_set()
        return refused, raised, status()["Amb"]

    assert run_in_child(work) == [errno.EPERM, wanted, 0]
