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
from _signal import SIG_DFL, SIG_IGN, SIGCHLD, SIGKILL, SIGPIPE, SIGXFSZ, set_wakeup_fd, signal

from . import files, wire
from .output import CHUNK, Output

LAZY = 0.02
"""Seconds that a little output may wait for more of it."""

SOON = 1 << 15
"""Bytes of output that do not wait."""

AHEAD = 1 << 20
"""Bytes of a file that wait to be sent."""

STUBBORN = 5.0
"""Seconds for killed processes to be gone: then one hangs in the kernel."""

EXPENDABLE = b"500"
"""A command's oom_score_adj: the kernel, out of memory, ends commands before the server."""

CROWD = (
    b"[every process left behind by earlier commands was killed: they had used up the limit on processes]\n"
)

NO_NAMESPACE = 97


def serve(incoming, outgoing):
    """Serve until `incoming` ends. The two may be one descriptor. Every other one is closed. Never returns."""
    if os.getpid() != 1:  # kill(-1) would end the whole machine
        os.write(
            outgoing, wire.frame(wire.FAILED, 0, wire.REFUSED, b"it has no process namespace of its own")
        )
        os._exit(NO_NAMESPACE)
    Server(*_alone(incoming, outgoing)).serve()


def _alone(incoming, outgoing):
    """Nothing open but the stream (beyond 2, where commands' own streams go), no handler, no inherited habit."""
    ends = [os.dup(incoming)] if incoming == outgoing else [os.dup(incoming), os.dup(outgoing)]
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
    for number in range(1, 65):
        try:
            signal(number, SIG_IGN if number in (SIGPIPE, SIGXFSZ) else SIG_DFL)
        except (OSError, ValueError):
            pass  # those that nobody can change
    os.umask(0o022)
    os.chdir("/")
    return ends[0], ends[-1]


class Command:
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
        self.command = None
        self.reading = None  # (number, descriptor, bytes left)
        self.puts = {}  # by slot: a memory file
        self.left_behind = []  # pipes of commands that have ended, which their children hold open
        self.scratch = [memoryview(bytearray(CHUNK))]
        self.poll = select.poll()
        self.on = {}
        self.most_left_behind = os.sysconf("SC_OPEN_MAX") // 2
        for end in {incoming, outgoing}:
            os.set_blocking(end, False)
        self._watch(incoming, self._hear)
        self.woken, wake = os.pipe()
        for end in (self.woken, wake):
            os.set_blocking(end, False)
        set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal(SIGCHLD, _nothing)
        self._watch(self.woken, self._reap)
        self.only_woken = select.poll()
        self.only_woken.register(self.woken, select.POLLIN)
        self.blocked = False

    def serve(self):
        self._say(wire.HELLO, 0, b"1" if os.access("/bin/sh", os.X_OK) else b"0")
        while True:
            command = self.command
            if command is not None:
                if command.status is not None:
                    self._finish()
                elif command.output.unsent:
                    self._pass_on(command)
            if self.reading is not None and len(self.unsent) < AHEAD:
                self._read_on()
            if self.unsent:
                self._flush()
            for descriptor, _ in self.poll.poll(self._patience()):
                if descriptor in self.on:
                    self.on[descriptor](descriptor)

    def _patience(self):
        """Milliseconds until something is to be done unasked."""
        if self.reading is not None and len(self.unsent) < AHEAD:
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
            elif kind == wire.KILL:
                if self.command is not None and self.command.number == number:
                    self.command.killed = True
                    self._kill_all()
            else:
                self._begin(kind, number, fields)

    def _begin(self, kind, number, fields):
        if self.command is not None:  # nobody waits for it any more
            self._kill_all()
            self._finish()
        if self.reading is not None:
            self._end_reading()
        try:
            REQUESTS[kind](self, number, *fields)
        except OSError as error:
            self._say(wire.FAILED, number, *_why(kind, error))
        for slot in list(self.puts):
            os.close(self.puts.pop(slot))

    def _put(self, slot, piece):
        if slot not in self.puts:
            self.puts[slot] = os.memfd_create("winnow")
        view = memoryview(piece)
        while view:
            view = view[os.write(self.puts[slot], view) :]

    def _run(self, number, folder, keep, script, *environment):
        command = Command(number, wire.integer(keep))
        try:
            os.chdir(folder)
        except OSError:
            command.output.unsent += b"cannot enter the folder %s\n" % folder
            command.status = 126 << 8
            self.command = command
            return
        argv, actions = [b"sh", b"-c", script], []
        if wire.SCRIPT in self.puts:
            # The script's first line closes it again, or its children would inherit it.
            argv, actions = [b"sh", b"/proc/self/fd/3"], [(os.POSIX_SPAWN_DUP2, self.puts[wire.SCRIPT], 3)]
        source = self.puts.get(wire.STDIN, 0)
        for descriptor in self.puts.values():
            os.lseek(descriptor, 0, os.SEEK_SET)
        command.pipe, theirs = os.pipe()
        actions[:0] = [(os.POSIX_SPAWN_DUP2, *pair) for pair in ((source, 0), (theirs, 1), (theirs, 2))]
        try:
            variables = dict(one.split(b"=", 1) for one in environment)
            command.pid = self._spawned(command, argv, variables, actions)
        except OSError:
            os.close(command.pipe)
            raise
        finally:
            os.close(theirs)
            os.chdir("/")
        os.set_blocking(command.pipe, False)
        self._watch(command.pipe, self._listen)
        self.command = command
        _make_expendable(command.pid)

    def _spawned(self, command, argv, variables, actions):
        try:
            return _spawn(argv, variables, actions)
        except BlockingIOError:  # EAGAIN: no process more
            self._kill_all()
            command.output.unsent += CROWD
            return _spawn(argv, variables, actions)

    def _read(self, number, path, limit):
        descriptor = files.opened(path, os.O_RDONLY)
        # A file that grows while it is read is given as far as it went.
        size = max(os.fstat(descriptor).st_size, wire.PIECE)
        self.reading = (number, descriptor, min(size, wire.integer(limit)) if limit else size)

    def _read_on(self):
        number, descriptor, left = self.reading
        try:
            data = os.read(descriptor, min(left, CHUNK)) if left else b""
        except OSError as error:
            self._end_reading()
            self._say(wire.FAILED, number, *_why(wire.READ, error))
            return
        if data:
            self._say(wire.DATA, number, data)
            self.reading = (number, descriptor, left - len(data))
        else:
            self._end_reading()
            self._say(wire.DONE, number, b"0", b"0", b"0")

    def _end_reading(self):
        os.close(self.reading[1])
        self.reading = None

    def _write(self, number, path, mode, piece, append, more):
        files.write(path, wire.integer(mode, 0o7777), piece, append == b"1", more != b"1")
        self._say(wire.DONE, number, b"0", b"0", b"0")

    def _kill_at_request(self, number):
        gone = self._kill_all()
        if gone:
            self._say(wire.DONE, number, b"0", b"0", b"1")
        else:
            self._say(wire.FAILED, number, wire.STUCK, b"a killed process does not end")

    # Processes and what they print

    def _listen(self, pipe):
        """Output of the running command, or of what an earlier one left behind: that is dropped."""
        command = self.command
        try:
            if command is None or pipe != command.pipe:
                count = os.readv(pipe, self.scratch)
            else:
                first = not command.output.unsent
                count = command.output.take(pipe)
                if first:
                    command.due = time.monotonic() + LAZY
        except BlockingIOError:
            return
        if not count:
            self._forget(pipe)

    def _pass_on(self, command):
        """Send the beginning of the output, when it is worth a frame."""
        unsent = command.output.unsent
        if len(unsent) >= SOON or time.monotonic() >= command.due:
            self._say(wire.DATA, command.number, bytes(unsent))
            unsent.clear()

    def _finish(self):
        """The command's shell has ended: take what it left in the pipe, and tell."""
        command, self.command = self.command, None
        output = command.output
        if command.pipe in self.on:
            self._drain(command)
        if output.unsent:
            self._say(wire.DATA, command.number, bytes(output.unsent))
        tail, cut = output.tail()
        for at in range(0, len(tail), wire.PIECE):
            self._say(wire.TAIL, command.number, tail[at : at + wire.PIECE])
        code = os.waitstatus_to_exitcode(command.status) if command.status is not None else -SIGKILL
        code = 128 - code if code < 0 else code
        self._say(wire.DONE, command.number, b"%d" % code, b"%d" % cut, b"1" if command.killed else b"0")

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

    def _reap(self, _):
        try:
            os.read(self.woken, 4096)
        except BlockingIOError:
            pass
        return self._reaped()

    def _reaped(self):
        """Take ended processes from the table. -> how many there were"""
        count = 0
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return count
                count += 1
                if self.command is not None and pid == self.command.pid:
                    self.command.status = status
        except ChildProcessError:
            return count

    def _kill_all(self):
        """Kill every process but this one and wait until they are gone. -> whether they are"""
        deadline = time.monotonic() + STUBBORN
        while True:
            try:
                os.kill(-1, SIGKILL)
            except ProcessLookupError:
                return True
            except PermissionError:  # of somebody who entered from outside
                return False
            if not self._reaped():
                if time.monotonic() > deadline:
                    return False
                self.only_woken.poll(5)
                try:
                    os.read(self.woken, 4096)
                except BlockingIOError:
                    pass

    # The stream out

    def _say(self, kind, number, *fields):
        self.unsent += wire.frame(kind, number, *fields)

    def _flush(self):
        try:
            del self.unsent[: os.write(self.outgoing, self.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            os._exit(0)
        self._wait_to_send(bool(self.unsent))

    def _wait_to_send(self, wanted):
        if wanted == self.blocked:
            return
        self.blocked = wanted
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
    wire.KILL_ALL: Server._kill_at_request,
}


def _spawn(argv, variables, actions):
    # Half the time of a fork: the page tables of this process are not copied.
    return os.posix_spawn(
        b"/bin/sh",
        argv,
        variables,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=(SIGPIPE, SIGXFSZ),
    )


def _make_expendable(pid):
    try:
        descriptor = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY)
    except OSError:
        return  # it has ended, or is another user's
    try:
        os.write(descriptor, EXPENDABLE)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _why(kind, error):
    """The two fields of FAILED."""
    text = (error.strerror or str(error)).encode()
    if kind == wire.RUN:
        return wire.REFUSED, text
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return wire.FULL, text
    if kind == wire.READ and error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO):
        return wire.NOT_THERE, text
    return wire.UNUSABLE, text


def _nothing(*_):
    """A handler must be there for the signal to wake the poll."""
