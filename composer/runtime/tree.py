"""Removes a directory with everything in it, whatever a container has made of it.

Not recursive and not limited in depth: a container can nest directories deeper than any path or stack. What is not
empty is moved up, beside the directory that is being removed, and emptied in its turn; no path grows, no symbolic
link is followed.
"""

from __future__ import annotations

import errno
import os

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str) -> None:
    """Remove `path`, a directory. Fine if it is gone. Raises OSError, EBUSY where something is mounted inside."""
    try:
        top = os.open(path, FLAGS)
    except (FileNotFoundError, NotADirectoryError) as error:
        if isinstance(error, NotADirectoryError) and os.path.lexists(path):
            raise
        return  # gone, or below what is no directory any more
    try:
        full = _empty(top, top)
        while full:
            name = full.pop()
            directory = os.open(name, FLAGS, dir_fd=top)
            try:
                full += _empty(directory, top)
            finally:
                os.close(directory)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(path)


def _empty(directory: int, top: int) -> list[str]:
    """Remove all that can be removed from `directory`; the names in `top` of what must be emptied first."""
    full = []
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if not is_directory:
            os.unlink(name, dir_fd=directory)
        elif not _remove_if_empty(name, directory):
            full.append(name if directory == top else _move_up(name, directory, top))
    return full


def _remove_if_empty(name: str, directory: int) -> bool:
    try:
        os.rmdir(name, dir_fd=directory)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _move_up(name: str, directory: int, top: int) -> str:
    unused = f".{os.urandom(16).hex()}"  # not to be guessed by whoever named what is in `top`
    os.rename(name, unused, src_dir_fd=directory, dst_dir_fd=top)
    return unused
