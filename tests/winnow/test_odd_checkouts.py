"""Odd checkouts on the whole way: frozen, shown in a sandbox, patched there, patched on the host (SAFETY 18)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_asyncio
import toy

from environments import PatchFails, Task, WorldWrong, check, diff, prepare_task, write_patch
from sandbox import Limits, open_backend
from winnow.solving import CannotApply, apply_to_checkout

pytestmark = [pytest.mark.overlay, pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("odd")]

BARE_ENVIRON = {"PATH": "/usr/bin:/bin"}
SOURCE, FIXED = toy.SOURCE, toy.SOURCE.replace(toy.OLD, toy.RIGHT)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(tmp_path_factory):
    backend = open_backend("overlay", "odd", tmp_path_factory.mktemp("state"))
    yield backend
    await backend.close()


def awkward(folder: Path) -> tuple[str, str]:
    name = 'it\'s a\nname "q" $HOME;.py'
    (folder / name).write_text(SOURCE)
    (folder / "with space").mkdir()
    (folder / "with space/-n").write_text("x")
    toy.git(folder, "add", ".")
    toy.git(folder, "commit", "-q", "-m", "names")
    return name, "[ -f 'with space/-n' ]"


def crlf(folder: Path) -> tuple[str, str]:
    (folder / "windows.py").write_bytes(SOURCE.replace("\n", "\r\n").encode())
    toy.git(folder, "-c", "core.autocrlf=false", "add", ".")
    toy.git(folder, "-c", "core.autocrlf=false", "commit", "-q", "-m", "windows")
    return "windows.py", "grep -q \"$(printf '\\r')\" windows.py"


def link_out(folder: Path) -> tuple[str, str]:
    secret = folder.parent / "secret"
    secret.write_text("the host's")
    (folder / "out").symlink_to(secret)
    (folder / "up").symlink_to("../")
    toy.git(folder, "add", ".")
    toy.git(folder, "commit", "-q", "-m", "links")
    return "names.py", "[ -L out ] && ! cat out 2>/dev/null && [ ! -e up/secret ]"


def submodule(folder: Path) -> tuple[str, str]:
    toy.make_repository(folder.parent / "inner")
    allow = ("-c", "protocol.file.allow=always")
    toy.git(folder, *allow, "submodule", "--quiet", "add", str(folder.parent / "inner"), "lib")
    toy.git(folder, "commit", "-q", "-m", "a submodule")
    return "lib/names.py", "[ ! -e lib/.git ]"


def dirty(folder: Path) -> tuple[str, str]:
    (folder / ".gitignore").write_text("*.so\n.env\n")
    toy.git(folder, "add", ".gitignore")
    toy.git(folder, "commit", "-q", "-m", "ignores")
    (folder / "tests/test_names.py").write_text("# changed\n")
    (folder / "untracked.txt").write_text("x")
    (folder / "built.so").write_bytes(b"\x7fELF\0")
    (folder / ".env").write_text("TOKEN=hunter2")
    return (
        "names.py",
        "grep -q changed tests/test_names.py && [ -f untracked.txt ] && [ -s built.so ] && [ ! -e .env ]",
    )


def no_commit(folder: Path) -> tuple[str, str]:
    shutil.rmtree(folder / ".git")
    toy.git(folder, "init", "-q")
    return "names.py", '[ "$(git log --oneline | wc -l)" = 1 ]'


def no_git(folder: Path) -> tuple[str, str]:
    shutil.rmtree(folder / ".git")
    return "names.py", "git status --porcelain"


def detached(folder: Path) -> tuple[str, str]:
    toy.git(folder, "commit", "-q", "--allow-empty", "-m", "the later one")
    later = toy.git(folder, "rev-parse", "HEAD").strip()
    toy.git(folder, "checkout", "-q", "--detach", "HEAD~1")
    return "names.py", f"! git cat-file -e {later} 2>/dev/null && git cat-file -e HEAD~1"


def shallow(folder: Path) -> tuple[str, str]:
    whole = folder.rename(folder.parent / "whole")
    toy.git(folder.parent, "clone", "-q", "--depth", "1", f"file://{whole}", str(folder))
    return "names.py", 'git log --oneline | wc -l | grep -qx 1 && [ -z "$(git remote)" ]'


def worktree(folder: Path) -> tuple[str, str]:
    whole = folder.rename(folder.parent / "whole")
    toy.git(whole, "worktree", "add", "-q", str(folder), "-b", "beside")
    return "names.py", "[ -d .git ] && git cat-file -e HEAD~1"


@pytest.mark.parametrize(
    "make",
    [awkward, crlf, link_out, submodule, dirty, no_commit, no_git, detached, shallow, worktree],
    ids=lambda make: make.__name__,
)
async def test_an_odd_checkout_is_shown_patched_and_never_touched(
    backend, tmp_path, make: Callable[[Path], tuple[str, str]]
):
    checkout = toy.make_repository(tmp_path / "my repo")
    path, holds = make(checkout)
    before = state(checkout)
    task = prepare_task(checkout, toy.ISSUE, folder=tmp_path / "run", environ=BARE_ENVIRON)
    sandbox = await backend.start(task.world(), name=make.__name__, limits=Limits())
    try:
        assert not [note for note in await check(sandbox, task) if "cannot" in note and "test" not in note]
        seen = await sandbox.run(holds)
        assert seen.exit_code == 0, seen.output
        text = (checkout / path).read_bytes().decode()
        ends = "\r\n" if "\r\n" in text else "\n"
        fixed = text.replace(toy.OLD, toy.RIGHT)
        assert fixed != text
        patch = diff(task.snapshot.tree, {path: fixed, "new folder/new.txt": "new" + ends})
        await write_patch(sandbox, task.snapshot, patch)
        assert (await sandbox.read(f"{task.snapshot.at}/{path}")).decode() == fixed
        shown = await sandbox.run("git status --porcelain | wc -l")
        assert shown.output.split() == ["2"], shown.output
    finally:
        await sandbox.close()
    assert state(checkout) == before, "the user's checkout was touched"
    assert apply_to_checkout(task, patch, checkout) == sorted([path, "new folder/new.txt"])
    assert (checkout / path).read_bytes().decode() == fixed
    changed = {name for name, what in state(checkout).items() if before.get(name) != what}
    assert changed == {path, "new folder/new.txt"}


async def test_a_patch_cannot_go_through_a_link_of_the_checkout(tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    link_out(checkout)
    task = prepare_task(checkout, toy.ISSUE, folder=tmp_path / "run", environ=BARE_ENVIRON)
    new = "--- /dev/null\n+++ b/{}\n@@ -0,0 +1 @@\n+mine\n"
    for path in ("out", "up/new.txt", "../new.txt", ".git/hooks/x"):
        with pytest.raises(PatchFails):
            apply_to_checkout(task, new.format(path), checkout)
    # a link that was put there after the run started
    (checkout / "later").symlink_to(tmp_path)
    with pytest.raises(CannotApply):
        apply_to_checkout(task, new.format("later/new.txt"), checkout)
    assert (tmp_path / "secret").read_text() == "the host's" and not (tmp_path / "new.txt").exists()


# --- installations elsewhere ----------------------------------------------------------------------------------------


def with_environment(folder: Path, pth: str) -> Path:
    """A checkout with a virtual environment inside, whose only content is a .pth file."""
    checkout = toy.make_repository(folder)
    site = checkout / ".venv/lib" / f"python3.{sys.version_info[1]}" / "site-packages"
    site.mkdir(parents=True)
    (checkout / ".venv/bin").mkdir()
    (checkout / ".venv/bin/python").symlink_to(sys.base_prefix + "/bin/python3")
    (checkout / ".venv/pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n")
    (site / "editable.pth").write_text(pth)
    return checkout


def fork(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "names.py").write_text("def join_names(names): return 'elsewhere'\n")
    return folder


def imported_on_host(checkout: Path) -> str:
    """Where the checkout's virtual environment finds `names`, without the sandbox's PYTHONPATH."""
    command = [checkout / ".venv/bin/python", "-c", "import names; print(names.__file__)"]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, env=BARE_ENVIRON).stdout.strip()


async def started(backend, checkout: Path, folder: Path) -> tuple[Task, object]:
    task = prepare_task(checkout, toy.ISSUE, folder=folder, environ=BARE_ENVIRON)
    return task, await backend.start(task.world(), name="editable", limits=Limits())


@pytest.mark.parametrize("form", ["{}\n", "import sys; sys.path.insert(0, {!r})\n"])
async def test_an_editable_install_of_another_checkout_does_not_reach_the_sandbox(backend, tmp_path, form):
    """It is not shown there, so the repository itself is what is imported."""
    other = fork(tmp_path / "other")
    checkout = with_environment(tmp_path / "repo", form.format(str(other)))
    assert imported_on_host(checkout) == str(other / "names.py"), "the trap is none"
    task, sandbox = await started(backend, checkout, tmp_path / "run")
    try:
        await check(sandbox, task)
        seen = await sandbox.run("cd /tmp && python -c 'import names; print(names.__file__)'")
        assert seen.output.strip() == f"{task.snapshot.at}/names.py"
    finally:
        await sandbox.close()


async def test_an_editable_install_that_the_sandbox_shows_is_refused(backend, tmp_path):
    """`pip install -e git+...` puts other checkouts into the environment, which is part of the sandbox."""
    checkout = tmp_path / "repo"
    inside = checkout / ".venv/src/fork"
    with_environment(checkout, f"import sys; sys.path.insert(0, {str(inside)!r})\n")
    fork(inside)
    task, sandbox = await started(backend, checkout, tmp_path / "run")
    try:
        with pytest.raises(WorldWrong) as caught:
            await check(sandbox, task)
        assert str(inside / "names.py") in str(caught.value)
    finally:
        await sandbox.close()


def state(folder: Path) -> dict[str, object]:
    """Every file and link below, .git's too but for its index, which git itself refreshes."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if (path.is_symlink() or path.is_file()) and path.name != "index"
    }
