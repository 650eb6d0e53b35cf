"""Archives of strangers: nothing outside changes, whatever they say, and the memory stays small (SAFETY 21, 28)."""

import io
import os
import subprocess
import sys
import tarfile
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.extraction import Terms, WrongArchive, extract

BUILD = Terms(replace=True)
ROOT = Terms(owners=True)


def archive(members, end=True):
    """A tar stream of (name, kind, link or content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, kind, more in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, 0o4755
            if kind == tarfile.REGTYPE:
                member.size = len(more)
                tar.addfile(member, io.BytesIO(more))
            else:
                member.linkname = more
                tar.addfile(member)
    content = buffer.getvalue()
    return io.BytesIO(content if end else content[: content.rindex(b"\0" * 1024)].rstrip(b"\0"))


def state(folder):
    """All that a folder holds, with inodes, modes and contents."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            about = os.lstat(path)
            content = open(path, "rb").read() if os.path.isfile(path) and not os.path.islink(path) else b""
            found[path] = (about.st_ino, about.st_mode, about.st_nlink, content)
    return found


names = st.lists(st.sampled_from(["a", "b", "..", ".", "", "out", "safe"]), min_size=1, max_size=3).map(
    "/".join
)
kinds = st.one_of(
    st.tuples(st.just(tarfile.REGTYPE), st.sampled_from([b"", b"evil"])),
    st.tuples(st.just(tarfile.DIRTYPE), st.just("")),
    st.tuples(
        st.sampled_from([tarfile.SYMTYPE, tarfile.LNKTYPE]),
        st.sampled_from(["OUT", "OUT/safe", "a", "b", "../out", "../out/safe", "a/safe", "..", "/"]),
    ),
    st.tuples(st.sampled_from([tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE]), st.just("")),
)
members = st.lists(st.tuples(st.booleans(), names, kinds), max_size=8)


@given(members, st.sampled_from([BUILD, ROOT]))
def test_nothing_outside_changes_whatever_the_archive_says(tmp_path_factory, made, terms):
    top = tmp_path_factory.mktemp("unpack")
    out, into = top / "out", top / "in"
    out.mkdir()
    (out / "safe").write_text("safe")
    into.mkdir()
    (into / "b").symlink_to(out)  # a link that was there before
    os.link(out / "safe", into / "a")  # a file that is shared with another layer
    before = state(out)
    lines = [
        (
            f"{out}/{name}" if absolute else name,
            kind,
            more.replace("OUT", str(out)) if isinstance(more, str) else more,
        )
        for absolute, name, (kind, more) in made
    ]
    try:
        extract(archive(lines), into, terms)
    except (WrongArchive, OSError):
        pass
    after = state(out)
    shared = str(out / "safe")
    assert {path: about[:2] + about[3:] for path, about in after.items()} == {
        path: about[:2] + about[3:] for path, about in before.items()
    }
    assert after[shared][2] <= before[shared][2] + sum(kind == tarfile.LNKTYPE for _, _, (kind, _) in made)
    assert sorted(os.listdir(top)) == ["in", "out"]
    for parent, _, files in os.walk(into):
        for name in files:
            mode = os.lstat(os.path.join(parent, name)).st_mode
            assert (mode >> 12) in (0o10, 0o12), "plain files and links only"


def test_a_link_that_a_folder_replaced_is_not_followed(tmp_path):
    """As `setup.py` leaves it: the link of the repository is a folder now, with a file in it."""
    out, into = tmp_path / "out", tmp_path / "in"
    out.mkdir(), into.mkdir()
    (into / "data").symlink_to(out)
    with pytest.raises(WrongArchive, match="which is no folder"):
        extract(archive([("./data/cron", tarfile.REGTYPE, b"evil")]), into, BUILD)
    extract(archive([("./data", tarfile.DIRTYPE, ""), ("./data/cron", tarfile.REGTYPE, b"x")]), into, BUILD)
    assert (
        os.listdir(out) == []
        and (into / "data/cron").read_bytes() == b"x"
        and not (into / "data").is_symlink()
    )


@pytest.mark.parametrize("name", ["../planted", "a/../../planted", "OUT/planted"])
def test_no_path_leads_out(tmp_path, name):
    out, into = tmp_path / "out", tmp_path / "in"
    out.mkdir(), into.mkdir()
    content = archive([(name.replace("OUT", str(out)), tarfile.REGTYPE, b"evil")])
    with pytest.raises(WrongArchive, match="leaves it"):
        extract(content, into, BUILD)
    assert not [path for path in tmp_path.rglob("planted")]


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_no_pipe_and_no_device_is_made(tmp_path, kind):
    extract(archive([("one", kind, ""), ("file", tarfile.REGTYPE, b"x")]), tmp_path, ROOT)
    assert os.listdir(tmp_path) == ["file"]


def test_a_hard_link_to_a_link_is_a_link_again(tmp_path):
    (tmp_path / "key").write_text("secret")
    (tmp_path / "in").mkdir()
    for terms in (BUILD, ROOT):
        made = [(f"l{terms.owners}", tarfile.SYMTYPE, str(tmp_path / "key"))]
        made += [(f"h{terms.owners}", tarfile.LNKTYPE, made[0][0])]
        extract(archive(made), tmp_path / "in", terms)
    assert all(path.is_symlink() for path in (tmp_path / "in").iterdir())
    assert (tmp_path / "key").stat().st_nlink == 1


def test_what_a_virtual_environment_has_comes_as_it_was(tmp_path):
    made = [
        ("./bin", tarfile.DIRTYPE, ""),
        ("./bin/python", tarfile.SYMTYPE, "/usr/bin/python3"),
        ("./bin/python3", tarfile.SYMTYPE, "python"),
        ("./lib64", tarfile.SYMTYPE, "lib"),
        ("./lib/a name\nof two lines", tarfile.REGTYPE, b"1"),
        ("./lib/" + "long/" * 60 + "x", tarfile.REGTYPE, b"2"),
        ("./lib/\udce9", tarfile.REGTYPE, b"3"),
        ("./lib/same", tarfile.LNKTYPE, "./lib/\udce9"),
    ]
    extract(archive(made), tmp_path, BUILD)
    assert (
        os.readlink(tmp_path / "bin/python") == "/usr/bin/python3"
        and os.readlink(tmp_path / "lib64") == "lib"
    )
    assert (tmp_path / "lib/a name\nof two lines").read_text() == "1"
    assert (tmp_path / ("lib/" + "long/" * 60 + "x")).read_text() == "2"
    assert (tmp_path / "lib/same").stat().st_ino == (tmp_path / "lib/\udce9").stat().st_ino
    assert (tmp_path / "lib/\udce9").stat().st_mode & 0o7777 == 0o755, "no set-user-id"


def test_a_shared_file_keeps_its_content_and_its_mode(tmp_path):
    (tmp_path / "layer").write_text("frozen")
    (tmp_path / "layer").chmod(0o444)
    into = tmp_path / "in"
    into.mkdir()
    os.link(tmp_path / "layer", into / "f")
    extract(archive([("f", tarfile.REGTYPE, b"changed")]), into, BUILD)
    assert (into / "f").read_text() == "changed" and (tmp_path / "layer").read_text() == "frozen"
    assert (tmp_path / "layer").stat().st_mode & 0o777 == 0o444


def test_only_what_was_asked_for_comes(tmp_path):
    terms = Terms(replace=True, accept={"built.so"}.__contains__)
    extract(archive([("./built.so", tarfile.REGTYPE, b"1")]), tmp_path, terms)
    for name in ("./conftest.py", "./.git/config", "./built.so/x"):
        with pytest.raises(WrongArchive):
            extract(archive([(name, tarfile.REGTYPE, b"1")]), tmp_path, terms)
    assert os.listdir(tmp_path) == ["built.so"]


@pytest.mark.parametrize("cut", [1, 400, 512, 700, 1500])
def test_an_archive_that_breaks_off_is_not_taken_for_a_whole_one(tmp_path, cut):
    whole = archive([("a", tarfile.REGTYPE, b"x" * 300), ("b", tarfile.REGTYPE, b"y")]).getvalue()
    with pytest.raises(WrongArchive):
        extract(io.BytesIO(whole[:cut]), tmp_path, BUILD)
    with pytest.raises(WrongArchive):
        extract(io.BytesIO(whole[:1024] + b"\1" * 512 + whole[1024:]), tmp_path, BUILD)


def header(name, kind, size, more=b""):
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return bytearray(member.tobuf(tarfile.GNU_FORMAT)) + more


BOMBS = {
    "a name of a gigabyte": header("x", tarfile.GNUTYPE_LONGNAME, 1 << 30),
    "a link of a gigabyte": header("x", tarfile.GNUTYPE_LONGLINK, 1 << 30),
    "an extended header of a gigabyte": header("x", tarfile.XHDTYPE, 1 << 30),
    "a global header of a gigabyte": header("x", tarfile.XGLTYPE, 1 << 30),
}


@pytest.mark.parametrize(
    "kind", [*BOMBS, "a million members", "many global headers", "an endless sparse map"]
)
def test_memory_and_disk_are_bounded(tmp_path, kind):
    """In a process of its own, which may have little more memory than Python takes."""
    script = """
    import resource, sys, tarfile
    from sandbox.extraction import Terms, WrongArchive, extract
    from test_extraction import BOMBS, Endless
    kind, into = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))  # what has no bound shall not take the whole machine
    resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        extract(Endless(kind), into, Terms(replace=True, most_members=100_000, most_bytes=1 << 20))
    except WrongArchive as error:
        print(error)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    folders = os.pathsep.join((os.path.dirname(__file__), *sys.path))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), kind, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": folders},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    *said, grown = done.stdout.splitlines()
    assert len(said) == 1 and "not unpacked" in said[0]
    assert int(grown) < 24 * 1024, "kilobytes"


class Endless:
    """A stream that begins with an attack and does not end."""

    def __init__(self, kind):
        pipe = tarfile.TarInfo("p")
        pipe.type = tarfile.FIFOTYPE
        pax = b"".join(b"%d k%03d=%s\n" % (len(b"0000 k000=\n") + 1000, n, b"v" * 1000) for n in range(60))
        sparse = header("s", tarfile.GNUTYPE_SPARSE, 0)
        sparse[482] = 1
        extended = (b"%011o\0" % 0) * 42 + b"\1" + bytes(7)
        self._first, self._rest = {
            "a million members": (b"", bytes(pipe.tobuf(tarfile.GNU_FORMAT))),
            "many global headers": (
                b"",
                bytes(header("g", tarfile.XGLTYPE, 1 << 16)) + pax.ljust(1 << 16, b"\0"),
            ),
            "an endless sparse map": (bytes(sparse), extended),
        }.get(kind, (bytes(BOMBS.get(kind, b"")), b"a" * 512))
        self._held = self._first

    def read(self, size):
        while len(self._held) < size:
            self._held += self._rest * (1 + size // len(self._rest))
        piece, self._held = self._held[:size], self._held[size:]
        return piece


def test_a_sparse_file_counts_as_large_as_it_says(tmp_path):
    made = header("s", tarfile.GNUTYPE_SPARSE, 0)
    made[483:495] = b"%011o\0" % (1 << 28)
    total = sum(made[:148]) + sum(made[156:512]) + 8 * 32
    made[148:156] = b"%06o\0 " % total
    with pytest.raises(WrongArchive):
        extract(io.BytesIO(bytes(made) + bytes(1024)), tmp_path, Terms(replace=True, most_bytes=1 << 20))
    assert os.listdir(tmp_path) == []
