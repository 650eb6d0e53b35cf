"""This machine's own Python in a folder, small and complete, to run the exec server in any container.

The folder is shown read-only in every container. The image needs nothing for it, no Python and no libc: the bundle
has its own dynamic loader, which is what the container executes. The loader's copy may be executed by all and read
by nobody (mode 0111), and the kernel makes a process of such a file one that cannot be traced and whose memory and
descriptors cannot be looked into (would_dump() in fs/exec.c), whoever it runs as.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import py_compile
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .inside import seccomp

INSIDE = "/dev/.winnow"
"""Where it is shown: /dev is the container's own, so no layer of a copy gets a folder of ours."""

OURS = "winnow."
"""How our folder's name begins; the user's number follows."""

UNUSED = 7 * 86400
"""Seconds after which a bundle that nobody used goes, when another is made."""

FILTER = "filter"

MODULES = ("contained", "files", "output", "ports", "processes", "server", "wire")

# What imports happen, and which files are mapped: told by a run of the very thing.
_LOOK = """import sys
p = type(sys)("sandbox")
p.__path__ = [sys.argv[1]]
sys.modules["sandbox"] = p
import sandbox.inside.contained
for name, module in sorted(sys.modules.items()):
    if getattr(module, "__file__", None) and module.__name__ == name and not name.startswith(("sandbox", "_frozen")):
        print("module", name, hasattr(module, "__path__"), module.__file__, sep="\\t")
for line in open("/proc/self/maps"):
    if len(line.split(None, 5)) == 6 and "x" in line.split()[1] and "/" in line:
        print("mapped", line.split(None, 5)[5].strip(), sep="\\t")
"""

_BEGIN = (
    "import sys; p = type(sys)('sandbox'); p.__path__ = [sys.argv[1]]; sys.modules['sandbox'] = p; "
    "from sandbox.inside.contained import main; main(*sys.argv[2:])"
)

_PRELOAD = b"/etc/ld.so.preload\0"
_NO_PRELOAD = b"/dev/.winnow/none\0\0"
"""The loader's own list of libraries to load into everything is the image's business, not the server's."""


class NoBundle(Exception):
    """This machine's Python cannot be bundled, in a few words why."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """folder: on the host. loader: whether it is the GNU one."""

    folder: Path
    gnu: bool

    def arguments(self, socket: str, home: str, filtered: bool = False) -> list[str]:
        """The container's command. Both are paths in the container. filtered: with Winnow's filter of system calls,
        which takes that no new privileges can be had, on a machine that has one."""
        loader = [f"{INSIDE}/loader", *(["--inhibit-cache"] if self.gnu else [])]
        python = ["--library-path", f"{INSIDE}/libraries", f"{INSIDE}/bin/python3"]
        words = [f"{INSIDE}/sandbox", socket, home]
        if filtered and (self.folder / FILTER).exists():
            words.append(f"{INSIDE}/{FILTER}")
        return [*loader, *python, "-I", "-S", "-X", "utf8", "-c", _BEGIN, *words]


def bundle(at: Path) -> Bundle:
    """The bundle in folder `at` (see `our_folder`), made where it is missing: once for each Python and each version
    of the server, whole or not at all, however many processes want it. Raises NoBundle. Blocks, 0.2 s the first time.
    """
    python = os.path.realpath(sys.executable)
    folder = at / f"python-{_digest(python)}"
    try:
        os.utime(folder)
    except FileNotFoundError:
        _remove_unused(at)
        with tempfile.TemporaryDirectory(prefix="making-", dir=at) as scratch:
            made = Path(scratch) / "bundle"
            try:
                _make(made, python)
            except (OSError, subprocess.SubprocessError, py_compile.PyCompileError) as error:
                raise NoBundle(" ".join(str(error).split())[:200]) from error
            with contextlib.suppress(OSError):  # another process was faster
                made.rename(folder)
    return Bundle(folder, (folder / "gnu").exists())


def _remove_unused(at: Path) -> None:
    for folder in at.glob("python-*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_mtime < time.time() - UNUSED:
                shutil.rmtree(folder)


def our_folder() -> Path:
    """A folder for what containers are shown, that no other user of this machine can reach or has made.

    Raises NoBundle where there is none from which programs may be run (mounted noexec).
    """
    homes = (Path(tempfile.gettempdir()), Path(os.path.expanduser("~/.cache")))
    for home in homes:
        folder = home / f"{OURS}{os.geteuid()}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            seen = folder.lstat()
            mine = stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid() and not seen.st_mode & 0o077
            if mine and not os.statvfs(folder).f_flag & os.ST_NOEXEC:
                return folder
        except OSError:
            continue
    raise NoBundle(f"neither {homes[0]} nor {homes[1]} is a place to run programs from")


def _make(folder: Path, python: str) -> None:
    room = Path(__file__).parent
    argv = [python, "-I", "-S", "-X", "utf8", "-c", _LOOK, str(room)]
    told = subprocess.run(argv, env={}, capture_output=True, text=True, check=True, timeout=60).stdout
    rows = [line.split("\t") for line in told.splitlines()]
    mapped = list(dict.fromkeys(row[1] for row in rows if row[0] == "mapped"))
    loader = next((path for path in mapped if re.match(r"ld[-.].*so", os.path.basename(path))), None)
    if loader is None:
        raise NoBundle("the interpreter has no dynamic loader")
    for name in ("bin", "libraries", "sandbox/inside"):
        (folder / name).mkdir(parents=True)
    shutil.copyfile(python, folder / "bin/python3")
    standard = folder / f"lib/python{sys.version_info.major}.{sys.version_info.minor}"
    extensions = []
    for _, name, package, path in (row for row in rows if row[0] == "module"):
        if path.endswith(".py"):
            target = standard / (name.replace(".", "/") + ("/__init__" if package == "True" else "") + ".pyc")
            _compile(path, target)
        else:
            extensions.append(path)
            target = standard / "lib-dynload" / os.path.basename(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    for name in MODULES:
        _compile(str(room / f"inside/{name}.py"), folder / f"sandbox/inside/{name}.pyc")
    for name, path in _libraries(loader, [python, *extensions]).items():
        shutil.copyfile(path, folder / "libraries" / name)
    if "musl" not in os.path.basename(loader):
        (folder / "gnu").touch()
    if seccomp.HERE is not None:
        (folder / FILTER).write_bytes(seccomp.HERE)
    (folder / "loader").write_bytes(Path(loader).read_bytes().replace(_PRELOAD, _NO_PRELOAD))
    _open_to_all(folder)
    (folder / "loader").chmod(0o111)


def _compile(source: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(source, str(target), dfile=target.stem, doraise=True, invalidation_mode=unchecked)


def _libraries(loader: str, files: list[str]) -> dict[str, str]:
    """By the name that they are asked for, the libraries which these files need."""
    found = {}
    for file in files:
        argv = [loader, "--list", file]
        told = subprocess.run(argv, env={}, capture_output=True, text=True, check=True, timeout=60).stdout
        for line in told.splitlines():
            if match := re.match(r"\s*(\S+) => (/.*) \(0x[0-9a-f]+\)$", line):
                found[os.path.basename(match[1])] = match[2]
    return found


def _open_to_all(folder: Path) -> None:
    for path, _, files in os.walk(folder):
        os.chmod(path, 0o755)
        for name in files:
            os.chmod(os.path.join(path, name), 0o755 if path.endswith("/bin") else 0o644)


def _digest(python: str) -> str:
    seen = os.stat(python)
    about = hashlib.sha256(repr((sys.version, python, seen.st_size, seen.st_mtime_ns, _BEGIN)).encode())
    for name in (*(f"inside/{name}.py" for name in (*MODULES, "seccomp")), "docker_bundle.py"):
        about.update((Path(__file__).parent / name).read_bytes())
    return about.hexdigest()[:24]
