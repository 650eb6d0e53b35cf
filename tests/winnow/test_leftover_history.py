"""An official image whose repository still has the fix: a later commit, a tag, a stash, a reflog. None is seen."""

import io
import secrets
import tarfile

import pytest
import small_image
import toy

from environments import Instance
from environments.building import Builder
from sandbox import Images, Limits, open_backend
from sandbox.docker_client import connect

pytestmark = pytest.mark.docker
CANARY = "leftover_canary_5772156"


@pytest.fixture(scope="module")
def leaky(tmp_path_factory):
    """(the image's name, a mirror of the repository, the base commit, what git calls each leftover)."""
    folder = tmp_path_factory.mktemp("leaky")
    repository = toy.make_repository(folder / "repo")
    base = toy.git(repository, "rev-parse", "HEAD").strip()
    toy.git(
        repository, "clone", "-q", "--bare", str(repository), str(folder / "mirrors" / "toy" / "names.git")
    )
    _change(repository, f"# {CANARY}: the fix\n")
    toy.git(repository, "commit", "-qam", CANARY)
    leftovers = toy.git(repository, "rev-parse", "HEAD", "HEAD:names.py").split()
    toy.git(repository, "tag", "v9")
    toy.git(repository, "branch", "future")
    toy.git(repository, "reset", "-q", "--hard", base)
    _change(repository, f"# {CANARY}: stashed\n")
    toy.git(repository, "stash")
    leftovers.append(toy.git(repository, "rev-parse", "refs/stash").strip())
    engine, name = connect(), f"winnow-test-leaky-{secrets.token_hex(4)}"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(small_image, "PROGRAMS", small_image.PROGRAMS + " git head tr sed")
        image = io.BytesIO(small_image._tar({}))
    with tarfile.open(fileobj=image, mode="a") as tar:
        tar.add(repository, arcname="testbed")
    changes = ["WORKDIR /testbed", "ENV PATH=/bin"]
    engine.api.import_image_from_data(image.getvalue(), repository=name, tag="latest", changes=changes)
    yield f"{name}:latest", folder / "mirrors", base, leftovers
    engine.api.remove_image(name, force=True)
    engine.close()


def _change(repository, line):
    (repository / "names.py").write_text(toy.SOURCE + line)


@pytest.mark.parametrize("kind", ["docker", pytest.param("overlay", marks=pytest.mark.overlay)])
async def test_leftover_history_is_not_seen(leaky, kind, tmp_path):
    image, mirrors, base, leftovers = leaky
    instance = Instance("toy__names-1", toy.ISSUE, "toy/names", base, image=image, workdir="/testbed")
    run, state = f"test-leaky-{kind}", tmp_path / "sandboxes"
    backend = open_backend(kind, run=run, state=state)
    try:
        with Images(run, state, lambda sentence: None) as images:
            builder = Builder(backend, tmp_path / "built", repos=mirrors, images=images)
            task = await builder.task(instance)
            sandbox = await backend.start(task.world(), name="attempt", limits=Limits(memory=None))
            git = "git -c safe.directory='*'"
            asked = " ".join(leftovers)
            said = await sandbox.run(
                f"cd /testbed; {git} log --all --format=%s; {git} stash list; {git} reflog --all; {git} tag; "
                f"{git} branch -a --format='%(refname:short)'; for it in {asked} v9 future stash; do "
                f"{git} cat-file -e $it 2>/dev/null && echo LEFT $it; done; grep -rl {CANARY} /testbed /tmp /etc; true"
            )
    finally:
        await backend.close()
    lines = said.output.splitlines()
    assert lines[:2] == ["second", "first"], said.output
    assert not [
        line for line in lines if CANARY in line or line.startswith(("LEFT", "v9", "future", "stash"))
    ]
    assert len(lines) <= 3, "nothing but the two commits and the name of the branch"
