"""Hold more files open than allowed. argv: how many are allowed."""

import sys

held = []
try:
    for _ in range(int(sys.argv[1]) + 100):
        held.append(open("/dev/null"))
    print("SUCCEEDED")
except OSError as error:
    print("FAILED", error)
