"""What users would otherwise run, each as far as it is installed here; and pycompose, asked for the same.

Every container sleeps, or does nothing, on the same tree: busybox and three links.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import run

SCRIPTS = Path(sysconfig.get_path("scripts"))
PATIENCE = 30.0  # seconds for a daemon to be there
VOLATILE = "/run"  # in memory, as everywhere: where crun, runc and pycompose keep what a reboot ends


def rootfs(place: Path) -> Path:
    """busybox as sleep, sh and true."""
    found = shutil.which("busybox")
    if found is None:
        sys.exit("the benchmarks need busybox (Debian: busybox-static)")
    binaries = place / "rootfs" / "bin"
    binaries.mkdir(parents=True)
    shutil.copy(found, binaries / "busybox")
    for name in ("sleep", "sh", "true"):
        (binaries / name).symlink_to("busybox")
    return place / "rootfs"


def compose_file(services: int, *, image: str, extra: str = "", network: bool = True) -> str:
    """So many sleeping services; `image` is the line that says what they run on."""
    alone = "" if network else "    network_mode: none\n"
    each = f"    {image}\n    command: [sleep, '10000']\n    stop_grace_period: 0s\n{alone}{extra}"
    return "services:\n" + "".join(f"  s{number}:\n{each}" for number in range(services))


@dataclass(frozen=True, slots=True)
class Pycompose:
    """This project, with state of its own in `place`."""

    place: Path
    root: Path

    @property
    def state(self) -> dict[str, str]:
        return {"PYCOMPOSE_RUN": f"{VOLATILE}/pycompose", "PYCOMPOSE_ROOT": f"{self.place}/state"}

    def __call__(self, *words: str) -> str:
        return run(str(SCRIPTS / "pycompose"), "--progress", "quiet", *words, **self.state)

    def forget_files(self) -> None:
        """What Compose files came to, in earlier calls."""
        shutil.rmtree(f"{self.state['PYCOMPOSE_RUN']}/.compiled", ignore_errors=True)

    def write(self, services: int, *, extra: str = "", network: bool = True) -> str:
        path = self.place / f"ours-{services}.yaml"
        path.write_text(compose_file(services, image=f"rootfs: {self.root}", extra=extra, network=network))
        return str(path)


@dataclass(frozen=True, slots=True)
class Runtime:
    """crun or runc: containers one by one out of bundles."""

    program: str
    place: Path
    root: Path

    @property
    def _options(self) -> tuple[str, str]:
        return ("--root", f"{VOLATILE}/{self.program}")

    def bundle(self, number: int, argv: list[str]) -> Path:
        place = self.place / "bundles" / f"{self.program}-{number}"
        place.mkdir(parents=True, exist_ok=True)
        run(self.program, "spec", f"--bundle={place}") if not (place / "config.json").exists() else None
        config = json.loads((place / "config.json").read_text())
        config["process"] |= {"args": argv, "terminal": False}
        config["root"] = {"path": str(self.root), "readonly": True}
        config["linux"]["cgroupsPath"] = f"/{self.program}/{number}"
        (place / "config.json").write_text(json.dumps(config))
        return place

    def start(self, number: int, place: Path) -> None:
        # a detached container keeps its streams: they must not be pipes that somebody reads to the end
        words = (self.program, *self._options, "run", "--detach", f"--bundle={place}", f"bench-{number}")
        subprocess.run(
            words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def remove(self, number: int) -> None:
        run(self.program, *self._options, "delete", "--force", f"bench-{number}")


@dataclass(frozen=True, slots=True)
class Docker:
    """Docker's daemon of this machine's packages, and docker compose of the Python package index."""

    host: str
    place: Path

    def __call__(self, *words: str) -> str:
        return run("/usr/bin/docker", *words, DOCKER_HOST=self.host)

    def compose(self, *words: str) -> str:
        """Once more where it fails: Docker 20.10 now and then cannot remove a network that it has just emptied."""
        try:
            return run(str(SCRIPTS / "docker-compose"), *words, DOCKER_HOST=self.host)
        except RuntimeError:
            return run(str(SCRIPTS / "docker-compose"), *words, DOCKER_HOST=self.host)

    def write(self, services: int, *, extra: str = "", network: bool = True) -> str:
        path = self.place / f"docker-{services}.yaml"
        path.write_text(compose_file(services, image="image: bench", extra=extra, network=network))
        return str(path)


def runtime() -> str | None:
    """crun, or runc where there is no crun."""
    return next((name for name in ("crun", "runc") if shutil.which(name)), None)


@contextmanager
def docker(place: Path, root: Path) -> Iterator[Docker | str]:
    """A daemon of our own with the tree as its image `bench`; or why there is none."""
    if not shutil.which("dockerd") or not os.path.exists("/usr/bin/docker"):
        yield "docker is not installed (Debian: docker.io)"
        return
    if not (SCRIPTS / "docker-compose").exists():
        yield "docker compose is not installed (pip install -e .[oracle])"
        return
    host = f"unix://{place}/docker.sock"
    words = ("dockerd", f"--data-root={place}/docker", f"--exec-root={place}/docker-run", f"--pidfile={place}/pid")
    with (
        open(place / "dockerd.log", "wb") as log,
        subprocess.Popen((*words, f"--host={host}"), stdout=log, stderr=log) as it,
    ):
        try:
            yield _with_image(Docker(host, place), root)
        finally:
            it.terminate()


def _with_image(found: Docker, root: Path) -> Docker | str:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            found("version")
            break
        except RuntimeError as error:
            if time.monotonic() > deadline:
                return f"docker's daemon does not start: {error}"
            time.sleep(0.1)
    archive = found.place / "image.tar"
    run("tar", "-C", str(root), "-cf", str(archive), ".")
    found("import", str(archive), "bench")
    return found
