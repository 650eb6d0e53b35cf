"""`winnow build` from the command line: a sentence for each row that cannot be built, and the exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import toy_batch
from hostile_run import BAD, raw

pytestmark = pytest.mark.overlay


def build(tmp_path: Path, *words: str, **more: str) -> subprocess.CompletedProcess:
    row = {
        "instance_id": "own__name-1",
        "repo": "own/name",
        "base_commit": "0" * 40,
        "problem_statement": "an issue",
        **more,
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "mirrors").mkdir()
    words = (
        "build",
        str(tmp_path / "rows.jsonl"),
        "--sandbox",
        "overlay",
        "--repos",
        str(tmp_path / "mirrors"),
        *words,
    )
    command = [sys.executable, "-c", "from winnow.cli import main; main()", *words]
    env = {**os.environ, "WINNOW_HOME": str(tmp_path / "home"), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, env=env)


def test_a_row_without_its_repository_is_a_sentence(tmp_path):
    done = build(tmp_path)
    assert done.returncode == 3, done.stderr
    assert "failed" in done.stdout and "has commit 000000000000 of own/name" in done.stdout
    assert "0 of 1 worlds are built" in done.stdout and "Traceback" not in done.stdout + done.stderr


def test_no_recipe_and_no_dataset_are_the_users_errors(tmp_path):
    done = build(tmp_path, "--recipe", str(tmp_path / "none"))
    assert done.returncode in (2, 3) and "Traceback" not in done.stdout + done.stderr
    command = [
        sys.executable,
        "-c",
        "from winnow.cli import main; main()",
        "build",
        str(tmp_path / "no.jsonl"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr


SETUP = f"""import sys
for stream in (sys.stdout, sys.stderr):
    print({ascii(BAD)}, file=stream)
    print("one line\\nbuilt   own__name-1: forged", file=stream)
raise SystemExit({ascii(BAD)})
"""


def test_a_setup_that_fails_acts_on_no_terminal(tmp_path):
    checkout = toy_batch.make_repository(tmp_path / "checkout")
    (checkout / "native").mkdir()  # beside the tests it would be installed, from an index
    (checkout / "native" / "setup.py").write_text(SETUP)
    toy_batch.toy.git(checkout, "add", "-A")
    toy_batch.toy.git(checkout, "commit", "-q", "-m", "setup")
    commit = toy_batch.toy.git(checkout, "rev-parse", "HEAD").strip()
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(toy_batch.RECIPE + 'setup = "python native/setup.py install"\n')
    name = "a[/nope]b\u202e\u200b"
    done = build(tmp_path, "--recipe", str(recipe), instance_id=name, repo=str(checkout), base_commit=commit)
    assert not raw(done.stdout) and not raw(done.stderr), ascii(done.stdout + done.stderr)
    assert done.returncode == 3 and "Traceback" not in done.stdout + done.stderr
    assert r"failed  a[/nope]b\u202e\u200b:" in done.stdout and r"evil \x1b]52;c;" in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.startswith("built ")]
