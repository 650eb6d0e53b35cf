"""Instance ids as names of folders: an id is whatever a dataset says, and may hold slashes."""

from __future__ import annotations

import hashlib
import re

_LONGEST = 100  # characters; file systems take 255 bytes, and callers add to the name


def folder_name(instance_id: str) -> str:
    """A name for a folder that is `instance_id` itself where that is harmless, different for different ids.

    Letters, digits, "_", "." and "-" are kept, anything else becomes "-"; where anything was changed, cut, or starts
    with "." or "-", eight hex digits of the id's SHA-256 are added. So "a/b" and "a-b" get two folders.
    """
    kept = re.sub(r"[^A-Za-z0-9_.-]", "-", instance_id)[:_LONGEST].lstrip(".-")
    if kept == instance_id:
        return kept
    digest = hashlib.sha256(instance_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kept or 'instance'}-{digest}"
