"""Paths resolved inside a root directory with openat2(2), and mount points made there.

Beyond this module: what is opened or made, and why. All results are descriptors that the caller closes.

A path below a container's root is the container's to choose: a symbolic link in it, or one swapped in at the
right moment, points wherever it likes. RESOLVE_IN_ROOT lets the kernel take the descriptor for "/" at every
step, `..` and absolute links included, and there is no moment between check and use.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

from composer.linux.libc import AT_FDCWD, c_string, call_failed, system_call

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
RESOLVE_CACHED = 0x20

ATTEMPTS = 128
ROUNDS = 4096  # more than PATH_MAX has components: only a loop of symbolic links gets there

Path = str | bytes | os.PathLike[str]


class open_how(ctypes.Structure):
    """struct open_how of <linux/openat2.h>."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_openat2 = system_call("openat2", ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(open_how), ctypes.c_size_t)


def openat2(path: Path, flags: int, *, dir_fd: int = AT_FDCWD, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2), Linux 5.6, always close-on-exec. `mode` is for O_CREAT and must else be 0. Raises OSError.

    EAGAIN says that a rename or mount elsewhere on the host made the kernel lose track of `..`: it is tried
    again, though not for ever, since a container can rename in a loop.
    """
    how = open_how(flags | os.O_CLOEXEC, mode, resolve)
    encoded = c_string(path)
    for _ in range(ATTEMPTS - 1):
        try:
            return _openat2(dir_fd, encoded, how, ctypes.sizeof(how))
        except BlockingIOError:
            continue
    return _openat2(dir_fd, encoded, how, ctypes.sizeof(how))


def open_in_root(root_fd: int, path: str, *, flags: int = os.O_PATH, mode: int = 0) -> int:
    """Open `path` with the directory `root_fd` as its "/". Raises OSError, ELOOP for a magic link of procfs."""
    return openat2(
        path.lstrip("/") or ".",
        flags,
        dir_fd=root_fd,
        mode=mode,
        resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    )


def make_directories(root_fd: int, path: str, *, mode: int = 0o755) -> int:
    """Make the directory `path` inside `root_fd` and all that are missing above it: an O_PATH descriptor of it.

    What exists is left as it is. Links are followed inside the root, also those that dangle, as /var/lock ->
    /run/lock does in a Debian root. `mode` is for the new ones, less the umask. Raises OSError.

    A component is made only in a directory that is already held open, never by its path: between the check
    and a mkdir(path) a link can be swapped in that leads to the host (CVE-2024-45310).
    """
    for _ in range(ROUNDS):
        try:
            return open_in_root(root_fd, path, flags=os.O_PATH | os.O_DIRECTORY)
        except FileNotFoundError:
            path = _make_first_missing(root_fd, path, mode=mode)
    raise call_failed(errno.ELOOP, f"make_directories({path!r})")


def _make_first_missing(root_fd: int, path: str, *, mode: int) -> str:
    """Make one directory and return `path`; where a dangling link is in its place, return where `path` leads."""
    names = [name for name in path.split("/") if name]
    depth = _first_missing(root_fd, names)
    if depth == len(names):
        return path  # somebody else made it
    parent_fd = open_in_root(root_fd, "/".join(names[:depth]), flags=os.O_PATH | os.O_DIRECTORY)
    try:
        os.mkdir(names[depth], mode, dir_fd=parent_fd)
    except FileExistsError:
        return _through_link(parent_fd, above=names[:depth], name=names[depth], below=names[depth + 1 :])
    finally:
        os.close(parent_fd)
    return path


def _first_missing(root_fd: int, names: list[str]) -> int:
    for depth in range(len(names)):
        try:
            os.close(open_in_root(root_fd, "/".join(names[: depth + 1])))
        except FileNotFoundError:
            return depth
    return len(names)


def _through_link(parent_fd: int, *, above: list[str], name: str, below: list[str]) -> str:
    """The path above/name/below with the link `name` replaced by what it says; as it is if it is no link now."""
    try:
        target = os.readlink(name, dir_fd=parent_fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
        return "/".join([*above, name, *below])
    return "/".join([target, *below] if target.startswith("/") else [*above, target, *below])


def make_file(root_fd: int, path: str, *, mode: int = 0o644) -> int:
    """Make the empty regular file `path` inside `root_fd`, and the directories above it: an O_PATH descriptor.

    An existing file of any kind is left as it is. Raises OSError: IsADirectoryError where a directory is there.
    """
    path = path.rstrip("/")
    for _ in range(ROUNDS):
        try:
            return _refuse_directory(open_in_root(root_fd, path), path)
        except FileNotFoundError:
            path = _make_missing_file(root_fd, path, mode=mode)
    raise call_failed(errno.ELOOP, f"make_file({path!r})")


def _refuse_directory(fd: int, path: str) -> int:
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.close(fd)
        raise call_failed(errno.EISDIR, f"make_file({path!r})")
    return fd


def _make_missing_file(root_fd: int, path: str, *, mode: int) -> str:
    """Make the file and return `path`; where a dangling link is in its place, return where `path` leads."""
    above, _, name = path.rpartition("/")
    parent_fd = make_directories(root_fd, above)
    try:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode, dir_fd=parent_fd))
    except FileExistsError:
        return _through_link(parent_fd, above=[above], name=name, below=[])
    finally:
        os.close(parent_fd)
    return path
