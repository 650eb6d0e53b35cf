"""A daemon that ignores every signal it can. argv: seconds, a word that it can be found by."""

import os
import signal
import sys
import time

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
print("partial", flush=True)
until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    time.sleep(0.05)
print("SUCCEEDED", flush=True)
