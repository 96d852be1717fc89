"""Names, as they are asked for from within network namespaces."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

import pytest

from composer.linux.namespaces import CLONE_NEWNET, setns
from composer.runtime.attendant import protocol, spawn
from composer.runtime.attendant.client import Attendant
from composer.runtime.attendant.forwarding import HostResolvers
from composer.runtime.attendant.process import LOCK, SOCKET, Config, main
from composer.runtime.attendant.sockets import BEHIND, network_of
from composer.runtime.attendant.zone import Place
from composer.spec.network import NamedPort, Protocol
from composer.store.paths import Paths
from tests.linux.forked import run_in_child
from tests.runtime.attending import (
    AAAA,
    NOERROR,
    NXDOMAIN,
    PTR,
    REFUSED,
    SERVFAIL,
    SRV,
    TXT,
    A,
    House,
    Inhabitant,
    ask,
    exchange,
    house,
    inhabit,
    query,
    unpack,
)
from tests.supervisor.projects import wait_pid_gone

pytestmark = pytest.mark.root
T = TypeVar("T")


@pytest.fixture
def shop(paths: Paths) -> Iterator[House]:
    with house(paths.run) as one:
        yield one


def place(network: str, *addresses: str, names: tuple[str, ...] = ()) -> Place:
    return Place(network, addresses, names, tuple(f"{it}/64" if ":" in it else f"{it}/32" for it in addresses))


def inside(shop: House, container: str, function: Callable[[], T]) -> T:
    """What a function returns that is called in the network of a container, by a process of its own."""
    pidfd = shop.inhabitants[container].pidfd

    def enter() -> T:
        setns(pidfd, CLONE_NEWNET)
        return function()

    returned: T = run_in_child(enter)
    return returned


def test_containers_are_found_by_all_their_names(shop: House) -> None:
    shop.move_in("shop-db-1", place("shop_default", "10.9.0.2", "fd00::2", names=("db", "store")))
    shop.move_in("shop-web-1", place("shop_default", "10.9.0.3"))
    for name in ("db", "DB", "store", "shop-db-1", "db.shop_default"):
        assert shop.ask("shop-web-1", name) == (NOERROR, ["10.9.0.2"]), name
    assert shop.ask("shop-web-1", "db", AAAA) == (NOERROR, ["fd00::2"])
    assert shop.ask("shop-web-1", "db", stream=True) == (NOERROR, ["10.9.0.2"])
    assert shop.ask("shop-db-1", "shop-web-1", AAAA) == (NOERROR, []), "there, but without an address of that kind"
    assert shop.ask("shop-db-1", "db", TXT) == (NOERROR, [])
    assert shop.ask("shop-db-1", "localhost") == (NOERROR, ["127.0.0.1"])


def test_addresses_lead_back_to_names(shop: House) -> None:
    shop.move_in("shop-db-1", place("shop_default", "10.9.0.2", "fd00::2"))
    assert shop.ask("shop-db-1", "2.0.9.10.in-addr.arpa", PTR) == (NOERROR, ["shop-db-1.shop_default"])
    backwards = ".".join(reversed("fd000000000000000000000000000002")) + ".ip6.arpa"
    assert shop.ask("shop-db-1", backwards, PTR) == (NOERROR, ["shop-db-1.shop_default"])


def test_ports_are_found_by_their_names(shop: House) -> None:
    shop.move_in("shop-db-1", place("n", "10.9.0.2", names=("db",)), ports=(NamedPort("redis", Protocol.TCP, 6379),))
    assert shop.ask("shop-db-1", "_redis._tcp.db", SRV) == (NOERROR, ["6379 shop-db-1.n"])
    assert shop.ask("shop-db-1", "_redis._udp.db", SRV) == (NXDOMAIN, [])


def test_names_hold_on_shared_networks_only(shop: House) -> None:
    shop.move_in("shop-db-1", place("shop_back", "10.9.1.2", names=("db",)))
    shop.move_in("shop-web-1", place("shop_back", "10.9.1.3"), place("shop_front", "10.9.2.3"))
    shop.move_in("shop-proxy-1", place("shop_front", "10.9.2.4"))
    assert shop.ask("shop-web-1", "db") == (NOERROR, ["10.9.1.2"])
    assert shop.ask("shop-proxy-1", "db") == (NXDOMAIN, [])
    assert shop.ask("shop-proxy-1", "shop-web-1") == (NOERROR, ["10.9.2.3"]), "the address on the network shared"


def test_replicas_take_turns_at_being_first(shop: House) -> None:
    for number in (1, 2, 3):
        shop.move_in(f"shop-web-{number}", place("n", f"10.9.0.{number}", names=("web",)))
    firsts = []
    for _ in range(6):
        code, addresses = shop.ask("shop-web-1", "web")
        assert code == NOERROR
        assert sorted(addresses) == ["10.9.0.1", "10.9.0.2", "10.9.0.3"]
        firsts.append(addresses[0])
        assert shop.ask("shop-web-1", "web", AAAA) == (NOERROR, []), "as most programs do, which must not take a turn"
    assert sorted(firsts) == ["10.9.0.1", "10.9.0.1", "10.9.0.2", "10.9.0.2", "10.9.0.3", "10.9.0.3"]
    assert len({shop.ask(f"shop-web-{number}", "web")[1][0] for number in (2, 3)}) == 2, "who begins elsewhere"


def test_many_replicas_fit_over_tcp(shop: House) -> None:
    addresses = tuple(f"10.9.{n}.1" for n in range(100))
    shop.move_in("shop-web-1", place("n", *addresses, names=("web",)))
    assert len(shop.ask("shop-web-1", "web")[1]) < 100, "512 bytes do not hold them"
    assert sorted(shop.ask("shop-web-1", "web", stream=True)[1]) == sorted(addresses)


def test_who_has_ended_is_not_found(shop: House) -> None:
    shop.move_in("shop-web-1", place("n", "10.9.0.1", names=("web",)))
    shop.move_in("shop-web-2", place("n", "10.9.0.2", names=("web",)))
    shop.move_out("shop-web-2")
    while len(shop.ask("shop-web-1", "web")[1]) > 1:  # nobody tells the attendant: the kernel does
        pass
    assert shop.ask("shop-web-1", "web") == (NOERROR, ["10.9.0.1"])
    assert shop.ask("shop-web-1", "shop-web-2") == (NXDOMAIN, [])


def test_with_x_dns_healthy_only_the_healthy_are_found(shop: House) -> None:
    web = place("n", "10.9.0.1", names=("web",))
    shop.move_in("shop-web-1", web, only_healthy=True, healthy=False)
    assert shop.ask("shop-web-1", "web") == (NOERROR, []), "the name is there, nobody answers to it"
    shop.attendant.set_healthy("shop-web-1", healthy=True)
    assert shop.ask("shop-web-1", "web") == (NOERROR, ["10.9.0.1"])


def test_links_are_names_for_one_container(shop: House) -> None:
    shop.move_in("shop-db-1", place("n", "10.9.0.2", names=("db",)))
    shop.move_in("shop-web-1", place("n", "10.9.0.3"), links=(("database", "db"),))
    assert shop.ask("shop-web-1", "database") == (NOERROR, ["10.9.0.2"])
    assert shop.ask("shop-db-1", "database") == (NXDOMAIN, [])


def test_projects_meet_on_a_network(paths: Paths, shop: House) -> None:
    with house(paths.run, "blog") as blog:
        shop.move_in("shop-db-1", place("shared", "10.9.0.2", names=("db",)))
        blog.move_in("blog-web-1", place("shared", "10.9.0.3"), place("blog_default", "10.8.0.3"))
        blog.move_in("blog-job-1", place("blog_default", "10.8.0.4"))
        assert blog.ask("blog-web-1", "db") == (NOERROR, ["10.9.0.2"])
        assert blog.ask("blog-job-1", "db") == (NXDOMAIN, [])
        assert shop.ask("shop-db-1", "blog-web-1") == (NOERROR, ["10.9.0.3"])


def test_nonsense_is_answered_or_passed_over(shop: House) -> None:
    shop.move_in("shop-db-1", place("n", "10.9.0.2", names=("db",)))

    def send() -> list[int]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for size in range(40):
                sock.sendto(os.urandom(size), ("127.0.0.11", 53))
            sock.sendto(b"\x12\x34\x81\x00" + bytes(8), ("127.0.0.11", 53))  # an answer: no answer to it
        pointer = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"
        return [unpack(exchange(pointer))[0]]

    assert inside(shop, "shop-db-1", send) == [1]
    assert shop.ask("shop-db-1", "db") == (NOERROR, ["10.9.0.2"])


def test_who_speaks_edns_is_answered_in_edns(shop: House) -> None:
    shop.move_in("shop-web-1", place("n", *(f"10.9.{n}.1" for n in range(100)), names=("web",)))
    packet = query("web", A, edns=4096)
    reply = inside(shop, "shop-web-1", lambda: list(exchange(packet)))
    assert bytes(reply[-11:-6]) == b"\0\0\x29\xff\xff", "the root's name, OPT, the size of what we take"
    assert len(unpack(bytes(reply))[1]) == 100, "as much as the asker takes"
    assert len(unpack(bytes(inside(shop, "shop-web-1", lambda: list(exchange(query("web", A))))))[1]) < 100


@contextmanager
def taken(inhabitant: Inhabitant, port: int) -> Iterator[socket.socket]:
    """A container has a port of all its addresses, of UDP and TCP: the socket of UDP."""
    with network_of(inhabitant.pidfd):
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with datagrams, listener:
        for sock in (datagrams, listener):
            sock.bind(("0.0.0.0", port))
        listener.listen()
        yield datagrams


def test_a_container_may_be_a_name_server_itself(shop: House) -> None:
    shop.move_in("shop-dns-1", place("n", "10.9.0.2", names=("dns",)))
    with taken(shop.inhabitants["shop-dns-1"], 53) as own:
        assert shop.ask("shop-dns-1", "dns") == (NOERROR, ["10.9.0.2"])
        assert shop.ask("shop-dns-1", "dns", stream=True) == (NOERROR, ["10.9.0.2"])

        def ask_it() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
                asker.sendto(b"who?", ("127.0.0.1", 53))

        inside(shop, "shop-dns-1", ask_it)
        own.settimeout(5)
        assert own.recv(100) == b"who?"


@pytest.mark.parametrize("port", [53, BEHIND])
def test_names_can_be_asked_whichever_ports_a_container_has(shop: House, port: int) -> None:
    shop.inhabitants["shop-dns-1"] = inhabit()
    with taken(shop.inhabitants["shop-dns-1"], port):
        shop.move_in("shop-dns-1", place("n", "10.9.0.2", names=("dns",)))
        assert shop.ask("shop-dns-1", "dns") == (NOERROR, ["10.9.0.2"])
        assert shop.ask("shop-dns-1", "dns", stream=True) == (NOERROR, ["10.9.0.2"])


def test_who_is_introduced_again_stays_who_it_was(shop: House) -> None:
    """By a launcher that has taken over: connections go on, and health is what it was."""
    web = place("n", "10.9.0.1", names=("web",))
    shop.move_in("shop-web-1", web, only_healthy=True, healthy=False)
    shop.attendant.set_healthy("shop-web-1", healthy=True)
    with network_of(shop.inhabitants["shop-web-1"].pidfd):
        asker = socket.create_connection(("127.0.0.11", 53), timeout=5)
    with asker:
        shop.move_in("shop-web-1", web, only_healthy=True, healthy=False)
        message = query("web", A)
        asker.sendall(len(message).to_bytes(2, "big") + message)
        assert unpack(asker.recv(1000)[2:]) == (NOERROR, ["10.9.0.1"])


@contextmanager
def name_server(inside: Inhabitant | None = None, address: str = "127.77.0.1") -> Iterator[tuple[str, list[bytes]]]:
    """A name server of the test's own that answers 192.0.2.7 to everything: (address, questions it was asked)."""
    with network_of(inside.pidfd) if inside is not None else nullcontext():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    for one in (sock, listener):
        one.bind((address, 53))
    listener.listen()
    asked: list[bytes] = []

    def answer(data: bytes) -> bytes:
        asked.append(data)
        record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x00\x00\x04\xc0\x00\x02\x07"
        return data[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + data[12:] + record

    def serve() -> None:
        while True:
            readable, _, _ = select.select([sock, listener], [], [])
            if listener in readable:
                stream, _ = listener.accept()
                with stream:
                    reply = answer(stream.recv(65536)[2:])
                    stream.sendall(len(reply).to_bytes(2, "big") + reply)
            if sock in readable:
                data, who = sock.recvfrom(65536)
                if data == b"end":
                    return
                sock.sendto(answer(data), who)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield address, asked
    finally:
        sock.sendto(b"end", (address, 53))
        thread.join()
        sock.close()
        listener.close()


def test_a_services_own_server_is_asked_from_within(shop: House) -> None:
    shop.move_in("shop-web-1", place("n", "10.9.0.3"))
    with name_server(shop.inhabitants["shop-web-1"]) as (address, asked):
        shop.move_in("shop-web-1", place("n", "10.9.0.3"), resolvers=(address,))
        for _ in range(3):
            assert shop.ask("shop-web-1", "www.example.com") == (NOERROR, ["192.0.2.7"])
        assert len(asked) == 1, "the cache answers"
        assert shop.ask("shop-web-1", "www.example.net", stream=True) == (NOERROR, ["192.0.2.7"])
        assert len(asked) == 2
        shop.move_in("shop-job-1", place("n", "10.9.0.4"), resolvers=(address,))
        assert shop.ask("shop-job-1", "www.example.com") == (SERVFAIL, []), "there is no such server in its network"


def test_a_server_that_does_not_answer_makes_way_for_the_next(shop: House) -> None:
    shop.move_in("shop-web-1", place("n", "10.9.0.3"))
    with name_server(shop.inhabitants["shop-web-1"], "127.77.0.2") as (address, asked):
        resolvers = ("127.77.0.1", "192.0.2.1", address)  # nobody is there; there is no way there
        shop.move_in("shop-web-1", place("n", "10.9.0.3"), resolvers=resolvers)
        assert shop.ask("shop-web-1", "www.example.com") == (NOERROR, ["192.0.2.7"])
        assert shop.ask("shop-web-1", "www.example.net", stream=True) == (NOERROR, ["192.0.2.7"])
        assert len(asked) == 2


def test_the_hosts_servers_are_read_again_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    hosts = HostResolvers(str(file))
    assert not hosts.servers
    file.write_text("# by hand\nsearch a.org\nnameserver 127.0.0.53\nnameserver  fe80::1%eth0\nnameserver\n")
    assert list(hosts.servers) == ["127.0.0.53", "fe80::1%eth0"]
    (tmp_path / "new").write_text("".join(f"nameserver 192.0.2.{n}\n" for n in range(9)))
    (tmp_path / "new").rename(file)
    assert list(hosts.servers) == ["192.0.2.0", "192.0.2.1", "192.0.2.2"], "as many as a C library asks"


def test_internal_networks_know_no_names_of_the_outside(shop: House) -> None:
    shop.move_in("shop-db-1", place("n", "10.9.0.3"), forwards=False)
    assert shop.ask("shop-db-1", "www.example.com") == (REFUSED, [])


def test_unknown_names_of_ours_are_nobody_elses_business(shop: House) -> None:
    shop.move_in("shop-web-1", place("n", "10.9.0.3"))
    with name_server(shop.inhabitants["shop-web-1"]) as (address, asked):
        shop.move_in("shop-web-1", place("n", "10.9.0.3"), resolvers=(address,))
        assert shop.ask("shop-web-1", "databse") == (NXDOMAIN, [])
        assert shop.ask("shop-web-1", "databse.n") == (NXDOMAIN, []), "n is the network"
        assert shop.ask("shop-web-1", "_http._tcp.databse", SRV) == (NXDOMAIN, [])
        shop.move_in("shop-web-1", Place("n", ("10.9.0.3",), (), ("10.9.0.0/24",)), resolvers=(address,))
        assert shop.ask("shop-web-1", "9.0.9.10.in-addr.arpa", PTR) == (NXDOMAIN, []), "an address of the network"
        assert asked == []
        assert shop.ask("shop-web-1", "1.2.0.192.in-addr.arpa", PTR) == (NOERROR, ["192.0.2.7"])


def test_an_attendant_that_was_killed_is_replaced(shop: House) -> None:
    resident = shop.move_in("shop-db-1", place("n", "10.9.0.2", names=("db",)))
    os.kill(shop.attendant.pid, signal.SIGKILL)
    wait_pid_gone(shop.attendant.pid)
    with Attendant(spawn.connect("shop", directory=shop.directory)) as new:
        one = shop.inhabitants["shop-db-1"]
        new.serve(resident, one.pidfd)
        assert ask(one.pid, "db") == (NOERROR, ["10.9.0.2"])
        shop.move_out("shop-db-1")
    wait_pid_gone(new.pid)


def test_an_attendant_of_another_version_is_replaced(paths: Paths) -> None:
    directory = f"{paths.run}/shop"
    os.makedirs(directory)
    lock = os.open(f"{directory}/{LOCK}", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"{directory}/{SOCKET}")
        listener.listen()
        pid = os.fork()
        if pid == 0:
            try:
                protocol.VERSION += 1
                main(Config("shop", directory, listener.fileno(), lock))
            finally:
                os._exit(0)
    os.close(lock)
    with spawn.reach("shop", directory=directory) as new:
        assert (new.pid != pid, new.version) == (True, protocol.VERSION)
    assert os.waitpid(pid, 0) == (pid, 0)
    wait_pid_gone(new.pid)
    assert os.listdir(directory) == []


def test_the_host_hears_nothing(shop: House) -> None:
    shop.move_in("shop-db-1", place("n", "10.9.0.2"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.11", 53))
        sock.send(b"x" * 20)
        with pytest.raises(ConnectionRefusedError):
            sock.recv(100)
