"""What a command prints, in bounded memory: the first half of what is kept goes out as it comes (a death of the
sandbox loses nothing of it), the last half waits in a ring, and what was between them is counted."""

import os

CHUNK = 1 << 18
"""Most bytes taken from a command at once."""


class Output:
    def __init__(self, keep):
        self.unsent = bytearray()
        self._head_left = keep - keep // 2
        self._keep = keep // 2
        self._ring = None
        self._seen = 0  # bytes that went into the ring

    def take(self, pipe):
        """Read what is there. -> bytes read, 0 at the end of the stream. Raises BlockingIOError."""
        if not self._head_left:
            return self._take_into_ring(pipe)
        data = os.read(pipe, CHUNK)
        self.unsent += data[: self._head_left]
        rest = data[self._head_left :]
        self._head_left -= len(data) - len(rest)
        if rest:
            self._make_ring()
            self._ring[: len(rest)] = rest
            self._seen = len(rest)
        return len(data)

    def _make_ring(self):
        self._ring = memoryview(bytearray(max(self._keep, CHUNK)))

    def _take_into_ring(self, pipe):
        if self._ring is None:
            self._make_ring()
        # Straight to its place: no copy, no allocation, whatever the amount.
        at = self._seen % len(self._ring)
        count = os.readv(pipe, [self._ring[at:], self._ring[:at]])
        self._seen += count
        return count

    def tail(self):
        """-> (the last bytes, how many before them were dropped)"""
        if not self._seen:
            return b"", 0
        count = min(self._seen, self._keep)
        end = self._seen % len(self._ring)
        start = end - count
        kept = bytes(self._ring[:end]) if start >= 0 else bytes(self._ring[start:]) + bytes(self._ring[:end])
        return kept[len(kept) - count :], self._seen - count
