"""A container's file system: what is put where in its own mount namespace, and the pivot into it.

    open       binds and the null device, as detached mounts, while the host's tree is as it was: a copy made before
               the next step is still a peer of the host's mount, which shared propagation needs
    private    MS_SLAVE on everything: nothing done here reaches the host
    overlay    the root, attached at merged/ of the state directory
    hide       over the host's own root: our own directories, other containers' among them
    mounts     in the spec's order; /dev with its nodes, unless the spec binds one
    devices    nodes asked for
    files      /etc/hosts and the like
    grants     configs and secrets
    masks      over what is there now
    pivot      pivot_root(".", "."): the old root comes to lie on the new one and is detached. Never chroot, which
               leaves the old root mounted

Nothing here is undone on failure: all of it is in the child's mount namespace, and goes with it.
"""

from __future__ import annotations

import os

from composer.frozen import field, frozen, mutable
from composer.hints import Mapping
from composer.linux.mount import (
    MNT_DETACH,
    MOUNT_ATTR_RDONLY,
    MS_REC,
    MS_SLAVE,
    mount,
    mount_setattr,
    move_mount,
    open_tree,
    pivot_root,
    umount2,
)
from composer.linux.openat2 import make_directories
from composer.runtime import devices, files, grants, masks, mounts, overlay, volume
from composer.runtime.idmaps import UserNamespaces
from composer.runtime.launch import Launch
from composer.runtime.road import about
from composer.spec.container import Private
from composer.spec.mounts import Bind, Filesystem, Mount, Tmpfs, VolumeMount
from composer.spec.rootfs import HostRoot

CGROUP_DIRECTORY_OPTIONS = (("mode", "755"),)
CONSOLE = "/dev/console"


@frozen
class Layout:
    """What a root file system is made of, worked out before the child exists."""

    launch: Launch
    nodes: tuple[devices.Node, ...]
    cgroup: tuple[tuple[str, str], ...]  # (controller or "unified", directory) of the container's own cgroup
    deposits: Mapping[str, int] = field(default_factory=dict)  # see `grants`

    @property
    def layers(self) -> overlay.Layers:
        bundle = self.launch.bundle
        return overlay.Layers(lower=self.launch.lower, upper=f"{bundle}/upper", work=f"{bundle}/work")

    @property
    def merged(self) -> str:
        return f"{self.launch.state}/merged"


@mutable
class Root:
    """A root file system in the making: descriptors that later steps need."""

    layout: Layout
    root_fd: int = -1
    namespaces: UserNamespaces = field(default_factory=dict)  # of binds with other owners
    null_fd: int = -1
    devpts_fd: int | None = None  # of a terminal that was opened beforehand
    shm_fd: int | None = None  # of the container whose ipc namespace is shared
    binds: dict[int, int] = field(default_factory=dict)  # detached mounts by index of the spec's mount
    contents: list[int] = field(default_factory=list)  # of the spec's grants
    files: list[tuple[str, int]] = field(default_factory=list)  # (target, detached mount)


def open_sources(root: Root) -> None:
    """Take hold of everything of the host's that the container will see."""
    launch = root.layout.launch
    for index, one in enumerate(launch.spec.mounts):
        if isinstance(one, Bind):
            with about(f"{one.source} on {one.target}"):
                root.binds[index] = mounts.open_bind(one, root.namespaces)
        elif isinstance(one, VolumeMount):
            place = launch.place_of(one.target)
            with about(f"volume {place.name} on {one.target}"):
                root.binds[index] = volume.open_mount(one, place)
    for file in launch.spec.files:
        root.files.append((file.target, open_tree(files.host_path(launch.state, file.target))))
    for grant in launch.spec.grants:
        with about(grant.name):
            root.contents.append(grants.open_content(grant, root.layout.deposits))
    root.null_fd = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)


def make_private(_root: Root) -> None:
    """Let nothing that is mounted from here on reach the host; what the host mounts may still come in."""
    mount("", "/", flags=MS_REC | MS_SLAVE)


def mount_overlay(root: Root) -> None:
    """Mount the root, and cover what is ours of a root that is the host's."""
    layout = root.layout
    with about(layout.launch.lower):
        root.root_fd = overlay.mount_overlay(layout.layers, at=layout.merged)
    if isinstance(layout.launch.spec.rootfs, HostRoot):
        masks.mask_all(root.root_fd, layout.launch.hidden, null_fd=root.null_fd)


def mount_all(root: Root) -> None:
    """Make the spec's mounts, in its order."""
    spec = root.layout.launch.spec
    if all(os.path.normpath(one.target) != "/dev" for one in spec.mounts):
        _mount_dev(root)
    for index, one in enumerate(spec.mounts):
        with about(one.target):
            _mount_one(root, index, one)


def _mount_dev(root: Root) -> None:
    dev_fd = mounts.new_dev()
    mounts.attach(dev_fd, root.root_fd, "/dev")
    devices.populate(dev_fd)
    os.close(dev_fd)


def _mount_one(root: Root, index: int, one: Mount) -> None:
    match one:
        case Bind():
            tree_fd = root.binds.pop(index)
            mounts.attach(tree_fd, root.root_fd, one.target)
            os.close(tree_fd)
        case VolumeMount():
            volume.copy_up(one, root.layout.launch.place_of(one.target), root.root_fd)
            _attach_and_close(root, root.binds.pop(index), one.target)
        case Tmpfs(target="/dev"):
            _mount_dev(root)
        case Tmpfs(target="/dev/shm") if root.shm_fd is not None:
            _attach_and_close(root, root.shm_fd, one.target)
        case Tmpfs():
            _attach_and_close(root, mounts.open_tmpfs(one), one.target)
        case Filesystem(type="devpts") if root.devpts_fd is not None:
            mounts.attach(root.devpts_fd, root.root_fd, one.target)
        case Filesystem(type="cgroup"):
            _mount_cgroup(root, one)
        case Filesystem():
            tree_fd = mounts.open_filesystem(one)
            mounts.attach_kernel_filesystem(tree_fd, root.root_fd, one.target)
            os.close(tree_fd)


def _attach_and_close(root: Root, tree_fd: int, target: str) -> None:
    mounts.attach(tree_fd, root.root_fd, target)
    os.close(tree_fd)


def _mount_cgroup(root: Root, one: Filesystem) -> None:
    """The container's own cgroup as /sys/fs/cgroup: on v2 itself, on v1 a directory for each controller.

    Bind mounts of its directories show the same as a mount in a cgroup namespace, and need none. Only where the
    container shares the host's cgroup namespace on v2, the whole tree is shown, as Docker does.
    """
    attributes = mounts.attributes_of(one.options)
    cgroup = dict(root.layout.cgroup)
    if set(cgroup) == {"unified"}:
        if isinstance(root.layout.launch.spec.namespaces.cgroup, Private):
            _attach_and_close(root, _open_cgroup(cgroup["unified"], attributes), one.target)
        else:
            _attach_and_close(root, mounts.open_filesystem(Filesystem("cgroup2", "", one.options)), one.target)
        return
    tree_fd = mounts.new_tmpfs(CGROUP_DIRECTORY_OPTIONS, attributes=attributes & ~MOUNT_ATTR_RDONLY)
    mounts.attach(tree_fd, root.root_fd, one.target)
    for controller, directory in cgroup.items():
        # Nobody else sees this tmpfs yet, so names in it are what we have just made.
        name = controller.removeprefix("name=")
        os.mkdir(name, 0o755, dir_fd=tree_fd)
        controller_fd = _open_cgroup(directory, attributes)
        move_mount(controller_fd, tree_fd, target=name)
        os.close(controller_fd)
    mount_setattr(tree_fd, set=attributes)
    os.close(tree_fd)


def _open_cgroup(directory: str, attributes: int) -> int:
    tree_fd = open_tree(directory)
    mount_setattr(tree_fd, set=attributes)
    return tree_fd


def add_devices(root: Root) -> None:
    """Make the nodes that were asked for."""
    for node in root.layout.nodes:
        with about(node.target):
            devices.make(root.root_fd, node)


def add_files(root: Root) -> None:
    """Show the generated files."""
    for target, tree_fd in root.files:
        with about(target):
            _attach_and_close(root, tree_fd, target)


def add_grants(root: Root) -> None:
    """Show configs and secrets."""
    launch = root.layout.launch
    if launch.spec.grants:
        over, user = f"{launch.state}/files", launch.spec.process.user
        grants.show(launch.spec.grants, root.contents, root_fd=root.root_fd, over=over, user=user)


def add_masks(root: Root) -> None:
    """Cover the spec's masked paths, and write-protect its read-only ones."""
    spec = root.layout.launch.spec
    masks.make_read_only(root.root_fd, spec.readonly_paths)
    masks.mask_all(root.root_fd, spec.masked_paths, null_fd=root.null_fd)


def make_working_directory(root: Root) -> None:
    """A working directory that is missing is made, as Docker does."""
    path = root.layout.launch.spec.process.cwd
    with about(path):
        os.close(make_directories(root.root_fd, path))


def add_console(root: Root, peer_fd: int) -> None:
    """Show the terminal as /dev/console. By descriptor: a name in /dev/pts could be a link (CVE-2025-52565)."""
    with about(CONSOLE):
        _attach_and_close(root, open_tree("", dir_fd=peer_fd), CONSOLE)


def protect(root: Root) -> None:
    """Make the root itself read-only, if so asked. Mounts on it are what they are."""
    if root.layout.launch.spec.read_only:
        mount_setattr(root.root_fd, set=MOUNT_ATTR_RDONLY)


def pivot(root: Root) -> None:
    """Make the new root the only one."""
    old_fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fchdir(root.root_fd)
    pivot_root(".", ".")
    os.fchdir(old_fd)
    # A slave still hears of mounts on the host and tells none; private, it would keep what is unmounted there busy.
    mount("", ".", flags=MS_REC | MS_SLAVE)
    umount2(".", flags=MNT_DETACH)
    os.chdir("/")
    os.close(old_fd)
