"""What reading Compose files costs: `make bench-load`. CPU seconds, ratios within one run."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

SERVICE = """\
  service{0}:
    image: registry.example/team/service{0}:1.2
    rootfs: /srv/root{0}.tar
    command: ["serve", "--port", "8080"]
    environment:
      LOG_LEVEL: info
      DATABASE_URL: postgres://db{0}/app
      CACHE: "true"
    ports:
      - "127.0.0.1:{1}:8080"
    volumes:
      - ./data{0}:/data:ro
    healthcheck:
      test: ["CMD", "true"]
      interval: 30s
    restart: on-failure:3
    mem_limit: 256m
    labels:
      team: shop
      tier: "{0}"
    stop_grace_period: 5s
    user: "1000"
    working_dir: /srv
    read_only: true
"""
BIG = "services:\n" + "".join(SERVICE.format(number, 10_000 + number) for number in range(500))
SMALL = "services:\n  web:\n    rootfs: /\n    command: sleep inf\n" + "".join(
    f"  s{number}: {{rootfs: /, command: x}}\n" for number in range(6)
)
PARSE = "import sys, yaml; yaml.load(open(sys.argv[1]), Loader=yaml.CSafeLoader)"
# a model, as much of pydantic is imported only when one is made
PYDANTIC = """from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
class Part(BaseModel):
    name: str"""
IMPORTS = "from composer.cli.commands import config; from composer.cli import main"
ROUNDS = 7


def cpu_seconds(*arguments: str) -> float:
    """Of a Python with these arguments; the least of several, which is the one that was disturbed least."""
    return min(_once(arguments) for _ in range(ROUNDS))


def _once(arguments: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        big, small = Path(directory, "big.yaml"), Path(directory, "small.yaml")
        big.write_text(BIG)
        small.write_text(SMALL)
        nothing = cpu_seconds("-I", "-c", "pass")
        pydantic = cpu_seconds("-c", PYDANTIC) - nothing
        parse = cpu_seconds("-c", PARSE, str(big)) - nothing
        load = cpu_seconds("-I", "-m", "composer", "-f", str(big), "config", "-q") - nothing
        config = cpu_seconds("-I", "-m", "composer", "-f", str(small), "config", "-q")
        imports = cpu_seconds("-c", IMPORTS) - nothing
    lines = BIG.count("\n")
    print(f"python -I -c pass                          {nothing:.3f} s")
    print(f"import pydantic                            {pydantic:.3f} s")
    print(f"PyYAML's C loader, 500 services, {lines} lines {parse:.3f} s")
    print(
        f"config -q of them                          {load:.3f} s  {(load - pydantic) / parse:.1f} x the parse, plus "
        f"import of pydantic; {(load - imports) / parse:.1f} x, plus all imports"
    )
    print(f"imports of config                          {imports:.3f} s")
    print(
        f"config -q of ten lines                     {config:.3f} s  {(config - imports) / nothing:.1f} x, plus imports"
    )


if __name__ == "__main__":
    os.environ.pop("COMPOSE_FILE", None)
    main()
