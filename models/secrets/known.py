"""The secrets that this process knows, and texts without them, however they are written there."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import quote, quote_plus, unquote

from .urls import strip_address, strip_urls
from .words import HIDDEN, forms_in, is_credential, is_secret_variable

_ESCAPE = re.compile(
    r"%([0-9A-Fa-f]{2})|\\+u00([0-9A-Fa-f]{2})|\\+x([0-9A-Fa-f]{2})|\\+([\"'/])|(\\)\\+"
    r"|&#(\d{2,3});|&#[xX]([0-9A-Fa-f]{2});|&(amp|lt|gt|quot|apos);"
)
_LEVELS = 3
"""How often a text may be escaped: a URL in a string in a string."""
_SHORTEST_CUT = 12
"""Characters: so much of a secret at a text's end, and at least half of it, is one that was cut off."""

_SHORTEST_PAIR = 8
"""Characters of a name and a password with their colon, where the password alone is too ordinary to be looked for."""
_USUAL_PAIRS = (
    "user:pass",
    "user:passwd",
    "user:password",
    "username:password",
    "admin:admin",
    "admin:password",
)
"""What code and documents about URLs are full of."""

Shown = Callable[[str], str]


class KnownSecrets:
    """Secrets by value, each with the name of where it came from ("" for none)."""

    def __init__(self, environment: Mapping[str, str] | None = None):
        self._values: dict[str, str] = {}
        self._written: dict[str, str] = {}
        if environment is not None:
            self.learn_environment(environment)

    def learn(self, value: str | None, name: str = "") -> None:
        """Take a key or password that was given to this process. What is too ordinary is ignored (`is_credential`)."""
        value = (value or "").strip()
        if not is_credential(value) or value in self._values:
            return
        self._values[value] = name
        for written in _ways_to_write(value):
            self._written.setdefault(written, name)

    def learn_address(self, text: str, name: str = "") -> str:
        """Take the credentials of the URLs in `text`; the text without them."""
        return strip_address(text, lambda found: self._learn_part(found, name))

    def learn_environment(self, environment: Mapping[str, str] | None = None) -> None:
        """Take the variables with telling names, and the credentials of URLs in any of them."""
        for name, value in (os.environ if environment is None else environment).items():
            value = value.strip()
            if "://" in value:
                strip_urls(value, lambda found, name=name: self._learn_part(found, name))
            elif is_secret_variable(name, value):
                self.learn(value, name)

    def learn_all(self, others: KnownSecrets) -> None:
        """Take those that `others` knows."""
        self._values |= others._values
        self._written |= others._written

    def forget(self) -> None:
        """Know none any more, for tests that share a process."""
        self._values.clear()
        self._written.clear()

    def redact(self, text: str) -> str:
        """`text` without the known secrets as they are, in JSON, percent-encoded, in base64 or in hexadecimal.

        For large amounts: it only looks for what can be looked for at the speed of memory.
        """
        return self.replaced(text)[0]

    def replaced(self, text: str, shown: Shown = lambda name: HIDDEN) -> tuple[str, int]:
        """`redact`, and how many there were. shown: what stands in the place of one, by its name."""
        number = 0
        for written, name in self._written.items():
            if written in text:
                number += text.count(written)
                text = text.replace(written, shown(name))
        return text, number

    def redact_bytes(self, content: bytes) -> bytes:
        """`redact` for a file's content of whatever encoding."""
        for written in self._written:
            if (data := written.encode("utf-8", "surrogatepass")) in content:
                content = content.replace(data, HIDDEN.encode())
        return content

    def redact_reply(self, text: str) -> str:
        """`redact`, and also where single characters are escaped, or where a secret is cut off at the end."""
        return self.redact_pieces([text])[0]

    def redact_pieces(self, pieces: Sequence[str]) -> list[str]:
        """`redact_reply` for a text that comes in pieces, a secret in several of them included."""
        if not self._written:
            return list(pieces)
        spans = self._spans("".join(pieces))
        return _cut_out(pieces, spans) if spans else list(pieces)

    def clean(self, text: str) -> str:
        """For sentences and settings: without known secrets, credentials of URLs, and what has a key's form."""
        text = strip_urls(self.redact(text))
        for form in forms_in(text):
            text = form.sub(HIDDEN, text)
        return text

    def _learn_part(self, found: str, name: str) -> None:
        """Take what stood in a URL: a parameter's value, or user info, which is a name, a password or both."""
        for part in dict.fromkeys((found, unquote(found))):
            user, colon, password = part.partition(":")
            self.learn(password if colon else part, name)
            if colon:
                if not password or is_credential(user):
                    self.learn(user, name)
                if len(part) >= _SHORTEST_PAIR and part.lower() not in _USUAL_PAIRS:
                    self._written.setdefault(part, name)
                # As it goes into the header Authorization.
                self._written.setdefault(base64.b64encode(part.encode("utf-8", "replace")).decode(), name)

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where secrets stand in `text`."""
        spans = [(at, at + len(written)) for written in self._written for at in _places(text, written)]
        places: Sequence[int] | None = None
        plain = text
        for _ in range(_LEVELS):
            decoded = _decoded(plain, places)
            if decoded is None:
                break
            plain, places = decoded
            spans += [
                (places[at], places[at + len(value)])
                for value in self._values
                for at in _places(plain, value)
            ]
        for value in self._values:
            for length in range(len(value) - 1, max(_SHORTEST_CUT, len(value) // 2) - 1, -1):
                if text.endswith(value[:length]):
                    spans.append((len(text) - length, len(text)))
                    break
        return _merged(spans)


KNOWN = KnownSecrets()
"""Those of this process: of its environment, of the addresses and keys that it was given."""


def _ways_to_write(value: str) -> Iterable[str]:
    """The value as it is, and as the usual encoders write it."""
    in_json = json.dumps(value, ensure_ascii=False)[1:-1]
    data = value.encode("utf-8", "replace")
    yield from dict.fromkeys(
        (
            value,
            in_json,
            json.dumps(value)[1:-1],
            json.dumps(in_json)[1:-1],
            quote(value, safe=""),
            quote(value),
            quote_plus(value),
            html.escape(value),
            data.hex(),
            data.hex().upper(),
            *_in_base64(data),
        )
    )


def _in_base64(data: bytes) -> Iterable[str]:
    """What base64 has in common of all texts that hold `data`, by where in a group of three bytes it begins."""
    for before in range(3):
        padded = b"\0" * before + data
        whole = len(padded) * 8 // 6
        first = (before * 8 + 5) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(padded + b"\0" * 3).decode()[first:whole]


def _places(text: str, wanted: str) -> Iterable[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _decoded(text: str, places: Sequence[int] | None) -> tuple[str, Sequence[int]] | None:
    """`text` with one level of escapes resolved, and where each character (and the end) began; None without any.

    places: where the characters of `text` themselves began, None for where they are.
    """
    parts: list[str] = []
    starts: list[int] = []
    at = 0
    for match in _ESCAPE.finditer(text):
        parts.append(text[at : match.start()])
        starts.extend(range(at, match.start()))
        parts.append(_character(match))
        starts.append(match.start())
        at = match.end()
    if not at:
        return None
    parts.append(text[at:])
    starts.extend(range(at, len(text) + 1))
    return "".join(parts), starts if places is None else [places[start] for start in starts]


def _character(match: re.Match[str]) -> str:
    percent, u, x, plain, backslash, decimal, hexadecimal, name = match.groups()
    if code := percent or u or x or hexadecimal:
        return chr(int(code, 16))
    if decimal:
        return chr(int(decimal))
    return plain or backslash or html.unescape(f"&{name};")


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _cut_out(pieces: Sequence[str], spans: list[tuple[int, int]]) -> list[str]:
    """The pieces without these places of their whole text; where one begins, *** stands in its piece."""
    result = []
    at, next_span = 0, 0
    for piece in pieces:
        end = at + len(piece)
        kept, position = [], at
        for start, stop in spans[next_span:]:
            if start >= end:
                break
            if stop <= at:
                next_span += 1
                continue
            kept.append(piece[max(position, at) - at : max(start, at) - at])
            if start >= at:
                kept.append(HIDDEN)
            position = min(stop, end)
        kept.append(piece[position - at :])
        result.append("".join(kept))
        at = end
    return result
