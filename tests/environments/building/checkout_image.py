"""A small image with a checkout at /testbed, imported into the real engine and removed after the test."""

import contextlib
import io
import secrets
import shutil
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "winnow"))
import small_image

PROGRAMS = "git tar split find bash tr sed cp touch printf"


@contextlib.contextmanager
def checkout_image(checkout: Path, files: Mapping[str, bytes | str], monkeypatch) -> Iterator[str]:
    """The image's name. files: what else it has, in place of this machine's programs too."""
    from sandbox.docker_client import connect

    programs = [name for name in f"{small_image.PROGRAMS} {PROGRAMS}".split() if shutil.which(name)]
    programs = [name for name in programs if f"/bin/{name}" not in files]
    monkeypatch.setattr(small_image, "PROGRAMS", " ".join(programs))
    texts = {name: text for name, text in files.items() if isinstance(text, str)}
    out = io.BytesIO(small_image._tar(texts))
    with tarfile.open(fileobj=out, mode="a") as tar:
        tar.add(checkout, arcname="testbed")
        for name, content in files.items():
            if isinstance(content, bytes):
                member = tarfile.TarInfo(name.lstrip("/"))
                member.size, member.mode = len(content), 0o755
                tar.addfile(member, io.BytesIO(content))
    engine, name = connect(), f"winnow-test-{secrets.token_hex(4)}"
    engine.api.import_image_from_data(
        out.getvalue(), repository=name, tag="latest", changes=["WORKDIR /testbed", "ENV PATH=/bin"]
    )
    try:
        yield name
    finally:
        engine.api.remove_image(name, force=True)
        engine.close()
