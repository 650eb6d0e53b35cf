"""The sandbox's first process, which answers for it: look into it, change it, answer in its place, end it."""

import os
import signal

gave = []


def tried(name, attack):
    try:
        attack()
        gave.append(name)
    except OSError:
        pass


FORGED = b"\0\0\0\x1dE\0\0\0\1\0\0\0\10\0\0\0\10\0\0\0\10"
tried("environment", lambda: open("/proc/1/environ", "rb").read())
tried("memory", lambda: open("/proc/1/mem", "rb"))
tried("memory to write", lambda: open("/proc/1/mem", "r+b"))
tried("maps", lambda: open("/proc/1/maps").readlines()[0])
tried("descriptors", lambda: [os.readlink(f"/proc/1/fd/{name}") for name in os.listdir("/proc/1/fd")])
tried("root", lambda: os.listdir("/proc/1/root"))
tried("folder", lambda: os.listdir("/proc/1/cwd"))
for number in range(20):
    path = f"/proc/1/fd/{number}"
    tried(f"answering on {number}", lambda path=path: os.write(os.open(path, os.O_WRONLY), FORGED))
for name in ("KILL", "STOP", "TERM", "INT", "HUP", "USR1", "SEGV", "QUIT", "CHLD", "ALRM"):
    try:
        os.kill(1, getattr(signal, f"SIG{name}"))
    except OSError:
        pass
for number in range(3, 20):  # and on whatever this command was started with
    try:
        os.write(number, FORGED)
        gave.append(f"descriptor {number}")
    except OSError:
        pass
print("SUCCEEDED " + ", ".join(gave) if gave else "FAILED")
