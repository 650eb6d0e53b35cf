"""What a sandbox's working tree became: every kind of change comes back as a patch, and nothing that is no change."""

import pytest

from environments import Recipe, Task, changes_of, freeze, working_tree
from sandbox import Limits, open_backend

pytestmark = pytest.mark.overlay

FILES = {
    "a.py": "one\ntwo\n",
    "run.sh": "#!/bin/sh\n",
    "sub dir/x y.txt": "x\n",
    "gone.txt": "y\n",
    "data.bin": b"\x00\x01",
    ".gitignore": "*.log\nbuild/\n",
}


@pytest.fixture
async def world(repo_at, tmp_path):
    """(the snapshot, a sandbox of it)"""
    repo = repo_at(tmp_path / "project")
    repo.write(FILES)
    (repo.folder / "run.sh").chmod(0o755)
    repo.commit()
    snapshot = freeze(repo.folder, tmp_path / "frozen", at="/home/dev/pro ject")
    backend = open_backend("overlay", run=f"tree-{tmp_path.name}", state=tmp_path / "state")
    task = Task("t", "an issue", snapshot, Recipe())
    yield snapshot, await backend.start(task.world(), name="base", limits=Limits())
    await backend.close()


async def changed(world, command, **options):
    """(what the patch of the working tree makes of the repository, the notes) after a command."""
    snapshot, sandbox = world
    result = await sandbox.run(command)
    assert result.exit_code == 0, result.output
    tree = await working_tree(sandbox, snapshot, **options)
    return changes_of(snapshot.tree, tree.patch(snapshot)), tree.notes


async def test_every_kind_of_change(world):
    changes, notes = await changed(
        world,
        """printf 'one\\nTWO\\n' > a.py; chmod +x a.py; chmod -x run.sh; rm gone.txt; printf '\\0\\377' > data.bin
        echo z > 'sub dir/x y.txt'; mkdir new; printf 'caf\\351' > new/lätin.txt; cp /bin/true 'new/a "tool"'
        : > new/empty; echo no > a.log; mkdir build; echo no > build/x""",
    )
    found = {path: (change.content and change.content[:9], change.mode) for path, change in changes.items()}
    tool = found.pop('new/a "tool"')
    assert tool[1] == 0o755 and tool[0].startswith(b"\x7fELF")
    assert found == {
        "a.py": (b"one\nTWO\n", 0o755),
        "run.sh": (b"#!/bin/sh", 0o644),
        "gone.txt": (None, 0o644),
        "data.bin": (b"\x00\xff", 0o644),
        "sub dir/x y.txt": (b"z\n", 0o644),
        "new/lätin.txt": (b"caf\xe9", 0o644),
        "new/empty": (b"", 0o644),
    }
    assert notes == ()


@pytest.mark.parametrize(
    "hostile",
    [
        "git add -A; git -c user.name=a -c user.email=b@c commit -qm done; git checkout -q --detach",
        "git config diff.external 'echo pwned'; git config core.fsmonitor /bin/false; git config core.pager false",
        "printf '*.py diff=x filter=x\\n' > .git/info/attributes; git config filter.x.clean 'tr a-z A-Z'",
        "touch .git/index.lock; git update-index --assume-unchanged a.py 2>/dev/null || true",
    ],
)
async def test_what_is_done_to_git_in_the_sandbox_has_no_say(world, hostile):
    changes, _ = await changed(world, f"echo three >> a.py; {hostile}")
    assert {path: change.content for path, change in changes.items()} == {"a.py": b"one\ntwo\nthree\n"}


async def test_nothing_changed_is_no_patch(world):
    snapshot, sandbox = world
    assert (await working_tree(sandbox, snapshot)).patch(snapshot) == ""
    assert await changed(world, "touch a.py; echo 1 > x.log; mkdir empty") == ({}, ())


async def test_names_that_are_no_utf8_and_masses_of_bytes_are_named_and_left_out(world):
    changes, notes = await changed(
        world,
        "echo 1 > \"$(printf 'caf\\351')\"; echo 2 > \"$(printf 'a\\nb')\"; "
        "for i in 0 1 2 3 4 5 6 7 8; do head -c 4000000 /dev/zero > z$i; done",
    )
    assert sorted(changes) == ["a\nb", *(f"z{i}" for i in range(8))]
    assert "'caf\\udce9' is left out" in notes[0] and "z8 and what comes before" in notes[1]


async def test_links_repositories_and_large_files_are_named_and_left_out(world):
    changes, notes = await changed(
        world,
        "ln -s /etc/passwd link; rm a.py; ln -s run.sh a.py; mkdir in; cd in; git init -q .; "
        "git -c user.name=a -c user.email=b@c commit -q --allow-empty -m x; cd ..; head -c 5000000 /dev/zero > big",
    )
    assert changes == {}
    assert sorted(note.split(":")[0] for note in notes) == ["a.py", "big", "in", "link"]


async def test_named_scratch_files_are_left_out_but_never_a_file_of_the_repository(world):
    changes, _ = await changed(
        world,
        "mkdir -p scratch/deep; echo 1 > scratch/deep/x; echo 1 > try_1.py; echo 1 > keep.py; echo 1 > a.py",
        without=("scratch", "try_*.py", "a.py"),
    )
    assert sorted(changes) == ["a.py", "keep.py"]


@pytest.mark.parametrize("how", ["rm -rf .git", "echo broken > .git/HEAD; rm -rf .git/objects"])
async def test_without_git_what_the_editor_wrote_is_kept(world, how):
    changes, notes = await changed(
        world, f"echo 1 > a.py; echo 2 > b.py; {how}", known=("a.py", "b.py", "never.py")
    )
    assert sorted(changes) == ["a.py", "b.py"] and "git does not work" in notes[0]


async def test_thousands_of_new_files_are_no_patch(world):
    changes, notes = await changed(
        world,
        "mkdir many; cd many; seq 2500 | while read i; do : > f$i; done; cd ..; echo 3 > a.py; echo 1 > b.py",
        known=("b.py",),
    )
    assert sorted(changes) == ["a.py", "b.py"] and "2000 new files" in notes[0]


async def test_a_folder_in_a_files_place_is_named(world):
    changes, notes = await changed(world, "rm gone.txt; mkdir gone.txt; echo 1 > gone.txt/x; echo 2 > a.py")
    assert changes["a.py"].content == b"2\n" and "gone.txt/x" in notes[0]


PRINTED = {
    "nothing": "",
    "no base64": "hello",
    "half a line": "x" + chr(0) + "a.py" + chr(0),
    "no mode": ":100644" + chr(0) + "a.py" + chr(0),
    "odd modes": ":100644 10064x 0 0 M" + chr(0) + "a.py" + chr(0),
    "a path outside": ":100644 100644 aaaa bbbb M" + chr(0) + "../../../etc/hostname" + chr(0),
    "an absolute path": ":100644 100644 aaaa bbbb M" + chr(0) + "/etc/hostname" + chr(0),
    "git's own files": ":000000 100644 0000 bbbb A" + chr(0) + ".git/config" + chr(0),
    "no path": ":000000 100644 0000 bbbb A" + chr(0) + chr(0),
    "the process's own memory": ":000000 100644 0000 bbbb A" + chr(0) + "../../../proc/self/mem" + chr(0),
}


@pytest.mark.parametrize("kind", PRINTED)
async def test_a_git_of_the_sandbox_that_says_anything_is_no_crash(repo_at, tmp_path, kind):
    """An attempt can put a program of this name first in PATH: what it prints is data of the sandbox (SAFETY 22)."""
    repo = repo_at(tmp_path / "project")
    repo.commit(FILES)
    snapshot = freeze(repo.folder, tmp_path / "frozen", at="/project")
    backend = open_backend("overlay", run=f"tree-{tmp_path.name}", state=tmp_path / "state")
    path = "/project/bin:/usr/local/bin:/usr/bin:/bin"
    try:
        task = Task("t", "an issue", snapshot, Recipe(env={"PATH": path}))
        sandbox = await backend.start(task.world(), name="base", limits=Limits())
        await sandbox.write("/project/said", PRINTED[kind].encode())
        script = "#!/bin/sh\ncase $* in *diff-index*) cat /project/said;; esac\n"
        await sandbox.write("/project/bin/git", script.encode(), 0o755)
        tree = await working_tree(sandbox, snapshot)
    finally:
        await backend.close()
    assert set(tree.changes) <= {"a.py"}
