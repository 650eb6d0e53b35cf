"""As many processes as can be had, at most 300 for at most 5 seconds: each starts two more."""

import os
import signal
import sys
import time

MOST, SECONDS = 300, 5
tokens, give = os.pipe()
os.write(give, b"x" * MOST)
os.set_blocking(tokens, False)
count, add = os.pipe()
signal.setitimer(signal.ITIMER_REAL, SECONDS)
until = time.monotonic() + SECONDS


def bomb():
    """Two children at most for each process; nobody ends before the time is over."""
    signal.setitimer(signal.ITIMER_REAL, max(0.01, until - time.monotonic()))
    for _ in range(2):
        try:
            os.read(tokens, 1)
            if not os.fork():
                os.write(add, b"x")
                return bomb()
        except OSError:
            pass
    time.sleep(SECONDS)


if os.fork():
    time.sleep(SECONDS - 2)
    os.set_blocking(count, False)
    try:
        had = len(os.read(count, MOST))
    except OSError:
        had = 0
    print("SUCCEEDED" if had > int(sys.argv[1]) else "FAILED", had, flush=True)
    os._exit(0)
bomb()
