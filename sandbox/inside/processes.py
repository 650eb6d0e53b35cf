"""Starting, reaping and killing the processes of a sandbox, by the first of them."""

import os
import select
import time
from _signal import SIGCHLD, SIGKILL, SIGPIPE, SIGXFSZ, set_wakeup_fd, signal

STUBBORN = 30.0
"""Seconds for killed processes to be gone: then one hangs in the kernel."""

EXPENDABLE = b"500"
"""A command's oom_score_adj: the kernel, out of memory, ends commands before the server."""


class Starter:
    """Starts /bin/sh, whose processes the kernel, out of memory, ends before this one."""

    def __init__(self):
        try:
            self._score = os.open("/proc/self/oom_score_adj", os.O_RDWR)
            self._own = os.pread(self._score, 20, 0)
        except OSError:  # a process that cannot be looked into cannot open it either, unless it is root's
            self._score = None

    def start(self, arguments, variables, streams):
        """Start the shell in a session of its own, with nothing open but what streams say. -> pid. Raises OSError.

        streams: (descriptor here, number there).
        """
        self._set_score(EXPENDABLE)
        try:
            # Half the time of a fork: the page tables of this process are not copied.
            pid = os.posix_spawn(
                b"/bin/sh",
                arguments,
                variables,
                file_actions=[(os.POSIX_SPAWN_DUP2, *pair) for pair in streams],
                setsid=True,
                setsigmask=(),
                setsigdef=(SIGPIPE, SIGXFSZ),
            )
        finally:
            self._set_score(None)
        if self._score is None:
            _make_expendable(pid)
        return pid

    def _set_score(self, score):
        if self._score is not None:
            try:
                os.pwrite(self._score, score or self._own, 0)
            except OSError:
                pass


def _make_expendable(pid):
    """The second best: its first children may have been started before."""
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


class Children:
    """All processes of the namespace: whoever loses its parent becomes a child of the first one.

    news: readable when some have ended. ended: told the pid and status of each.
    """

    def __init__(self, ended):
        self.news, told = os.pipe()
        self._ended = ended
        for end in (self.news, told):
            os.set_blocking(end, False)
        set_wakeup_fd(told, warn_on_full_buffer=False)
        signal(SIGCHLD, _nothing)
        self._poll = select.poll()
        self._poll.register(self.news, select.POLLIN)

    def reap(self):
        """Take those that have ended from the process table. -> how many there were"""
        try:
            os.read(self.news, 4096)
        except BlockingIOError:
            pass
        count = 0
        try:
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                self._ended(*found)
                count += 1
        except ChildProcessError:
            pass
        return count

    def kill_all(self):
        """Kill every process but this one, and wait until they are gone. -> whether they are"""
        deadline = time.monotonic() + STUBBORN
        while True:
            try:
                os.kill(-1, SIGKILL)
            except ProcessLookupError:
                return True
            except PermissionError:  # of somebody who entered from outside
                return False
            if not self.reap():
                if time.monotonic() > deadline:
                    return False
                self._poll.poll(5)


def _nothing(*_):
    """A handler must be there for the signal to be told of."""
