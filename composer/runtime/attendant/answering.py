"""Answers on the sockets that were opened inside the containers: each tells who asks.

They are bound to 127.0.0.11 in each container's network namespace, so nobody outside of it can ask at all, and nobody
can be flooded with answers. Beyond this module: connections (streams).
"""

from __future__ import annotations

import socket
from functools import partial

from composer.frozen import field, mutable
from composer.hints import Any, Callable
from composer.runtime.attendant import wire
from composer.runtime.attendant.forwarding import Forwarder, HostResolvers, Route
from composer.runtime.attendant.streams import Stream
from composer.runtime.attendant.wire import Code, Malformed, Query
from composer.runtime.attendant.zone import Others, Resident, Zone
from composer.runtime.launcher.loop import POLLIN, POLLOUT, Loop

AT_ONCE = 64  # datagrams taken from one socket before others have their turn
MOST_STREAMS = 32  # of one container
STREAM_PATIENCE = 10.0  # seconds without a question


@mutable
class Desk:
    """A container, as one who asks."""

    resident: Resident
    pidfd: int
    datagrams: socket.socket
    listener: socket.socket
    streams: list[Stream] = field(default_factory=list)


class Answering:
    """Serves desks. `others` are residents of other projects."""

    def __init__(self, loop: Loop, zone: Zone, *, others: Others, forwarder: Forwarder | None = None) -> None:
        self._loop = loop
        self._zone = zone
        self._others = others
        self._host = HostResolvers()
        self._forwarder = forwarder or Forwarder(loop)

    def open(self, desk: Desk) -> None:
        """Begin to answer."""
        for sock in (desk.datagrams, desk.listener):
            sock.setblocking(False)
        self._loop.watch(desk.datagrams.fileno(), lambda: self._take_datagrams(desk))
        self._loop.watch(desk.listener.fileno(), lambda: self._accept(desk))

    def close(self, desk: Desk) -> None:
        """Answer no more: a socket held open keeps the whole network namespace."""
        for stream in list(desk.streams):
            self._drop(desk, stream)
        for sock in (desk.datagrams, desk.listener):
            self._loop.unwatch(sock.fileno())
            sock.close()

    def _take_datagrams(self, desk: Desk) -> None:
        for _ in range(AT_ONCE):
            try:
                packet, asker = desk.datagrams.recvfrom(65536)
            except BlockingIOError:
                return
            except OSError:  # an asker that has closed its socket
                continue
            self._ask(desk, packet, partial(_send_to, desk, asker), stream=False)

    def _ask(self, desk: Desk, packet: bytes, done: Callable[[bytes], None], *, stream: bool) -> None:
        """Have one message answered; `done` is called once, or never for what deserves no answer."""
        try:
            query = wire.parse_query(packet)
        except Malformed:
            reply = wire.error(packet, Code.FORMERR)
            if reply is not None:
                done(reply)
            return
        limit = 65535 if stream else query.size
        if query.flags & wire.OPCODE or query.cls != wire.CLASS_IN:
            done(wire.response(query, code=Code.NOTIMP))
            return
        answer = self._zone.answer(desk.resident, query, others=self._others)
        if answer is not None:
            code, records = answer
            done(wire.response(query, records, code=code, limit=limit))
        elif not desk.resident.forwards:
            done(wire.response(query, code=Code.REFUSED))
        else:
            self._forward(desk, query, packet, done, stream=stream)

    def _forward(self, desk: Desk, query: Query, packet: bytes, done: Callable[[bytes], None], *, stream: bool) -> None:
        own = desk.resident.resolvers
        name = desk.resident.container
        route = Route(own, name, desk.pidfd, key=(name, own)) if own else Route(self._host.servers, name)

        def finish(reply: bytes | None) -> None:
            if reply is None:
                reply = wire.response(query, code=Code.SERVFAIL)
            elif not stream and len(reply) > query.size:  # kept from an asker that took more
                reply = wire.truncated(query)
            done(reply)

        self._forwarder.ask(packet, route, finish, stream=stream)

    # ---- TCP ----------------------------------------------------------------------------------------------------

    def _accept(self, desk: Desk) -> None:
        try:
            sock, _ = desk.listener.accept()
        except OSError:
            return
        if len(desk.streams) >= MOST_STREAMS:
            self._drop(desk, desk.streams[0])
        sock.setblocking(False)
        stream = Stream(sock)
        desk.streams.append(stream)
        self._loop.watch(sock.fileno(), lambda: self._serve(desk, stream))
        self._loop.call_later(STREAM_PATIENCE, lambda: self._expire(desk, stream))

    def _expire(self, desk: Desk, stream: Stream) -> None:
        if stream.is_open and not stream.busy:
            stream.busy = True
            self._drop(desk, stream)
        elif stream.is_open:
            stream.busy = False
            self._loop.call_later(STREAM_PATIENCE, lambda: self._expire(desk, stream))

    def _serve(self, desk: Desk, stream: Stream) -> None:
        try:
            stream.flush()
            for packet in stream.receive():
                self._ask(desk, packet, lambda reply: self._reply(desk, stream, reply), stream=True)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(desk, stream)
            return
        self._watch(desk, stream)

    def _reply(self, desk: Desk, stream: Stream, reply: bytes) -> None:
        if not stream.is_open:
            return
        try:
            stream.send(reply)
        except OSError:
            self._drop(desk, stream)
            return
        self._watch(desk, stream)

    def _watch(self, desk: Desk, stream: Stream) -> None:
        if stream.is_open:
            events = POLLIN | (POLLOUT if stream.waiting else 0)
            self._loop.watch(stream.sock.fileno(), lambda: self._serve(desk, stream), events=events)

    def _drop(self, desk: Desk, stream: Stream) -> None:
        if stream in desk.streams:
            desk.streams.remove(stream)
            self._loop.unwatch(stream.sock.fileno())
            stream.sock.close()


def _send_to(desk: Desk, asker: tuple[Any, ...], reply: bytes) -> None:
    try:
        desk.datagrams.sendto(reply, asker)
    except OSError:
        pass  # the container has ended meanwhile, or does not read: it would ask again
