"""A grammar as GBNF says it, read anew: what it accepts, and texts drawn from it. Only what has no recursion."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r'\s*(?:(?P<literal>"(?:\\.|[^"\\])*")|(?P<set>\[(?:\\.|[^\]\\])*\])|(?P<name>[a-z][a-z0-9-]*)'
    r"|(?P<times>\{\d+,\d+\}|[?*+])|(?P<mark>[()|]))"
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))")
NASTY = "aZ09 \t<>=#`~!\\\"'-._/:,\xa0\u00e9\u03c0\u2003\u3000\ufeff\x85\u2028\U0001f600"


@dataclass(frozen=True)
class Node:
    """kind: "text", "set", "rule", "all" (in a row), "any" (one of), "times"."""

    kind: str
    value: object = None
    inner: tuple[Node, ...] = ()


class Grammar:
    """rules: by name; the first that is asked for is `root`."""

    def __init__(self, text: str):
        self.rules: dict[str, Node] = {}
        for line in text.splitlines():
            name, _, body = line.partition(" ::= ")
            assert name not in self.rules, f"{name} is there twice"
            self.rules[name] = _Reader(body).read()
        self._accepts = re.compile(self._regex(self.rules["root"]), re.DOTALL)

    def accepts(self, text: str) -> bool:
        return self._accepts.fullmatch(text) is not None

    def draw(self, chance: random.Random, longest: int = 4) -> str:
        """A text of the grammar. longest: rounds of a repetition beyond its least."""
        return self._draw(self.rules["root"], chance, longest)

    def _draw(self, node: Node, chance: random.Random, longest: int) -> str:
        match node.kind:
            case "text":
                return node.value
            case "set":
                allowed = [c for c in NASTY if re.fullmatch(node.value, c)]
                return chance.choice(
                    allowed or [c for c in map(chr, range(33, 127)) if re.fullmatch(node.value, c)]
                )
            case "rule":
                return self._draw(self.rules[node.value], chance, longest)
            case "any":
                return self._draw(chance.choice(node.inner), chance, longest)
            case "times":
                least, most = node.value
                count = chance.randint(least, min(most, least + longest))
                return "".join(self._draw(node.inner[0], chance, longest) for _ in range(count))
        return "".join(self._draw(each, chance, longest) for each in node.inner)

    def _regex(self, node: Node) -> str:
        match node.kind:
            case "text":
                return re.escape(node.value)
            case "set":
                return node.value
            case "rule":
                return f"(?:{self._regex(self.rules[node.value])})"
            case "any":
                return "(?:" + "|".join(map(self._regex, node.inner)) + ")"
            case "times":
                return f"(?:{self._regex(node.inner[0])}){{{node.value[0]},{node.value[1]}}}"
        return "".join(map(self._regex, node.inner))


class _Reader:
    def __init__(self, body: str):
        self._tokens = []
        at = 0
        while body[at:].strip():
            found = _TOKEN.match(body, at)
            assert found, f"cannot be read: {body[at:]}"
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()

    def read(self) -> Node:
        node = self._any()
        assert not self._tokens, f"too much: {self._tokens}"
        return node

    def _any(self) -> Node:
        found = [self._all()]
        while self._tokens and self._tokens[0] == ("mark", "|"):
            self._tokens.pop(0)
            found.append(self._all())
        return found[0] if len(found) == 1 else Node("any", inner=tuple(found))

    def _all(self) -> Node:
        found: list[Node] = []
        while self._tokens and self._tokens[0] not in (("mark", "|"), ("mark", ")")):
            kind, value = self._tokens.pop(0)
            if kind == "literal":
                found.append(Node("text", _unescaped(value[1:-1])))
            elif kind == "set":
                found.append(Node("set", value.replace("[\\^", "[^", 1)))
            elif kind == "name":
                found.append(Node("rule", value))
            elif kind == "times":
                least_most = {"?": (0, 1), "*": (0, 20), "+": (1, 20)}.get(value)
                found[-1] = Node("times", least_most or tuple(map(int, value[1:-1].split(","))), (found[-1],))
            else:
                assert value == "("
                found.append(self._any())
                assert self._tokens.pop(0) == ("mark", ")")
        return Node("all", inner=tuple(found))


def _unescaped(text: str) -> str:
    def value(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        return chr(int(code, 16)) if code else {"n": "\n", "t": "\t", "r": "\r"}.get(found[3], found[3])

    return _ESCAPE.sub(value, text)
