"""A world's places as one image layer: the base image with the host's folders added, made once and shared.

Each sandbox of the world gets its own copy-on-write view of the layer from the storage driver: nothing is copied when
one starts. The layer is named by what is in it and goes with its run.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile

from .docker_client import Engine, Missing, plain_errors
from .docker_container import image_tag, labels
from .image_facts import ImageFacts, describe
from .protocol import CannotStart, Place
from .tarballs import add_tree, fingerprint, streamed

KERNELS = ("proc", "sys", "dev")

# The image's repository, with its history, must not shine through ours: it goes before ours is added.
REMOVE_HISTORY = """for place in "$@"; do
[ -e "$place/.git" ] || [ -L "$place/.git" ] || continue
rm -rf -- "$place/.git" || exit 1
done"""


def place_layer(
    engine: Engine, run: str, base: ImageFacts, places: tuple[Place, ...], *, empty: bool = False
) -> str:
    """The id of an image with `places` added to `base`, made where it is not there yet. Raises CannotStart, DiskFull.

    empty: the base has no files of its own (and no shell): there is nothing to remove from it.

    What the source's owner owns belongs to the image's user, other owners keep their numbers: commands have no
    capability to write what is not theirs. Where a target exists in the image, files are replaced or added, never
    removed, but for its `.git`.
    """
    places = tuple(
        sorted(places, key=lambda place: place.target)
    )  # an outer place is added before one inside it
    for place in places:
        if not place.source.is_dir():
            raise CannotStart(f"The folder {place.source} cannot be shown in a sandbox: it is no folder.")
        target = posixpath.normpath(place.target)
        if not target.startswith("/") or target.split("/")[1] in KERNELS or target in ("/", "//", "/tmp"):
            raise CannotStart(
                f"Nothing can be placed at {place.target!r} of a sandbox: name a folder below the root."
            )
    about = [base.id, base.user, *((place.target, fingerprint(place.source)) for place in places)]
    tag = image_tag(run, hashlib.sha256(repr(about).encode()).hexdigest()[:24])
    known = describe(engine, f"winnow-layer:{tag}")
    if known is not None:
        return known.id
    with plain_errors():
        return _build(engine, run, base, places, tag, empty)


def _build(
    engine: Engine, run: str, base: ImageFacts, places: tuple[Place, ...], tag: str, empty: bool
) -> str:
    api = engine.api
    host = api.create_host_config(
        network_mode="none",
        cap_drop=["ALL"],
        cap_add=["DAC_OVERRIDE", "FOWNER"],
        security_opt=["no-new-privileges:true"],
        pids_limit=64,
        log_config={"Type": "none", "Config": {}},
    )
    container = api.create_container(
        base.id,
        entrypoint=["/bin/sh", "-c", REMOVE_HISTORY, "sh"],
        command=[place.target for place in places],
        user="0:0",
        labels=labels(run, "scratch"),
        healthcheck={"test": ["NONE"]},
        host_config=host,
    )["Id"]
    try:
        if not empty:
            api.start(container)
            if api.wait(container)["StatusCode"] != 0:
                raise CannotStart(
                    "the image's own .git cannot be removed; use an image with rm, or one without .git"
                )
        user = numeric_user(engine, container, base.user)

        def pack(tar: tarfile.TarFile) -> None:
            for place in places:
                add_tree(tar, place.source, place.target, user)

        with streamed(pack) as stream:
            api.put_archive(container, "/", stream)
        made = api.commit(container, "winnow-layer", tag, pause=False, conf={"Labels": labels(run, "layer")})
        return made["Id"]
    finally:
        api.remove_container(container, force=True, v=True)


def numeric_user(engine: Engine, container: str, user: str) -> tuple[int, int]:
    """(uid, gid) of an image's USER, which may be a name, a number, or either with a group. Empty: root."""
    name, _, group = user.partition(":")
    if not name:
        return 0, 0
    accounts = _table(engine, container, "/etc/passwd")
    account = next((row for row in accounts if len(row) > 3 and name in (row[0], row[2])), None)
    uid = int(name) if name.isdigit() else int(account[2]) if account else None
    gid: int | None = int(account[3]) if account else 0
    if group:
        groups = _table(engine, container, "/etc/group")
        gid = (
            int(group) if group.isdigit() else next((int(row[2]) for row in groups if row[0] == group), None)
        )
    if uid is None or gid is None:
        raise CannotStart(f"the image's user {user!r} is not in its /etc/passwd and /etc/group")
    return uid, gid


def _table(engine: Engine, container: str, path: str) -> list[list[str]]:
    try:
        with plain_errors():
            chunks, _about = engine.api.get_archive(container, path)
            data = b"".join(chunks)
    except Missing:
        return []
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        file = next((tar.extractfile(member) for member in tar if member.isfile()), None)
        text = file.read().decode("utf-8", "replace") if file else ""
    return [line.split(":") for line in text.splitlines() if ":" in line]
