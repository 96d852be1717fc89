"""Links, addresses and routes of a network namespace of the test's own."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from composer.linux import nftables, rtnetlink
from composer.linux.namespaces import CLONE_NEWNET, unshare
from composer.linux.netlink import attribute
from composer.linux.rtnetlink import names, open_route
from tests.linux.forked import errno_of, run_in_own_network

pytestmark = pytest.mark.root


def in_a_namespace(work: Callable[[rtnetlink.RouteSocket], object]) -> Any:
    """What `work` returns (as JSON) in a network namespace that ends with it."""

    def inside() -> object:
        with open_route() as route:
            return work(route)

    return run_in_own_network(inside)


def test_a_bridge_with_an_address_and_a_port_is_found_again() -> None:
    def work(route: rtnetlink.RouteSocket) -> object:
        route.perform([rtnetlink.new_link("br", "bridge", attribute(rtnetlink.IFLA_MTU, 1400))])
        bridge = names(route.links())["br"]
        route.perform(
            [
                rtnetlink.new_link(
                    "out", "veth", attribute(rtnetlink.IFLA_MASTER, bridge.index), data=(rtnetlink.veth_peer("in"),)
                ),
                rtnetlink.set_link("out", attribute(rtnetlink.IFLA_IFALIAS, b"a label"), up=False),
                rtnetlink.set_link("out"),
                rtnetlink.new_address(bridge.index, "10.1.0.1", 24),
                rtnetlink.new_address(bridge.index, "fd00::1", 64),
                rtnetlink.set_link("br"),
                rtnetlink.new_default_route("10.1.0.254", bridge.index),
            ]
        )
        [port] = route.links(master=bridge.index)
        assert route.aliases(master=bridge.index) == [port.alias]
        addresses = [it.address for it in route.addresses() if it.index == bridge.index]
        destinations = [it.destination for it in route.routes() if it.index == bridge.index]
        return bridge.kind, bridge.mtu, port.name, port.alias, port.up, addresses, destinations

    kind, mtu, name, alias, up, addresses, destinations = in_a_namespace(work)
    assert (kind, mtu, name, alias, up) == ("bridge", 1400, "out", "a label", True)
    assert {"10.1.0.1", "fd00::1"} <= set(addresses)
    assert {"", "10.1.0.0/24"} <= set(destinations)


def test_a_batch_goes_on_after_a_failure_and_tells_the_first() -> None:
    def work(route: rtnetlink.RouteSocket) -> object:
        batch = [
            rtnetlink.new_link("one", "bridge"),
            rtnetlink.new_link("one", "bridge"),
            rtnetlink.set_link("nobody"),
            rtnetlink.new_link("two", "bridge"),
        ]
        try:
            route.perform(batch)
        except OSError as error:
            return error.errno, error.__notes__, sorted(names(route.links()))
        return None

    number, notes, found = in_a_namespace(work)
    assert number == errno.EEXIST
    assert notes[0] == "rtnetlink: link add one type bridge"
    assert found == ["lo", "one", "two"]


def test_what_is_gone_is_gone_at_once_and_twice() -> None:
    def work(route: rtnetlink.RouteSocket) -> object:
        group = attribute(rtnetlink.IFLA_GROUP, 77)
        route.perform([rtnetlink.new_link(f"b{number}", "bridge", group) for number in range(5)])
        route.perform([rtnetlink.new_link("other", "bridge")])
        route.perform([rtnetlink.delete_group(77), rtnetlink.delete_group(77), rtnetlink.delete_link("b0")])
        return sorted(names(route.links()))

    assert in_a_namespace(work) == ["lo", "other"]


def test_a_batch_of_hundreds_is_done_and_answered() -> None:
    def work(route: rtnetlink.RouteSocket) -> object:
        route.perform([rtnetlink.new_link(f"b{number}", "bridge") for number in range(500)])
        there = len(route.links())
        route.perform([rtnetlink.delete_link(f"b{number}") for number in range(500)])
        return there, len(route.links())

    assert in_a_namespace(work) == [501, 1]


def test_more_failures_than_a_socket_holds_are_no_matter() -> None:
    def work(route: rtnetlink.RouteSocket) -> object:
        twice = [rtnetlink.new_link("one", "bridge")] * 2
        gone = [rtnetlink.set_link("nobody")] * 1500
        try:
            route.perform([*twice, *gone, rtnetlink.new_link("two", "bridge")])
        except OSError as error:
            return error.errno, sorted(names(route.links()))
        return None

    assert in_a_namespace(work) == [errno.EEXIST, ["lo", "one", "two"]]


def test_a_kind_is_asked_for_without_making_anything() -> None:
    """Not even for a moment: indices of interfaces are given out in turn."""

    def work(route: rtnetlink.RouteSocket) -> object:
        route.perform([rtnetlink.new_link("one", "bridge")])
        route.perform([rtnetlink.probe_kind("bridge"), rtnetlink.probe_kind("veth")])
        unknown = errno_of(lambda: route.perform([rtnetlink.probe_kind("nosuchkind")]))
        route.perform([rtnetlink.new_link("two", "bridge")])
        links = names(route.links())
        return unknown, sorted(links), links["two"].index - links["one"].index

    assert in_a_namespace(work) == [errno.EOPNOTSUPP, ["lo", "one", "two"], 1]


def test_a_ruleset_is_all_or_nothing() -> None:
    def work(route: rtnetlink.RouteSocket) -> object:
        nftables.run("add table inet shop\nadd chain inet shop here")
        try:
            nftables.run("add table inet other\nadd rule inet shop nowhere accept")
        except OSError as error:
            return nftables.run("list tables").split("\n"), error.strerror
        return None

    tables, said = in_a_namespace(work)
    assert tables == ["table inet shop", ""]
    assert "No such file or directory" in said


def test_a_conversation_is_with_the_namespace_it_was_begun_in() -> None:
    def work(route: rtnetlink.RouteSocket) -> object:
        with nftables.Conversation() as conversation:
            conversation.run("add table inet shop")
            unshare(CLONE_NEWNET)
            return conversation.run("list tables").split("\n"), nftables.run("list tables")

    assert in_a_namespace(work) == [["table inet shop", ""], ""]


def test_nothing_is_changed_without_the_privilege() -> None:
    def work(route: rtnetlink.RouteSocket) -> object:
        os.setresuid(65534, 65534, 65534)
        with open_route() as unprivileged:
            return errno_of(lambda: unprivileged.perform([rtnetlink.new_link("br", "bridge")]))

    assert in_a_namespace(work) == errno.EPERM


def test_a_killed_process_leaves_its_batch_whole_or_not_begun() -> None:
    size, group = 200, attribute(rtnetlink.IFLA_GROUP, 77)

    def make(begun: int) -> None:
        with open_route() as own:
            os.write(begun, b"!")
            own.perform([rtnetlink.new_link(f"b{number}", "bridge", group) for number in range(size)])

    def work(route: rtnetlink.RouteSocket) -> object:
        counts = []
        for attempt in range(10):
            reader, writer = os.pipe()
            process = os.fork()
            if process == 0:
                make(writer)
                os._exit(0)
            os.read(reader, 1)
            time.sleep(attempt / 1000)  # another moment each time
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            counts.append(len(route.links()) - 1)
            route.perform([rtnetlink.delete_group(77)])
        return counts

    counts = in_a_namespace(work)
    assert set(counts) <= {0, size}
    assert size in counts, "killed too early every time"
