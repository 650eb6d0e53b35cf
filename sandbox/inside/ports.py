"""Forwarded ports of the sandbox's loopback: what is written to them travels to Winnow in frames, and back.

Imported only by a sandbox that has such ports. Memory is bounded by what the other side has taken (see wire.py).
"""

import select
from _socket import AF_INET, SHUT_WR, SO_LINGER, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket
from _struct import pack

from . import wire

LOOPBACK = "127.0.0.1"

CHUNK = 1 << 16
"""Most bytes of a connection in one frame."""

ROOM = 1 << 19
"""Bytes that wait for the stream, beyond which no connection is read: answers to requests come first."""

NOW = pack("ii", 1, 0)
"""SO_LINGER: a close that the program sees as a cut."""


class Ports:
    """server: the exec server, whose poll and stream are used."""

    def __init__(self, server):
        self.server = server
        self.listeners = {}  # by descriptor: (socket, port)
        self.connections = {}  # by number
        self.waiting = []  # connections that are not read until the stream has room
        self.last = 0
        self.full = False

    def listen(self, ports):
        """Raises OSError: a port is taken, or not for this user."""
        for port in ports:
            listener = socket(AF_INET, SOCK_STREAM)
            listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind((LOOPBACK, port))
            listener.listen(wire.CONNECTIONS)
            self.listeners[listener.fileno()] = (listener, port)
            self.server._watch(listener.fileno(), self.accept)

    def accept(self, descriptor):
        listener, port = self.listeners[descriptor]
        try:
            found, _ = listener._accept()
        except OSError:  # it has gone again
            return
        self.last += 1
        line = socket(fileno=found)
        line.setblocking(False)
        self.connections[self.last] = connection = Connection(self, self.last, line)
        self.say(wire.OPEN, self.last, b"%d" % port)
        connection.watch()
        self.limit()

    def take(self, kind, number, fields):
        """A frame of Winnow's about a connection."""
        connection = self.connections[number]
        if kind == wire.GONE:
            connection.leave()
        elif connection.line is None:
            return  # sent before it was known that the program has gone
        elif kind == wire.TAKEN:
            connection.credit += wire.integer(fields[0])
        elif kind == wire.END:
            connection.ended = True
            connection.write()
        else:
            connection.unsent += fields[0]
            connection.write()
        if connection.line is not None:
            connection.watch()

    def go_on(self):
        """The stream may have room again."""
        if self.waiting and len(self.server.unsent) < ROOM:
            waiting, self.waiting = self.waiting, []
            for connection in waiting:
                connection.held = False
                connection.watch()

    def forget(self, number):
        del self.connections[number]
        self.limit()

    def limit(self):
        """Take no further connections while there are as many as there may be."""
        full = len(self.connections) >= wire.CONNECTIONS
        if full != self.full:
            self.full = full
            for descriptor in self.listeners:
                if full:
                    self.server.poll.unregister(descriptor)
                else:
                    self.server.poll.register(descriptor, select.POLLIN)

    def say(self, kind, number, *fields):
        self.server._say(kind, number, *fields)


class Connection:
    """line: to the program inside, None once it is closed. credit: bytes of it that Winnow still takes. unsent: for
    the program. ended: Winnow sends no more. left: Winnow has let go. heard: all that the program says.
    """

    def __init__(self, ports, number, line):
        self.ports, self.number, self.line = ports, number, line
        self.credit, self.taken = wire.WINDOW, 0
        self.unsent = bytearray()
        self.ended = self.shut = self.left = self.heard = self.held = False
        self.watched, self.descriptor = 0, line.fileno()

    def watch(self):
        """Look for what can be done now, and nothing else: the kernel tells of some ends for ever."""
        wanted = 0
        if self.line is not None:
            reads = self.credit > 0 and not (self.heard or self.held or self.left)
            wanted = (select.POLLIN if reads else 0) | (select.POLLOUT if self.unsent else 0)
        if wanted == self.watched:
            return
        server = self.ports.server
        if wanted:
            server.poll.register(self.descriptor, wanted)  # again: another mask
            server.on[self.descriptor] = self.hear
        else:
            server.poll.unregister(self.descriptor)
            del server.on[self.descriptor]
        self.watched = wanted

    def hear(self, _):
        if self.unsent:
            self.write()
        if self.line is not None and self.watched & select.POLLIN:
            self.read()
        if self.line is not None:
            self.watch()

    def read(self):
        if len(self.ports.server.unsent) >= ROOM:
            self.held = True
            self.ports.waiting.append(self)
            return
        try:
            data = self.line.recv(min(self.credit, CHUNK))
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if data:
            self.credit -= len(data)
            self.ports.say(wire.BYTES, self.number, data)
        else:
            self.heard = True
            self.ports.say(wire.END, self.number)
            self.write()

    def write(self):
        """Hand on what there is, and its end."""
        try:
            while self.unsent and self.line is not None:
                count = self.line.send(self.unsent)
                del self.unsent[:count]
                self.taken += count
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if self.taken >= wire.WINDOW // 2:
            self.ports.say(wire.TAKEN, self.number, b"%d" % self.taken)
            self.taken = 0
        if self.ended and not self.unsent and self.line is not None:
            if self.heard or self.left:
                self.close()
            elif not self.shut:
                self.shut = True
                try:
                    self.line.shutdown(SHUT_WR)
                except OSError:
                    self.close()

    def leave(self):
        """Winnow has let go: the program still gets what was sent before an END."""
        self.left = True
        if self.line is None:
            self.ports.forget(self.number)
            return
        if self.ended:
            self.write()
        else:
            self.line.setsockopt(SOL_SOCKET, SO_LINGER, NOW)
            self.close()

    def close(self):
        line, self.line = self.line, None
        self.watch()
        line.close()
        self.unsent.clear()
        self.ports.say(wire.GONE, self.number)
        if self.left:
            self.ports.forget(self.number)
