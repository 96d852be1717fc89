"""`pycompose volume ls`, `inspect`, `create`, `rm` and `prune`: the volumes of this host, whosever they are."""

from __future__ import annotations

import os
import sys

from composer.cli.invocation import Invocation
from composer.cli.options import Command, switch, text, texts
from composer.cli.render import human
from composer.cli.volumes import inspection, selected, show
from composer.cli.words import each, is_confirmed, pairs, print_trees, run_word
from composer.control import volumes as control
from composer.errors import NoSuchThing, UsageError
from composer.loader.nearest import nearest
from composer.spec.volume import OPTIONS, Volume, bound_device
from composer.store import volumes
from composer.store.volumes import VolumeRecord

_LIST_FILTERS = ("name", "label", "label!", "driver", "dangling")
_PRUNE_FILTERS = ("label", "label!")

WORDS = {
    "ls": Command(
        operands="",
        at_most=0,
        summary="List volumes",
        example="pycompose volume ls --filter dangling=true",
        options=(
            texts("--filter", "-f", metavar="KEY=VALUE", help=f"Only those that match: {', '.join(_LIST_FILTERS)}"),
            text("--format", metavar="FORMAT", help="table, json, a template, or 'table TEMPLATE'"),
            switch("--quiet", "-q", help="Names only"),
        ),
    ),
    "inspect": Command(
        operands="VOLUME...",
        at_least=1,
        summary="Display everything known about volumes, as JSON",
        example="pycompose volume inspect -f '{{.Mountpoint}}' shop_data",
        options=(text("--format", "-f", metavar="TEMPLATE", help="A template instead of JSON"),),
    ),
    "create": Command(
        operands="[VOLUME]",
        at_most=1,
        summary="Make a volume, for files that call it external",
        example="pycompose volume create -o type=tmpfs -o device=tmpfs -o o=size=64m scratch",
        options=(
            text("--driver", "-d", metavar="DRIVER", choices=("local",), help="There is one: local"),
            texts("--label", metavar="KEY=VALUE", help="A label"),
            text("--name", metavar="NAME", help="The volume's name", hidden=True),
            texts("--opt", "-o", metavar="KEY=VALUE", help="An option of the driver: type, device, o"),
        ),
    ),
    "rm": Command(
        operands="VOLUME...",
        at_least=1,
        summary="Remove volumes with what is in them",
        example="pycompose volume rm shop_data",
        options=(switch("--force", "-f", help="Fine if there is none of that name"),),
    ),
    "prune": Command(
        operands="",
        at_most=0,
        summary="Remove anonymous volumes that no container has",
        example="pycompose volume prune --all --filter label=com.docker.compose.project=shop",
        options=(
            switch("--all", "-a", help="Also those with a name"),
            texts("--filter", metavar="KEY=VALUE", help=f"Only those that match: {', '.join(_PRUNE_FILTERS)}"),
            switch("--force", "-f", help="Do not ask"),
        ),
    ),
}

COMMAND = Command(
    operands=f"{'|'.join(WORDS)} ...",
    at_least=1,
    completes=",".join(WORDS),
    example="pycompose volume ls",
    words=WORDS,
)


def run(call: Invocation) -> int:
    return run_word(call, _RUN)


def _list(call: Invocation) -> int:
    show(call, selected(call, volumes.load_all(call.paths), known=_LIST_FILTERS))
    return 0


def _inspect(call: Invocation) -> int:
    trees = [inspection(call, _require(call, name)) for name in call.operands]
    print_trees(trees, wanted=call.arguments.text("format"))
    return 0


def _require(call: Invocation, name: str) -> VolumeRecord:
    try:
        return volumes.require(call.paths, name)
    except NoSuchThing as error:
        near = nearest(name, [record.name for record in volumes.load_all(call.paths)])
        raise NoSuchThing(error.message, hint=f"did you mean {near}?" if near else "`pycompose volume ls`") from None


def _create(call: Invocation) -> int:
    call.require_root()
    call.refuse_dry_run()
    given = call.arguments
    options = pairs(given.texts("opt"), option="--opt")
    for key in options:
        if key not in OPTIONS:
            raise UsageError(f'--opt: "{key}" is not an option of the local driver', hint="there is type, device, o")
    if options and "device" not in options:
        raise UsageError("--opt: the device is missing", hint="-o device=/srv/data, or -o device=tmpfs")
    name = call.operands[0] if call.operands else given.text("name") or ""
    labels = pairs(given.texts("label"), option="--label") | ({} if name else {volumes.ANONYMOUS: ""})
    volume = Volume(
        name or os.urandom(32).hex(), options=tuple(sorted(options.items())), labels=tuple(sorted(labels.items()))
    )
    device = bound_device(volume.options)
    if device and not os.path.isdir(device):
        raise UsageError(f"cannot create volume {volume.name}: {device} is not a directory")
    there = volumes.create(call.paths, volume)
    if there.options != volume.options:
        print(f"pycompose: volume {volume.name} was there already, with other options", file=sys.stderr)
    print(there.name)
    return 0


def _remove(call: Invocation) -> int:
    call.require_root()

    def remove(name: str) -> None:
        _require(call, name)
        _remove_one(call, name)
        if not call.arguments.switch("dry-run"):
            print(name)

    each(call.operands, remove, missing_is_fine=call.arguments.switch("force"))
    return 0


def _remove_one(call: Invocation, name: str) -> None:
    """With --dry-run, what would keep it is told as well. Raises Conflict, HostError."""
    if not call.arguments.switch("dry-run"):
        control.remove(call.paths, name)
        return
    volumes.refuse_used(call.paths, name)
    print(f"remove volume {name}: volume {call.command.split()[-1]}")


def _prune(call: Invocation) -> int:
    call.require_root()
    everything, trial = call.arguments.switch("all"), call.arguments.switch("dry-run")
    which = "all" if everything else "anonymous"
    warning = f"WARNING! This will remove {which} volumes that no container has."
    if not (trial or call.arguments.switch("force") or is_confirmed(warning)):
        return 0
    used = volumes.in_use(call.paths)
    records = selected(call, volumes.load_all(call.paths), known=_PRUNE_FILTERS)
    freed, gone = 0, []
    for record in records:
        if record.name not in used and (everything or record.is_anonymous):
            size = _size(volumes.data(call.paths, record.name))
            _remove_one(call, record.name)
            gone.append(record.name)
            freed += size
    if trial:
        return 0
    control.sweep(call.paths)
    if gone:
        print("Deleted Volumes:", *gone, sep="\n", end="\n\n")
    print(f"Total reclaimed space: {human.decimal_size(freed)}")
    return 0


def _size(directory: str) -> int:
    """Bytes on disk; what goes meanwhile is not counted."""
    total = 0
    for above, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(above, name)).st_blocks * 512
            except OSError:
                continue
    return total


_RUN = {"ls": _list, "inspect": _inspect, "create": _create, "rm": _remove, "prune": _prune}
