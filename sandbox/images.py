"""Images: pulled by name, built from a Dockerfile, imported from a folder, unpacked for the overlay backend.

Every function blocks (call it in a thread) and takes an Engine (`docker_client.connect()`). What is made from the
user's files is kept between runs as a `cache` and found again by content; pulled images are the user's own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .docker_client import Engine, Missing, engine_said, plain_errors
from .docker_container import labels
from .protocol import CannotStart, Dockerfile, Image
from .tarballs import add_tree, extract, fingerprint, streamed

Progress = Callable[[str], None]

PULL_TRIES = 4
CACHE_RUN = "cache"
"""The run that images kept between runs are labelled with."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image says of itself: its id, environment, user ("" is root), folder to start in, and volumes."""

    id: str
    env: dict[str, str]
    user: str
    workdir: str
    volumes: tuple[str, ...]


class _PullFailed(Exception):
    """One try of a pull that may go better next time."""


def describe(engine: Engine, image: str) -> ImageFacts | None:
    """An image's facts, None when the engine does not have it."""
    try:
        with plain_errors():
            found = engine.api.inspect_image(image)
    except Missing:
        return None
    config = found.get("Config") or {}
    env = dict(item.partition("=")[::2] for item in config.get("Env") or ())
    volumes = tuple(config.get("Volumes") or ())
    return ImageFacts(found["Id"], env, config.get("User") or "", config.get("WorkingDir") or "/", volumes)


def ensure_image(engine: Engine, name: str, progress: Progress | None = None) -> str:
    """The id of an image by name, pulled when it is missing; network trouble is retried with back-off and jitter.

    progress gets lines such as "python:3.11-slim: 45 of 120 MB". Raises CannotStart, DiskFull.
    """
    import tenacity

    try:
        facts = describe(engine, name)
    except CannotStart as error:
        if "invalid reference" in str(error):
            raise CannotStart(f"{name!r} is no name of an image") from error
        raise
    if facts is not None:
        return facts.id
    tries = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(PULL_TRIES),
        wait=tenacity.wait_exponential(multiplier=0.5, max=20) + tenacity.wait_random(0, 1),
        retry=tenacity.retry_if_exception_type(_PullFailed),
        reraise=True,
    )
    try:
        tries(_pull, engine, name, progress or (lambda line: None))
    except _PullFailed as error:
        raise CannotStart(
            f"the image {name} is not here and cannot be pulled ({error}); pull or load it where its registry can be "
            "reached, or leave --image out"
        ) from error
    facts = describe(engine, name)
    if facts is None:
        raise CannotStart(
            f"the image {name} was pulled but the engine does not know it by this name; give its full name"
        )
    return facts.id


def _pull(engine: Engine, name: str, progress: Progress) -> None:
    from docker.errors import APIError, DockerException
    from docker.utils import parse_repository_tag
    from requests import RequestException

    repository, tag = parse_repository_tag(name)
    sizes: dict[str, tuple[int, int]] = {}
    try:
        for line in engine.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
            if "error" in line:
                _refused(name, str(line["error"]))
            detail = line.get("progressDetail") or {}
            if line.get("status") == "Downloading" and detail.get("total"):
                sizes[line.get("id", "")] = (detail.get("current", 0), detail["total"])
                done, total = (sum(column) / 1e6 for column in zip(*sizes.values(), strict=True))
                progress(f"{name}: {done:.0f} of {total:.0f} MB")
    except APIError as error:
        _refused(name, str(error.explanation or error), error.status_code or 500)
    except (DockerException, RequestException, OSError) as error:
        raise _PullFailed(" ".join(str(error).split())[:300]) from error


def _refused(name: str, said: str, status: int = 500) -> None:
    """Raise what the registry's refusal means: for good (no such image, no right, disk full), or for now."""
    low = said.lower()
    if "no space left" in low:
        raise engine_said(said)
    for_good = (
        "not found",
        "manifest unknown",
        "access denied",
        "unauthorized",
        "does not exist",
        "no matching manifest",
    )
    if status == 404 or any(words in low for words in for_good):
        # A name server's "host not found" is no word about the image.
        if "lookup" not in low:
            raise CannotStart(
                f"there is no image {name} here and its registry does not give it ({said[:200]}); check the name, or "
                "`docker login` where it is private"
            )
    raise _PullFailed(" ".join(said.split())[:300])


def build(engine: Engine, dockerfile: Dockerfile, progress: Progress | None = None) -> str:
    """Build an image from a Dockerfile; the engine's own cache makes a repeated build short. -> its id.

    progress gets the build's own lines. Raises CannotStart with the step that failed and its last words.
    """
    file, context = Path(dockerfile.file).resolve(), Path(dockerfile.context).resolve()
    if not file.is_file():
        raise CannotStart(f"there is no Dockerfile at {dockerfile.file}")
    if not context.is_dir():
        raise CannotStart(f"the build's context {dockerfile.context} is no folder")
    tag = "winnow-build:" + hashlib.sha256(os.fsencode(file) + b"\0" + os.fsencode(context)).hexdigest()[:24]
    step, said, image = "", [""], ""
    with plain_errors():
        lines = engine.api.build(
            path=str(context),
            dockerfile=str(file),
            tag=tag,
            rm=True,
            forcerm=True,
            decode=True,
            network_mode=dockerfile.network,
            labels=labels(CACHE_RUN, "cache"),
        )
        for line in lines:
            if "error" in line:
                raise _build_failed(dockerfile, str(line["error"]), step, said)
            text = line.get("stream", "")
            if text.strip() and progress is not None:
                progress(text.rstrip())
            step = text.strip() if text.startswith("Step ") else step
            said = [*said, *text.splitlines()][-8:]
            image = (line.get("aux") or {}).get("ID", image)
    if not image:
        raise CannotStart(f"building {dockerfile.file} gave no image; `docker build` shows more")
    return image


def _build_failed(dockerfile: Dockerfile, error: str, step: str, said: list[str]) -> CannotStart:
    full = engine_said(error)
    if type(full) is not CannotStart:
        return full
    last = " | ".join(line.strip() for line in said if line.strip())[-400:]
    return CannotStart(
        f"building {dockerfile.file} failed at {step or 'its start'}: {error.strip()[:300]} ({last})"
    )


def folder_with(
    root: Image | Dockerfile, names: Sequence[str], progress: Progress | None = None
) -> str | None:
    """The folder that an image starts in, where most of the files `names` are there. The image is made ready first.

    None for an image that starts in its root, or elsewhere than in those files. Raises CannotStart, DiskFull.
    """
    from .docker_client import connect

    engine = connect()
    try:
        made = (
            build(engine, root, progress)
            if isinstance(root, Dockerfile)
            else ensure_image(engine, root.name, progress)
        )
        facts = describe(engine, made)
        folder = os.path.normpath(facts.workdir) if facts else "/"
        if not folder.startswith("/") or not folder.strip("/") or not names:
            return None
        with plain_errors(), _scratch(engine, made) as container:
            there = [name for name in names if _is_there(engine, container, os.path.join(folder, name))]
        return folder if 2 * len(there) > len(names) else None
    finally:
        engine.close()


def _is_there(engine: Engine, container: str, path: str) -> bool:
    from docker.errors import NotFound

    try:
        stream, _about = engine.api.get_archive(container, path)
    except NotFound:
        return False
    stream.close()  # type: ignore[attr-defined]
    return True


def import_rootfs(engine: Engine, folder: Path, progress: Progress | None = None) -> str:
    """Import a folder that holds a whole root file system as an image, once per state of the folder. -> its id."""
    folder = Path(folder)
    if not folder.is_dir():
        raise CannotStart(f"{folder} is no folder with a root file system")
    if not any(os.path.lexists(folder / shell) for shell in ("bin/sh", "usr/bin/sh")):
        raise CannotStart(f"{folder} is no root file system: it has no bin/sh")
    tag = fingerprint(folder)[:24]
    facts = describe(engine, f"winnow-rootfs:{tag}")
    if facts is not None:
        return facts.id
    if progress is not None:
        progress(f"importing {folder}")
    return import_tar(
        engine, "winnow-rootfs", tag, lambda tar: add_tree(tar, folder, "/"), labels(CACHE_RUN, "cache")
    )


def import_tar(
    engine: Engine, repository: str, tag: str, pack: Callable[[Any], None], label: dict[str, str]
) -> str:
    """Import what `pack` writes as an image with these labels. -> its id."""
    changes = [f'LABEL "{name}"="{value}"' for name, value in label.items()]
    with plain_errors(), streamed(pack) as stream:
        engine.api.import_image(src=stream, stream_src=True, repository=repository, tag=tag, changes=changes)
    facts = describe(engine, f"{repository}:{tag}")
    if facts is None:
        raise CannotStart(f"the Docker engine did not take the root file system {repository}:{tag}")
    return facts.id


def unpack(engine: Engine, image: str, state: Path, progress: Progress | None = None) -> Path:
    """The root file system of an image as a folder of `state`, for the overlay backend; unpacked once per image id.

    Modes are kept, owners too where we are root; devices are left out; nothing is written through a link. Safe to call
    from several processes at once: the folder appears whole or not at all. Raises CannotStart, DiskFull.
    """
    image_id = ensure_image(engine, image, progress)
    target = Path(state) / image_id.rpartition(":")[2]
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    if progress is not None:
        progress(f"unpacking {image}")
    fresh = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
    try:
        with plain_errors(), _scratch(engine, image_id) as container:
            extract(_Chunks(engine.api.export(container)), fresh)
        fresh.chmod(0o755)
        fresh.rename(target)
    except OSError as error:
        if target.is_dir():  # another process was first
            return target
        raise (
            engine_said(str(error))
            if error.errno == 28
            else CannotStart(f"{image} cannot be unpacked: {error}")
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


class _scratch:
    """A container that is never started, to read an image's files from; removed at the end."""

    def __init__(self, engine: Engine, image: str) -> None:
        self._engine, self._image = engine, image

    def __enter__(self) -> str:
        made = self._engine.api.create_container(
            self._image, command=["/bin/sh"], labels=labels(CACHE_RUN, "scratch")
        )
        self._container = made["Id"]
        return self._container

    def __exit__(self, *failure: object) -> None:
        self._engine.api.remove_container(self._container, force=True, v=True)


class _Chunks:
    """An iterator of byte chunks as a file that can be read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._held = iter(chunks), b""

    def read(self, size: int) -> bytes:
        parts, have = [self._held], len(self._held)
        while have < size and (chunk := next(self._chunks, b"")):
            parts.append(chunk)
            have += len(chunk)
        data = b"".join(parts)
        self._held = data[size:]
        return data[:size]
