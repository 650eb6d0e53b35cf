"""Measures sandboxes side by side: Winnow's two backends, what they are built on, and the peers from PyPI.

`python -m bench` (or `make bench`) prepares one workload for all arms (a repository, an image, a calibrated test),
starts each arm in a process of its own, and measures them in turn, round by round, so that what else the machine does
meets all of them. `bench.run` is one such run, `bench.limits` how long it may take.
`bench.soak` starts and stops sandboxes ten thousand times and counts what is left. No part of the distribution.
"""
