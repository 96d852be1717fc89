"""Where things are kept.

<run>/<project>/                        gone at reboot
    lock                                flock(2): held while the project's processes are started
    supervisor.lock                     flock(2): held by the supervisor as long as it lives
    form.json                           store.form: which pycompose runs it
    desired.json                        store.wanted: what was last asked for
    events.jsonl                        store.events
    start.jsonl                         store.walks: the last start, step by step
    launcher.sock  supervisor.sock  holder.sock
    launcher.log   supervisor.log       what our own processes have to say
    containers/<name>/                  "state directory" of one container
        record.json                     store.records.ContainerRecord
        launch.json                     what the launcher was asked to run
        exit.json                       the launcher's word on how it ended, until the record has it
        stdin  stdout  stderr           FIFOs
        merged/                         where its root is mounted, in its own mount namespace
        files/                          generated files: hosts, hostname, resolv.conf
    removed/<name>/                     the same of one that is no more, for the moment that its deletion takes
<run>/.compiled/                        what Compose files came to, to be used again (cli.compiling)
<root>/
    layers/<digest>/                    unpacked root file systems
    networks/<name>.json                what each network was made from (runtime.network.definitions)
    networks/leases/                    who has which address of macvlan and ipvlan networks (runtime.network.leases)
    volumes/                            store.volumes
    secrets/  configs/                  external ones: a file each, put there by whoever looks after the host
    key                                 store.identities
    cache/                              compiled system call filters and such: may be deleted at any time
    projects/<project>/<name>/          "bundle" of one container
        upper/  work/                   its writable layer
        log/                            store.logs
"""

from __future__ import annotations

from composer.errors import UsageError
from composer.frozen import frozen


@frozen
class ProjectPaths:
    """Places of one project."""

    run: str  # <run>/<project>
    bundles: str  # <root>/projects/<project>

    @property
    def lock(self) -> str:
        return f"{self.run}/lock"

    @property
    def form(self) -> str:
        return f"{self.run}/form.json"

    @property
    def desired(self) -> str:
        return f"{self.run}/desired.json"

    @property
    def events(self) -> str:
        return f"{self.run}/events.jsonl"

    @property
    def walk(self) -> str:
        return f"{self.run}/start.jsonl"

    @property
    def supervisor_socket(self) -> str:
        return f"{self.run}/supervisor.sock"

    @property
    def supervisor_lock(self) -> str:
        return f"{self.run}/supervisor.lock"

    @property
    def launcher_socket(self) -> str:
        return f"{self.run}/launcher.sock"

    @property
    def supervisor_log(self) -> str:
        return f"{self.run}/supervisor.log"

    @property
    def launcher_log(self) -> str:
        return f"{self.run}/launcher.log"

    @property
    def containers(self) -> str:
        return f"{self.run}/containers"

    def state(self, container: str) -> str:
        return f"{self.containers}/{container}"

    @property
    def removed(self) -> str:
        return f"{self.run}/removed"

    def bundle(self, container: str) -> str:
        return f"{self.bundles}/{container}"

    def log(self, container: str) -> str:
        return f"{self.bundles}/{container}/log"


@frozen
class Paths:
    """The two directories everything is below: `run` (volatile) and `root` (durable)."""

    run: str
    root: str

    @property
    def layers(self) -> str:
        return f"{self.root}/layers"

    @property
    def networks(self) -> str:
        return f"{self.root}/networks"

    @property
    def leases(self) -> str:
        return f"{self.networks}/leases"

    @property
    def key(self) -> str:
        return f"{self.root}/key"

    @property
    def volumes(self) -> str:
        return f"{self.root}/volumes"

    @property
    def compiled(self) -> str:
        return f"{self.run}/.compiled"

    @property
    def cache(self) -> str:
        return f"{self.root}/cache"

    def project(self, name: str) -> ProjectPaths:
        return ProjectPaths(run=f"{self.run}/{name}", bundles=f"{self.root}/projects/{name}")


def from_environment(environment: dict[str, str], *, uid: int) -> Paths:
    """The places that PYCOMPOSE_RUN and PYCOMPOSE_ROOT name, or the defaults for this user. Raises UsageError."""
    for name in ("PYCOMPOSE_RUN", "PYCOMPOSE_ROOT"):
        if environment.get(name) and not environment[name].startswith("/"):
            raise UsageError(f'{name} cannot be "{environment[name]}"', hint="give an absolute path")
    if uid == 0:
        run, root = "/run/pycompose", "/var/lib/pycompose"
    else:
        home = environment.get("HOME", "/")
        run = f"{environment.get('XDG_RUNTIME_DIR', f'/run/user/{uid}')}/pycompose"
        root = f"{environment.get('XDG_DATA_HOME', f'{home}/.local/share')}/pycompose"
    return Paths(run=environment.get("PYCOMPOSE_RUN") or run, root=environment.get("PYCOMPOSE_ROOT") or root)
