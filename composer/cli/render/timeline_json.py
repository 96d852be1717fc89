"""A start as one JSON object, for programs. Keys are only ever added; times are nanoseconds since it was asked for."""

from __future__ import annotations

import json

from composer.cli.render import timeline_words as words
from composer.planner.advice import Advice
from composer.planner.analysis import Analysis
from composer.planner.critical import Link
from composer.planner.timeline import Row
from composer.store.events import rfc3339


def render(found: Analysis) -> str:
    """The object, indented."""
    begun = found.timeline.walk.begun
    tree = {
        "project": found.timeline.project,
        "command": words.command(found.timeline),
        "time": rfc3339(begun.asked_ns),
        "state": found.timeline.state.value,
        "error": words.failure(found.timeline),
        "resumed": begun.resumed,
        "duration_ns": found.timeline.now_ns,
        "awoken_ns": begun.awoken_ns,
        "received_ns": begun.received_ns,
        "turn_ns": begun.turn_ns,
        "planned_ns": begun.planned_ns,
        "containers": [_row(row) for row in found.rows],
        "critical_chain": [_link(link) for link in found.chain],
        "advice": [_advice(advice) for advice in found.advice],
    }
    return json.dumps(tree, ensure_ascii=False, indent=2)


def _row(row: Row) -> dict[str, object]:
    return {
        "name": row.name,
        "service": row.service,
        "replicas": row.replicas,
        "status": row.standing.value,
        "since_ns": row.settled_ns,
        "restarts": row.restarts,
        "note": row.note,
        "spans": [
            {"phase": span.phase.value, "began_ns": span.began_ns, "ended_ns": span.ended_ns} for span in row.spans
        ],
    }


def _link(link: Link) -> dict[str, object]:
    return {
        "step": link.step.number,
        "action": str(link.step.action),
        "cause": link.step.cause,
        "container": link.container,
        "began_ns": link.began_ns,
        "ended_ns": link.ended_ns,
        "under_way": link.under_way,
        "failed": link.failed,
    }


def _advice(advice: Advice) -> dict[str, object]:
    return {"finding": advice.finding, "change": advice.change, "gain_ns": advice.gain_ns, "own_work": advice.is_own}
