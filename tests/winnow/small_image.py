"""A small image made of this machine's own programs: no registry is needed, and neither git nor Python is in it."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = "sh cat grep head wc mkdir chmod rm env true sleep ls"


@contextmanager
def small_image(files: Mapping[str, str], workdir: str) -> Iterator[str]:
    """The name of an image with these files that starts in `workdir`; removed at the end."""
    from sandbox.docker_client import connect

    engine = connect()
    name = f"winnow-test-{secrets.token_hex(4)}"
    changes = [f"WORKDIR {workdir}", "ENV PATH=/bin", "ENV SAID_BY=image"]
    engine.api.import_image_from_data(_tar(files), repository=name, tag="latest", changes=changes)
    try:
        yield name
    finally:
        engine.api.remove_image(name, force=True)
        engine.close()


def small_rootfs(folder: Path, files: Mapping[str, str]) -> Path:
    """The same as a folder with a root file system."""
    with tarfile.open(fileobj=io.BytesIO(_tar(files))) as tar:
        # All of it is ours; Python 3.11.2 knows no argument for it.
        tar.extraction_filter = lambda member, path: member
        tar.extractall(folder)
    return folder


def remove_images(label: str) -> None:
    """Remove the images that have this label, and the steps of their build."""
    from sandbox.docker_client import connect

    engine = connect()
    for image in engine.api.images(filters={"label": [label]}):
        engine.api.remove_image(image["Id"], force=True)
    engine.close()


def _tar(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("bin", "etc", "proc", "sys", "dev", "tmp"):
            made = tarfile.TarInfo(folder)
            made.type, made.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(made)
        shown: dict[str, str] = {}
        for program in PROGRAMS.split():
            found = shutil.which(program)
            assert found, program
            shown[f"bin/{program}"] = os.path.realpath(found)
            told = subprocess.run(["ldd", found], capture_output=True, text=True).stdout
            libraries = [word for word in told.split() if word.startswith("/")]
            shown |= {library[1:]: os.path.realpath(library) for library in libraries}
        for path, source in shown.items():
            tar.add(source, arcname=path)
        for path, text in files.items():
            file = tarfile.TarInfo(path.lstrip("/"))
            file.size, file.mode = len(text.encode()), 0o644
            tar.addfile(file, io.BytesIO(text.encode()))
    return out.getvalue()
