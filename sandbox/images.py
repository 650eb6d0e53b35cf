"""The images of one run: made ready by whatever the world names, recorded, and held while the run needs them."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from .building import build
from .docker_client import Engine, connect, plain_errors
from .image_facts import ImageFacts, Progress, describe
from .importing import import_rootfs
from .keeping import Holds, Kept, Kind
from .protocol import CannotStart, Dockerfile, Image, RootFs
from .pulling import PullRules, pull
from .unpacking import scratch_container, unpack

TRIES = 5
"""How often an image is made again that goes away between its making and its use (somebody prunes)."""


class Images:
    """Makes images ready for one run. Every method blocks (call it in a thread) and may be called from several.

    state: the folder of overlay layers, which has the record; None keeps none. progress: told in short lines what
    takes long. rules: how pulls are tried.
    """

    def __init__(
        self,
        run: str,
        state: Path | None = None,
        progress: Progress | None = None,
        rules: PullRules | None = None,
    ) -> None:
        self.run = run
        self._state = None if state is None else Path(state).absolute()
        self._progress, self._rules = progress, rules
        self._holds = None if self._state is None else Holds(self._state)
        self._stop = threading.Event()

    def ready(self, engine: Engine, root: Image | Dockerfile | RootFs) -> ImageFacts:
        """The facts of the image that a root names: pulled, built or imported where it is not there yet.

        Raises WrongRoot (no such image, a failing Dockerfile), CannotStart, DiskFull.
        """
        for _ in range(TRIES):
            kind, facts = self._make(engine, root)
            if kind is None or self._holds is None:
                return facts
            self._keep(
                Kept(kind, _said(root), facts.id, _tag(kind, root, facts), _id(engine), facts.size, self.run)
            )
            if describe(engine, facts.id) is not None:
                return facts
        raise CannotStart(f"the image {_said(root)} is removed again and again while it is made; try later")

    def unpacked(self, engine: Engine, root: Image | Dockerfile) -> tuple[Path, ImageFacts]:
        """The same as a folder with its files, for the overlay backend. It needs a state folder."""
        assert self._state is not None and self._holds is not None
        facts = self.ready(engine, root)
        kept = Kept("unpacked", _said(root), facts.id, "", "", 0, self.run)
        self._holds.hold(kept)  # before it is there, so that it is not gone as soon as it is
        folder = unpack(engine, facts, self._state, self._progress)
        self._holds.record(Kept("unpacked", _said(root), facts.id, "", "", facts.size, self.run))
        return folder, facts

    def stop(self) -> None:
        """Let a pull that is going on end now (CannotStart there)."""
        self._stop.set()

    def close(self) -> None:
        """Let go of everything that was made ready: from now on it may be pruned."""
        self.stop()
        if self._holds is not None:
            self._holds.release()

    def __enter__(self) -> Images:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make(self, engine: Engine, root: Image | Dockerfile | RootFs) -> tuple[Kind | None, ImageFacts]:
        """Which kind of thing of ours it is, None where it is the user's own; and its facts."""
        if isinstance(root, Dockerfile):
            return "built", _found(engine, build(engine, root, self._progress))
        if isinstance(root, RootFs):
            return "imported", _found(engine, import_rootfs(engine, root.folder, self._progress))
        facts = describe(engine, root.name)
        if facts is not None:
            return ("pulled" if self._pulled(engine, root, facts) else None), facts
        pull(engine, root.name, self._progress, stop=self._stop, rules=self._rules)
        return "pulled", _found(engine, root.name)

    def _pulled(self, engine: Engine, root: Image, facts: ImageFacts) -> bool:
        like = Kept("pulled", root.name, facts.id, root.name, _id(engine), facts.size, self.run)
        return self._holds is not None and self._holds.known(like)

    def _keep(self, kept: Kept) -> None:
        assert self._holds is not None
        self._holds.hold(kept)
        self._holds.record(kept)


def _found(engine: Engine, image: str) -> ImageFacts:
    facts = describe(engine, image)
    if facts is None:
        raise CannotStart(
            f"the engine made the image {image} but does not know it by this name; give its full name"
        )
    return facts


def _said(root: Image | Dockerfile | RootFs) -> str:
    if isinstance(root, Image):
        return root.name
    return str(root.file if isinstance(root, Dockerfile) else root.folder)


def _tag(kind: Kind, root: Image | Dockerfile | RootFs, facts: ImageFacts) -> str:
    """The engine's name that Winnow gave an image, or pulled it by."""
    if isinstance(root, Image):
        return root.name
    ours = "winnow-build:" if kind == "built" else "winnow-rootfs:"
    return next((tag for tag in facts.tags if tag.startswith(ours)), facts.id)


def _id(engine: Engine) -> str:
    return str(engine.info.get("ID", ""))


def folder_with(images: Images, root: Image | Dockerfile, names: Sequence[str]) -> str | None:
    """The folder that an image starts in, where most of the files `names` are there. The image is made ready first.

    None for an image that starts in its root, or elsewhere than in those files. Raises as `Images.ready`.
    """
    engine = connect()
    try:
        facts = images.ready(engine, root)
        folder = os.path.normpath(facts.workdir)
        if not folder.startswith("/") or not folder.strip("/") or not names:
            return None
        with plain_errors(), scratch_container(engine, facts.id) as container:
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
