"""Tells systemd how far a service is: sd_notify(3)."""

from __future__ import annotations

import socket


def notify(address: str | None, state: str) -> None:
    """Send `state`, READY=1 for one, to the socket that NOTIFY_SOCKET names. Nothing where nobody asked for it."""
    if not address:
        return
    target = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), target)
