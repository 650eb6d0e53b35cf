"""Measures sandboxes side by side: Winnow's two backends, what they are built on, and the peers from PyPI.

`python -m bench` (or `make bench`) prepares one ground for all (a repository, an image, a calibrated test), starts
each arm in a process of its own, and asks them in turn, round by round, so that the machine's moods meet every arm.
`bench.soak` starts and stops sandboxes ten thousand times and counts what is left. No part of the distribution.
"""
