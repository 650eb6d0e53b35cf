"""What a setup.py says, read and not run: literals, and names that are bound to literals."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from ..foreign_text import parse_python

_WORDS = frozenset("tests_require extras_require name".split())


def read_setup(text: str) -> Mapping[str, Any]:
    """Arguments of setup() that are plain: tests_require, extras_require, name.

    A part that is computed is left out; {} for what is no Python 3 source.
    """
    tree = parse_python(text)
    if tree is None:
        return {}
    names: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name):
                _keep(names, target.id, _value(node.value, names))
            elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                key, kept = _value(target.slice, names), names.get(target.value.id)
                if isinstance(kept, dict) and isinstance(key, str):
                    kept[key] = _value(node.value, names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) == "setup":
            for word in node.keywords:
                if word.arg in _WORDS:
                    _keep(found, word.arg, _value(word.value, names))
    for word in _WORDS:  # setup(**settings): the settings' own names
        for settings in names.values():
            if isinstance(settings, dict) and word in settings:
                found.setdefault(word, settings[word])
    return found


def strings(value: Any) -> list[str]:
    """The requirements in a value of `read_setup`: a list, a tuple, or one text with a line each."""
    if isinstance(value, str):
        return [line.strip() for line in value.splitlines() if line.strip()]
    if isinstance(value, list | tuple | set):
        return [one for one in value if isinstance(one, str)]
    return []


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        values = []
        for one in node.elts:
            value = _value(one.value if isinstance(one, ast.Starred) else one, names)
            if isinstance(one, ast.Starred):
                values += value if isinstance(value, list) else []
            else:
                values.append(value)
        return values
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        said = {(_value(key, names) if key else None): _value(value, names) for key, value in pairs}
        return {key: value for key, value in said.items() if isinstance(key, str)}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _value(node.left, names), _value(node.right, names)
        return left + right if type(left) is type(right) and isinstance(left, list | str) else left or right
    if isinstance(node, ast.Call) and _called(node.func) == "dict":
        return {word.arg: _value(word.value, names) for word in node.keywords if word.arg}
    return None


def _keep(into: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        into.setdefault(name, value)


def _called(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
