"""The exec server as the first process of a container: it calls Winnow on a socket, and serves.

Beside the engine's filter of system calls it puts Winnow's own on itself and all that it starts: engines differ in what
theirs lets through, and an old one's does not know what was found out since.
"""

import os
from _ctypes import call_function, dlopen, dlsym  # ctypes itself takes five times as long to import
from _socket import AF_UNIX, SOCK_STREAM, socket
from _struct import pack

from .server import serve

NO_ANSWER = 98
"""Exit code where nobody listens on the socket: Winnow has gone, or a rule of the host forbids the call."""

NO_FILTER = 96
"""Exit code where the kernel does not take the filter."""

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2


def main(path, home, filtered=""):
    """path: the socket. home: a folder that is made where it is missing, since no image has it.

    filtered: a file with the filter's instructions (see seccomp.py); empty for none.
    """
    if filtered:
        _filter(filtered)
    try:
        os.makedirs(home, 0o700, exist_ok=True)
    except OSError:
        pass  # empty, no permission, a file: a command will say so
    line = socket(AF_UNIX, SOCK_STREAM)
    try:
        line.connect(path)
    except OSError:
        os._exit(NO_ANSWER)
    serve(line.fileno(), line.fileno())


def _filter(path):
    descriptor = os.open(path, os.O_RDONLY)
    instructions = os.read(descriptor, 1 << 16)
    os.close(descriptor)
    at = id(instructions) + bytes.__basicsize__ - 1  # where a bytes object has its content
    described = pack("HP", len(instructions) // 8, at)  # struct sock_fprog
    prctl = dlsym(dlopen(None, os.RTLD_NOW), "prctl")
    if call_function(prctl, (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described)):
        os._exit(NO_FILTER)
