"""User namespaces: whose numbers the users of a sandbox are.

Started by root, all sandboxes of a run share one namespace whose user 0 is a number of the host that nobody has. An
ordinary user may only map his own number, so there user 0 of a sandbox is he himself, without a capability.
"""

import os
import time

from . import kernel

RANGE = 65536
FIRST, LAST = 0x00080000, 0x6FFF0000
"""Numbers that systemd sets apart for containers' users (systemd.io, "Users, Groups, UIDs and GIDs")."""


def first_number(name):
    """The host's number of user 0 in the sandboxes of run `name`: the same for a run that is resumed."""
    import hashlib

    slots = (LAST - FIRST) // RANGE
    return FIRST + int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:4], "big") % slots * RANGE


def shifted(first):
    """A user namespace with users 0 to 65535 at `first` on the host. -> its descriptor. Needs root."""
    told, tell = os.pipe()
    holder = os.fork()
    if not holder:
        try:
            kernel.unshare(kernel.NEWUSER)
            os.write(tell, b".")
            while True:  # until it is killed, below
                time.sleep(60)
        finally:
            os._exit(1)
    os.close(tell)
    try:
        if not os.read(told, 1):
            raise OSError(1, "no user namespace can be made here")
        line = f"0 {first} {RANGE}"
        _write(f"/proc/{holder}/uid_map", line)
        _write(f"/proc/{holder}/gid_map", line)
        return os.open(f"/proc/{holder}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(told)
        os.kill(holder, 9)
        os.waitpid(holder, 0)


def become_root_of_own():
    """Enter a user namespace in which this ordinary user is user 0, so that mounts can be made."""
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEWUSER)
    _map(user, group)


def nest():
    """Enter a user namespace in which user 0 is the one outside: no right over what the outer one owns."""
    kernel.unshare(kernel.NEWUSER)
    _map(0, 0)


def _map(user, group):
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {user} 1")
    _write("/proc/self/gid_map", f"0 {group} 1")


def _write(path, text):
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
