"""`pycompose network ls`, `inspect`, `create`, `rm` and `prune`: the networks of this host, whosever they are."""

from __future__ import annotations

from composer.cli.invocation import Invocation
from composer.cli.networks import everything, identity, inspection, selected, show, users, uses
from composer.cli.options import Command, switch, text, texts
from composer.cli.words import each, is_confirmed, pairs, print_trees, run_word
from composer.errors import Conflict, NoSuchThing, UsageError
from composer.loader.nearest import nearest
from composer.planner.observed import ObservedNetwork
from composer.runtime.network import networks
from composer.store.records import ContainerRecord

_LIST_FILTERS = ("name", "id", "driver", "label", "label!", "dangling")
_PRUNE_FILTERS = ("label", "label!", "until")
_SHORTEST_ID = 3  # characters: less is rather a name with a letter missing

WORDS = {
    "ls": Command(
        operands="",
        at_most=0,
        summary="List networks",
        example="pycompose network ls --filter label=com.docker.compose.project=shop",
        options=(
            texts("--filter", "-f", metavar="KEY=VALUE", help=f"Only those that match: {', '.join(_LIST_FILTERS)}"),
            text("--format", metavar="FORMAT", help="table, json, a template, or 'table TEMPLATE'"),
            switch("--no-trunc", help="The whole ID"),
            switch("--quiet", "-q", help="Names only"),
        ),
    ),
    "inspect": Command(
        operands="NETWORK...",
        at_least=1,
        summary="Display everything known about networks, as JSON",
        example="pycompose network inspect -f '{{json .Containers}}' shop_default",
        options=(text("--format", "-f", metavar="TEMPLATE", help="A template instead of JSON"),),
    ),
    "create": Command(
        operands="NETWORK",
        at_least=1,
        at_most=1,
        summary="Make a network, for files that call it external",
        example="pycompose network create --subnet 10.20.0.0/24 --label team=a shared",
        options=(
            texts("--aux-address", metavar="NAME=ADDRESS", help="An address that no container gets"),
            text("--driver", "-d", metavar="DRIVER", help="bridge (the default), macvlan or ipvlan"),
            texts("--gateway", metavar="ADDRESS", help="The address of the bridge, or of the router"),
            switch("--internal", help="No way out of it"),
            texts("--ip-range", metavar="SUBNET", help="Where containers' addresses are from"),
            switch("--ipv4", help="IPv4, as usual; --ipv4=false for none"),
            switch("--ipv6", help="IPv6 as well"),
            texts("--label", metavar="KEY=VALUE", help="A label"),
            texts("--opt", "-o", metavar="KEY=VALUE", help="An option of the driver, as in driver_opts"),
            texts("--subnet", metavar="SUBNET", help="Its addresses, like 10.20.0.0/24 (default: a free subnet)"),
        ),
    ),
    "rm": Command(
        operands="NETWORK...",
        at_least=1,
        summary="Remove networks that no container has",
        example="pycompose network rm shared",
        options=(switch("--force", "-f", help="Fine if there is none of that name"),),
    ),
    "prune": Command(
        operands="",
        at_most=0,
        summary="Remove all networks that no container has",
        example="pycompose network prune --filter until=24h",
        options=(
            texts("--filter", metavar="KEY=VALUE", help=f"Only those that match: {', '.join(_PRUNE_FILTERS)}"),
            switch("--force", "-f", help="Do not ask"),
        ),
    ),
}

COMMAND = Command(
    operands=f"{'|'.join(WORDS)} ...",
    at_least=1,
    completes=",".join(WORDS),
    example="pycompose network ls",
    words=WORDS,
)


def run(call: Invocation) -> int:
    return run_word(call, _RUN)


def _list(call: Invocation) -> int:
    show(call, selected(call, everything(call), known=_LIST_FILTERS))
    return 0


def _inspect(call: Invocation) -> int:
    there, wanting = everything(call), uses(call)
    found = [_require(there, name) for name in call.operands]
    trees = [inspection(call, one, wanting.get(one.network.name, [])) for one in found]
    print_trees(trees, wanted=call.arguments.text("format"))
    return 0


def _require(there: list[ObservedNetwork], name: str) -> ObservedNetwork:
    """By its name, or by the beginning of an ID that no other has."""
    for one in there:
        if one.network.name == name:
            return one
    alike = [one for one in there if len(name) >= _SHORTEST_ID and identity(one).startswith(name)]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise Conflict(f"cannot tell which network {name} is: the ID of {len(alike)} networks begins so")
    near = nearest(name, [one.network.name for one in there])
    hint = f"did you mean {near}?" if near else "`pycompose network ls`"
    raise NoSuchThing(f"there is no network {name}", hint=hint)


def _create(call: Invocation) -> int:
    from composer.cli.ipam import pools
    from composer.cli.pools import address_pools
    from composer.lowering.network import OPTIONS, lower_by_hand
    from composer.model.network import Ipam, Network

    call.refuse_dry_run()
    call.require_root()
    given = call.arguments
    options = pairs(given.texts("opt"), option="--opt")
    for key in options:
        if key not in OPTIONS:
            near = nearest(key, OPTIONS)
            hint = f"did you mean {near}?" if near else f"there is {', '.join(OPTIONS)}"
            raise UsageError(f'--opt: "{key}" is not an option of a network', hint=hint)
    said = Network(
        name=call.operands[0],
        driver=given.text("driver"),
        driver_opts=options,
        ipam=Ipam(config=pools(given)),
        internal=given.switch("internal"),
        enable_ipv4=given.switch("ipv4", default=True),
        enable_ipv6=given.switch("ipv6") or None,
        labels=pairs(given.texts("label"), option="--label"),
    )
    made = networks.create(lower_by_hand(said), directory=call.paths.networks, pools=address_pools(call), fresh=True)
    print(made.name)
    return 0


def _remove(call: Invocation) -> int:
    call.require_root()
    there, wanting = everything(call), uses(call)

    def remove(name: str) -> None:
        one = _require(there, name)
        _refuse_used(one, wanting)
        if not call.arguments.switch("dry-run"):
            networks.remove(one.network.name, project=None, directory=call.paths.networks)
        print(name)

    each(call.operands, remove, missing_is_fine=call.arguments.switch("force"))
    return 0


def _refuse_used(one: ObservedNetwork, wanting: dict[str, list[ContainerRecord]]) -> None:
    """Those of stopped containers too, which could not be started again."""
    found = users(one, wanting.get(one.network.name, []))
    if found:
        who = ", ".join(f"{use.container} of project {use.project}" for use in found)
        hint = "remove the container first: `pycompose down`, or `pycompose rm`"
        raise Conflict(f"cannot remove network {one.network.name}: it is in use by {who}", hint=hint)


def _prune(call: Invocation) -> int:
    call.require_root()
    trial = call.arguments.switch("dry-run")
    warning = "WARNING! This will remove all networks that no container has."
    if not (trial or call.arguments.switch("force") or is_confirmed(warning)):
        return 0
    wanting = uses(call)
    gone = []
    for one in selected(call, everything(call), known=_PRUNE_FILTERS):
        if not users(one, wanting.get(one.network.name, [])):
            if not trial:
                networks.remove(one.network.name, project=None, directory=call.paths.networks)
            gone.append(one.network.name)
    if gone:
        print("Networks to delete:" if trial else "Deleted Networks:", *gone, sep="\n")
    return 0


_RUN = {"ls": _list, "inspect": _inspect, "create": _create, "rm": _remove, "prune": _prune}
