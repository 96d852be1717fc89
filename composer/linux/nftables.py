"""nftables(8) rulesets, by libnftables: the library that the command `nft` itself is made of.

A text of commands is one transaction: all of it holds from one packet to the next, or nothing has changed. In-process,
so that nobody forks; loaded at the first use, for it is a megabyte that most commands do without.

Beyond this module: what the rules are.
"""

from __future__ import annotations

import ctypes
import errno
import socket
from functools import cache

from composer.errors import MissingFeature

LIBRARY = "libnftables.so.1"
NFT_CTX_DEFAULT = 0
NETLINK_NETFILTER = 12


def run(commands: str) -> str:
    """Do what `nft -f` would do with these commands; what it would print. Raises OSError, MissingFeature."""
    with Conversation() as conversation:
        return conversation.run(commands)


class Conversation:
    """With the nf_tables of the network namespace that it is begun in, wherever the caller goes afterwards.

    Its end waits until the kernel has cleaned up after what was changed: a grace period of RCU, 5 to 20 ms. Who has no
    time for that lets it end later, when there is nothing left to wait for. Until then the namespace is there.
    """

    def __init__(self) -> None:
        """Raises OSError, MissingFeature."""
        self._library = _library()
        _require_netfilter()
        self._context = self._library.nft_ctx_new(NFT_CTX_DEFAULT)
        if not self._context:
            raise MemoryError("nft_ctx_new")
        self._library.nft_ctx_buffer_error(self._context)
        self._library.nft_ctx_buffer_output(self._context)

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def run(self, commands: str) -> str:
        """As the function `run`. Raises OSError."""
        if self._library.nft_run_cmd_from_buffer(self._context, commands.encode()) != 0:
            said = self._library.nft_ctx_get_error_buffer(self._context) or b""
            error = OSError(0, said.decode(errors="replace").strip() or "nftables does not say why")
            error.add_note("nft -f")
            raise error
        return (self._library.nft_ctx_get_output_buffer(self._context) or b"").decode(errors="replace")

    def close(self) -> None:
        """Once."""
        self._library.nft_ctx_free(self._context)


def _require_netfilter() -> None:
    """Asked beforehand: where it cannot have its socket, the library ends the whole process."""
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER).close()
    except OSError as error:
        if error.errno != errno.EPROTONOSUPPORT:
            raise
        raise MissingFeature(
            "this kernel has no nf_tables", hint="modprobe nf_tables; it is CONFIG_NF_TABLES of the kernel"
        ) from error


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise MissingFeature(
            f"{LIBRARY} is not installed",
            hint="apt install nftables, dnf install nftables, or whatever this system calls it",
        ) from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_free.argtypes = [ctypes.c_void_p]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("nft_ctx_buffer_error", "nft_ctx_buffer_output"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_error_buffer", "nft_ctx_get_output_buffer"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = ctypes.c_char_p
    return library
