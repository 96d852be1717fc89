"""Ports of the host that are given away to containers.

    publication  one container's: reserved, led to it, given back; a file in its state directory tells who has them
    reservation  ports held by sockets, so that nobody else takes them
    holders      whose a port is that cannot be had
    rules        what comes from elsewhere, led to the container by the kernel (nftables)
    porter       a process for each container that has ports: it has the sockets, and leaves when the container ends
    proxy        what comes to the sockets all the same, carried to the container

The kernel translates before any socket is asked. What it cannot lead to a container without opening the host's
loopback to packets from outside (route_localnet), or not at all (::1; IPv6 to a container that has none), comes to the
sockets.
"""
