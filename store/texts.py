"""Texts by content address, and requests as chains.

A node is one message at one place of a conversation: H(parent node, label, digest of its text). Two requests
that begin alike share nodes, so a conversation of n turns takes O(n) rows. The settings of a request, which
come last and would cut every chain short, are kept beside the tip.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, Select, select

from store import schema

SETTINGS = "settings"
LONG = 1024  # bytes; below, compression saves less than it hides from a person reading the table
MANY = 500  # values in one IN (...): databases limit how many a statement may carry

Parts = tuple[tuple[str, str], ...]
Nodes = Mapping[str, tuple[str | None, str, str]]


def pack(text: str) -> tuple[str | None, bytes | None]:
    """(plain, packed), one of them None. Packed are long texts and those that no database takes as text (NUL,
    lone surrogates): zlib, level 1, over UTF-8 that lets surrogates pass.
    """
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > LONG or "\0" in text or _LONE.search(text):
        return None, zlib.compress(data, 1)
    return text, None


def unpack(plain: str | None, packed: bytes | None) -> str:
    return plain if packed is None else zlib.decompress(packed).decode("utf-8", "surrogatepass")


def storable(json_text: str) -> str:
    """The same JSON with lone surrogates and NULs as escapes, since a text column takes neither."""
    return _UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


def split(parts: Sequence[tuple[str, str]]) -> tuple[Parts, str | None]:
    """A request's chained parts, and the digest of its settings."""
    parts = tuple(parts)
    if parts and parts[-1][0] == SETTINGS:
        return parts[:-1], parts[-1][1]
    return parts, None


def chain(parts: Parts, before: tuple[Parts, list[str]] = ((), [])) -> list[str]:
    """The node of each part. before: an earlier request of the same branch and its nodes, which are used
    again as far as the two agree, so that a turn costs what is new in it.

    Raises ValueError where "settings" is not last: the order could not be rebuilt.
    """
    known, nodes = before
    same = len(known)
    if parts[:same] != known:
        pairs = zip(known, parts, strict=False)
        same = next((place for place, (old, new) in enumerate(pairs) if old != new), min(same, len(parts)))
    nodes = nodes[:same]
    above = nodes[-1] if nodes else ""
    for label, digest in parts[same:]:
        if label == SETTINGS:
            raise ValueError('the part labelled "settings" goes last, once')
        above = hashlib.sha256(f"{above}\0{digest}\0{label}".encode()).hexdigest()[:32]
        nodes.append(above)
    return nodes


def walk(nodes: Nodes, tip: str | None, settings: str | None) -> Parts:
    """The parts of a stored request, from its tip back to its beginning, then its settings."""
    back = []
    while tip is not None:
        tip, label, digest = nodes[tip]
        back.append((label, digest))
    back.reverse()
    return tuple(back) if settings is None else (*back, (SETTINGS, settings))


def read_nodes(connection: Connection, tips: Select) -> dict[str, tuple[str | None, str, str]]:
    """Every node on the way from any of the tips to its beginning, each once: node -> (parent, label,
    digest).
    """
    table = schema.nodes
    found = select(table).where(table.c.node.in_(tips)).cte("found", recursive=True)
    found = found.union(select(table).where(table.c.node == found.c.parent))
    return {row.node: (row.parent, row.label, row.digest) for row in connection.execute(select(found))}


def read_texts(connection: Connection, digests: Iterable[str]) -> dict[str, str]:
    wanted = sorted(set(digests))
    texts = {}
    for start in range(0, len(wanted), MANY):
        some = select(schema.texts).where(schema.texts.c.digest.in_(wanted[start : start + MANY]))
        texts.update({row.digest: unpack(row.text, row.packed) for row in connection.execute(some)})
    return texts


_LONE = re.compile("[\ud800-\udfff]")
_UNFIT = re.compile("[\0\ud800-\udfff]")
