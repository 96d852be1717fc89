"""Interpolation: variables in the values (never the keys) of one file's tree, before anything is merged.

What stays text here and must become a number or a boolean is read as such by the model, which takes both.
"""

from __future__ import annotations

from operator import is_

from composer.frozen import mutable, replace
from composer.loader.codes import Code
from composer.loader.problems import Path, Problems
from composer.loader.template import BadTemplate, Lookup, RequiredVariable, parse_template, substitute
from composer.loader.tree import Mapping, Node, Scalar, Sequence


def interpolate(node: Node, lookup: Lookup, *, problems: Problems) -> Node:
    return _Interpolation(lookup, problems).node(node, ())


@mutable
class _Interpolation:
    lookup: Lookup
    problems: Problems

    def node(self, node: Node, path: Path) -> Node:
        match node:
            case Scalar(value=text):
                return self._scalar(node, text, path) if isinstance(text, str) and "$" in text else node
            case Sequence(items=items):
                inner = tuple(self.node(item, (*path, index)) for index, item in enumerate(items))
                unchanged = all(map(is_, inner, items))
                return node if unchanged else replace(node, items=inner)
            case Mapping(entries=entries):
                entered = {key: self.node(value, (*path, key)) for key, value in entries.items()}
                unchanged = all(map(is_, entered.values(), entries.values()))
                return node if unchanged else node.holding(entered)

    def _scalar(self, node: Scalar, text: str, path: Path) -> Scalar:
        def unset(name: str) -> None:
            message = f'the variable "{name}" is not set; an empty text is used'
            hint = f"set it, write ${{{name}:-default}}, or $$ for a dollar sign"
            self.problems.warn(Code.UNSET_VARIABLE, message, at=node.place, path=path, hint=hint)

        try:
            return replace(node, value=substitute(parse_template(text), self.lookup, unset=unset))
        except BadTemplate as problem:
            code = Code.REQUIRED_VARIABLE if isinstance(problem, RequiredVariable) else Code.VARIABLE_SYNTAX
            self.problems.error(code, problem.message, at=node.place, path=path, hint=problem.hint)
            self.problems.unreadable.add(node.place)
            return replace(node, value=text.replace("$", ""))
