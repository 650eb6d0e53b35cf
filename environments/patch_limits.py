"""What a patch may be and make, told from its text before git sees it: a small one can make gigabytes."""

from __future__ import annotations

import base64
import re
import zlib

LARGEST_RESULT = 64 * 2**20
"""Bytes of all files that a patch changes, as they are afterwards."""
LARGEST_PATCH = 128 * 2**20
"""Bytes of a patch: a binary file is in it twice, in base85."""
MOST_FILES = 10_000
LONGEST_PATH = 4096
"""Bytes of a file's path; no file system has longer ones."""

TOO_LARGE = f"the patch makes files of more than {LARGEST_RESULT >> 20} MB, which is not allowed"

_BINARY = re.compile(rb"^GIT binary patch\r?\n(literal|delta) (\d{1,20})\r?\n(.*)$", re.MULTILINE)
_LONG_NAMES = re.compile(rb"^diff --git [^\n]{%d}" % (2 * LONGEST_PATH + 100), re.MULTILINE)
_HEADER = 64
"""Bytes of a delta that hold both of its sizes."""


def refusal_of(patch: bytes) -> str:
    """Why a patch is refused for what it says of itself, "" where it is not."""
    if len(patch) > LARGEST_PATCH:
        return f"the patch is larger than {LARGEST_PATCH >> 20} MB, which is not allowed"
    if patch.count(b"\ndiff --git ") > MOST_FILES:
        return f"the patch changes more than {MOST_FILES:,} files, which is not allowed"
    if _LONG_NAMES.search(patch):
        return "a path of the patch is too long for any file system"
    made = 0
    for match in _BINARY.finditer(patch):
        kind, size, first = match.groups()
        made += int(size) if kind == b"literal" else max(int(size), _made_by_delta(first))
        if made > LARGEST_RESULT:
            return TOO_LARGE
    return ""


def _made_by_delta(line: bytes) -> int:
    """Bytes of the file that a delta makes, which its first line in base85 says; 0 where it says nothing."""
    try:
        data = zlib.decompressobj().decompress(base64.b85decode(line[1:].rstrip(b"\r")), _HEADER)
    except (ValueError, zlib.error):
        return 0
    at = size = 0
    for _ in range(2):  # the size before, then the size afterwards
        size = shift = 0
        while at < len(data):
            size |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if not data[at - 1] & 128:
                break
    return size
