"""What Winnow and an exec server say to each other: frames of bytes, bounded, and nothing in them is ever evaluated.

A frame is the length of its body (4 bytes, big endian), then the body: its kind (1 byte), the number of the request
that it belongs to (4 bytes) and fields, each with its own length (4 bytes) before it. Integers are decimal digits.

One request is answered at a time. To the server:

    PUT number slot piece              bytes for the request of the same number that follows: STDIN or SCRIPT
    RUN number cwd keep script name=value...    script empty: it was PUT
    READ number path limit             limit empty: the whole file
    WRITE number path mode piece more  more is 1 where another piece is to be appended; mode counts with the last
    KILL number                        kill everything, if this request still runs; no answer of its own
    KILL_ALL number                    kill everything
    LISTEN number port...              forward these ports of the sandbox's loopback from now on

and back:

    HELLO 0 shell          once, when the server is ready. shell is 1 where there is a /bin/sh
    DATA number bytes      output of a command as it comes, up to the first half of what is kept; a file's bytes
    TAIL number bytes      the last of a command's output, where it is more than that
    DONE number code cut killed        a command's end; for the others code is 0. killed: 1 where a KILL ended it
    FAILED number why text             why is one of the words below

Between these travel the bytes of connections to forwarded ports, each connection with a number of its own:

    OPEN number port                   to Winnow: somebody connected. Numbers count up
    BYTES number bytes                 both ways; never more than WINDOW of them that the other side has not TAKEN
    TAKEN number count                 so many bytes were handed on
    END number                         no more bytes come from this side
    GONE number                        this side has let go, and says no more; without an END before it, the connection
                                       was cut. The number is forgotten when both sides have said so
"""

PUT, RUN, READ, WRITE, KILL, KILL_ALL, LISTEN = b"P", b"R", b"F", b"W", b"K", b"A", b"L"
HELLO, DATA, TAIL, DONE, FAILED = b"H", b"D", b"T", b"E", b"X"
OPEN, BYTES, TAKEN, END, GONE = b"o", b"b", b"t", b"e", b"g"
OF_PORTS = frozenset((OPEN, BYTES, TAKEN, END, GONE))

STDIN, SCRIPT = b"0", b"1"

NOT_THERE, FULL, UNUSABLE, REFUSED, STUCK = b"not there", b"full", b"unusable", b"refused", b"stuck"
"""No such regular file; the disk is full; the file cannot be written, or no process started; nothing wrong but the
request (too large), or no place to serve; processes are left that no kill ends."""

PIECE = 1 << 18
"""Most bytes of a file, a script or an input in one frame."""

MOST = 8 << 20
"""Most bytes of a frame's body."""

INLINE = 100_000
"""Most bytes of a script that travels in RUN: the kernel takes no single argument beyond 128 KB."""

WINDOW = 1 << 18
"""Most bytes of one connection, in one direction, that wait anywhere on their way."""

CONNECTIONS = 128
"""Most connections of a sandbox at one time; further ones wait in the kernel until one is gone."""

_HEAD = 5


class Malformed(Exception):
    """What came is no frame."""


def frame(kind, number, *fields):
    """The bytes of one frame."""
    parts = [b"", kind, number.to_bytes(4, "big")]
    for field in fields:
        parts += (len(field).to_bytes(4, "big"), field)
    parts[0] = sum(map(len, parts)).to_bytes(4, "big")
    return b"".join(parts)


def integer(field, most=1 << 62):
    """The number a field says. Raises Malformed."""
    if not (0 < len(field) <= 20 and field.isdigit() and int(field) <= most):
        raise Malformed(f"no number: {field[:20]!r}")
    return int(field)


class Frames:
    """Takes frames out of a stream, however it was split. most: bytes of a body."""

    def __init__(self, most=MOST):
        self._most = most
        self._held = bytearray()

    def feed(self, data):
        """-> the frames that are whole now, each (kind, number, fields). Raises Malformed."""
        held = self._held
        held += data
        found = []
        at = 0
        with memoryview(held) as view:  # each byte is copied once, however large the frame
            while len(held) - at >= 4:
                size = int.from_bytes(view[at : at + 4], "big")
                if not _HEAD <= size <= self._most:
                    raise Malformed(f"a frame of {size} bytes")
                if len(held) - at - 4 < size:
                    break
                found.append(_parsed(view, at + 4, at + 4 + size))
                at += 4 + size
        if at:
            del held[:at]
        return found


def _parsed(view, at, end):
    kind, number = bytes(view[at : at + 1]), int.from_bytes(view[at + 1 : at + 5], "big")
    at += _HEAD
    fields = []
    while at < end:
        size = int.from_bytes(view[at : at + 4], "big")
        at += 4
        if at + size > end:
            raise Malformed("a field that goes beyond its frame")
        fields.append(bytes(view[at : at + size]))
        at += size
    if at != end:
        raise Malformed("a field without its length")
    return kind, number, fields
