"""Another version of pycompose runs the project: an older one is taken over from, a newer one is left alone."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import anyio
import pytest

from composer import __version__, errors
from composer.control.client import Client
from composer.control.messages import Ping
from composer.runtime.launcher import packets, protocol
from composer.runtime.launcher.protocol import Hello, Shutdown
from composer.spec.policy import Policy
from composer.store import form
from composer.supervisor.launcher_link import LauncherGone, LauncherLink
from tests.supervisor.projects import Shop, probe
from tests.supervisor.test_supervisor_crash import COUNTING, pid_of_launcher, wait_output

pytestmark = pytest.mark.root


def pretend(shop: Shop, version: str, *, number: int = form.FORM) -> None:
    path = Path(shop.paths.project(shop.name).form)
    path.write_text(json.dumps({"form": number, "pycompose": version, "of later versions": 1}))


def test_up_takes_over_from_an_older_version_without_touching_containers(shop: Shop) -> None:
    web = shop.service("web", COUNTING)
    shop.up(web)
    before, supervisor, launcher = shop.record("web"), shop.pid_of_supervisor(), pid_of_launcher(shop)
    pretend(shop, "0.0.9")
    shop.up(web)
    assert shop.plan == ""
    assert shop.record("web").pid == before.pid
    assert {supervisor, launcher}.isdisjoint((shop.pid_of_supervisor(), pid_of_launcher(shop)))
    assert form.read(shop.paths.project(shop.name)) == form.Keeper(form.FORM, __version__)
    written = wait_output(shop, "web", len(shop.output("web").splitlines()) + 20)
    assert written == [str(number) for number in range(1, len(written) + 1)]
    assert [event.action for event in shop.events()] == ["create", "start"]


def test_a_newer_version_whose_form_is_unknown_is_refused(shop: Shop) -> None:
    shop.up(shop.service("web"))
    pid, supervisor = shop.record("web").pid, shop.pid_of_supervisor()
    pretend(shop, "99.1", number=form.FORM + 1)
    said = rf"cannot use project .*: pycompose 99\.1 runs it, in a form \({form.FORM + 1}\)"
    with pytest.raises(errors.HostError, match=said) as e:
        shop.up(shop.service("web"))
    assert "use pycompose 99.1 or newer" in (e.value.hint or "")
    pretend(shop, __version__)
    assert (shop.record("web").pid, shop.pid_of_supervisor()) == (pid, supervisor)


def test_a_newer_version_of_the_same_form_is_made_use_of(shop: Shop) -> None:
    shop.up(shop.service("web"))
    supervisor = shop.pid_of_supervisor()
    pretend(shop, "99.1")
    assert shop.pid_of_supervisor() == supervisor


def test_what_is_no_form_is_told(shop: Shop) -> None:
    shop.up(shop.service("web"))
    path = Path(shop.paths.project(shop.name).form)
    path.write_text("[]")
    with pytest.raises(errors.HostError, match=r"cannot read .*form\.json"):
        shop.pid_of_supervisor()
    path.unlink()


def test_an_operation_under_way_is_not_cut_short(shop: Shop) -> None:
    slow = shop.service("web", policy=Policy(health=probe("test -e /ready", retries=1000)))
    up = threading.Thread(target=lambda: shop.up(slow, wait=True))
    up.start()
    other = Shop(shop.paths, shop.rootfs, shop.name)
    while not Path(shop.paths.project(shop.name).events).exists():
        up.join(0.01)
    other.wait_event("web", "start")
    pretend(shop, "0.0.9")
    with pytest.raises(errors.Conflict, match=r"from pycompose 0\.0\.9: test \(pid \d+\) is changing it"):
        Client(shop.paths, project=shop.name, name="second").open(Ping())
    pretend(shop, __version__)
    root = Path(f"/proc/{other.record('web').pid}/root")
    (root / "ready").touch()
    up.join()


def test_a_supervisor_dismisses_a_launcher_of_another_version() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    hello = json.loads(protocol.encode(Hello(protocol.VERSION + 1, 1)))
    packets.send(ours, json.dumps({**hello, "unheard of": 1}).encode())
    link = LauncherLink(theirs)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(link.run)
            await anyio.wait_readable(ours)
            received = packets.receive(ours)
            assert received is not None
            assert protocol.decode_request(received.data) == Shutdown()
            ours.close()
            with pytest.raises(LauncherGone):
                await link.list_containers()

    anyio.run(main)
    theirs.close()
    assert link.is_foreign
