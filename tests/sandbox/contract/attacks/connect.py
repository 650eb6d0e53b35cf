"""Connect to what listens outside. argv: "tcp" port, "abstract" name or "path" path."""

import socket
import sys

how, where = sys.argv[1:]
try:
    if how == "tcp":
        socket.create_connection(("127.0.0.1", int(where)), 3)
    else:
        socket.socket(socket.AF_UNIX).connect("\0" + where if how == "abstract" else where)
    print("SUCCEEDED")
except OSError as error:
    print("FAILED", error)
