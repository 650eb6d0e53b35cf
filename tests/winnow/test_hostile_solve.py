"""`winnow solve` where the repository, the model and the tests it writes all try to act on the terminal."""

import re

import pytest
import toy
from hostile_run import BAD, DRAWING, raw
from toy_server import ToyServer

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("solve")]
NAME = "evil\u202e\x1b]52;c;QQ==\x07[nope].txt"


def hostile_reply(step: str, messages: list[dict]) -> str:
    """The toy's reply with hostile words; the patch and the tests' outputs have some too."""
    said = toy.reply(step, messages)
    said = said.replace(toy.RIGHT, toy.RIGHT + "  # \u202eright\u200b")
    said = said.replace("wrong = 0\n", f"wrong = 0\nprint({ascii(BAD)})\n")
    return f"{BAD}\n\n{said}" if "WINNER" not in said else said.replace("It is right.", f"It is right. {BAD}")


@pytest.fixture(scope="module")
def server():
    with ToyServer(reply=hostile_reply) as server:
        yield server


def test_nothing_of_it_comes_out_raw_but_the_patch(home, server, tmp_path):
    checkout = toy.make_repository(tmp_path / "a[nope]b\u202e")
    (checkout / NAME).write_text(BAD)
    (checkout / "names.py").write_text((checkout / "names.py").read_text() + f"\n# {BAD[:20]}\n")
    toy.git(checkout, "add", "-A")
    toy.git(checkout, "commit", "-q", "-m", BAD)
    (checkout / f"untracked{NAME}").write_text(BAD)
    out = tmp_path / "fix.patch"
    done = home.run(
        "solve", str(checkout), "--issue", f"{toy.ISSUE}\n{BAD}", "--model", "openai/toy", "--api-base", server.url,
        "--attempts", "2", "--sandbox", "overlay", "--out", str(out), "--apply",
    )  # fmt: skip
    assert done.returncode == 0, ascii(done.stdout + done.stderr)
    assert not raw(done.stdout) and not raw(done.stderr)
    assert "U+202E RIGHT-TO-LEFT OVERRIDE in names.py" in done.stderr
    assert done.stderr.count("warning:") == 1
    assert r"\u202eright\u200b" in done.stdout
    patch = out.read_bytes().decode()
    assert "# \u202eright\u200b" in patch
    assert "# \u202eright\u200b" in (checkout / "names.py").read_text()
    run = re.search(r"run (\S+)", done.stdout)[1]
    for words in (
        ["show", run],
        ["show", run, "--steps", "attempt-1"],
        ["select", run, "--cards"],
        ["report", run],
    ):
        shown = home.run(*words)
        assert not raw(DRAWING.sub("", shown.stdout)) and not raw(shown.stderr), words
        assert "Traceback" not in shown.stderr
    assert "U+202E RIGHT-TO-LEFT OVERRIDE in names.py" in home.run("select", run, "--cards").stdout
