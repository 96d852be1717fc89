"""A random project, and the program that its services run.

Each line says which run of the container wrote it, to which stream, and its number: "3 out 17". After a line is
written its number goes into the container's own journal, in its writable layer, which lives and dies with its log.
So the journal is a witness: a run whose journal ends with 17 has 17 lines in the log, or 18 if it was killed between
the two writes.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

SCRIPT = """\
count=$1 code=$2 pause=$3 port=$4
mkdir -p /journal
[ "$port" = 0 ] || httpd -p "$port" -h /journal
echo run >>/journal/starts
run=$(wc -l </journal/starts)
trap 'echo "$run 0" >>/journal/exits; exit 0' TERM
n=0
while [ "$count" = 0 ] || [ "$n" -lt "$count" ]; do
    n=$((n+1))
    echo "$run out $n"
    echo "$n" >>"/journal/$run.out"
    echo "$run err $n" >&2
    echo "$n" >>"/journal/$run.err"
    [ "$pause" = 0 ] || sleep "$pause"
done
echo "$run $code" >>/journal/exits
exit "$code"
"""
FOREVER = 0
WEB = 80


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a random project."""

    name: str
    count: int  # lines a run writes on each stream, FOREVER for no end
    exit_code: int
    pause: float  # seconds between lines
    restart: str
    scale: int
    is_checked: bool  # has a health check
    is_published: bool  # serves its journal at a port that the host chooses
    needs: tuple[str, ...]

    @property
    def stays(self) -> bool:
        """Whether its containers run until somebody stops them."""
        return self.count == FOREVER

    def compose(self, rootfs: Path) -> dict[str, object]:
        words = [str(self.count), str(self.exit_code), str(self.pause), str(WEB if self.is_published else 0)]
        tree: dict[str, object] = {
            "rootfs": str(rootfs),
            "command": ["/bin/sh", "/service.sh", *words],
            "restart": self.restart,
            "scale": self.scale,
            "stop_grace_period": "2s",
        }
        if self.is_checked:
            tree["healthcheck"] = {"test": ["CMD", "test", "-e", "/journal/starts"], "interval": "300ms"}
        if self.is_published:
            tree["ports"] = [str(WEB)]
        if self.needs:
            tree["depends_on"] = list(self.needs)
        return tree


def draw(random: Random) -> tuple[Service, ...]:
    """Three to twenty services, few more often than many."""
    amount = min(random.randint(3, 20), random.randint(3, 20))
    services: list[Service] = []
    for number in range(amount):
        candidates = [there.name for there in services if there.stays]
        needs = random.sample(candidates, min(len(candidates), random.choice((0, 0, 1, 2))))
        services.append(_draw_one(random, f"s{number}", tuple(sorted(needs))))
    return tuple(services)


def _draw_one(random: Random, name: str, needs: tuple[str, ...]) -> Service:
    kind = random.choice(("steady", "steady", "steady", "crashing", "once", "burst"))
    restart, count, code, pause = {
        "steady": (random.choice(("no", "always", "unless-stopped", "on-failure")), FOREVER, 0, 0.1),
        "crashing": (random.choice(("always", "on-failure", "on-failure:3")), random.randint(1, 30), 3, 0.05),
        "once": ("no", random.randint(1, 40), random.choice((0, 4)), 0.02),
        "burst": (random.choice(("no", "on-failure")), random.randint(300, 1500), random.choice((0, 5)), 0),
    }[kind]
    scale = random.choice((1, 1, 1, 2, 3)) if kind == "steady" else 1
    is_checked = kind == "steady" and random.random() < 0.4
    is_published = kind in ("steady", "crashing") and random.random() < 0.4
    return Service(name, count, code, pause, restart, scale, is_checked, is_published, needs)


def write(services: tuple[Service, ...], directory: Path, *, rootfs: Path) -> Path:
    """The Compose file of a project (JSON is YAML as well)."""
    file = directory / "compose.yaml"
    tree = {"services": {service.name: service.compose(rootfs) for service in services}}
    file.write_text(json.dumps(tree, indent=1))
    return file


def make_rootfs(directory: Path) -> Path:
    """A root file system of busybox and the program."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise SystemExit("chaos: busybox is missing: run tests/install-packages")
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (directory / name).mkdir(parents=True)
    shutil.copy2(busybox, directory / "bin/busybox")
    for applet in ("sh", "mkdir", "wc", "sleep", "test", "echo", "true", "cat", "httpd"):
        (directory / "bin" / applet).symlink_to("busybox")
    (directory / "service.sh").write_text(SCRIPT)
    return directory
