"""Runs a command while this machine's processors are busy with something else.

    python tests/support/load.py steady nice make test     # a process that computes on each processor, all the time
    python tests/support/load.py bursts make test          # the same by turns, half the time, for 0.1 to 5 s each

The exit code is the command's.
"""

import multiprocessing
import os
import random
import subprocess
import sys
import time

SHORTEST, LONGEST = 0.1, 5.0  # seconds of a burst, and of the pause after it


def compute(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(10_000))


def compute_in_bursts(seed: int) -> None:
    lengths = random.Random(seed)
    while multiprocessing.parent_process().is_alive():
        compute(lengths.uniform(SHORTEST, LONGEST))
        time.sleep(lengths.uniform(SHORTEST, LONGEST))


def compute_steadily(_: int) -> None:
    while multiprocessing.parent_process().is_alive():
        compute(1.0)


LOADS = {"steady": compute_steadily, "bursts": compute_in_bursts}


def main() -> int:
    if len(sys.argv) < 3 or sys.argv[1] not in LOADS:
        print(f"usage: load.py {'|'.join(LOADS)} COMMAND [ARGUMENT ...]", file=sys.stderr)
        return 2
    load, command = LOADS[sys.argv[1]], sys.argv[2:]
    workers = [multiprocessing.Process(target=load, args=(number,)) for number in range(os.cpu_count() or 1)]
    for worker in workers:
        worker.start()
    try:
        return subprocess.call(command)
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


if __name__ == "__main__":
    sys.exit(main())
