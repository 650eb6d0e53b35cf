"""The launcher: the one process of a run that every overlay sandbox is forked from.

It is small, so a fork costs a third of a millisecond, and it stays in the host's process namespace, where no sandbox
can see it. For each sandbox it makes a *slot*: the first process of new namespaces, in its control group (which can
take the kernel ten milliseconds), waiting for a job; a few are kept ready. With a job the slot builds the sandbox's
file system, gives up every right and becomes the exec server. Namespaces of processes are entered by a fork, so
between the launcher and a slot there is a *maker*, which ends at once; the launcher inherits the slot (it is a
subreaper), knows when it has ended, and removes its control group.

Winnow talks to it in marshalled tuples over a SEQPACKET socket; its end is the launcher's end, and with it every
sandbox's.

    <- ("setup", run, folder, pool, without)   -> ("ready", owner, gives, lacks)
    <- ("show", id, [(source, target, read_only)], shift)    -> ("shown", id, shifted) or ("failed", id, kind, text)
    <- ("start", id, spec) + stream             -> ("started", id, pid, group's paths); on the stream b"R" or b"E..."
    <- ("kill", id)                             -> ("ended", id) when no process is left, killed or not

A spec is a dict: overlays [(target, staged, lower, upper, work)] the root first, binds, covered, proc, network, names,
first, userxattr, shared_memory, owner, shift, limits {memory, processes, cpus, files, disk,
data, of_user}: of the group, then of each process.
"""

import fcntl
import gc
import marshal
import os
import resource
import select
import signal
import struct
from _socket import AF_INET, AF_UNIX, SCM_RIGHTS, SOCK_DGRAM, SOCK_SEQPACKET, SOL_SOCKET, socket, socketpair

from . import cgroups, kernel, mounts, namespaces, seccomp, server

STREAM = 3
MESSAGE = 1 << 18
REFILL = 5
"""Milliseconds of quiet before the pool is filled again: what was asked for comes first."""

_INTERFACE_UP = (0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


class Slot:
    """A sandbox, or what waits to become one. pid: of its first process, 0 until its maker has told it."""

    def __init__(self, maker, line, group, network):
        self.maker, self.line, self.group, self.network = maker, line, group, network
        self.pid = 0
        self.job = None  # (number, message, stream) until it is handed over, then (number, None, None)


class Launcher:
    def __init__(self, control):
        self.control = control
        self.poll = select.poll()
        self.slots = {}  # by the descriptor of their line, until their job is handed over
        self.idle = []
        self.working = {}  # by the first process's pid
        self.makers = set()
        self.ended = set()  # first processes that ended before their maker told of them
        self.count = 0

    def setup(self, run, folder, pool, without):
        self.run, self.pool, self.without = run, pool, frozenset(without)
        os.chdir(folder)
        self.root = os.geteuid() == 0
        self.groups = cgroups.find(run)
        if self.groups is not None:
            cgroups.sweep(run)
        if not self.root:
            namespaces.become_root_of_own()
        kernel.unshare(kernel.NEWNS)
        kernel.mount(None, "/", None, kernel.PRIVATE | kernel.REC)
        self.owner, self.users, lacks = 0, None, []
        if self.root and "ids" not in self.without:
            try:
                self.owner = namespaces.first_number(run)
                self.users = namespaces.shifted(self.owner)
                _try_shifted_layers(self.users)
            except OSError as error:
                self.owner, self.users = 0, None
                lacks.append(f"user ids are not shifted here ({error.strerror})")
        os.mkdir(mounts.DEVICES_READY)
        mounts.make_devices(mounts.DEVICES_READY)
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        gives = sorted(self.groups.gives) if self.groups else []
        lacks += self.groups.lacks() if self.groups else ["there are no control groups that may be used here"]
        gc.collect()
        gc.freeze()
        self.tell("ready", self.owner, gives, lacks)

    def serve(self):
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.poll.register(self.control.fileno(), select.POLLIN)
        self.poll.register(reader, select.POLLIN)
        while True:
            ready = self.poll.poll(REFILL if self.wanting() else None)
            if not ready:
                self.idle.append(self.make_slot("none"))
            for descriptor, _ in ready:
                if descriptor == reader:
                    os.read(reader, 4096)
                elif descriptor == self.control.fileno():
                    if not self.hear():
                        return
                elif descriptor in self.slots:
                    self.hear_slot(self.slots[descriptor])
            self.reap()

    def wanting(self):
        return len(self.idle) < self.pool

    def hear(self):
        """One message of Winnow's. -> whether there was one"""
        data, descriptors = receive(self.control)
        if not data:
            return False
        what, *rest = marshal.loads(data)
        if what == "start":
            number, spec = rest
            slot = self.slot_for(spec["network"])
            slot.job = (number, data, descriptors[0])
            if slot.pid:
                self.hand_over(slot)
        elif what == "kill":
            self.kill(rest[0])
        elif what == "show":
            self.show(*rest)
        return True

    def slot_for(self, network):
        if network == "none" and self.idle:
            return self.idle.pop(0)
        return self.make_slot(network)

    def hand_over(self, slot):
        number, message, stream = slot.job
        slot.job = (number, None, None)
        self.working[slot.pid] = slot
        self.tell("started", number, slot.pid, list(slot.group.paths) if slot.group else [])
        try:
            send(slot.line, message, [stream])
        except OSError:  # it died: Winnow sees the end of the stream
            pass
        os.close(stream)
        self.drop_line(slot)

    def kill(self, number):
        for slot in (*self.working.values(), *self.slots.values()):
            if slot.job is not None and slot.job[0] == number:
                os.kill(slot.pid or slot.maker, signal.SIGKILL)
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
        group = self.groups.make(str(self.count)) if self.groups is not None else None
        maker = os.fork()
        if not maker:
            try:
                ours.close()
                self.forget_the_others()
                Sandbox(self, group, theirs).make(network)
            except BaseException as error:
                print(f"a sandbox could not be prepared: {error!r}", flush=True)
            finally:
                os._exit(0)
        theirs.close()
        self.makers.add(maker)
        slot = Slot(maker, ours, group, network)
        self.slots[ours.fileno()] = slot
        self.poll.register(ours.fileno(), select.POLLIN)
        return slot

    def forget_the_others(self):
        """In a child: hold nothing open whose end somebody else waits for."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.control.close()
        for slot in self.slots.values():
            slot.line.close()

    def hear_slot(self, slot):
        """A maker has told of its slot's first process, or that process has ended before it had a job."""
        data = slot.line.recv(64)
        if data and int(data) not in self.ended:
            slot.pid = int(data)
            if slot.job is not None:
                self.hand_over(slot)
            return
        self.ended.discard(int(data or 0))
        self.drop_line(slot)
        if slot in self.idle:
            self.idle.remove(slot)
        self.gone(slot)

    def drop_line(self, slot):
        self.poll.unregister(slot.line.fileno())
        del self.slots[slot.line.fileno()]
        slot.line.close()

    def reap(self):
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid in self.makers:
                self.makers.discard(pid)
            elif pid in self.working:
                self.gone(self.working.pop(pid))
            elif not any(slot.pid == pid for slot in self.slots.values()):
                self.ended.add(pid)

    def gone(self, slot):
        """A sandbox has no process any more, or never had one."""
        if slot.maker in self.makers:
            os.waitpid(slot.maker, 0)
            self.makers.discard(slot.maker)
        if slot.group is not None:
            slot.group.remove()
        if slot.job is not None:
            number, _, stream = slot.job
            if stream is not None:
                os.close(stream)
            self.tell("ended", number)

    def tell(self, *message):
        try:
            self.control.send(marshal.dumps(message))
        except OSError:  # Winnow is gone: the next poll says so
            pass

    def end(self):
        """Kill every sandbox and wait until all are gone."""
        for pid in (*self.working, *self.makers, *(slot.pid for slot in self.slots.values() if slot.pid)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for slot in self.slots.values():
            slot.line.close()
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            pass
        if self.groups is not None:
            cgroups.sweep(self.run)


class Sandbox:
    """In a maker and then in a slot: from a fork of the launcher to the exec server of a sandbox."""

    def __init__(self, launcher, group, line):
        self.launcher, self.group, self.line = launcher, group, line

    def make(self, network):
        """In the maker: the group and the namespaces. Its child waits in them for a job."""
        without = self.launcher.without
        if self.group is not None:
            self.group.join()
        flags = kernel.NEWIPC | kernel.NEWUTS | kernel.NEWCGROUP
        if network == "none" and "network" not in without:
            flags |= kernel.NEWNET
        if "pids" not in without:
            flags |= kernel.NEWPID
        kernel.unshare(flags)
        kernel.libc.sethostname(b"sandbox", 7)
        if flags & kernel.NEWNET:
            loopback_up()
        pid = os.fork()
        if pid:
            self.line.send(b"%d" % pid)
            return
        data, descriptors = receive(self.line)
        if not data:  # the launcher is gone
            return
        os.dup2(descriptors[0], STREAM)
        try:
            self.become(marshal.loads(data)[2], without)
        except BaseException as error:
            refuse(error)

    def become(self, spec, without):
        """In the slot: build the file system, see nothing else, give up every right, serve."""
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
