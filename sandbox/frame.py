"""One command's output, taken out of the channel's stream between markers, in bounded memory, while it streams."""

from __future__ import annotations


class Capture:
    """Keeps the first and the last half of `limit` bytes (all where limit is None) and counts the rest."""

    def __init__(self, limit: int | None) -> None:
        self._head_limit = None if limit is None else limit - limit // 2
        self._tail_limit = 0 if limit is None else limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, data: bytes | memoryview) -> None:
        if self._head_limit is None:
            self._head += data
            return
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if len(data) >= self._tail_limit:
            self._dropped += len(self._tail) + len(data) - self._tail_limit
            self._tail[:] = data[len(data) - self._tail_limit :]
            return
        self._tail += data
        # Trimmed only when it has doubled: moving the tail for every chunk would cost more than reading it.
        if len(self._tail) > 2 * self._tail_limit:
            self._trim()

    def raw(self) -> bytes:
        """What was kept, head and tail put together."""
        self._trim()
        return bytes(self._head + self._tail)

    def text(self) -> tuple[str, int]:
        """-> (the text with a line in its middle where bytes were cut, how many bytes were cut)."""
        self._trim()
        return shown(bytes(self._head), bytes(self._tail), self._dropped)

    def _trim(self) -> None:
        extra = len(self._tail) - self._tail_limit
        if extra > 0:
            self._dropped += extra
            del self._tail[:extra]


class Frame:
    """One command's part of the stream: from `NONCE[` to `NONCE]code;`, or to `NONCE!;` once it was killed.

    A marker may come in any number of pieces; whatever could be a marker's beginning is held back.
    """

    def __init__(self, nonce: str, capture: Capture) -> None:
        self._begin = nonce.encode() + b"["
        self._nonce = nonce.encode()
        self._capture = capture
        self._held = b""
        self._begun = False
        self._killing = False
        self.code = -1
        self.done = False

    def expect_kill(self) -> None:
        """From now on only the kill's own marker ends the frame: the command's may have crossed it."""
        self._killing = True

    def feed(self, chunk: bytes) -> None:
        data = self._held + chunk if self._held else chunk
        self._held = b""
        while data and not self.done:
            data = self._step(data)

    def _step(self, data: bytes) -> bytes:
        """Take in what can be understood. -> the rest, empty where more is needed first (it is held)."""
        at = data.find(self._nonce)
        if at < 0:
            keep = len(self._nonce) - 1
            self._keep(data[: max(0, len(data) - keep)])
            self._held = data[-keep:]
            return b""
        self._keep(data[:at])
        end = len(self._nonce)
        mark = data[at + end : at + end + 1]
        if mark == b"[":
            self._begun = True
            return data[at + end + 1 :]
        stop = data.find(b";", at)
        if not mark or stop < 0:
            self._held = data[at:]
            return b""
        if mark == b"!" or not self._killing:
            self.done = True
        if mark == b"]":
            self.code = int(data[at + end + 1 : stop])
        self._begun = False
        return data[stop + 1 :]

    def _keep(self, data: bytes) -> None:
        if self._begun:
            self._capture.add(data)


def shown(head: bytes, tail: bytes, dropped: int) -> tuple[str, int]:
    """Output of which `dropped` bytes between head and tail are missing. -> (its text, bytes cut out of it)"""
    if not dropped:
        return (head + tail).decode("utf-8", "replace"), 0
    whole_head, whole_tail = _whole_end(head), _whole_start(tail)
    cut = dropped + len(head) - len(whole_head) + len(tail) - len(whole_tail)
    middle = f"\n[... {cut} bytes of output were cut here ...]\n"
    return whole_head.decode("utf-8", "replace") + middle + whole_tail.decode("utf-8", "replace"), cut


def _whole_end(data: bytes) -> bytes:
    """Without the beginning of a UTF-8 character that was cut off at the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return data if size <= back else data[:-back]
        if byte < 0x80:
            break
    return data


def _whole_start(data: bytes) -> bytes:
    """Without the rest of a UTF-8 character that was cut off at the start."""
    for at in range(min(4, len(data))):
        if data[at] & 0xC0 != 0x80:
            return data[at:]
    return data if len(data) > 3 else b""
