"""The Compose files that stand as texts in Python tests, found by reading the tests rather than running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import yaml


def embedded_files(directory: Path) -> Iterator[tuple[str, str]]:
    """Where each text stands, and the text: every whole one that has `services` at its top."""
    for path in sorted(directory.rglob("*.py")):
        tree = ast.parse(path.read_text())
        pieces = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if node in pieces:
                continue  # of an f-string: no whole text
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "services:" in node.value:
                text = dedent(node.value)
                if _is_compose(text):
                    yield f"{path.relative_to(directory)}:{node.lineno}", text


def _is_compose(text: str) -> bool:
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    return isinstance(tree, dict) and isinstance(tree.get("services"), dict)
