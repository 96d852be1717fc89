"""The road of a container's first process, from its birth in clone3(2) to execve(2).

    launcher                                   child: PID 1 of its pid namespace
    ─────────────────────────────────────      ──────────────────────────────────────────────────────────
    prepare: everything that can be            clone3: new mount, pid, uts, ipc, net namespaces as asked for,
      known beforehand                           in its v2 cgroup; a copy of all descriptors
    clone3 ──────────────────────────────────► DETACH    not dumpable, own session, own keyring
    makes its network interfaces (endpoints)   JOIN      namespaces of other containers, by pidfd
    opens the gate ──────────────────────────► GATE      waited at, if there are interfaces to come
    closes: the report pipe's writer, the      NETWORK   sysctls of the own namespaces; loopback up;
      child's ends of its streams, the                   addresses and routes
      gate, cgroup descriptors, pidfds         NAMES     host name, domain name
    waits (poll) for the report pipe           SOURCES   bind mounts opened, while the host's tree is whole
                                               PRIVATE   propagation of all mounts: slave
                                               ROOT      overlay; our own directories hidden
                                               MOUNTS    in the spec's order, /dev with its nodes
                                               DEVICES   nodes asked for
                                               FILES     /etc/hosts and the like
                                               GRANTS    configs and secrets, from memory
                                               CONSOLE   the terminal as /dev/console
                                               MASKS     masked and read-only paths
                                               CWD       the working directory made, if missing
                                               READ_ONLY the root, if asked for
                                               CGROUP    v1 cgroups entered, cgroup namespace unshared
                                               PIVOT     the host's tree is gone
                                               STREAMS   0, 1, 2; controlling terminal
                                               USER      looked up in the container's files
                                               WORKDIR   entered; proven to be inside
                                               BIRTH     what is written of it marked as a run
                                               PRIVILEGES  every descriptor closed but the report pipe's writer;
                                                         limits, bounding set, user; GO; filter, capabilities
                                               INIT      where asked for: PID 1 stays behind, PID 2 goes on
    reads GO + end of file  ◄───────────────── EXEC      close-on-exec closes the writer

What the kernel charges to a cgroup while a process is made (a copy of the launcher's memory) is not the service's
doing: on v1 the cgroup is entered last, before anything of the user's runs. On v2 the child is born in it.

After PIVOT the standard library is out of reach: every module has been imported by then, and nothing here logs.
"""

from __future__ import annotations

from composer.frozen import mutable
from composer.hints import Callable
from composer.linux.namespaces import CLONE_NEWCGROUP, setdomainname, sethostname, unshare
from composer.linux.netdevice import set_interface_up
from composer.runtime import births, init, namespaces, program, rootfs, sysctl
from composer.runtime.namespaces import NamespacePlan
from composer.runtime.network import inside
from composer.runtime.network.endpoints import Places
from composer.runtime.program import Performer
from composer.runtime.road import about
from composer.spec.container import ContainerSpec, Private


@mutable
class Child(Performer):
    """A container's first process."""

    spec: ContainerSpec
    namespaces: NamespacePlan
    places: Places  # in networks
    sysctls: tuple[tuple[str, str], ...]
    root: rootfs.Root
    command_line: tuple[int, int]  # for `init`
    birth: int  # what `births.mark` takes


def join_namespaces(child: Child) -> None:
    """Enter the namespaces of other containers, and take hold of the shared memory that goes with one of them."""
    namespaces.join_all(child.namespaces.joined)
    with about("/dev/shm"):
        child.root.shm_fd = namespaces.open_shared_memory(child.namespaces.joined)


def pass_gate(child: Child) -> None:
    """Wait for the network interfaces that the launcher makes."""
    inside.pass_gate(child.places)


def set_up_network(child: Child) -> None:
    """Set the namespaces' sysctls; a network namespace of its own has interfaces that are down."""
    sysctl.write_all(child.sysctls)
    if isinstance(child.spec.namespaces.network, Private):
        with about("lo"):
            set_interface_up("lo")
        inside.configure(child.places)


def set_names(child: Child) -> None:
    """Name the UTS namespace, where it is the container's own."""
    if not isinstance(child.spec.namespaces.uts, Private):
        return
    with about(child.spec.hostname):
        sethostname(child.spec.hostname)
    if child.spec.domainname:
        with about(child.spec.domainname):
            setdomainname(child.spec.domainname)


def add_console(child: Child) -> None:
    """Show the terminal, if there is one."""
    if child.root.devpts_fd is not None:
        rootfs.add_console(child.root, child.streams[0])


def enter_cgroup(child: Child) -> None:
    """Enter the cgroup, then make it the root of what is seen of cgroups."""
    program.enter_cgroup(child)
    if child.namespaces.new_cgroup:
        unshare(CLONE_NEWCGROUP)


def mark_birth(child: Child) -> None:
    """From here on it is a run, whoever lives to write that down."""
    births.mark(child.birth)


def fork_below_init(child: Child) -> None:
    """Leave PID 1 behind as the init, where one is asked for."""
    if child.spec.init:
        init.become_init(tty=child.program.process.tty, command_line=child.command_line)


def _of_root(step: Callable[[rootfs.Root], None]) -> Callable[[Child], None]:
    return lambda child: step(child.root)


ROAD: tuple[tuple[str, Callable[[Child], None]], ...] = (
    ("DETACH", program.detach),
    ("JOIN", join_namespaces),
    ("GATE", pass_gate),
    ("NETWORK", set_up_network),
    ("NAMES", set_names),
    ("SOURCES", _of_root(rootfs.open_sources)),
    ("PRIVATE", _of_root(rootfs.make_private)),
    ("ROOT", _of_root(rootfs.mount_overlay)),
    ("MOUNTS", _of_root(rootfs.mount_all)),
    ("DEVICES", _of_root(rootfs.add_devices)),
    ("FILES", _of_root(rootfs.add_files)),
    ("GRANTS", _of_root(rootfs.add_grants)),
    ("CONSOLE", add_console),
    ("MASKS", _of_root(rootfs.add_masks)),
    ("CWD", _of_root(rootfs.make_working_directory)),
    ("READ_ONLY", _of_root(rootfs.protect)),
    ("CGROUP", enter_cgroup),
    ("PIVOT", _of_root(rootfs.pivot)),
    ("STREAMS", program.take_streams),
    ("USER", program.resolve_user),
    ("WORKDIR", program.enter_working_directory),
    ("BIRTH", mark_birth),
    ("PRIVILEGES", program.drop_privileges),
    ("INIT", fork_below_init),
    ("EXEC", program.execute),
)
