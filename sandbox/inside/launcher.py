"""The launcher: the one process of a run that every overlay sandbox is forked from.

It is small, so a fork costs a third of a millisecond, and it stays in the host's process namespace, where no sandbox
can see it. For each sandbox it makes a *slot*: the first process of new namespaces, in its control group (which can
take the kernel ten milliseconds), waiting for a job; a few are kept ready. With a job the slot builds the sandbox's
file system, gives up every right and becomes the exec server. The launcher knows when it has ended, and removes its
control group.

Winnow talks to it in marshalled tuples over a SEQPACKET socket; its end is the launcher's end, and with it every
sandbox's.

    <- ("setup", run, folder, pool, without, disk)    -> ("ready", owner, gives, lacks)
    <- ("show", id, [(source, target, read_only)], shift)    -> ("shown", id, shifted) or ("failed", id, kind, text)
    <- ("start", id, spec) + stream             -> ("started", id, pid, group's paths); on the stream b"R" or b"E..."
    <- ("kill", id)                             -> ("ended", id) when no process is left, killed or not

A spec is a dict: overlays [(target, lower, upper, work)] the root first, binds, covered, proc, network, names, image,
first, userxattr, shared_memory, owner, shift, limits {memory, processes, cpus, files, disk,
data, of_user}: of the group, then of each process.
"""

import fcntl
import gc
import marshal
import os
import resource
import select
import struct
from _signal import SIG_DFL, SIGCHLD, SIGKILL, set_wakeup_fd, signal
from _socket import AF_INET, AF_UNIX, SCM_RIGHTS, SOCK_DGRAM, SOCK_SEQPACKET, SOL_SOCKET, socket, socketpair

from . import (
    cgroups,
    kernel,
    mounts,
    namespaces,
    ports,  # noqa: F401 (loaded here: a sandbox that wants it does not see the file any more)
    seccomp,
    server,
)

STREAM = 3
MESSAGE = 1 << 18
SPARE = 16
"""Control groups kept for sandboxes to come."""

REFILL = 5
"""Milliseconds of quiet before the pool is filled again: what was asked for comes first."""

_INTERFACE_UP = (0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


class Slot:
    """A sandbox, or what waits to become one. pid: of its first process. line: for its job, until it has one."""

    def __init__(self, pid, line, group):
        self.pid, self.line, self.group = pid, line, group
        self.job = None


class Launcher:
    def __init__(self, control):
        self.control = control
        self.poll = select.poll()
        self.slots = {}  # by pid
        self.idle = []
        self.spare_groups = []
        self.count = 0

    def setup(self, run, folder, pool, without, disk):
        self.pool, self.without = pool, frozenset(without)
        os.chdir(folder)
        self.root = os.geteuid() == 0
        self.owned = cgroups.name_of(run, ".")
        self.groups = cgroups.find(self.owned)
        if self.groups is not None:
            cgroups.sweep(self.owned)
        if not self.root:
            namespaces.become_root_of_own()
        kernel.unshare(kernel.NEWNS)
        kernel.mount(None, "/", None, kernel.PRIVATE | kernel.REC)
        if disk is not None:
            mounts.show_disk(disk)
        self.owner, self.users, lacks = 0, None, []
        if self.root and "ids" not in self.without:
            try:
                self.owner = namespaces.first_number(run)
                self.users = namespaces.shifted(self.owner)
                _try_shifted_layers(self.users)
            except OSError as error:
                self.owner, self.users = 0, None
                lacks.append(f"user ids are not shifted here ({error.strerror})")
        os.makedirs(mounts.ROOT)
        mounts.make_devices(mounts.DEVICES_READY)
        gives = sorted(self.groups.gives) if self.groups else []
        lacks += self.groups.lacks() if self.groups else ["there are no control groups that may be used here"]
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection would write into every page that a child shares with its parent
        self.tell("ready", self.owner, gives, lacks)

    def serve(self):
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal(SIGCHLD, lambda number, frame: None)
        set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.poll.register(self.control.fileno(), select.POLLIN)
        self.poll.register(reader, select.POLLIN)
        while True:
            ready = self.poll.poll(REFILL if len(self.idle) < self.pool else None)
            if not ready:
                self.idle.append(self.make_slot("none"))
            for descriptor, _ in ready:
                if descriptor == reader:
                    os.read(reader, 4096)
                elif descriptor == self.control.fileno():
                    if not self.hear():
                        return
            self.reap()

    def hear(self):
        """One message of Winnow's. -> whether there was one"""
        data, descriptors = receive(self.control)
        if not data:
            return False
        what, *rest = marshal.loads(data)
        if what == "start":
            self.start(*rest, data, descriptors[0])
        elif what == "kill":
            self.kill(rest[0])
        elif what == "show":
            self.show(*rest)
        return True

    def start(self, number, spec, message, stream):
        """Hand a job to a slot that waits, or to a new one."""
        ready = spec["network"] == "none" and self.idle
        slot = self.idle.pop(0) if ready else self.make_slot(spec["network"])
        slot.job = number
        self.tell("started", number, slot.pid, list(slot.group.paths) if slot.group else [])
        try:
            send(slot.line, message, [stream])
        except OSError:  # it died: Winnow sees the end of the stream
            pass
        os.close(stream)
        slot.line.close()

    def kill(self, number):
        for slot in self.slots.values():
            if slot.job == number:
                os.kill(slot.pid, SIGKILL)
                return
        self.tell("ended", number)

    def show(self, number, pairs, shift):
        """Bind folders of the host where layers can name them, their owners shifted if all of them can be."""
        shifted, done = shift and self.users is not None, []
        try:
            for source, target, read_only in pairs:
                shifted &= kernel.show(source, target, read_only, self.users if shifted else None)
                done.append(target)
            self.tell("shown", number, shifted)
        except OSError as error:
            for target in done:
                kernel.detach(target)
            self.tell("failed", number, "other", f"{error.strerror}: {error.filename}")

    def make_slot(self, network):
        self.count += 1
        ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        group = self.spare_groups.pop() if self.spare_groups else self.make_group()
        flags = kernel.NEWIPC | kernel.NEWUTS
        if network == "none" and "network" not in self.without:
            flags |= kernel.NEWNET
        if "pids" not in self.without:
            flags |= kernel.NEWPID
        pid = kernel.fork_into(flags)
        if not pid:
            try:
                ours.close()
                self.forget_the_others()
                Sandbox(self, group, theirs).wait(flags)
            except BaseException as error:
                print(f"a sandbox could not be prepared: {error!r}", flush=True)
            finally:
                os._exit(1)
        theirs.close()
        slot = self.slots[pid] = Slot(pid, ours, group)
        return slot

    def make_group(self):
        return self.groups.make(str(self.count)) if self.groups is not None else None

    def give_back(self, group):
        """Keep a group for the next sandbox: to make and remove one costs as much as a fork.

        One whose processes ran out of memory has counted that, and the next sandbox would be told of it.
        """
        if len(self.spare_groups) < SPARE and not group.memory_kills():
            self.spare_groups.append(group)
        else:
            group.remove()

    def forget_the_others(self):
        """In a child: hold nothing open whose end somebody else waits for."""
        set_wakeup_fd(-1)
        signal(SIGCHLD, SIG_DFL)
        self.control.close()
        for slot in self.slots.values():
            slot.line.close()

    def reap(self):
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self.gone(self.slots.pop(pid))

    def gone(self, slot):
        """A sandbox, or what waited to become one, has no process any more."""
        if slot.group is not None:
            self.give_back(slot.group)
        if slot in self.idle:
            self.idle.remove(slot)
            slot.line.close()
        if slot.job is not None:
            self.tell("ended", slot.job)

    def tell(self, *message):
        try:
            self.control.send(marshal.dumps(message))
        except OSError:  # Winnow is gone: the next poll says so
            pass

    def end(self):
        """Kill every sandbox and wait until all are gone."""
        for pid in self.slots:
            os.kill(pid, SIGKILL)
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            pass
        if self.groups is not None:
            cgroups.sweep(self.owned)


class Sandbox:
    """In a slot: from a fork of the launcher to the exec server of a sandbox."""

    def __init__(self, launcher, group, line):
        self.launcher, self.group, self.line = launcher, group, line

    def wait(self, flags):
        """Enter the group, wait for a job, do it."""
        if self.group is not None:
            self.group.join()
        kernel.unshare(kernel.NEWCGROUP)
        kernel.libc.sethostname(b"sandbox", 7)
        if flags & kernel.NEWNET:
            loopback_up()
        data, descriptors = receive(self.line)
        if not data:  # the launcher is gone
            return
        os.dup2(descriptors[0], STREAM)
        try:
            self.become(marshal.loads(data)[2], self.launcher.without)
        except BaseException as error:
            refuse(error)

    def become(self, spec, without):
        """Build the file system, see nothing else, give up every right, serve."""
        if self.group is not None:
            limits = spec["limits"]
            self.group.limit(limits["memory"], limits["processes"], limits["cpus"])
        kernel.unshare(kernel.NEWNS)
        mounts.build(spec, spec["owner"])
        mounts.enter(spec)
        if not os.path.exists("/bin/sh"):
            raise Refused("shell")
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        prefer_commands()
        self.change_user(spec["shift"], without)
        set_limits(spec["limits"])
        if "capabilities" not in without:
            kernel.drop_capabilities()
        if "privileges" not in without:
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        if "seccomp" not in without:
            seccomp.install(kernel.libc)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        os.closerange(STREAM + 1, 1 << 20)
        os.write(STREAM, b"R")
        server.serve(STREAM, STREAM)

    def change_user(self, shift, without):
        if self.launcher.root:
            os.setgroups([])
        if shift:
            kernel.setns(self.launcher.users, kernel.NEWUSER)
        elif "ids" not in without:
            namespaces.nest()
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)


def prefer_commands():
    """Out of memory, the kernel shall end a command and not this server. Only root may ask for that."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("-900")
    except OSError:
        pass


class Refused(Exception):
    """A sandbox cannot be started for a reason that Winnow knows by this name."""


def refuse(error):
    """Tell Winnow why there is no sandbox: a kind and the system's words."""
    if isinstance(error, Refused):
        kind, words = str(error), ""
    elif isinstance(error, mounts.LinkInTheWay):
        kind, words = "link", error.filename or ""
    elif isinstance(error, OSError) and error.errno in (28, 122):  # ENOSPC, EDQUOT
        kind, words = "disk", ""
    else:
        kind, words = "other", f"{error} {getattr(error, 'filename', None) or ''}"
    os.write(STREAM, b"E" + f"{kind} {words}".encode("utf-8", "replace")[:2000])


def set_limits(limits):
    """What every single process may use. Needs no right: limits only go down."""
    for number, value in (
        (resource.RLIMIT_DATA, limits["data"]),
        (resource.RLIMIT_NOFILE, limits["files"]),
        (resource.RLIMIT_FSIZE, limits["disk"]),
        (resource.RLIMIT_NPROC, limits["of_user"]),
        (resource.RLIMIT_CORE, 0),
    ):
        if value is None:
            continue
        most = resource.getrlimit(number)[1]
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(number, (value, value))


def loopback_up():
    any_socket = socket(AF_INET, SOCK_DGRAM)
    fcntl.ioctl(any_socket.fileno(), *_INTERFACE_UP)
    any_socket.close()


def _try_shifted_layers(users):
    """See that this kernel and this disk can shift owners below an overlay (Linux 5.19 and newer can)."""
    for name in ("probe/source", "probe/shown", "probe/upper", "probe/work", "probe/at"):
        os.makedirs(name, exist_ok=True)
    child = os.fork()
    if not child:
        code = 1
        try:
            kernel.unshare(kernel.NEWNS)
            if not kernel.show("probe/source", "probe/shown", False, users):
                raise OSError(95, "the disk's file system cannot do it")
            layers = "lowerdir=probe/shown,upperdir=probe/upper,workdir=probe/work"
            kernel.mount("overlay", "probe/at", "overlay", 0, layers)
            code = 0
        except OSError as error:
            code = error.errno or 1
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    import shutil

    shutil.rmtree("probe", ignore_errors=True)
    if code:
        raise OSError(code, os.strerror(code))


def send(line, message, descriptors):
    line.sendmsg([message], [(SOL_SOCKET, SCM_RIGHTS, struct.pack(f"{len(descriptors)}i", *descriptors))])


def receive(line):
    """-> (the message, empty at the end; the descriptors that came with it)"""
    data, extra, _, _ = line.recvmsg(MESSAGE, 64)
    found = []
    for level, kind, content in extra:
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
            found += struct.unpack(f"{len(content) // 4}i", content)
    return data, found


def main(descriptor):
    control = socket(AF_UNIX, SOCK_SEQPACKET, 0, descriptor)
    launcher = Launcher(control)
    data, _ = receive(control)
    if not data:
        return
    try:
        launcher.setup(*marshal.loads(data)[1:])
    except OSError as error:
        launcher.tell("failed", f"{error.strerror} {error.filename or ''}")
        return
    try:
        launcher.serve()
    finally:
        launcher.end()
