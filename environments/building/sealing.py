"""Whether a stored environment is still sealed: looked at whenever one is used, not only when it was made."""

from __future__ import annotations

import os

from sandbox.tarballs import fingerprint

from ..history import NotSealed, verify_sealed
from ..task import Snapshot

_NOTE = ".sealed"
"""Beside the tree: its fingerprint when it was last proved. A sandbox never sees this file."""


def check_stored(snapshot: Snapshot) -> None:
    """Prove again that a stored tree holds the history up to its base and no more, where it has changed since.

    The kernel's times of change cannot be set back, so an unchanged fingerprint means an unchanged tree. Blocks, for
    milliseconds as a rule. Raises NotSealed.
    """
    note = snapshot.tree.with_name(f".{snapshot.tree.name}{_NOTE}")
    now = f"{snapshot.base} {fingerprint(snapshot.tree)}"
    try:
        if note.read_text() == now:
            return
    except OSError:
        pass  # it was never looked at
    try:
        verify_sealed(snapshot.tree, snapshot.base)
    except NotSealed as error:
        raise NotSealed(f"{error}; remove {snapshot.tree.parent}, so that it is made again") from error
    new = note.with_name(f"{note.name}.{os.getpid()}")
    new.write_text(now)
    new.replace(note)
