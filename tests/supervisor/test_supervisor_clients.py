"""One-off containers, standard input, terminals, waiting: what clients do beside bringing a project up."""

from __future__ import annotations

import os
import time

import pytest

from composer import errors
from composer.control.client import Connection
from composer.control.messages import Attach, Done, Down, Happened, Resize, Run, Stopped, Wait, Watch
from composer.planner.observed import State
from composer.spec.policy import Policy
from composer.store import observe, records
from tests.supervisor.projects import FOREVER, PATIENCE, Shop, told

pytestmark = pytest.mark.root


def wait_output(shop: Shop, service: str, text: str) -> str:
    """The container's output once it contains something."""
    deadline = time.monotonic() + PATIENCE
    while text not in (found := shop.output(service)):
        assert time.monotonic() < deadline, found
        time.sleep(0.01)  # a log has no event for "this was printed"; bounded
    return found


def attached(shop: Shop, service: str) -> Connection:
    return shop.client.open(Attach(shop.container(service)))


def test_a_one_off_container_runs_beside_the_services(shop: Shop) -> None:
    shop.up(shop.service("web"))
    spec = shop.spec("web", FOREVER, name=f"{shop.name}-web-run-1", oneoff=True)
    assert shop.request(Run(spec, Policy()))[-1] == Done((spec.name,))
    assert records.names(shop.paths.project(shop.name)) == [shop.container("web"), spec.name]
    with pytest.raises(errors.PycomposeError, match="there is one of that name already"):
        shop.request(Run(spec, Policy()))
    shop.request(Down())
    assert records.names(shop.paths.project(shop.name)) == []


def test_a_one_off_container_without_any_file_is_forgotten_when_it_has_ended(shop: Shop) -> None:
    spec = shop.spec("box", "sleep 0.1; exit 3", name=f"{shop.name}-box-run-1", oneoff=True)
    shop.request(Run(spec, Policy(), remove=True))
    shop.wait_event("box-run", "destroy")
    assert records.names(shop.paths.project(shop.name)) == []


def test_a_one_off_container_that_cannot_start_is_not_kept(shop: Shop) -> None:
    spec = shop.spec("box", "true", name=f"{shop.name}-box-run-1", oneoff=True, user="nobody-of-that-name")
    with pytest.raises(errors.PycomposeError, match="nobody-of-that-name"):
        shop.request(Run(spec, Policy()))
    assert records.names(shop.paths.project(shop.name)) == []


def test_input_reaches_an_attached_container(shop: Shop) -> None:
    shop.up(shop.service("web", "read line; echo got $line; exit 4", stdin_open=True))
    with attached(shop, "web") as connection:
        connection.send_input(b"hel")
        connection.send_input(b"lo\n")
        assert list(connection.answers())[-1] == Done()
    shop.request(Wait(("web",)))
    assert shop.output("web") == "got hello\n"
    assert shop.answers[-2:] == [Stopped(shop.container("web"), "web", 4), Done()]


def test_detaching_leaves_the_container_alone(shop: Shop) -> None:
    shop.up(shop.service("web", "read a; read b; echo $a $b", stdin_open=True))
    for word in (b"one\n", b"two\n"):
        with attached(shop, "web") as connection:
            connection.send_input(word)
            assert connection.receive()  # accepted; frames are read in order
            if word == b"two\n":
                list(connection.answers())
    assert shop.output("web") == "one two\n"


def test_a_terminal(shop: Shop) -> None:
    script = "trap 'stty size' WINCH; test -t 1 && echo terminal; while :; do read line && echo =$line; done"
    shop.up(shop.service("web", script, tty=True, stdin_open=True))
    wait_output(shop, "web", "terminal")
    with attached(shop, "web") as connection:
        connection.resize(shop.container("web"), rows=33, columns=111)
        connection.send_input(b"hello\n")
        assert "33 111" in wait_output(shop, "web", "=hello")
    shop.request(Resize(shop.container("web"), 10, 20))
    wait_output(shop, "web", "10 20")


def test_attaching_to_what_does_not_run_is_an_error(shop: Shop) -> None:
    shop.up(shop.service("web"), start=False)
    assert shop.record("web").state is State.CREATED
    with pytest.raises(errors.PycomposeError, match="it is not running"):
        shop.request(Attach(shop.container("web")))
    with pytest.raises(errors.PycomposeError, match="none of that name"):
        shop.request(Attach("nothing"))


def test_waiting_for_the_first_to_stop(shop: Shop) -> None:
    shop.up(shop.service("slow"), shop.service("quick", "sleep 0.1; exit 6"))
    shop.request(Wait(first=True))
    assert shop.answers[-2:] == [Stopped(shop.container("quick"), "quick", 6), Done()]


def test_watching_tells_events_until_nothing_runs(shop: Shop) -> None:
    shop.up(shop.service("web", "sleep 0.2"))
    shop.request(Watch())
    assert [told(answer.event) for answer in shop.answers if isinstance(answer, Happened)] == [f"{shop.name}-web-1 die"]


def test_what_readers_see_without_asking_anybody(shop: Shop) -> None:
    shop.up(shop.service("web"), shop.service("job", "exit 3"))
    shop.request(Wait(("job",)))
    observed = observe.observe(shop.paths.project(shop.name))
    assert [(there.service, there.state, there.exit_code) for there in observed.containers] == [
        ("job", State.EXITED, 3),
        ("web", State.RUNNING, None),
    ]
    assert os.path.exists(shop.paths.project(shop.name).desired)
