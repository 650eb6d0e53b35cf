"""What people keep below the folders that are shown: settings in /usr/local/etc, and whole homes."""

import os
import secrets
from pathlib import Path

import pytest

from sandbox import CannotStart, HostRoot, Limits, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
SETTINGS = Path("/usr/local/etc")
SECRET = "the host's own secret"


@pytest.fixture
def setting():
    """A file with a secret, in the folder where people keep the settings of programs that they installed."""
    if not os.access(SETTINGS, os.W_OK):
        pytest.skip(f"{SETTINGS} is not there, or nothing may be made in it")
    file = SETTINGS / f"winnow-test-{secrets.token_hex(4)}"
    file.write_text(SECRET)
    yield file
    file.unlink()


async def test_settings_of_local_programs_are_hidden(shared, setting):
    seen = await shared.run(f"ls -A {SETTINGS}; cat {setting}; cat /usr/local/sbin/../etc/{setting.name}")
    assert SECRET not in seen.output and setting.name not in seen.output.partition("cat:")[0]


@pytest.fixture
def secret():
    """A file in the home of the user who runs Winnow."""
    home = Path.home()
    if not os.access(home, os.W_OK):
        pytest.skip("nothing may be made in this home")
    file = home / f".winnow-test-{secrets.token_hex(4)}"
    file.write_text(SECRET)
    file.chmod(0o644)
    yield file
    file.unlink()


@pytest.mark.parametrize("way", ["itself", "by a link", "with dots", "above it"])
async def test_a_home_is_not_shown_whoever_asks_for_it(backend, secret, tmp_path, way):
    home = secret.parent
    (tmp_path / "link").symlink_to(home)
    ways = {
        "itself": home,
        "by a link": tmp_path / "link",
        "with dots": f"/usr/..{home}",
        "above it": home.parent,
    }
    asked = str(ways[way])
    try:
        sandbox = await backend.start(World(HostRoot(extra=(asked,))), name="home", limits=Limits())
    except CannotStart as error:
        assert "secrets" in str(error)
        return
    try:
        seen = await sandbox.run(f"cat {secret} {asked}/{secret.name}; find {asked} -name {secret.name}")
    finally:
        await sandbox.close()
    pytest.fail(f"the home is shown: {seen.output}")


async def test_a_shown_folder_is_not_written(backend, tmp_path):
    """By a folder that nobody else needs: where the protection is gone, it is written."""
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "program").write_text("as it was\n")
    for path in (shown, shown / "program"):
        path.chmod(0o777)
    sandbox = await backend.start(World(HostRoot(extra=(str(shown),))), name="shown", limits=Limits())
    try:
        seen = await sandbox.run(f"cd {shown}; cat program; echo changed >program; touch new; rm program; ls")
    finally:
        await sandbox.close()
    assert os.listdir(shown) == ["program"] and (shown / "program").read_text() == "as it was\n"
    assert seen.output.startswith("as it was\n") and seen.output.count("Read-only file system") == 3
