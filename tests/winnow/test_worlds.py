"""Less travelled ways to start: a set-up, an image, a Dockerfile, a URL, another language, and what kills leave."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import toy
from programs import needs
from small_image import remove_images, small_image, small_rootfs
from toy_server import ToyServer
from waiting import wait_until

from store import open_store

BACKENDS = [
    pytest.param("overlay", marks=pytest.mark.overlay),
    pytest.param("docker", marks=pytest.mark.docker),
]
pytestmark = pytest.mark.xdist_group("clean")


def answers(test: str, path: str, old: str, new: str) -> Callable[[str, list[dict]], str]:
    """A model that writes this test and this edit, and approves of both."""

    def reply(step: str, messages: list[dict]) -> str:
        branch, index = step.split("/")[1], int(step.rsplit("/", 1)[1])
        if index > 0:
            return "So it is.\n\n<<<<< DONE\n"
        if branch == "testing":
            return f"Try it.\n\n<<<<< TEST\n{test}>>>>> END\n"
        assert branch == "editing", f"an unexpected question: {step}"
        return f"Like so.\n\n<<<<< EDIT {path}\n===== FIND\n{old}\n===== REPLACE\n{new}\n>>>>> END\n"

    return reply


IMPORTS = "python3 -c 'import names'"
"""Existing tests that take no time, where they are not what a test is about."""


def solve(home, source, reply, *words: str, sandbox: str = "overlay", tests: str | None = IMPORTS):
    if tests:
        words = (*words, "--test-command", tests)
    with ToyServer(reply=reply) as server:
        done = home.run(
            "solve", str(source), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
            "--attempts", "1", "--sandbox", sandbox, "--json", *words,
        )  # fmt: skip
        return done, server.steps


def chosen_with_a_vote(done) -> dict:
    """The result of a run whose only candidate passed its test, which had failed on the unfixed code."""
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert [c["votes"] for c in told["candidates"]] == [1], done.stdout
    return told


# --- a set-up -----------------------------------------------------------------------------------------------------

PREPARED = """#!/usr/bin/env python3
import os, sys, urllib.request
assert open("build/made.txt").read() == "built\\n"
assert open(os.path.expanduser("~/made.txt")).read() == "at home\\n"
assert open("build/fetched.txt").read() == "from the network"
try:
    urllib.request.urlopen("{url}", timeout=3)
    sys.exit("an attempt has a network")
except OSError:
    pass
from names import join_names
sys.exit(0 if join_names(["Ann", "Bob"]) == "Ann and Bob" else 2)
"""
SETUP = """set -e; mkdir -p build; echo built >build/made.txt; echo at home >~/made.txt
python3 -c "import urllib.request as u; print(u.urlopen('{url}').read().decode(), end='')" >build/fetched.txt
if touch /usr/made; then exit 7; fi
"""


@pytest.mark.parametrize("sandbox", BACKENDS)
def test_what_a_setup_made_is_there_for_attempts_but_not_its_network(home, tmp_path, httpserver, sandbox):
    checkout = toy.make_repository(tmp_path / "repo")
    (checkout / ".gitignore").write_text("/build/\n")
    httpserver.expect_request("/data").respond_with_data("from the network")
    url = httpserver.url_for("/data")
    reply = answers(PREPARED.format(url=url), "names.py", toy.OLD, toy.RIGHT)
    words = ("--setup", SETUP.format(url=url), "--build-network", "host")
    done, _ = solve(home, checkout, reply, *words, sandbox=sandbox)
    assert "the build has the host's network (--build-network host)" in " ".join(done.stderr.split())
    report = home.run("report", json.loads(done.stdout)["run"])
    assert "Builds reached the host's network besides the package index" in " ".join(report.stdout.split())
    assert "build/" not in chosen_with_a_vote(done)["patch"]
    assert len(httpserver.log) == 1, "the set-up alone has a network"
    assert not (checkout / "build").exists() and not Path("/usr/made").exists()


@pytest.mark.overlay
def test_a_failing_setup_is_a_sentence_with_its_last_words(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    reply = answers(PREPARED, "names.py", toy.OLD, toy.RIGHT)
    done, _ = solve(home, checkout, reply, "--setup", "echo first; echo the reason; exit 3")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "exit code 3" in done.stderr and "the reason" in done.stderr and "Traceback" not in done.stderr
    assert not [path for path in (home.folder / "sandboxes").rglob("*") if path.is_file()]


MADE_BY_SETUP = """#!/usr/bin/env python3
import os, sys
assert sys.prefix == os.path.abspath(".venv"), sys.prefix
import helper, names
assert names.__file__ == os.path.abspath("names.py"), names.__file__
sys.exit(0 if names.join_names(["Ann", "Bob"]) == "Ann and Bob" else 2)
"""


@pytest.mark.overlay
def test_a_virtual_environment_that_the_setup_makes_is_the_one_that_is_used(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    (checkout / ".gitignore").write_text(".venv\n")
    setup = (
        "python3 -m venv --without-pip .venv && echo x=1 >$(echo .venv/lib/python3*/site-packages)/helper.py"
    )
    reply = answers(MADE_BY_SETUP, "names.py", toy.OLD, toy.RIGHT)
    done, _ = solve(home, checkout, reply, "--setup", setup)
    chosen_with_a_vote(done)
    assert "the set-up script makes it" in done.stderr


# --- an image, and a repository without Python ----------------------------------------------------------------------

GREET = '#!/bin/sh\n# Greets by name.\necho "Hello $2"\n'
GREET_TESTS = '#!/bin/sh\n[ "$(sh greet.sh a Ann)" = "Hello Ann" ] && echo "ok, and \'quoted\'"\n'
GREET_RUN = "sh tests/run.sh"
GREET_CHECK = """#!/bin/sh
[ "$(pwd)" = "{at}" ] || { echo "this is $(pwd)"; exit 1; }
[ "$SAID_BY" = image ] || exit 1
if command -v git || command -v python3; then exit 1; fi
[ -f /made-by-image ] || exit 1
{more}
grep -q later .git/HEAD && exit 1
[ "$(sh greet.sh Ann)" = "Hello Ann" ] || exit 2
"""
GREET_OLD, GREET_NEW = 'echo "Hello $2"', 'for name; do last=$name; done\necho "Hello $last"'


@pytest.fixture(scope="module")
def image():
    """An image that has the repository, its history of later and something built, at /srv/code."""
    files = {
        "/made-by-image": "x",
        "/srv/code/greet.sh": "an older state",
        "/srv/code/run.sh": "an older state",
        "/srv/code/tests/run.sh": "an older state",
        "/srv/code/built.txt": "built in the image",
        "/srv/code/.git/HEAD": "ref: refs/heads/later",
        "/srv/code/.git/later": "the fix",
    }
    with small_image(files, "/srv/code") as name:
        yield name


@pytest.fixture
def greeting(tmp_path) -> Path:
    folder = tmp_path / "greet"
    (folder / "tests").mkdir(parents=True)
    (folder / "greet.sh").write_text(GREET)
    (folder / "tests/run.sh").write_text(GREET_TESTS)
    (folder / ".gitignore").write_text("built.txt\n")
    toy.git(folder, "init", "-q")
    toy.git(folder, "add", ".")
    toy.git(folder, "commit", "-q", "-m", "all")
    return folder


def check_at(at: str, more: str = "true") -> str:
    return GREET_CHECK.replace("{at}", at).replace("{more}", more)


@pytest.mark.docker
@pytest.mark.parametrize("sandbox", BACKENDS)
def test_an_image_that_has_the_repository_shows_ours_in_its_place(home, greeting, image, sandbox):
    """Not Python-only, no git inside, and what was built in the image stays while its history goes."""
    more = '[ "$(cat built.txt)" = "built in the image" ] && [ ! -e .git/later ] || exit 1'
    reply = answers(check_at("/srv/code", more), "greet.sh", GREET_OLD, GREET_NEW)
    words = ("--image", image, "--apply")
    done, _ = solve(home, greeting, reply, *words, sandbox=sandbox, tests=GREET_RUN)
    chosen_with_a_vote(done)
    assert "is shown at /srv/code" in done.stderr and "no test command" not in done.stderr
    assert GREET_NEW in (greeting / "greet.sh").read_text() and not (greeting / "built.txt").exists()


@pytest.mark.docker
def test_a_dockerfile_is_built_from_the_frozen_tree(home, greeting, image):
    mark = f"winnow.test.{secrets.token_hex(4)}"
    (greeting / ".env").write_text("TOKEN=hunter2")
    (greeting / "Dockerfile").write_text(
        f"FROM {image}\nLABEL {mark}=\nWORKDIR /opt/app\nCOPY . .\nRUN echo built >built.txt; [ ! -e .env ]\n"
    )
    more = '[ "$(cat built.txt)" = built ] || exit 1'
    reply = answers(check_at("/opt/app", more), "greet.sh", GREET_OLD, GREET_NEW)
    words = ("--dockerfile", str(greeting / "Dockerfile"))
    try:
        done, _ = solve(home, greeting, reply, *words, sandbox="docker", tests=GREET_RUN)
        chosen_with_a_vote(done)
    finally:
        remove_images(mark)  # what is built from a Dockerfile is kept for the next run


@pytest.mark.docker
def test_a_broken_dockerfile_and_an_unknown_image_are_sentences(home, greeting):
    (greeting / "Dockerfile").write_text("FROM scratch\nNONSENSE\n")
    reply = answers("", "", "", "")
    done, steps = solve(home, greeting, reply, "--dockerfile", str(greeting / "Dockerfile"))
    assert done.returncode == 2 and "NONSENSE" in done.stderr and "Traceback" not in done.stderr
    done, more = solve(home, greeting, reply, "--image", "No Image:1")
    assert done.returncode == 2 and "no name of an image" in done.stderr, done.stderr
    done, _ = solve(home, greeting, reply, "--image", "localhost:9/none/such:1")
    assert done.returncode == 3 and "cannot be pulled" in done.stderr, done.stderr
    assert steps == more == [] and not list((home.folder / "worlds").iterdir()), "what was frozen stays"


@pytest.mark.parametrize("sandbox", BACKENDS)
def test_a_folder_with_a_root_file_system_needs_no_registry(home, greeting, tmp_path, sandbox):
    root = small_rootfs(tmp_path / "root", {"/made-by-image": "x"})
    check = check_at(str(greeting)).replace('[ "$SAID_BY" = image ] || exit 1\n', "")
    reply = answers(check, "greet.sh", GREET_OLD, GREET_NEW)
    done, _ = solve(home, greeting, reply, "--rootfs", str(root), sandbox=sandbox, tests=GREET_RUN)
    chosen_with_a_vote(done)
    assert not list(root.glob("**/greet.sh")), "the folder itself is never written to"
    listed = home.run("images").stdout
    assert ("imported" in listed) == (sandbox == "docker")
    done = home.run("images", "--prune", "--budget", "0")
    assert done.returncode == 0 and "nothing is left" in done.stdout, done.stdout


@pytest.mark.overlay
def test_a_folder_without_a_root_file_system_is_a_sentence(home, greeting, tmp_path):
    for wrong in (tmp_path / "none", greeting):
        done, steps = solve(home, greeting, answers("", "", "", ""), "--rootfs", str(wrong))
        assert done.returncode == 2 and "root file system" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr and steps == []
    done = home.run("solve", str(greeting), "--issue", "x", "--model", "m", "--rootfs", "/", "--image", "x")
    assert done.returncode == 2 and "one of --image, --dockerfile and --rootfs" in done.stderr


@pytest.mark.docker
@pytest.mark.overlay
def test_an_image_without_the_repository_shows_it_at_its_own_path(home, greeting):
    with small_image({"/made-by-image": "x", "/srv/code/else": ""}, "/srv/code") as image:
        reply = answers(check_at(str(greeting)), "greet.sh", GREET_OLD, GREET_NEW)
        done, _ = solve(home, greeting, reply, "--image", image, tests=GREET_RUN)
        chosen_with_a_vote(done)


# --- a URL ----------------------------------------------------------------------------------------------------------

NO_LATER = """#!/usr/bin/env python3
import subprocess, sys
from names import join_names
if subprocess.run(["git", "cat-file", "-e", "{later}"]).returncode == 0:
    sys.exit("the later commit is here")
told = subprocess.run(["git", "log", "--all", "--format=%s"], capture_output=True, text=True, check=True).stdout
assert told.split() == ["second", "first"], told
assert not subprocess.run(["git", "remote"], capture_output=True).stdout
sys.exit(0 if join_names(["Ann", "Bob"]) == "Ann and Bob" else 2)
"""


@pytest.fixture
def bare(tmp_path) -> tuple[Path, str]:
    """A bare repository whose main stands before the fix, which another branch and a tag have."""
    checkout = toy.make_repository(tmp_path / "repo")
    toy.git(checkout, "checkout", "-q", "-b", "later")
    (checkout / "names.py").write_text(toy.SOURCE.replace(toy.OLD, toy.RIGHT))
    toy.git(checkout, "commit", "-q", "-a", "-m", "the-fix")
    toy.git(checkout, "tag", "v2")
    later = toy.git(checkout, "rev-parse", "HEAD").strip()
    toy.git(checkout, "checkout", "-q", "main")
    toy.git(tmp_path, "clone", "-q", "--bare", str(checkout), "names.git")
    return tmp_path / "names.git", later


@pytest.mark.overlay
def test_a_url_is_cloned_up_to_its_head(home, bare):
    reply = answers(NO_LATER.format(later=bare[1]), "names.py", toy.OLD, toy.RIGHT)
    done, _ = solve(home, f"file://{bare[0]}", reply)
    assert toy.RIGHT.strip() in chosen_with_a_vote(done)["patch"]


@pytest.mark.overlay
def test_a_bare_repository_is_solved_and_nothing_can_be_applied_to_it(home, bare):
    reply = answers(NO_LATER.format(later=bare[1]), "names.py", toy.OLD, toy.RIGHT)
    for source in (f"file://{bare[0]}", bare[0]):
        done, steps = solve(home, source, reply, "--apply")
        assert done.returncode == 2 and "--out FILE" in done.stderr and "Traceback" not in done.stderr
        assert steps == []
    chosen_with_a_vote(solve(home, bare[0], reply)[0])


@pytest.mark.overlay
def test_a_folder_inside_a_checkout_gets_its_patch_at_the_top(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    reply = answers(NO_LATER.format(later="0" * 40), "names.py", toy.OLD, toy.RIGHT)
    done, _ = solve(home, checkout / "tests", reply, "--apply")
    chosen_with_a_vote(done)
    assert toy.RIGHT in (checkout / "names.py").read_text()


# --- another language -----------------------------------------------------------------------------------------------

NODE_CHECK = """#!/usr/bin/env node
const { joinNames } = require("./names.js");
process.exit(joinNames(["Ann", "Bob"]) === "Ann and Bob" ? 0 : 2);
"""
NODE = {
    "package.json": '{"name": "names", "version": "1.0.0", "scripts": {"test": "node --test test/"}}',
    "names.js": 'exports.joinNames = (names) => names.slice(0, -1).join(", ");\n',
    "test/names.test.js": 'const test = require("node:test");\ntest("it is a function", () => {\n'
    '  require("node:assert").equal(typeof require("../names.js").joinNames, "function");\n});\n',
}


@pytest.mark.overlay
@needs("node")
def test_a_node_repository_with_what_its_package_json_says(home, tmp_path):
    for name, text in NODE.items():
        (tmp_path / "repo" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "repo" / name).write_text(text)
    old = NODE["names.js"].strip()
    reply = answers(
        NODE_CHECK, "names.js", old, old.replace('join(", ")', 'join(", ") + " and " + names.at(-1)')
    )
    done, _ = solve(home, tmp_path / "repo", reply, tests=None)
    assert "names.at(-1)" in chosen_with_a_vote(done)["patch"]
    assert "package.json's test script runs the tests" in done.stderr
    breaking = answers(NODE_CHECK, "names.js", old, "exports.joined = 1;")
    done, _ = solve(home, tmp_path / "repo", breaking, tests=None)
    assert done.returncode == 1, "it broke an existing test, which node runs\n" + done.stdout + done.stderr


# --- an installation elsewhere --------------------------------------------------------------------------------------


@pytest.mark.overlay
def test_imports_that_lead_elsewhere_end_the_run_before_it_costs(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    site = checkout / ".venv/lib" / f"python3.{sys.version_info[1]}" / "site-packages"
    site.mkdir(parents=True)
    (checkout / ".venv/bin").mkdir()
    (checkout / ".venv/bin/python").symlink_to(sys.base_prefix + "/bin/python3")
    (checkout / ".venv/pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n")
    fork = checkout / ".venv/src/fork"
    fork.mkdir(parents=True)
    (fork / "names.py").write_text("def join_names(names): return 'elsewhere'\n")
    (site / "fork.pth").write_text(f"import sys; sys.path.insert(0, {str(fork)!r})\n")
    done, _ = solve(home, checkout, answers(PREPARED, "names.py", toy.OLD, toy.RIGHT))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "attempts would test code that they do not change" in done.stderr.replace("\n", " ")
    assert str(fork) in done.stderr.replace("\n", "") and "Traceback" not in done.stderr


# --- what a kill leaves ---------------------------------------------------------------------------------------------


def left(sandbox: str, home) -> dict[str, set[str]]:
    """What the runs of this data folder have on the disk or in the engine, by run."""
    if sandbox == "overlay":
        owners = (home.folder / "sandboxes").glob("*/owner")
        return {owner.parent.name: {path.name for path in owner.parent.iterdir()} for owner in owners}
    from sandbox.docker_client import connect

    engine, found = connect(), {}
    with open_store(home.store) as store:
        for run in (row.run for row in store.runs()):
            ours = {"label": [f"winnow.run={run}"]}
            things = (*engine.api.containers(all=True, filters=ours), *engine.api.images(filters=ours))
            if things:
                found[run] = {thing["Id"] for thing in things}
    engine.close()
    return found


@pytest.mark.parametrize("sandbox", BACKENDS)
def test_clean_takes_what_a_killed_run_left_and_nothing_of_a_living_one(home, tmp_path, sandbox):
    checkout = toy.make_repository(tmp_path / "repo")
    gate = threading.Event()

    def waiting(step: str, messages: list[dict]) -> str:
        if step.endswith("testing/1"):  # the first test has run, so there is a sandbox
            gate.wait()
        return toy.reply(step, messages)

    with ToyServer(reply=waiting) as server:
        words = (
            "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
            "--attempts", "1", "--sandbox", sandbox, "--test-command", IMPORTS,
        )  # fmt: skip
        try:
            doomed, living = home.start(*words), home.start(*words)
            wait_until(
                lambda: server.steps.count("attempt-1/testing/1") == 2 or doomed.poll() is not None,
                "both wait",
            )
            assert doomed.poll() is None and living.poll() is None
            os.killpg(doomed.pid, signal.SIGKILL)
            doomed.communicate()
            before = left(sandbox, home)
            assert len(before) == 2, "a killed run leaves its layers"
            cleaned = home.run("clean")
            after = left(sandbox, home)
            [gone] = set(before) - set(after)
            [stays] = after
            assert before[stays] == after[stays]
            assert cleaned.returncode == 0 and gone in cleaned.stdout and stays not in cleaned.stdout
            refused = home.run("clean", stays)
            assert refused.returncode == 2 and str(living.pid) in refused.stderr
            assert left(sandbox, home) == after
            gate.set()
            out, err = living.communicate()
            assert living.returncode == 0, out + err
            assert left(sandbox, home) == {}
        finally:
            gate.set()
            for process in (doomed, living):
                if process.poll() is None:
                    process.kill()
                    process.communicate()
