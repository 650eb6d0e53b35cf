"""The image of the docker arms, made of this machine's own programs: no registry is asked, and every arm runs the
same shell, git and Python. It holds swe-rex's server too, where the peers are installed."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from . import containers
from .workload import AT, PATH, Workload

BARE, PREPARED = "winnow-bench", "winnow-bench-repository"
FORMAT = "5"
"""Goes up when this file makes other images."""

PROGRAMS = (
    "sh bash env cat head tail tr wc mkdir chmod chown rm cp mv ln ls touch true false sleep id ps stat dd seq base64 "
    "tar sed grep find kill mount dirname basename readlink uname date git python3"
).split()

SERVER = """#!/bin/sh
# swe-rex starts this without a port: one for each container, since they share the host's loopback here.
export PYTHONPATH=/opt/peers
exec python3 -m swerex.server --host 127.0.0.1 --port "$SWEREX_PORT" "$@"
"""

_LABEL = {"winnow-bench": "image"}


def make_images(
    workload: Workload, peers: Path | None, report: Callable[[str], None] = lambda line: None
) -> tuple[str, str]:
    """Both images, by name; those of an earlier run are taken as they are. Raises docker's errors.

    peers: the environment's folder with swe-rex, None where there is none. report: is told what is being made.
    """
    import docker

    client = docker.from_env(timeout=600)
    site = _site(peers)
    bare_tag = _tag(site)
    tag = _tag(site, _size(workload.repository))
    bare, prepared = f"{BARE}:{bare_tag}", f"{PREPARED}:{tag}"
    known = {name for image in client.images.list() for name in image.tags}
    if bare not in known:
        report(f"making the image {bare} of this machine's programs (once; `docker rmi` it when you like)")
        _import(client, bare, lambda tar: _root(tar, site))
    if prepared not in known:
        report(f"making the image {prepared} with the repository in it (once)")
        _commit_repository(client, bare, tag, workload)
    client.close()
    return bare, prepared


def _tag(*parts: object) -> str:
    return hashlib.sha256(" ".join(map(str, (FORMAT, sys.version, *parts))).encode()).hexdigest()[:12]


def _commit_repository(client, bare: str, tag: str, workload: Workload) -> None:
    container = client.containers.create(
        bare, ["true"], network_mode="none", labels=containers.labels(workload.run, "image")
    )
    try:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(workload.repository, AT.lstrip("/"), filter=_roots)
        container.put_archive("/", packed.getvalue())
        container.commit(PREPARED, tag, conf={"Labels": _LABEL})
    finally:
        container.remove(force=True)


def has_server(workload: Workload) -> bool:
    """Whether swe-rex's server is in the image."""
    argv = ["docker", "run", "--rm", "--network=none", *containers.label_options(workload.run, "swe-rex")]
    argv += [workload.image, "ls", "/opt/peers/swerex"]
    return subprocess.run(argv, capture_output=True).returncode == 0


def _import(client, name: str, pack) -> None:
    """An image of what `pack` puts into a tar file."""
    repository, _, tag = name.partition(":")
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        pack(tar)
    changes = [f"ENV PATH={PATH}", "LABEL winnow-bench=image", "WORKDIR /"]
    client.api.import_image(src=file.getvalue(), repository=repository, tag=tag, changes=changes)


def _root(tar: tarfile.TarFile, site: Path | None) -> None:
    for folder in ("tmp", "proc", "sys", "dev", "root", "run", "var", "home", "etc", AT.lstrip("/")):
        _add_folder(tar, folder, 0o1777 if folder == "tmp" else 0o755)
    _add_text(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    _add_text(tar, "etc/group", "root:x:0:\n")
    for top in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{top}"):
            tar.add(f"/{top}", top, recursive=False)
    added: set[str] = set()
    files = [path for name in PROGRAMS if (path := _which(name))]
    standard = subprocess.run(
        ["python3", "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"],
        env={"PATH": PATH},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    for library in _python_files(Path(standard)):
        files.append(str(library))
    for path in files:
        _add_with_libraries(tar, path, added)
    if site is not None:
        for source, inside in _server_files(site):
            tar.add(source, f"opt/peers/{inside}", recursive=False, filter=_roots)
            if source.name.endswith(".so"):
                for needed in _libraries(str(source)):
                    _add_with_libraries(tar, needed, added)
        _add_text(tar, "usr/local/bin/swerex-remote", SERVER, 0o755)


def _which(name: str) -> str | None:
    for folder in PATH.split(":"):
        if os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    return None


def _add_with_libraries(tar: tarfile.TarFile, path: str, added: set[str]) -> None:
    """Add a file, what it is a link to, and the shared libraries it needs, each at its own path."""
    place = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    if place in added:
        return
    added.add(place)
    tar.add(place, place.lstrip("/"), recursive=False, filter=_roots)
    if os.path.islink(place):
        _add_with_libraries(tar, os.path.join(os.path.dirname(place), os.readlink(place)), added)
    elif os.path.isfile(place) and _is_program(place):
        for needed in _libraries(place):
            _add_with_libraries(tar, needed, added)


def _is_program(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def _libraries(path: str) -> list[str]:
    listed = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    return [word for word in listed.split() if word.startswith("/") and os.path.exists(word)]


def _python_files(standard: Path) -> Iterator[Path]:
    left_out = {"test", "idlelib", "tkinter", "turtledemo", "site-packages", "dist-packages", "ensurepip"}
    for folder, names, files in os.walk(standard):
        names[:] = [name for name in names if name not in left_out and not name.startswith("config-")]
        for name in files:
            yield Path(folder, name)


def _site(peers: Path | None) -> Path | None:
    """Where the peers' packages lie, None where the image's python3 cannot load them."""
    if peers is None:
        return None
    version = subprocess.run(
        ["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        env={"PATH": PATH},
        capture_output=True,
        text=True,
    ).stdout.strip()
    site = peers / "lib" / f"python{version}" / "site-packages"
    return site if (site / "swerex").is_dir() else None


def _server_files(site: Path) -> Iterator[tuple[Path, str]]:
    """The files of swe-rex and of what it requires, as its own metadata says, and their paths below `site`."""
    from importlib.metadata import DistributionFinder, MetadataPathFinder

    known = {
        re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower(): distribution
        for distribution in MetadataPathFinder.find_distributions(
            DistributionFinder.Context(path=[str(site)])
        )
    }
    required, done = ["swe-rex"], set()
    while required:
        name = required.pop()
        if name in done or name not in known:
            continue
        done.add(name)
        for file in known[name].files or ():
            source = site / str(file)
            if ".." not in str(file) and source.is_file():
                yield source, str(file)
        for line in known[name].requires or ():
            if "extra ==" not in line:
                required.append(re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line).group()).lower())


def _add_folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    tar.addfile(entry)


def _add_text(tar: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text), mode
    tar.addfile(entry, io.BytesIO(text.encode()))


def _roots(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _size(repository: Path) -> int:
    """A word for what the repository holds: it is made the same each time."""
    return sum(file.stat().st_size for file in repository.glob("pkg/**/*.py"))


__all__ = ["has_server", "make_images"]
