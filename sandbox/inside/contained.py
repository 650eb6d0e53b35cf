"""The exec server as the first process of a container: it calls Winnow on a socket, and serves."""

import os
from _socket import AF_UNIX, SOCK_STREAM, socket

from .server import serve

NO_ANSWER = 98
"""Exit code where nobody listens on the socket: Winnow has gone, or a rule of the host forbids the call."""


def main(path, home):
    """path: the socket. home: a folder that is made where it is missing, since no image has it."""
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
