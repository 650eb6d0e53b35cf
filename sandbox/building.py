"""Building an image from a Dockerfile."""

from __future__ import annotations

from pathlib import Path

from .docker_client import Engine, engine_said, plain_errors
from .docker_container import labels
from .image_facts import CACHE_RUN, Progress
from .protocol import CannotStart, DiskFull, Dockerfile, WrongRoot

_NETWORK = (
    "dial tcp",
    "lookup ",
    "timeout",
    "connection re",
    "i/o ",
    "500 internal",
    "503 service",
    "429 too many",
)
"""Words of an engine that did not reach a registry."""


def build(engine: Engine, dockerfile: Dockerfile, progress: Progress | None = None) -> str:
    """Build an image from a Dockerfile; the engine's own cache makes a repeated build short. -> its id.

    progress gets the build's own lines. Raises WrongRoot with the step that failed and its last words, CannotStart
    where the image that it starts from cannot be fetched now, DiskFull.
    """
    file, context = Path(dockerfile.file).resolve(), Path(dockerfile.context).resolve()
    if not file.is_file():
        raise WrongRoot(f"there is no Dockerfile at {dockerfile.file}")
    if not context.is_dir():
        raise WrongRoot(f"the build's context {dockerfile.context} is no folder")
    try:
        with plain_errors():
            return _build(engine, dockerfile, file, context, progress)
    except CannotStart as error:
        if "parse error" in str(error):  # said before the first step
            raise WrongRoot(f"building {dockerfile.file} failed: {error}") from error
        raise


def _build(
    engine: Engine, dockerfile: Dockerfile, file: Path, context: Path, progress: Progress | None
) -> str:
    step, said, image = "", [""], ""
    lines = engine.api.build(
        path=str(context),
        dockerfile=str(file),
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
    # Named after what it is: the same image built from another folder gets no second name.
    engine.api.tag(image, "winnow-build", image.rpartition(":")[2][:24])
    return image


def _build_failed(dockerfile: Dockerfile, error: str, step: str, said: list[str]) -> CannotStart:
    full = engine_said(error)
    if isinstance(full, DiskFull):
        return full
    last = " | ".join(line.strip() for line in said if line.strip())[-400:]
    sentence = f"building {dockerfile.file} failed at {step or 'its start'}: {error.strip()[:300]} ({last})"
    unreached = (not step or " : FROM" in step) and any(words in error.lower() for words in _NETWORK)
    return CannotStart(sentence) if unreached else WrongRoot(sentence)
