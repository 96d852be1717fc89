"""`pycompose systemd install`, `uninstall` and `run`: a project comes back when the machine does."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack

from composer.cli.invocation import Invocation
from composer.cli.loading import deposits_of, loaded, lowered
from composer.cli.notifying import notify
from composer.cli.operation import client, perform
from composer.cli.options import Command, switch, text
from composer.cli.project import load_request, name_of_project
from composer.cli.signals import Signals
from composer.cli.unit import UNIT_DIRECTORY, Unit, name_of
from composer.cli.words import run_word
from composer.control.client import Client, Disconnected
from composer.control.messages import Done, Stop, Up, Watch
from composer.errors import HostError, NoSuchThing, UsageError
from composer.planner.options import UpOptions
from composer.spec.desired import Desired
from composer.spec.policy import RestartCondition
from composer.store import atomic

_ROOT = text("--root", metavar="DIR", help="Into the file tree of another system, an image being built for one")

WORDS = {
    "install": Command(
        operands="",
        at_most=0,
        summary="Write and enable a unit that brings the project up at boot",
        example="pycompose systemd install --now",
        options=(
            switch("--now", help="Start it as well"),
            switch("--print", help="Print the unit and do nothing"),
            _ROOT,
        ),
    ),
    "uninstall": Command(
        operands="",
        at_most=0,
        summary="Disable and remove the unit; what runs goes on running",
        example="pycompose systemd uninstall",
        options=(switch("--now", help="Stop it as well, and with it the project's containers"), _ROOT),
    ),
    "run": Command(
        operands="",
        at_most=0,
        summary="What the unit executes: bring up what comes back at boot, wait, stop it at SIGTERM",
        example="pycompose systemd run",
    ),
}

COMMAND = Command(
    operands=f"{'|'.join(WORDS)} ...",
    at_least=1,
    completes=",".join(WORDS),
    example="pycompose systemd install --now",
    words=WORDS,
)

COMES_BACK = frozenset((RestartCondition.ALWAYS, RestartCondition.UNLESS_STOPPED))


def run(call: Invocation) -> int:
    return run_word(call, _RUN)


def _install(call: Invocation) -> int:
    desired = lowered(call, loaded(call))
    coming_back(desired)
    unit = unit_of(call, desired)
    if call.arguments.switch("print") or call.arguments.switch("dry-run"):
        print(unit, end="")
        return 0
    call.require_root()
    directory = _directory(call)
    os.makedirs(directory, exist_ok=True)
    atomic.replace(f"{directory}/{unit.name}", str(unit).encode(errors="surrogateescape"), mode=0o644, durable=True)
    _reload(call)
    _systemctl(call, "enable", unit.name)
    if call.arguments.switch("now"):
        _require_systemd(call)
        _systemctl(call, "restart", unit.name)
    print(f"{directory}/{unit.name}")
    return 0


def _uninstall(call: Invocation) -> int:
    call.refuse_dry_run()
    name = name_of(name_of_project(call))
    path = f"{_directory(call)}/{name}"
    if not os.path.exists(path):
        raise NoSuchThing(f"cannot uninstall {name}: there is no {path}")
    call.require_root()
    if call.arguments.switch("now"):
        _require_systemd(call)
        _systemctl(call, "stop", name)
    _systemctl(call, "disable", name)
    os.unlink(path)
    _reload(call)
    return 0


def _run(call: Invocation) -> int:
    """Up to READY=1, then wait for the end of the project, or for systemd's word to stop it."""
    call.refuse_dry_run()
    call.require_root()
    found = loaded(call)
    desired = lowered(call, found)
    services = coming_back(desired)
    address = call.environment.get("NOTIFY_SOCKET")
    with Signals((signal.SIGTERM, signal.SIGINT)) as signals:
        options = UpOptions(services=services, wait=False)
        perform(call, desired.project, Up(desired, options), deposits=deposits_of(call, found, desired))
        notify(address, f"READY=1\nSTATUS=Looking after {', '.join(services)}")
        if _asked_to_stop(client(call, desired.project), services, signals):
            notify(address, "STOPPING=1\nSTATUS=Stopping containers")
            perform(call, desired.project, Stop())
    return 0


def _asked_to_stop(peer: Client, services: tuple[str, ...], signals: Signals) -> bool:
    """Wait; False when all services have ended by themselves. A supervisor that dies is followed by the next one."""
    while True:
        with ExitStack() as stack:
            try:
                watching = stack.enter_context(peer.open(Watch(services)))
                while True:
                    readable, _, _ = select.select([watching.fileno(), signals.fileno()], [], [])
                    if signals.fileno() in readable and signals.received():
                        return True
                    if watching.fileno() in readable and any(isinstance(it, Done) for it in watching.receive()):
                        return False
            except Disconnected:
                continue


def coming_back(desired: Desired) -> tuple[str, ...]:
    """The services that are to run after a boot. Raises HostError: there is none."""
    names = tuple(it.name for it in desired.services if it.policy.restart.condition in COMES_BACK)
    if not names:
        raise HostError(
            f"cannot bring project {desired.project} up at boot: none of its services is to come back",
            hint="say `restart: always` or `restart: unless-stopped` in those that are",
        )
    return names


def unit_of(call: Invocation, desired: Desired) -> Unit:
    """The unit of this project, as this command line means it."""
    if "-" in load_request(call).files:
        raise UsageError("cannot write a unit for files from standard input", hint="save them first")
    request = load_request(call)
    words = ["--project-name", desired.project, "--project-directory", desired.working_dir]
    for option, values in (("--file", desired.config_files), ("--profile", request.profiles)):
        words += [word for value in values for word in (option, value)]
    words += [word for file in request.env_files for word in ("--env-file", os.path.join(call.cwd, file))]
    return Unit(
        desired.project,
        (sys.executable, "-I", "-m", "composer", *words),
        directory=desired.working_dir,
        needed=(call.paths.root,),
        environment=tuple(sorted(it for it in call.environment.items() if it[0].startswith("PYCOMPOSE_"))),
    )


def _directory(call: Invocation) -> str:
    return f"{(call.arguments.text('root') or '').rstrip('/')}{UNIT_DIRECTORY}"


def _is_running() -> bool:
    return os.path.isdir("/run/systemd/system")  # sd_booted(3)


def _require_systemd(call: Invocation) -> None:
    if call.arguments.text("root") or not _is_running():
        raise HostError(
            "cannot do that now: systemd does not run here", hint="without --now it is done at the next boot"
        )


def _reload(call: Invocation) -> None:
    if not call.arguments.text("root") and _is_running():
        _systemctl(call, "daemon-reload")


def _systemctl(call: Invocation, *words: str) -> None:
    program = shutil.which("systemctl", path=call.environment.get("PATH"))
    if program is None:
        raise HostError("cannot enable units: there is no systemctl on this host")
    root = call.arguments.text("root")
    options = [f"--root={root}"] if root else []
    done = subprocess.run([program, *options, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise HostError(f"cannot {' '.join(words)} with systemctl: {last[0]}")


_RUN = {"install": _install, "uninstall": _uninstall, "run": _run}
