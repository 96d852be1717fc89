"""`pycompose check`"""

from __future__ import annotations

import json
from dataclasses import asdict

from composer.cli.host import Finding, findings
from composer.cli.invocation import Invocation
from composer.cli.options import Command, text
from composer.cli.render import colour as colours
from composer.cli.render.colour import paint

COMMAND = Command(
    operands="",
    at_most=0,
    example="sudo pycompose check",
    options=(text("--format", metavar="FORMAT", choices=("table", "json"), help="table or json"),),
)


def run(call: Invocation) -> int:
    found = list(findings())
    if call.arguments.text("format") == "json":
        print(json.dumps([asdict(finding) for finding in found], ensure_ascii=False))
    else:
        for finding in found:
            print(_shown(finding, colour=call.console.colour_out))
        print(_verdict(found))
    return 1 if _missing(found) else 0


def _shown(finding: Finding, *, colour: bool) -> str:
    word, code = _word(finding)
    line = f"{paint(f'{word:<9}', code, colour=colour)}{finding.feature:<32}{finding.detail}".rstrip()
    if finding.there:
        return line
    return f"{line}\n{'':9}  {finding.consequence}\n{'':9}  remedy: {finding.remedy}"


def _word(finding: Finding) -> tuple[str, str]:
    if finding.there:
        return "ok", colours.GREEN
    return ("missing", colours.RED) if finding.needed else ("absent", colours.YELLOW)


def _verdict(found: list[Finding]) -> str:
    if missing := _missing(found):
        return f"\ncannot run containers here: {', '.join(missing)} missing"
    absent = sum(not finding.there for finding in found)
    return f"\nready to run containers{f', {absent} features short of all' if absent else ''}"


def _missing(found: list[Finding]) -> list[str]:
    return [finding.feature for finding in found if finding.needed and not finding.there]
