"""What is meant where nothing is said: written into the tree once all files are merged.

Only what docker compose writes out as well; what the runtime takes for granted is `lowering`'s.
"""

from __future__ import annotations

from composer.loader.places import Places, Rewrite, Spot, for_jobs
from composer.loader.problems import Problems
from composer.loader.tree import Mapping, Node, Scalar, child


def with_defaults(root: Node, *, directory: str, normalize: bool, problems: Problems) -> Node:
    """The tree with its builds' contexts and the places of its secrets. `directory` is the project's.

    Without `normalize` the name of the Dockerfile is left to the builder, as docker compose does.
    """

    def build(node: Node, _spot: Spot) -> Node:
        if not isinstance(node, Mapping):
            return node
        if "context" not in node.entries:
            node = node.having("context", Scalar(directory, node.place))
        if not normalize or "dockerfile" in node.entries or "dockerfile_inline" in node.entries:
            return node
        return node.having("dockerfile", Scalar("Dockerfile", node.place))

    def secret(node: Node, _spot: Spot) -> Node:
        source = child(node, "source")
        if not isinstance(node, Mapping) or "target" in node.entries or not isinstance(source, Scalar):
            return node
        return node.having("target", Scalar(f"/run/secrets/{source.value}", source.place))

    def devices(node: Node, _spot: Spot) -> Node:
        """All there are, where neither how many nor which is said."""
        if not isinstance(node, Mapping) or "count" in node.entries or "device_ids" in node.entries:
            return node
        return node.having("count", Scalar(-1, node.place))

    table: dict[str, Rewrite] = {
        "services.*.build": build,
        "services.*.deploy.resources.reservations.devices.*": devices,
        "services.*.gpus.*": devices,
        "services.*.secrets.*": secret,
    }
    return Places(for_jobs(table)).rewritten(root, Spot((), problems))
