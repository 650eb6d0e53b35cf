"""Files of the kernel. argv: "write" (puts back what is there) or "read", then paths. Prints those that gave way."""

import os
import sys

how, *paths = sys.argv[1:]
for path in paths:
    try:
        if how == "read":
            with open(path, "rb") as file:
                gave = bool(file.read(1))
        else:
            with open(path, "rb") as file:
                value = file.read()
            descriptor = os.open(path, os.O_WRONLY)
            try:
                gave = os.write(descriptor, value) > 0
            finally:
                os.close(descriptor)
    except OSError:
        gave = False
    if gave:
        print("SUCCEEDED", path)
