"""Small files that ask for a lot: `python -m tests.loader.bombs NAME` loads one and prints what memory it took, in KiB
beyond what the imports need. Each is below 1 MB.
"""

from __future__ import annotations

import io
import resource
import sys

from composer.errors import PycomposeError
from composer.loader.pipeline import load
from composer.loader.request import LoadRequest

_KEYS = ",".join(f"k{number}: v" for number in range(900))
_SERVICE = "s{0}: {{rootfs: /, command: a, labels: [a=b], ports: ['80']}}"

BOMBS = {
    "aliases": "x-p: &p {target: 80}\nservices: {s: {rootfs: /, ports: [" + "*p," * 30_000 + "]}}",
    "anchors": "x-a: [" + ",".join(f"&a{number} x" for number in range(90_000)) + "]\nservices: {s: {rootfs: /}}",
    "commands": "services: {s: {rootfs: /, command: '" + "a " * 490_000 + "'}}",
    "comments": "#\n" * 500_000,
    "documents": "---\na: b\n" * 100_000,
    "extends": f"services: {{b: {{rootfs: /, environment: {{{_KEYS}}}}},"
    + ",".join(f"s{number}: {{extends: b}}" for number in range(4_900))
    + "}",
    "lists": "x-a: [" + "[x]," * 49_000 + "]\nservices: {s: {rootfs: /}}",
    "mappings": "x-a: {" + ",".join(f"k{number}: v" for number in range(49_000)) + "}\nservices: {s: {rootfs: /}}",
    "misspelt keys": "services:\n  s:\n" + "".join(f"    enviroment{number}: 1\n" for number in range(40_000)),
    "one long text": "services: {s: {rootfs: /, command: [" + "a" * 1_000_000 + "]}}",
    "port ranges": "services: {s: {rootfs: /, ports: ["
    + ",".join(f"'{number}-65535'" for number in range(1, 3000))
    + "]}}",
    "ports": "services: {s: {rootfs: /, ports: ['1-20000/udp']}}",
    "services": "services: {" + ",".join(map(_SERVICE.format, range(5_000))) + "}",
    "too many services": "services: {" + ",".join(map(_SERVICE.format, range(6_000))) + "}",
    "undefined services": "services:\n"
    + "".join(f"  s{number}:\n    depends_on: [z{number}]\n" for number in range(5_000)),
    "unreadable values": "services: {s: {ports: [" + "x," * 90_000 + "]}}",
    "variables": "x-a: '" + "${X}" * 240_000 + "'\nservices: {s: {rootfs: /}}",
    "variables in variables": "services: {s: {rootfs: '" + "${X:-" * 190_000 + "'}}",
}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def took(text: str) -> int:
    """KiB that the text itself and its project need at most."""
    before = _peak()
    try:
        load(LoadRequest(cwd="/nonexistent", files=("-",), stdin=io.StringIO(text), project_name="p"))
    except PycomposeError:
        pass
    return _peak() - before


if __name__ == "__main__":
    took("services: {s: {rootfs: /, ports: ['80:80'], environment: [A]}}")  # what is imported or built at first use
    print(took(BOMBS[sys.argv[1]]))
