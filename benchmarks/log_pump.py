"""How fast a container's output gets into its log, and what that costs: ratios of one run, on this very machine.

    python benchmarks/log_pump.py [MEGABYTES]

The measure is `cat | cat > file`, the shortest way from a pipe into a file. Promised are half of its speed, and at
10 MB/s no more than 15 % of one core, whatever pieces the container writes in.
"""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import anyio

from composer import log
from composer.runtime.stdio import largest_pipe
from composer.spec.container import LogPolicy
from composer.store.logs.block import RECORD, STDOUT
from composer.supervisor.pump import Pump, Source

RATE = 10_000_000  # bytes per second
SECONDS = 3
TIMES = 3  # the best of so many: other programs only ever slow it down

# Writes pieces of so many bytes at RATE, some every millisecond.
FEEDER = """
import os, sys, time
size, rate, seconds = map(int, sys.argv[1:])
piece = b"x" * (size - 1) + b"\\n"
start, sent = time.monotonic(), 0
while (passed := time.monotonic() - start) < seconds:
    while sent < passed * rate:
        sent += os.write(1, piece)
    time.sleep(0.001)
"""


@dataclass(frozen=True, slots=True)
class Measured:
    size: int
    seconds: float
    processor: float  # seconds
    blocks: int

    def __str__(self) -> str:
        share = 100 * self.processor / self.seconds
        return f"{self.size / self.seconds / 1e6:7.0f} MB/s  {share:5.1f} % of a core  {self.blocks:6} blocks"


def pumped(*argv: str, policy: LogPolicy = LogPolicy()) -> Measured:  # noqa: B008  # it is frozen
    """The output of a command through our pump."""
    with tempfile.TemporaryDirectory() as directory:
        return anyio.run(_pump, argv, directory, policy)


async def _pump(argv: tuple[str, ...], directory: str, policy: LogPolicy) -> Measured:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reader, False)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, largest_pipe())
    pump = Pump(directory, policy, sources=(Source(reader, STDOUT),), log=log.to_stream(io.StringIO()))
    start, used = time.monotonic(), time.process_time()
    with subprocess.Popen(argv, stdout=writer):
        os.close(writer)
        await pump.run()
        measured = time.monotonic() - start, time.process_time() - used
    pump.close()
    size = os.path.getsize(f"{directory}/output")
    return Measured(size, *measured, os.path.getsize(f"{directory}/index") // RECORD.size)


def catted(megabytes: int) -> float:
    """Bytes per second of `cat | cat > file`."""
    with tempfile.NamedTemporaryFile() as file:
        start = time.monotonic()
        command = f"head -c {megabytes}000000 /dev/zero | cat | cat > {file.name}"
        subprocess.run(["sh", "-c", command], check=True)
        return megabytes * 1e6 / (time.monotonic() - start)


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    pipes, pumps = [], []
    for _ in range(TIMES):  # in turns: both have the same neighbours
        pipes.append(catted(megabytes))
        pumps.append(pumped("head", "-c", f"{megabytes}000000", "/dev/zero"))
    best = max(pumps, key=lambda it: it.size / it.seconds)
    print(f"cat | cat > file       {max(pipes) / 1e6:7.0f} MB/s")
    print(f"into a log             {best}")
    print(f"ratio                  {best.size / best.seconds / max(pipes):7.2f}  (promised: 0.5)")
    for size in (65536, 4096, 100):
        paced = pumped(sys.executable, "-I", "-S", "-c", FEEDER, str(size), str(RATE), str(SECONDS))
        print(f"in pieces of {size:>5}     {paced}  (promised: 15 % at 10 MB/s)")


if __name__ == "__main__":
    main()
