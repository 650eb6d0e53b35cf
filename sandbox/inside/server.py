"""The exec server: the first process of a sandbox, in a process namespace of its own.

It starts commands, takes their output through a pipe for each, reads and writes files, reaps what nobody waits for,
and kills everything when it is told to or when its stream ends. The code under test runs as the same user and can
neither kill it (the first process gets no signal that it did not ask for) nor trace it or look into its memory and
descriptors (whoever starts it sees to it that it is not dumpable). So no answer can be forged, and nothing here
decides about time: Winnow does, from outside.

One thread, one poll. Modules with an underscore are imported because their fronts cost more than all the rest.
"""

import errno
import os
import select
import time
from _signal import SIG_DFL, SIG_IGN, SIGKILL, SIGPIPE, SIGXFSZ, signal

from . import files, wire
from .output import CHUNK, Output
from .processes import Children, Starter

LAZY = 0.02
"""Seconds that a little output may wait for more of it."""

SOON = 1 << 15
"""Bytes of output that do not wait."""

AHEAD = 1 << 20
"""Bytes of a file that wait to be sent."""

NO_NAMESPACE = 97
"""Exit code where there is no process namespace: killing everything would end the whole machine."""

CROWD = (
    b"[every process left behind by earlier commands was killed: they had used up the limit on processes]\n"
)


def serve(incoming, outgoing):
    """Serve until `incoming` ends. The two may be one descriptor. Every other one is closed. Never returns."""
    if os.getpid() != 1:
        why = b"it has no process namespace of its own"
        os.write(outgoing, wire.frame(wire.FAILED, 0, wire.REFUSED, why))
        os._exit(NO_NAMESPACE)
    Server(*_alone(incoming, outgoing)).serve()


def _alone(incoming, outgoing):
    """Nothing open but the stream (beyond 2, where commands' own streams go), no handler, no inherited habit."""
    ends = [incoming] if incoming == outgoing else [incoming, outgoing]
    while min(ends) < 3:
        ends = [os.dup(end) for end in ends]
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in ends:
            try:
                os.close(int(name))
            except OSError:
                pass  # the listing's own
    for end in ends:
        os.set_inheritable(end, False)
        os.set_blocking(end, False)
    for number in range(1, 65):
        try:
            signal(number, SIG_IGN if number in (SIGPIPE, SIGXFSZ) else SIG_DFL)
        except (OSError, ValueError):
            pass  # those that nobody can change
    os.umask(0o022)
    os.chdir("/")
    return ends[0], ends[-1]


class Command:
    """One that runs. pipe: where its output comes from. status: as waitpid says it, once its shell has ended."""

    def __init__(self, number, keep):
        self.number = number
        self.output = Output(keep)
        self.pid = self.pipe = 0
        self.status = None
        self.killed = False
        self.due = 0.0


class Server:
    def __init__(self, incoming, outgoing):
        self.incoming, self.outgoing = incoming, outgoing
        self.frames = wire.Frames()
        self.unsent = bytearray()
        self.blocked = False  # the stream out takes no more now
        self.command = None
        self.reading = None  # (number of the request, descriptor, bytes left)
        self.puts = {}  # by slot: a memory file
        self.ports = None  # forwarded ones, once there are any
        self.left_behind = []  # pipes of ended commands that their children hold open
        self.most_left_behind = os.sysconf("SC_OPEN_MAX") // 2
        self.scratch = [memoryview(bytearray(CHUNK))]
        self.poll = select.poll()
        self.on = {}
        self.starter = Starter()
        self.children = Children(self._ended)
        self._watch(incoming, self._hear)
        self._watch(self.children.news, lambda _: self.children.reap())

    def serve(self):
        self._say(wire.HELLO, 0, b"1" if os.access("/bin/sh", os.X_OK) else b"0")
        while True:
            self._go_on()
            if self.unsent:
                self._flush()
            if self.ports is not None:
                self.ports.go_on()
            for descriptor, _ in self.poll.poll(self._patience()):
                if descriptor in self.on:
                    self.on[descriptor](descriptor)

    def _go_on(self):
        command = self.command
        if command is not None:
            if command.status is not None:
                self._finish()
            elif command.output.unsent and self._worth_sending(command):
                self._send_head(command)
        if self._may_read():
            self._read_on()

    def _patience(self):
        """Milliseconds until something is to be done unasked."""
        if self._may_read():
            return 0
        if self.command is not None and self.command.output.unsent:
            return 1 + max(0, int(1000 * (self.command.due - time.monotonic())))
        return None

    # Requests

    def _hear(self, _):
        try:
            data = os.read(self.incoming, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            os._exit(0)  # with the first process everything in its namespace ends
        for kind, number, fields in self.frames.feed(data):
            if kind == wire.PUT:
                self._put(*fields)
            elif kind in wire.OF_PORTS:
                self.ports.take(kind, number, fields)
            elif kind != wire.KILL:
                self._begin(kind, number, fields)
            elif self.command is not None and self.command.number == number and self.command.status is None:
                self.command.killed = True
                self.children.kill_all()

    def _begin(self, kind, number, fields):
        if self.command is not None:  # nobody waits for it any more
            self.children.kill_all()
            self._finish()
        if self.reading is not None:
            self._end_reading()
        try:
            REQUESTS[kind](self, number, *fields)
        except OSError as error:
            self._say(wire.FAILED, number, *_why(kind, error))
        while self.puts:
            os.close(self.puts.popitem()[1])

    def _put(self, slot, piece):
        if slot not in self.puts:
            self.puts[slot] = os.memfd_create("winnow")
        files.write_whole(self.puts[slot], piece)

    def _run(self, number, folder, keep, script, *environment):
        self.command = command = Command(number, wire.integer(keep))
        try:
            os.chdir(folder)
        except OSError:
            command.output.unsent += b"cannot enter the folder %s\n" % folder
            command.status = 126 << 8
            return
        arguments, streams = [b"sh", b"-c", script], [(self.puts.get(wire.STDIN, 0), 0)]
        if wire.SCRIPT in self.puts:
            # Its first line closes it again, or what it starts would inherit it.
            arguments = [b"sh", b"/proc/self/fd/3"]
        for descriptor in self.puts.values():
            os.lseek(descriptor, 0, os.SEEK_SET)
        pipe, theirs = os.pipe()
        streams += [(theirs, 1), (theirs, 2)]
        if wire.SCRIPT in self.puts:
            streams.append((self.puts[wire.SCRIPT], 3))
        try:
            variables = dict(one.split(b"=", 1) for one in environment)
            try:
                command.pid = self.starter.start(arguments, variables, streams)
            except BlockingIOError:  # EAGAIN: no process more
                self.children.kill_all()
                command.output.unsent += CROWD
                command.pid = self.starter.start(arguments, variables, streams)
        except OSError:
            self.command = None
            os.close(pipe)
            raise
        finally:
            os.close(theirs)
            os.chdir("/")
        command.pipe = pipe
        os.set_blocking(pipe, False)
        self._watch(pipe, self._listen)

    def _read(self, number, path, limit):
        descriptor = files.opened(path, os.O_RDONLY)
        # A file that grows while it is read is given as far as it went.
        size = max(os.fstat(descriptor).st_size, wire.PIECE)
        self.reading = (number, descriptor, min(size, wire.integer(limit)) if limit else size)

    def _may_read(self):
        return self.reading is not None and len(self.unsent) < AHEAD

    def _read_on(self):
        number, descriptor, left = self.reading
        try:
            data = os.read(descriptor, min(left, CHUNK))
        except OSError as error:
            self._end_reading()
            self._say(wire.FAILED, number, *_why(wire.READ, error))
            return
        if data:
            self._say(wire.DATA, number, data)
            self.reading = (number, descriptor, left - len(data))
        else:
            self._end_reading()
            self._say_done(number)

    def _end_reading(self):
        os.close(self.reading[1])
        self.reading = None

    def _write(self, number, path, mode, piece, append, more):
        files.write(path, wire.integer(mode, 0o7777), piece, append == b"1", more != b"1")
        self._say_done(number)

    def _kill_all(self, number):
        if self.children.kill_all():
            self._say_done(number)
        else:
            self._say(wire.FAILED, number, wire.STUCK, b"a killed process does not end")

    def _forward(self, number, *ports):
        from .ports import Ports  # of no use to the sandboxes that have none

        if self.ports is None:
            self.ports = Ports(self)
        self.ports.listen([wire.integer(port, 65535) for port in ports])
        self._say_done(number)

    # The command that runs

    def _listen(self, pipe):
        """Output of the running command, or of what an earlier one left behind: that is dropped."""
        command = self.command
        try:
            if command is None or pipe != command.pipe:
                count = os.readv(pipe, self.scratch)
            else:
                if not command.output.unsent:
                    command.due = time.monotonic() + LAZY
                count = command.output.take(pipe)
        except BlockingIOError:
            return
        if not count:
            self._forget(pipe)

    def _worth_sending(self, command):
        return len(command.output.unsent) >= SOON or time.monotonic() >= command.due

    def _send_head(self, command):
        self._say(wire.DATA, command.number, command.output.unsent)
        command.output.unsent.clear()

    def _ended(self, pid, status):
        if self.command is not None and pid == self.command.pid:
            self.command.status = status

    def _finish(self):
        """The command's shell has ended: take what it left in the pipe, and tell."""
        command, self.command = self.command, None
        if command.pipe in self.on:
            self._drain(command)
        if command.output.unsent:
            self._send_head(command)
        tail, cut = command.output.tail()
        for at in range(0, len(tail), wire.PIECE):
            self._say(wire.TAIL, command.number, tail[at : at + wire.PIECE])
        code = SIGKILL if command.status is None else os.waitstatus_to_exitcode(command.status)
        self._say_done(command.number, 128 - code if code < 0 else code, cut, command.killed)

    def _drain(self, command):
        left = CHUNK  # no pipe holds more: the rest came later, from children
        try:
            while left > 0:
                count = command.output.take(command.pipe)
                if not count:
                    self._forget(command.pipe)
                    return
                left -= count
        except BlockingIOError:
            pass
        self.left_behind.append(command.pipe)
        if len(self.left_behind) > self.most_left_behind:
            self._forget(self.left_behind[0])

    # The stream out

    def _say_done(self, number, code=0, cut=0, killed=False):
        self._say(wire.DONE, number, b"%d" % code, b"%d" % cut, b"%d" % killed)

    def _say(self, kind, number, *fields):
        self.unsent += wire.frame(kind, number, *fields)

    def _flush(self):
        try:
            del self.unsent[: os.write(self.outgoing, self.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            os._exit(0)
        if self.blocked != bool(self.unsent):
            self.blocked = not self.blocked
            self._wait_to_send(self.blocked)

    def _wait_to_send(self, wanted):
        if self.incoming == self.outgoing:
            self.poll.modify(self.incoming, select.POLLIN | (select.POLLOUT if wanted else 0))
        elif wanted:
            self.poll.register(self.outgoing, select.POLLOUT)
        else:
            self.poll.unregister(self.outgoing)

    def _watch(self, descriptor, handler):
        self.poll.register(descriptor, select.POLLIN)
        self.on[descriptor] = handler

    def _forget(self, descriptor):
        self.poll.unregister(descriptor)
        del self.on[descriptor]
        os.close(descriptor)
        if descriptor in self.left_behind:
            self.left_behind.remove(descriptor)


REQUESTS = {
    wire.RUN: Server._run,
    wire.READ: Server._read,
    wire.WRITE: Server._write,
    wire.KILL_ALL: Server._kill_all,
    wire.LISTEN: Server._forward,
}


def _why(kind, error):
    """The two fields of FAILED."""
    text = (error.strerror or str(error)).encode()
    if kind == wire.RUN:
        return wire.REFUSED if error.errno == errno.E2BIG else wire.UNUSABLE, text
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return wire.FULL, text
    if kind == wire.READ and error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO):
        return wire.NOT_THERE, text
    return wire.UNUSABLE, text
