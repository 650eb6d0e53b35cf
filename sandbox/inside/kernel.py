"""The Linux calls that Python 3.11 does not have, each as one small function. All raise OSError.

Numbers of system calls are those of the "unified" table that every architecture shares from 2017 on (424 and up).
"""

import ctypes
import errno
import os
import struct

NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000

RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT = 1, 2, 4, 8, 32
NOATIME, BIND, REC, PRIVATE = 1024, 4096, 16384, 1 << 18
DETACH = 2

PR_SET_DUMPABLE, PR_CAPBSET_READ, PR_CAPBSET_DROP = 4, 23, 24
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CLONE = {"x86_64": 56, "aarch64": 220}
_SIGCHLD = 17
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_CLONE_TREE, _CLOEXEC = 1, os.O_CLOEXEC
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV, _ATTR_IDMAP = 1, 2, 4, 0x00100000
_FROM_EMPTY_PATH = 4

libc = ctypes.CDLL(None, use_errno=True)
_holding = ctypes.PyDLL(None, use_errno=True)

CAPABILITIES = 0
"""How many this kernel knows: they are numbered from 0 on."""
while libc.prctl(PR_CAPBSET_READ, ctypes.c_ulong(CAPABILITIES), 0, 0, 0) >= 0:
    CAPABILITIES += 1


def mount(source, target, kind=None, flags=0, options=None):
    """mount(2). Texts or None; target may be an integer: an open folder."""
    if isinstance(target, int):
        target = f"/proc/self/fd/{target}"
    words = (os.fsencode(word) if word is not None else None for word in (source, target, kind))
    data = options.encode() if options is not None else None
    source, target, kind = words
    _checked(libc.mount(source, target, kind, ctypes.c_ulong(flags), data), os.fsdecode(target))


def detach(target):
    """Take a mount away from here at once; it goes when nobody uses it any more."""
    _checked(libc.umount2(os.fsencode(target), DETACH), target)


def pivot_root(new, put_old):
    number = _PIVOT_ROOT[os.uname().machine]
    _checked(libc.syscall(ctypes.c_long(number), os.fsencode(new), os.fsencode(put_old)), new)


def unshare(flags):
    _checked(libc.unshare(flags), "unshare")


def fork_into(namespaces):
    """fork(2) into new namespaces: the child is the first process of a new NEWPID. -> its pid, 0 in the child

    What os.fork does beyond the call is for threads and handlers, which a caller may not have. The Python lock is
    held all along, so the child holds it too.
    """
    number = ctypes.c_long(_CLONE[os.uname().machine])
    pid = _holding.syscall(number, ctypes.c_ulong(namespaces | _SIGCHLD), *[ctypes.c_ulong(0)] * 4)
    return _checked(pid, "clone")


def setns(descriptor, kind):
    _checked(libc.setns(descriptor, kind), "setns")


def prctl(option, *values):
    words = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _checked(libc.prctl(option, *words), "prctl")


def drop_capabilities():
    """Give up every capability, for good and for every program that is started from here."""
    for number in range(CAPABILITIES):
        prctl(PR_CAPBSET_DROP, number)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    _checked(libc.capset(header, bytes(24)), "capset")


def show(source, target, read_only, users):
    """Bind a folder or file, with what is mounted below it, without set-user-id programs and devices.

    users: a user namespace's descriptor whose numbers the sandbox sees: files of the host's user n belong to its
    user n. None: numbers as they are. -> whether the numbers were shifted (not every kernel and file system can).
    """
    try:
        tree = _clone(source)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        return _show_before_5_12(source, target, read_only)
    try:
        attributes = _ATTR_NOSUID | _ATTR_NODEV | (_ATTR_RDONLY if read_only else 0)
        try:
            _set(tree, attributes, 0)
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
            return _show_before_5_12(source, target, read_only)
        shifted = users is not None and _shift(tree, users)
        where = (_AT_FDCWD, os.fsencode(target), _FROM_EMPTY_PATH)
        _checked(libc.syscall(ctypes.c_long(_MOVE_MOUNT), tree, b"", *where), target)
    finally:
        os.close(tree)
    return shifted


def _show_before_5_12(source, target, read_only):
    mount(source, target, None, BIND | REC)
    mount(None, target, None, BIND | REMOUNT | NOSUID | NODEV | (RDONLY if read_only else 0))
    return False


def _clone(source):
    flags = _CLONE_TREE | _CLOEXEC | _AT_RECURSIVE
    return _checked(libc.syscall(ctypes.c_long(_OPEN_TREE), _AT_FDCWD, os.fsencode(source), flags), source)


def _shift(tree, users):
    try:
        _set(tree, _ATTR_IDMAP, users)
    except OSError:
        return False
    return True


def _set(tree, attributes, users):
    wanted = struct.pack("QQQQ", attributes, 0, 0, users)
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE
    _checked(
        libc.syscall(ctypes.c_long(_MOUNT_SETATTR), tree, b"", flags, wanted, ctypes.c_size_t(len(wanted))),
        "mount_setattr",
    )


def _checked(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result
