"""A plan before it is carried out, for `--dry-run`: each step with its cause; for programs as JSON."""

from __future__ import annotations

import json

from composer.planner.plan import Plan
from composer.spec import codec


def render(plan: Plan) -> str:
    """The steps as text."""
    if not plan.steps:
        return "nothing to do"
    return str(plan)


def as_json(plan: Plan) -> str:
    """The steps as one JSON object."""
    steps = [
        {
            "number": step.number,
            "action": _words(type(step.action).__name__),
            **codec.encode(step.action),
            "cause": step.cause,
            "after": list(step.after),
        }
        for step in plan.steps
    ]
    return json.dumps({"steps": steps, "orphans": list(plan.orphans)}, ensure_ascii=False, indent=2)


def _words(name: str) -> str:
    """StartContainer → start-container."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
