"""`run --rootfs`: a container with no file, and without the libraries that read files."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from composer.errors import UsageError
from composer.lowering.bare import BareRequest, bare
from composer.lowering.host import HostFacts
from composer.spec.cgroup import Resources
from composer.spec.container import Namespaces, Unconfined
from composer.spec.mounts import Bind
from composer.spec.policy import Policy
from composer.spec.rootfs import Archive

REQUEST = BareRequest(Archive("/rootfs.tar"), ("/bin/bash",), project="run", name="calm-otter")


def test_the_whole_command_line() -> None:
    request = replace(
        REQUEST,
        entrypoint=("env",),
        env=(("A", "1"),),
        user="1000",
        cwd="/tmp",
        memory=100 << 20,
        nano_cpus=10**9,
        cpuset="0",
        cpu_shares=512,
        read_only=True,
        cap_add=("NET_ADMIN",),
        cap_drop=("ALL",),
        mounts=(Bind("/x", "/y"),),
        tty=True,
        stdin_open=True,
    )
    spec, policy = bare(request, host=HostFacts(resolv_conf="nameserver 1.1.1.1\n"))
    assert spec.process.argv == ("env", "/bin/bash")
    assert spec.process.env[1:] == (("HOSTNAME", "calm-otter"), ("TERM", "xterm"), ("A", "1"))
    assert spec.process.capabilities == ("CAP_NET_ADMIN",)
    assert spec.resources == Resources(memory=100 << 20, nano_cpus=10**9, cpuset_cpus="0", cpu_shares=512)
    assert (spec.oneoff, spec.read_only, spec.hostname, spec.namespaces) == (True, True, "calm-otter", Namespaces())
    assert spec.mounts[-1] == Bind("/x", "/y")
    assert [file.target for file in spec.files] == ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"]
    assert policy == Policy()


def test_privileged() -> None:
    spec, _ = bare(replace(REQUEST, privileged=True), host=HostFacts())
    assert (spec.masked_paths, spec.readonly_paths, spec.seccomp) == ((), (), Unconfined())
    assert len(spec.process.capabilities) == 41


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (replace(REQUEST, argv=()), "cannot run a container without a command: a rootfs carries no default"),
        (replace(REQUEST, cap_add=("NET_ADMN",)), '--cap-add: "NET_ADMN" is not a capability'),
        (replace(REQUEST, cap_drop=("x",)), '--cap-drop: "x" is not a capability'),
        (replace(REQUEST, name="../../x"), 'cannot call a container "../../x"'),
        (replace(REQUEST, name="a" * 256), f'cannot call a container "{"a" * 256}"'),
        (replace(REQUEST, project="../x"), 'cannot use "../x" as project name'),
        (replace(REQUEST, hostname="a b"), 'cannot use "a b" as hostname'),
    ],
)
def test_what_cannot_be(request_: BareRequest, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        bare(request_, host=HostFacts())
    assert caught.value.message == message


def test_no_library_that_reads_compose_files_is_imported() -> None:
    script = "import sys, composer.lowering.bare; print({'pydantic', 'yaml', 'anyio', 'ctypes'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True).stdout == b"set()\n"
