"""The host's own root for containers: an image of empty folders, and the host's allow-list bound into it read-only.

No registry and no image of the user's is needed. The allow-list is `sandbox.host`'s, so that both backends show the
same. It works only where the engine sees this machine's files under the same paths.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from .docker_client import Engine
from .docker_container import image_tag, labels
from .host import hidden, host_binds, make_skeleton, whole_root
from .image_facts import ImageFacts, describe
from .importing import import_tar
from .protocol import CannotStart, HostRoot
from .tarballs import add_tree

INIT = "/sbin/docker-init"
"""Where the engine binds its init into a container, before any bind of ours: a bind over it would hide it."""

Bind = tuple[str, str]


def host_ground(
    engine: Engine, run: str, root: HostRoot, targets: tuple[str, ...] = (), *, open_root: bool = False
) -> tuple[ImageFacts, tuple[dict[str, Any], ...]]:
    """(the skeleton's image, the mounts of the host's folders). targets: where places will be; no bind covers them.

    Commands run as the caller, or as root where the engine shifts ids: they never get more of the host's files to
    read than the caller has. open_root: all of the host's root, writable (see without.py). Raises CannotStart for an
    engine on another machine.
    """
    if not engine.local:
        raise CannotStart(
            "the Docker engine runs on another machine (or sees other files than this process), so it cannot show this "
            "machine's programs; give --image or --dockerfile, or use --sandbox overlay"
        )
    shown = whole_root() if open_root else host_binds(root.extra)
    binds, links = around(shown, (*targets, INIT))
    covered = [path for path in hidden() if not any(_within(target, path) for target in targets)]
    shifted = any(
        "userns" in option or "rootless" in option for option in engine.info.get("SecurityOptions") or ()
    )
    uid, gid = (0, 0) if shifted else (os.getuid(), os.getgid())
    image = _skeleton(engine, run, binds, links, (uid, gid))
    mounts = [{**_bind(source, target), "ReadOnly": not open_root} for source, target in binds]
    mounts += [_cover(path) for path in covered]
    return ImageFacts(image, {}, f"{uid}:{gid}", "/", ()), tuple(mounts)


def around(binds: list[Bind], targets: tuple[str, ...]) -> tuple[list[Bind], list[Bind]]:
    """(binds, links) where no bind covers a target: one that would is taken apart into what lies beside the target.

    links are (what it says, path): a link cannot be bound, so it is made anew.
    """
    kept: list[Bind] = []
    links: list[Bind] = []
    for source, shown in binds:
        if any(_within(shown, target) for target in targets):
            continue  # a place brings all of it
        if not any(_within(target, shown) for target in targets) or not os.path.isdir(source):
            kept.append((source, shown))
            continue
        inside = [
            (os.path.join(source, name), os.path.join(shown, name)) for name in sorted(os.listdir(source))
        ]
        links += [(os.readlink(path), at) for path, at in inside if os.path.islink(path)]
        plain = [
            (p, at) for p, at in inside if not os.path.islink(p) and (os.path.isdir(p) or os.path.isfile(p))
        ]
        deeper, more = around(plain, targets)
        kept += deeper
        links += more
    return kept, links


def bare_image(engine: Engine, run: str) -> str:
    """An image with nothing in it but one empty folder."""
    return import_tar(
        engine, "winnow-layer", image_tag(run, "bare"), lambda tar: _add_empty(tar), labels(run, "layer")
    )


def _add_empty(tar: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tmp").mkdir()
        add_tree(tar, Path(folder), "/", (0, 0))


def _skeleton(engine: Engine, run: str, binds: list[Bind], links: list[Bind], user: tuple[int, int]) -> str:
    tag = image_tag(run, "host-" + hashlib.sha256(repr((binds, links, user)).encode()).hexdigest()[:24])
    known = describe(engine, f"winnow-layer:{tag}")
    if known is not None:
        return known.id
    with tempfile.TemporaryDirectory(prefix="winnow-skeleton-") as made:
        folder = make_skeleton(Path(made))
        # Made here, mount points are part of the shared image; else the runtime makes them in every container.
        for source, shown in binds:
            at = folder / shown.lstrip("/")
            at.parent.mkdir(parents=True, exist_ok=True)
            at.mkdir(exist_ok=True) if os.path.isdir(source) else at.touch()
        for said, shown in links:
            at = folder / shown.lstrip("/")
            at.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(at):
                at.symlink_to(said)
        _own_sbin(folder)
        uid, gid = user
        if uid != 0:  # programs ask for the user's name; the made-up passwd knows only root
            with open(folder / "etc/passwd", "a") as accounts:
                accounts.write(f"user:x:{uid}:{gid}::/tmp/home:/bin/sh\n")
        return import_tar(
            engine, "winnow-layer", tag, lambda tar: add_tree(tar, folder, "/", user), labels(run, "layer")
        )


def _own_sbin(folder: Path) -> None:
    """Where /sbin is a link into /usr, make it a folder of links instead, so that the engine's init has a place."""
    sbin = folder / "sbin"
    if sbin.is_symlink():
        behind = os.path.join("/", os.readlink(sbin))
        sbin.unlink()
        sbin.mkdir()
        for name in os.listdir(behind):
            (sbin / name).symlink_to(os.path.join(behind, name))
    sbin.mkdir(exist_ok=True)
    init = folder / INIT.lstrip("/")
    if init.is_symlink():
        init.unlink()
    init.touch()


def _bind(source: str, target: str) -> dict[str, Any]:
    # Not recursive: what is mounted below a shown folder is not on the list (and would be writable on older kernels).
    options = {"Propagation": "rprivate", "NonRecursive": True}
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": True, "BindOptions": options}


def _cover(path: str) -> dict[str, Any]:
    return {
        "Type": "tmpfs",
        "Target": path,
        "ReadOnly": True,
        "TmpfsOptions": {"SizeBytes": 4096, "Mode": 0o755},
    }


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
