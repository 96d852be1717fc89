"""Generated files such as /etc/hosts: kept in the state directory, shown in the container by a bind mount.

The host's side may rewrite such a file in place while the container runs (a rename would leave the container with
the old one): `write` keeps the inode.
"""

from __future__ import annotations

import os

from composer.frozen import replace
from composer.spec.mounts import File
from composer.spec.network import Attachment


def host_path(state: str, target: str) -> str:
    """Where the file that the container sees at `target` is kept."""
    return f"{state}/files/{target.strip('/').replace('%', '%25').replace('/', '%2F')}"


def addressed(file: File, attachments: tuple[Attachment, ...]) -> File:
    """The file with the lines that depend on where the container is in its networks (hosts(5))."""
    if not file.own_names and not file.gateway_names:
        return file
    own = [address for it in attachments for address in (it.ipv4_address, it.ipv6_address) if address]
    hosts = [address for it in attachments for address in (it.ipv4_gateway, it.ipv6_gateway) if address and it.link]
    lines = [f"{address}\t{file.own_names}\n" for address in own if file.own_names]
    lines += [f"{hosts[0]}\t{name}\n" for name in file.gateway_names if hosts]
    return replace(file, content=file.content + "".join(lines))


def write(state: str, file: File) -> None:
    """Make or rewrite one file. Raises OSError."""
    content = file.content.encode(errors="surrogateescape")
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(host_path(state, file.target), flags, file.mode)
    try:
        if os.read(fd, len(content) + 1) != content:  # ext4 flushes what was truncated and rewritten: avoid it
            os.ftruncate(fd, 0)
            os.pwrite(fd, content, 0)
        os.fchown(fd, file.uid, file.gid)
        os.fchmod(fd, file.mode)  # the umask had its say at the open, and a chown takes set-user-id bits
    finally:
        os.close(fd)
