"""As whom a process runs: user and groups, looked up in the container's own /etc/passwd and /etc/group.

Read by the child once the container's root is its own, so that no symbolic link in it leads elsewhere. The files are
the image's, that is a stranger's: an entry that is not exactly right does not count (an unreadable number must
never come out as 0), only regular files are read, and no more of them than a sane system has.

    ""            root, with what /etc/passwd says about uid 0
    "name"        must be in /etc/passwd; its groups are those of /etc/group
    "uid"         need not be there
    "name:group"  "uid:gid": exactly that group, and none of /etc/group (as Docker does)
"""

from __future__ import annotations

import os
import stat

from composer.errors import HostError
from composer.frozen import frozen
from composer.hints import Iterator
from composer.linux.openat2 import open_in_root

PASSWD, GROUP = "/etc/passwd", "/etc/group"
READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
LARGEST_FILE = 4 << 20  # bytes
LARGEST_ID = 2**31 - 1  # Docker's bound; beyond are ids that some interfaces read as negative


@frozen
class Identity:
    """What a process runs as, and where its home is."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


@frozen
class _User:
    name: str
    uid: int
    gid: int
    home: str


@frozen
class _Group:
    name: str
    gid: int
    members: tuple[str, ...]


def resolve(user: str, *, groups: tuple[str, ...] = ()) -> Identity:
    """The identity that `user` and the supplementary `groups` name here. Raises HostError naming what is unknown."""
    return resolve_in(user, groups=groups, passwd=_read(PASSWD), group=_read(GROUP))


def resolve_below(root_fd: int, user: str) -> Identity:
    """The identity that `user` names in the root file system `root_fd`, before it is anybody's root."""
    found = []
    for path in (PASSWD, GROUP):
        try:
            fd = open_in_root(root_fd, path, flags=READ)
        except (FileNotFoundError, NotADirectoryError):
            found.append(b"")
            continue
        found.append(_read_open(fd, path))
    return resolve_in(user, groups=(), passwd=found[0], group=found[1])


def resolve_in(user: str, *, groups: tuple[str, ...], passwd: bytes, group: bytes) -> Identity:
    """The same by the contents of the two files."""
    user_part, group_part = split(user)
    entries = tuple(_groups(group))
    found = _find_user(user_part, passwd)
    uid = found.uid if found else _number(user_part or "0", what="user")
    if group_part is not None:
        gid = _gid(group_part, entries)
        own_groups: tuple[int, ...] = ()
    else:
        gid = found.gid if found else 0
        own_groups = tuple(entry.gid for entry in entries if found and found.name in entry.members)
    added = tuple(_gid(name, entries) for name in groups)
    supplementary = tuple(dict.fromkeys((*own_groups, *added)))
    return Identity(uid, gid, supplementary, (found.home if found else "") or "/")


def split(user: str) -> tuple[str, str | None]:
    """ "user[:group]" as its two parts. Raises HostError: a mistake here must never end as another user."""
    name, colon, group = user.partition(":")
    if colon and (not name or not group or ":" in group):
        raise HostError(f"cannot run as user {user!r}: write USER or USER:GROUP")
    return name, group if colon else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _number(text: str, *, what: str) -> int:
    """A user or group that no file knows: only a number can do without."""
    if not _is_number(text):
        place = PASSWD if what == "user" else GROUP
        raise HostError(f"cannot run as {what} {text!r}: it is not in {place} of the root file system")
    if not _is_id(text):
        raise HostError(f"cannot run as {what} {text}: the largest number is {LARGEST_ID}")
    return int(text)


def _find_user(text: str, passwd: bytes) -> _User | None:
    if _is_number(text or "0"):  # a number is always a uid, even where a user has digits for a name
        return next((entry for entry in _users(passwd) if str(entry.uid) == (text.lstrip("0") or "0")), None)
    return next((entry for entry in _users(passwd) if entry.name == text), None)


def _gid(text: str, entries: tuple[_Group, ...]) -> int:
    if not _is_number(text):
        for entry in entries:
            if entry.name == text:
                return entry.gid
    return _number(text, what="group")


def _users(passwd: bytes) -> Iterator[_User]:
    for fields in _lines(passwd, count=4):
        if _is_id(fields[2]) and _is_id(fields[3]):
            yield _User(fields[0], int(fields[2]), int(fields[3]), home=fields[5] if len(fields) > 5 else "")


def _groups(group: bytes) -> Iterator[_Group]:
    for fields in _lines(group, count=3):
        if _is_id(fields[2]):
            yield _Group(fields[0], int(fields[2]), members=tuple(fields[3].split(",")) if len(fields) > 3 else ())


def _is_id(text: str) -> bool:
    return _is_number(text) and len(text) <= len(str(LARGEST_ID)) and int(text) <= LARGEST_ID


def _lines(content: bytes, *, count: int) -> Iterator[list[str]]:
    """The lines with at least `count` fields and a name; "+" and "-" begin entries of NIS, which say nothing here."""
    for line in content.split(b"\n"):
        fields = os.fsdecode(line).split(":")
        if len(fields) >= count and fields[0] and fields[0][0] not in "+-#":
            yield fields


def _read(path: str) -> bytes:
    """The beginning of a file, b"" where it is missing. O_NONBLOCK: a FIFO in its place must not stop us."""
    try:
        fd = os.open(path, READ | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    return _read_open(fd, path)


def _read_open(fd: int, path: str) -> bytes:
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise HostError(f"cannot look up users: {path} of the root file system is not a regular file")
        with open(fd, "rb", closefd=False) as file:
            return file.read(LARGEST_FILE)
    finally:
        os.close(fd)
