"""Patches that are small and make much, and a frozen repository for them."""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Iterable
from pathlib import Path

_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
ZERO = "0" * 40
BIG = 12_000_000
"""Bytes of big.bin in the repository."""
LINES = 20_000
"""Of lines.txt in the repository."""


def big() -> bytes:
    """What big.bin holds."""
    return random.Random(1).randbytes(BIG)


def blob(content: Iterable[bytes], size: int) -> str:
    """git's name for a file of this content."""
    digest = hashlib.sha1(f"blob {size}\0".encode())
    for piece in content:
        digest.update(piece)
    return digest.hexdigest()


def binary(path: str, kind: str, size: int, packed: bytes, old: str, new: str) -> str:
    """A binary patch: "literal" or "delta" of `size` bytes, which are `packed` by zlib. old, new: git's names."""
    import base64

    head = [f"diff --git a/{path} b/{path}"]
    head += ["new file mode 100644"] if old == ZERO else []
    mode = "" if old == ZERO else " 100644"
    lines = [*head, f"index {old}..{new}{mode}", "GIT binary patch", f"{kind} {size}"]
    for at in range(0, len(packed), 52):
        piece = packed[at : at + 52]
        sign = chr(ord("A") + len(piece) - 1) if len(piece) <= 26 else chr(ord("a") + len(piece) - 27)
        lines.append(sign + base64.b85encode(piece + b"\0" * (-len(piece) % 4)).decode())
    return "\n".join([*lines, "", ""])


def zeros(path: str, size: int, said: int | None = None) -> str:
    """A new file of `size` zeros; said: what the patch says that it is."""
    deflater = zlib.compressobj(9)
    block = bytes(1 << 20)
    packed = b"".join(deflater.compress(block[: min(size - at, 1 << 20)]) for at in range(0, size, 1 << 20))
    name = blob((block[: min(size - at, 1 << 20)] for at in range(0, size, 1 << 20)), size)
    return binary(path, "literal", size if said is None else said, packed + deflater.flush(), ZERO, name)


def grown(rounds: int, copies: int, said: int | None = None) -> str:
    """big.bin made of `copies` of its first bytes, so many times over."""
    patch, content = "", big()
    for _ in range(rounds):
        piece = content[:0xFFFFFF]
        packed = delta(len(content), copies, said)
        old = blob([content], len(content))
        new = blob([piece] * copies, len(piece) * copies)
        patch += binary("big.bin", "delta", *packed, old, new)
        content = piece * min(copies, 20)
    return patch


def delta(source: int, copies: int, said: int | None = None) -> tuple[int, bytes]:
    """(size, packed) of a delta that copies the first `piece` bytes of a file of `source` bytes so many times."""
    piece = min(source, 0xFFFFFF)
    code = _number(source) + _number(piece * copies if said is None else said)
    op = bytes([0x80 | 0x10 | 0x20 | 0x40, piece & 255, piece >> 8 & 255, piece >> 16])
    code += op * copies
    return len(code), zlib.compress(code, 9)


def _number(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 127
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def copied(source: str, times: int) -> str:
    """Copies of a file under other names."""
    return "".join(
        f"diff --git a/{source} b/c{i}\nsimilarity index 100%\ncopy from {source}\ncopy to c{i}\n"
        for i in range(times)
    )


def many_files(number: int, path: str = "f{}") -> str:
    return "".join(
        f"diff --git a/{p} b/{p}\nnew file mode 100644\nindex 0000000..e69de29\n"
        for p in map(path.format, range(number))
    )


def many_hunks(number: int, *, right: bool = True) -> str:
    """Hunks on lines.txt, which says "line N"; right: they apply."""
    hunk = "@@ -{0},3 +{0},3 @@\n line {0}\n-line {1}\n+LINE\n line {2}\n"
    places = ((3 * i + 1 if right else LINES - 9 - 3 * i) for i in range(number))
    hunks = "".join(hunk.format(at, at + 1, at + 2) for at in places)
    return f"diff --git a/lines.txt b/lines.txt\n--- a/lines.txt\n+++ b/lines.txt\n{hunks}"


def long_line(lines: int) -> str:
    body = "+x\n" * lines
    return f"--- /dev/null\n+++ b/long.txt\n@@ -0,0 +1,{lines} @@\n{body}"


PATCHES = {
    "zeros": lambda: zeros("z", 390_000_000),
    "zeros that are said to be few": lambda: zeros("z", 390_000_000, said=1000),
    "few zeros that are said to be many": lambda: zeros("z", 1000, said=3_000_000_000),
    "zeros in many files": lambda: "".join(zeros(f"z{i}", 6_000_000) for i in range(100)),
    "zeros in many files, no longer each than is allowed": lambda: "".join(
        zeros(f"z{i}", 60_000_000) for i in range(10)
    ),
    "a delta": lambda: grown(1, 100),
    "a delta that says it makes little": lambda: grown(1, 100, said=10),
    "deltas in a row": lambda: grown(3, 20),
    "copies of a large file": lambda: copied("big.bin", 2_000),
    "copies of a file": lambda: copied("lines.txt", 30_000),
    "empty files": lambda: many_files(150_000),
    "deep folders": lambda: many_files(3, "a/" * 60_000 + "f{}"),
    "many hunks": lambda: many_hunks(6_600),
    "more hunks than lines": lambda: many_hunks(600_000),
    "hunks in the wrong order": lambda: many_hunks(6_600, right=False),
    "names without an end": lambda: "--- " + "a" * 200_000 + "\n",
    "a name in many hunks": lambda: "--- a/lines.txt\n" * 300_000,
    "lines without an end": lambda: long_line(8_000_000),
    "headers without a hunk": lambda: "diff --git a/x b/x\n" * 1_000_000,
}
"""By what they have: the patch."""


def repository(folder: Path):
    """A frozen repository with a large file and one of many lines; its tree."""
    import subprocess

    from environments import freeze

    source = folder / "source"
    source.mkdir()
    (source / "big.bin").write_bytes(big())
    (source / "lines.txt").write_text("".join(f"line {i}\n" for i in range(1, LINES + 1)))
    (source / "small.txt").write_text("one\r\ntwo\r\n")
    subprocess.run(["git", "init", "-q", str(source)], check=True)
    for words in (("add", "-A"), ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "m")):
        subprocess.run(["git", "-C", str(source), *words], check=True)
    return freeze(source, folder / "frozen").tree
