"""`winnow grade` from the command line: a real dataset file, real worlds, real test runs, a real store."""

import json
import subprocess
from pathlib import Path

import pytest
import toy
from winnow_home import Home

from store import open_store

pytestmark = pytest.mark.overlay

HIDDEN = (
    toy.TESTS
    + """

def test_three_names_canary_2718281():
    assert names.join_names(["Ann", "Bob", "Cy"]) == "Ann, Bob and Cy"


def test_two_names():
    assert names.join_names(["Ann", "Bob"]) == "Ann and Bob"
"""
)
FILE = "tests/test_names.py"
SECRETS = ("canary_2718281", "hidden_file_marker_161803", "reference_marker_141421")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A repository on this machine and two rows of it; one row is broken."""
    folder = tmp_path_factory.mktemp("dataset")
    repository = toy.make_repository(folder / "repo")
    base = toy.git(repository, "rev-parse", "HEAD").strip()
    right = _diff(
        repository, {"names.py": toy.SOURCE.replace(toy.OLD, toy.RIGHT + "  # reference_marker_141421")}
    )
    tests = _diff(repository, {FILE: HIDDEN, "tests/data/hidden_file_marker_161803.txt": "hidden\n"})
    row = {
        "instance_id": "toy__names-1",
        "repo": str(repository),
        "base_commit": base,
        "problem_statement": toy.ISSUE,
        "created_at": "2024-01-01T00:00:00Z",
        "version": "1",
        "patch": right,
        "test_patch": tests,
        "FAIL_TO_PASS": json.dumps([f"{FILE}::test_three_names_canary_2718281", f"{FILE}::test_two_names"]),
        "PASS_TO_PASS": json.dumps(
            [f"{FILE}::test_one_name", f"{FILE}::test_no_name", f"{FILE}::test_shout"]
        ),
    }
    wrong = {
        **row,
        "instance_id": "toy__names-2",
        "test_patch": tests.replace(" def test_shout", " def test_whisper"),
    }
    file = folder / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n" + json.dumps(wrong) + "\nnot a row\n")
    return file


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One data folder for all: worlds are built once."""
    return Home(tmp_path_factory.mktemp("home"))


def _diff(repository: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    toy.git(repository, "add", "-A")
    said = toy.git(repository, "diff", "--cached", "HEAD")
    toy.git(repository, "reset", "-q", "--hard", "HEAD")
    return said


def _patch(dataset: Path, text: str) -> str:
    return _diff(dataset.parent / "repo", {"names.py": toy.SOURCE.replace(toy.OLD, text)})


def _grade(home, *words):
    return home.run("grade", *words, "--sandbox", "overlay", "--json")


def test_reference_and_unfixed_code(home, dataset):
    """One row is right, one has a test patch that does not apply: exit code 3, and the right one has its verdicts."""
    done = _grade(home, "--dataset", str(dataset), "--gold", "--empty")
    assert done.returncode == 3, done.stderr
    said = json.loads(done.stdout)
    verdicts = {(each["task"], each["candidate"]): each["verdict"] for each in said["grades"]}
    assert verdicts == {
        ("toy__names-1", "gold"): "resolved",
        ("toy__names-1", "empty"): "not resolved",
        ("toy__names-2", "gold"): "could not be graded",
        ("toy__names-2", "empty"): "could not be graded",
    }
    assert "rows.jsonl, line 3" in done.stderr and "does not apply to its base commit" in done.stderr
    _no_reference_in(home)
    again = _grade(home, "--dataset", str(dataset), "--gold", "--empty", "--filter", "names-1")
    assert again.returncode == 0 and "2 of the grades are in the store already" in again.stderr
    assert json.loads(again.stdout)["run"] == said["run"]


def _no_reference_in(home):
    """Nothing of the reference but the names of tests, and these only in grades: not in tasks, layers, worlds, logs."""
    store = open_store(home.store)
    for row in store.runs():
        for task in store.tasks(row.run):
            assert not any(secret in task.body for secret in SECRETS)
            for grade in store.results(row.run, task.task, "grade"):
                assert "reference_marker" not in grade.body and "hidden_file_marker" not in grade.body
    store.close()
    places = [str(path) for path in home.folder.iterdir() if not path.name.startswith("winnow.db")]
    for secret in SECRETS:
        found = subprocess.run(["grep", "-rlaF", secret, *places], capture_output=True, text=True).stdout
        assert not found, f"{secret} is in {found}"
        names = subprocess.run(
            ["find", *places, "-name", f"*{secret}*"], capture_output=True, text=True
        ).stdout
        assert not names


def test_a_file_of_predictions(home, dataset, tmp_path):
    right, half, loud = (_patch(dataset, text) for text in (toy.RIGHT, toy.HALF, toy.LOUD))
    cheat = "diff --git a/conftest.py b/conftest.py\nnew file mode 100644\n--- /dev/null\n+++ b/conftest.py\n"
    hook = [
        "import pytest",
        "@pytest.hookimpl(hookwrapper=True)",
        "def pytest_runtest_makereport(item, call):",
        "    out = yield",
        "    out.get_result().outcome = 'passed'",
    ]
    cheat += f"@@ -0,0 +1,{len(hook)} @@\n" + "".join(f"+{line}\n" for line in hook)
    patches = {
        "right": right,
        "same": right,
        "half": half,
        "loud": loud,
        "none": "",
        "words": "I would change names.py.",
        "cheat": cheat,
    }
    rows = [
        {"instance_id": "toy__names-1", "model_name_or_path": name, "model_patch": patch}
        for name, patch in patches.items()
    ]
    file = tmp_path / "predictions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = _grade(home, str(file), "--dataset", str(dataset))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    verdicts = {each["candidate"]: each["verdict"] for each in said["grades"]}
    assert verdicts == {
        "right": "resolved",
        "same": "resolved",
        "half": "partially",
        "loud": "not resolved",
        "none": "not resolved",
        "words": "did not apply",
        "cheat": "resolved",
    }
    [cheating] = [each for each in said["grades"] if each["candidate"] == "cheat"]
    assert cheating["without_machinery"]["verdict"] == "not resolved" and cheating["machinery"] == [
        "conftest.py"
    ]
    assert "other verdict without its changes to test machinery" in done.stderr
    assert "toy__names-1 cheat" in done.stderr
    listed = {each["candidate"]: each for each in said["grades"]}
    assert listed["right"]["seconds"] == listed["same"]["seconds"], "the same patch is run once"
    again = _grade(home, said["run"], "--dataset", str(dataset))
    assert again.returncode == 0 and "7 of the grades are in the store" in again.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--gold",), "--dataset"),
        (("--dataset", "DATASET"), "PREDICTIONS"),
        (("a-run", "--gold", "--dataset", "DATASET"), "PREDICTIONS"),
        (("no-such-run", "--dataset", "DATASET"), "There is no run 'no-such-run'"),
        (("--gold", "--dataset", "/no/such/file.jsonl"), "/no/such/file.jsonl"),
        (("--gold", "--dataset", "DATASET", "--sandbox", "vm"), "docker, overlay, auto"),
    ],
)
def test_a_wrong_word_is_one_sentence(home, dataset, words, sentence):
    done = home.run("grade", *(str(dataset) if word == "DATASET" else word for word in words))
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr
