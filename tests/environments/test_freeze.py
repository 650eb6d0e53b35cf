"""SAFETY 6 and 18: every kind of repository is frozen as it is, and the user's own is not touched."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from environments import RepositoryError, freeze, repository_name
from environments.safe_git import git


def state(folder: Path):
    """Everything of a folder that a look at it must not change (access times aside)."""
    found = {}
    for at, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(at, name)
            status = os.lstat(path)
            found[path] = (
                status.st_mtime_ns,
                status.st_ctime_ns,
                status.st_ino,
                status.st_size,
                status.st_mode,
            )
    return found


def status(tree):
    return subprocess.run(["git", "status", "--porcelain"], cwd=tree, capture_output=True, text=True).stdout


def test_the_tree_as_it_is(new_repo, tmp_path):
    repo = new_repo({"a.py": "1\n", "gone.py": "x", ".gitignore": "built/\n*.so\n", "run.sh": "#!/bin/sh\n"})
    (repo.folder / "run.sh").chmod(0o755)
    repo.commit()
    (repo.folder / "gone.py").unlink()
    repo.write({"a.py": "2\n", "new file.py": "n", "built/x.o": b"\0\1", "ext.so": b"\x7fELF"})
    repo.write({"staged.so": b"forced in"})
    repo.git("add", "-f", "staged.so")
    before = state(repo.folder)
    shot = freeze(repo.folder, tmp_path / "frozen")
    assert state(repo.folder) == before, "the user's checkout was touched"
    assert status(shot.tree) == ""
    assert shot.files() == (".gitignore", "a.py", "new file.py", "run.sh", "staged.so")
    assert shot.read("a.py") == "2\n" and shot.read("gone.py") is None
    assert (shot.tree / "built/x.o").read_bytes() == b"\0\1" and (shot.tree / "ext.so").exists()
    assert os.access(shot.tree / "run.sh", os.X_OK)
    assert shot.at == str(repo.folder)
    original, frozen = repo.folder / "a.py", shot.tree / "a.py"
    assert original.stat().st_mtime_ns // 10**9 == frozen.stat().st_mtime_ns // 10**9
    original.write_text("later")
    assert shot.read("a.py") == "2\n"


@pytest.mark.parametrize(
    "name",
    [
        b"with space.py",
        b"quo'te\".py",
        b"new\nline.py",
        b"caf\xe9.py",
        "übersicht.py".encode(),
        b"-rf",
        b"*.py",
        b" ",
    ],
)
def test_awkward_file_names(new_repo, tmp_path, name):
    repo = new_repo({"a": "1", name: "content\r\nof it\r\n"})
    clean = freeze(repo.folder, tmp_path / "clean")
    assert clean.head == clean.base
    assert clean.read(os.fsdecode(name)) == "content\r\nof it\r\n"
    repo.write({b"sub/" + name: "new"})
    dirty = freeze(repo.folder, tmp_path / "dirty")
    assert {os.fsdecode(name), "sub/" + os.fsdecode(name)} < set(dirty.files())
    assert status(dirty.tree) == ""


def test_line_ends_stay_whatever_the_attributes_say(new_repo, tmp_path):
    repo = new_repo()
    repo.commit({".gitattributes": "* text=auto\n*.bat text eol=crlf\n", "a.txt": "x\ny\n"})
    repo.write({"b.txt": "1\r\n2\r\n", "c.bat": "echo\r\n", "latin.txt": b"caf\xe9\n"})
    shot = freeze(repo.folder, tmp_path / "frozen")
    assert shot.read("b.txt") == "1\r\n2\r\n" and shot.read("c.bat") == "echo\r\n"
    assert shot.read("latin.txt") is None
    assert git("show", "HEAD:b.txt", git_dir=shot.tree / ".git") == b"1\r\n2\r\n"
    assert status(shot.tree) == ""


def test_nothing_of_the_user_runs(new_repo, tmp_path):
    repo = new_repo({"a.txt": "1\n", ".gitattributes": "*.txt filter=spy diff=spy\n"})
    ran = tmp_path / "ran"
    for key in (
        "filter.spy.clean",
        "filter.spy.smudge",
        "filter.spy.process",
        "diff.spy.textconv",
        "core.fsmonitor",
    ):
        repo.git("config", key, f"touch {ran}; cat")
    repo.git("config", "filter.spy.required", "true")
    repo.git("config", "core.hooksPath", str(tmp_path / "hooks"))
    hook = tmp_path / "hooks/post-index-change"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    repo.write({"a.txt": "2\n", "b.txt": "3\n"})
    ran.unlink(missing_ok=True)
    shot = freeze(repo.folder, tmp_path / "frozen")
    assert not ran.exists() and shot.files() == (".gitattributes", "a.txt", "b.txt")


SECRETS = [".env", ".env.local", "config/prod.env", "server.key", ".npmrc", ".pypirc", ".netrc", "id_rsa", "id_rsa.old",
           "credentials.json", ".aws/config", "deep/.ssh/known", "cert.pem", "secrets.yaml"]  # fmt: skip
HARMLESS = [".env.example", "credentials.py", "public.pem", ".venv/lib/python3.11/site-packages/certifi/cacert.pem",
            ".venv/lib/python3.11/site-packages/botocore/credentials.json", "keys.py", "environment"]  # fmt: skip


@pytest.mark.parametrize("git_knows", ["ignored", "untracked", "no git"])
def test_untracked_secrets_stay_outside(new_repo, plain_folder, tmp_path, git_knows):
    files = {name: "-----BEGIN PRIVATE KEY-----" for name in (*SECRETS, *HARMLESS)}
    files["public.pem"] = "-----BEGIN CERTIFICATE-----"
    if git_knows == "no git":
        repo = plain_folder({**files, "a.py": "1"})
    else:
        repo = new_repo({"a.py": "1", ".gitignore": "*\n" if git_knows == "ignored" else ""}).write(files)
    shot = freeze(repo.folder, tmp_path / "frozen")
    for name in SECRETS:
        assert not (shot.tree / name).exists(), name
    for name in HARMLESS:
        assert (shot.tree / name).exists(), name
    assert any("secrets" in note and ".env" in note for note in shot.notes)


def test_tracked_files_are_no_secrets_and_an_environment_called_env_stays(new_repo, tmp_path):
    repo = new_repo({"tests/server.key": "PRIVATE KEY", ".env": "A=1\n"})
    repo.write({"env/pyvenv.cfg": "home = /usr/bin\n", ".gitignore": "env\n"})
    shot = freeze(repo.folder, tmp_path / "frozen")
    assert {"tests/server.key", ".env"} < set(shot.files()) and (shot.tree / "env/pyvenv.cfg").exists()


def test_links_stay_links_and_odd_files_are_skipped(new_repo, tmp_path):
    repo = new_repo({"a.py": "1", "real/x.py": "2"})
    outside = tmp_path / "outside.py"
    outside.write_text("secret")
    for name, target in {"out.py": outside, "dir": "real", "loop": "loop", "dead": "nowhere"}.items():
        (repo.folder / name).symlink_to(target)
    repo.commit()
    os.mkfifo(repo.folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(repo.folder / "s.sock"))
        shot = freeze(repo.folder, tmp_path / "frozen")
    assert (shot.tree / "out.py").is_symlink() and (shot.tree / "loop").is_symlink()
    assert shot.files() == ("a.py", "real/x.py")
    for path in (
        "out.py",
        "dir/x.py",
        "../outside.py",
        "/etc/passwd",
        ".git/config",
        "loop",
        "real",
        "nothing",
        "",
    ):
        assert shot.read(path) is None, path
    assert any("s.sock" in note and "pipe" in note for note in shot.notes)


def test_a_link_put_in_a_files_place_is_not_followed(new_repo, tmp_path):
    repo = new_repo({"a.py": "1", "d/x.py": "2"})
    shot = freeze(repo.folder, tmp_path / "frozen")
    (tmp_path / "x.py").write_text("outside")
    (shot.tree / "a.py").unlink()
    (shot.tree / "a.py").symlink_to(tmp_path / "x.py")
    (shot.tree / "d/x.py").unlink()
    (shot.tree / "d").rmdir()
    (shot.tree / "d").symlink_to(tmp_path)
    assert shot.read("a.py") is None and shot.read("d/x.py") is None


def test_submodules_are_plain_files(new_repo, tmp_path):
    inner = new_repo({"lib.py": "inner", "test.key": "tracked in the submodule"}, name="inner")
    outer = new_repo({"a.py": "1"})
    outer.git("submodule", "--quiet", "add", str(inner.folder), "sub")
    outer.commit()
    shot = freeze(outer.folder, tmp_path / "frozen")
    assert {"sub/lib.py", "sub/test.key", "a.py"} <= set(shot.files())
    assert not (shot.tree / "sub/.git").exists() and status(shot.tree) == ""
    outer.git("submodule", "--quiet", "deinit", "-f", "sub")
    empty = freeze(outer.folder, tmp_path / "empty")
    assert empty.head == empty.base and "sub" not in empty.files() and status(empty.tree) == ""


def test_a_repository_inside_without_being_a_submodule(new_repo, tmp_path):
    outer = new_repo({"a.py": "1"})
    new_repo({"b.py": "2"}, name="project/vendored")
    shot = freeze(outer.folder, tmp_path / "frozen")
    assert "vendored/b.py" in shot.files() and not (shot.tree / "vendored/.git").exists()


def test_lfs_pointers_are_named(new_repo, tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12\n"
    repo = new_repo({".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "data.bin": pointer})
    shot = freeze(repo.folder, tmp_path / "frozen")
    assert shot.read("data.bin") == pointer and any("1 file(s) are Git LFS" in note for note in shot.notes)


def test_folder_inside_bare_url_detached_and_commit(new_repo, tmp_path):
    repo = new_repo({"src/a.py": "1", "b": "2"})
    first = repo.git("rev-parse", "HEAD")
    second = repo.commit({"b": "3"})
    inside = freeze(repo.folder / "src", tmp_path / "inside")
    assert inside.at == str(repo.folder) and "b" in inside.files() and "taken whole" in inside.notes[0]
    repo.git("clone", "-q", "--bare", str(repo.folder), str(tmp_path / "pro.git"))
    bare = freeze(tmp_path / "pro.git", tmp_path / "bare")
    assert bare.read("b") == "3" and bare.at == "/workspace/pro" and status(bare.tree) == ""
    old = freeze(tmp_path / "pro.git", tmp_path / "old", commit=first, at="/testbed")
    assert old.read("b") == "2" and old.base == old.head == first and old.at == "/testbed"
    url = freeze(f"file://{repo.folder}", tmp_path / "url", clone_into=tmp_path / "clone")
    assert url.base == second and url.at == "/workspace/project"
    repo.git("checkout", "-q", "--detach", first)
    assert freeze(repo.folder, tmp_path / "detached").base == first


def test_folders_without_a_commit(new_repo, plain_folder, tmp_path):
    empty = new_repo().write({"a.py": "1", ".venv/x": "i", ".gitignore": ".venv\n"})
    shot = freeze(empty.folder, tmp_path / "one")
    assert shot.base == "" and shot.files() == (".gitignore", "a.py") and (shot.tree / ".venv/x").exists()
    sdist = plain_folder({"pkg/a.py": "1", "pkg.egg-info/SOURCES.txt": "x", "pkg/__pycache__/a.pyc": b"\0"})
    shot = freeze(sdist.folder, tmp_path / "two")
    assert shot.base == "" and shot.files() == ("pkg/a.py",) and status(shot.tree) == ""
    inside = new_repo({"a": "1"}, name="home")
    (inside.folder / "download").mkdir()
    (inside.folder / "download/b.py").write_text("2")
    shot = freeze(inside.folder / "download", tmp_path / "three")
    assert shot.files() == ("b.py",) and shot.at.endswith("download")
    nothing = plain_folder({}, name="nothing")
    assert freeze(nothing.folder, tmp_path / "four").files() == ()


def test_the_users_own_ignores_hold_in_the_copy(new_repo, tmp_path, monkeypatch):
    (tmp_path / "config/git").mkdir(parents=True)
    (tmp_path / "config/git/ignore").write_text("mine/\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    repo = new_repo({"a": "1"}).write({"mine/x": "1", "local/y": "2", "z": "3"})
    (repo.folder / ".git/info/exclude").write_text("local/")
    shot = freeze(repo.folder, tmp_path / "frozen")
    assert shot.files() == ("a", "z") and (shot.tree / "mine/x").exists() and status(shot.tree) == ""


def test_a_hooks_environment_leads_nowhere_else(new_repo, tmp_path, monkeypatch):
    other = new_repo({"other": "1"}, name="other")
    repo = new_repo({"a": "1"})
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git/index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    before = state(other.folder)
    assert freeze(repo.folder, tmp_path / "frozen").files() == ("a",)
    assert state(other.folder) == before


def test_large_untracked_data_is_there_but_no_part_of_patches(new_repo, tmp_path):
    repo = new_repo({"a": "1"})
    with open(repo.folder / "big [data].bin", "wb") as file:
        file.truncate(21 * 2**20)
    shot = freeze(repo.folder, tmp_path / "frozen")
    assert shot.files() == ("a",) and (shot.tree / "big [data].bin").exists() and status(shot.tree) == ""


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("missing", "does not exist"),
        ("file.txt", "is a file"),
        ("https://127.0.0.1:9/x.git", "cannot be cloned"),
    ],
)
def test_what_a_user_can_get_wrong_is_a_sentence(tmp_path, source, word):
    (tmp_path / "file.txt").write_text("x")
    where = source if "://" in source else tmp_path / source
    with pytest.raises(RepositoryError, match=word) as told:
        freeze(where, tmp_path / "frozen", clone_into=tmp_path / "clone")
    assert "\n" not in str(told.value)


def test_passwords_in_urls_are_not_repeated(tmp_path):
    with pytest.raises(RepositoryError) as told:
        freeze("https://user:hunter2@127.0.0.1:9/x.git", tmp_path / "frozen", clone_into=tmp_path / "clone")
    assert "hunter2" not in str(told.value)


def test_a_folder_that_is_not_empty_is_refused(new_repo, tmp_path):
    repo = new_repo({"a": "1"})
    with pytest.raises(RepositoryError, match="not empty"):
        freeze(repo.folder, repo.folder)
    shot = freeze(repo.folder, repo.folder / ".winnow/tree")  # inside the checkout: not copied into itself
    assert shot.files() == ("a",)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://github.com/psf/requests.git", "requests"),
        ("git@host:a/b.git", "b"),
        ("/tmp/my proj/", "my-proj"),
    ],
)
def test_names(source, name):
    assert repository_name(source) == name
