"""`winnow grade` from the command line: a real dataset file, real worlds, real test runs, a real store."""

import json
import subprocess
from pathlib import Path

import pytest
import toy
import toy_batch
from toy_server import ToyServer
from winnow_home import Home

from store import open_store

pytestmark = pytest.mark.overlay

HIDDEN = (
    toy_batch.TESTS
    + """
    def test_three_names_canary_2718281(self):
        self.assertEqual(names.join_names(["Ann", "Bob", "Cy"]), "Ann, Bob and Cy")

    def test_two_names(self):
        self.assertEqual(names.join_names(["Ann", "Bob"]), "Ann and Bob")
"""
)
FILE, CLASS = "test_names.py", "test_names.Names"
SECRETS = ("canary_2718281", "hidden_file_marker_161803", "reference_marker_141421")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A repository on this machine and two rows of it; the test patch of one does not apply, and a line is no row."""
    folder = tmp_path_factory.mktemp("dataset")
    [plain] = map(json.loads, toy_batch.make_dataset(folder, ["a"]).read_text().splitlines())
    repository = Path(plain["repo"])
    right = _diff(
        repository, {"names.py": toy.SOURCE.replace(toy.OLD, toy.RIGHT + "  # reference_marker_141421")}
    )
    tests = _diff(repository, {FILE: HIDDEN, "data/hidden_file_marker_161803.txt": "hidden\n"})
    row = {
        **plain,
        "patch": right,
        "test_patch": tests,
        "FAIL_TO_PASS": _named("test_three_names_canary_2718281", "test_two_names"),
        "PASS_TO_PASS": _named("test_one_name", "test_no_name", "test_shout"),
    }
    wrong = {
        **row,
        "instance_id": "toy__a-2",
        "test_patch": tests.replace(" def test_shout", " def test_whisper"),
    }
    file = folder / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n" + json.dumps(wrong) + "\nnot a row\n")
    return file


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One data folder for all: worlds are built once."""
    return Home(tmp_path_factory.mktemp("home"))


def _named(*names: str) -> str:
    return json.dumps([f"{name} ({CLASS})" for name in names])


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
    return _diff(dataset.parent / "repos" / "a", {"names.py": toy.SOURCE.replace(toy.OLD, text)})


def _grade(home, *words):
    [file] = [Path(word) for word in words if word.endswith("rows.jsonl")]
    recipe = str(file.parent / "recipe.toml")
    return home.run("grade", *words, "--recipe", recipe, "--sandbox", "overlay", "--json")


def test_reference_and_unfixed_code(home, dataset):
    """One row is right, one has a test patch that does not apply: exit code 3, and the right one has its verdicts."""
    done = _grade(home, "--dataset", str(dataset), "--gold", "--empty")
    assert done.returncode == 3, done.stderr
    said = json.loads(done.stdout)
    verdicts = {(each["task"], each["candidate"]): each["verdict"] for each in said["grades"]}
    assert verdicts == {
        ("toy__a-1", "gold"): "resolved",
        ("toy__a-1", "empty"): "not resolved",
        ("toy__a-2", "gold"): "could not be graded",
        ("toy__a-2", "empty"): "could not be graded",
    }
    assert "rows.jsonl, line 3" in done.stderr and "does not apply to its base commit" in done.stderr
    _no_reference_in(home)
    again = _grade(home, "--dataset", str(dataset), "--gold", "--empty", "--filter", "a-1")
    assert again.returncode == 0 and "2 of the grades are in the store already" in again.stderr
    assert json.loads(again.stdout)["run"] == said["run"]
    for word in ("resume", "status"):
        done = home.run(word, said["run"])
        assert done.returncode == 2 and "is of kind validation" in done.stderr


def test_a_run_from_its_first_prompt_to_its_grades(home, dataset):
    """No prompt, row, layer, world or log has anything of the reference, until it is graded: then the tests' names."""
    with ToyServer() as server:
        done = home.run(
            "run", str(dataset), "--model", "openai/toy", "--api-base", server.url, "--attempts", "2",
            "--recipe", str(dataset.parent / "recipe.toml"), "--sandbox", "overlay", "--price", "1,10",
            "-o", "limits.pause=0", "-o", "selection.regressions=false", "--filter", "a-1", "-o", "limits.rounds=1",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        prompts = json.dumps(server.requests)
    store = open_store(home.store)
    run = next(row.run for row in reversed(store.runs()) if row.kind not in ("validation", "import"))
    said = done.stdout + done.stderr + prompts + _all_texts(store, run)
    assert "join_names" in prompts and not [secret for secret in SECRETS if secret in said]
    _no_reference_in(home)
    graded = _grade(home, run, "--dataset", str(dataset), "--filter", "a-1")
    assert graded.returncode == 0, graded.stderr
    verdicts = {each["candidate"]: each["verdict"] for each in json.loads(graded.stdout)["grades"]}
    assert verdicts == {"attempt-1": "resolved", "attempt-2": "partially"}
    audits = {row.name: json.loads(row.body) for row in store.results(run, "toy__a-1", "audit")}
    assert audits == {name: {"flags": [], "found": []} for name in verdicts}
    store.close()
    _no_reference_in(home)


def _all_texts(store, run):
    """Everything that the store holds of a run."""
    texts = [store.run(run).config]
    for task in store.tasks(run):
        texts += [task.body, *(row.body + row.detail for row in store.trajectories(run, task.task))]
        texts += [row.body for row in store.results(run, task.task)]
        for step in store.steps(run, task.task):
            texts += [step.answer, *(part.text for part in store.texts(step))]
    return "\n".join(texts)


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
    patches = {
        "right": right,
        "same": right,
        "half": half,
        "loud": loud,
        "none": "",
        "words": "I would change names.py.",
    }
    rows = [
        {"instance_id": "toy__a-1", "model_name_or_path": name, "model_patch": patch}
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
    }
    listed = {each["candidate"]: each for each in said["grades"]}
    assert listed["right"]["seconds"] == listed["same"]["seconds"], "the same patch is run once"
    again = _grade(home, said["run"], "--dataset", str(dataset))
    assert again.returncode == 0 and "6 of the grades are in the store" in again.stderr


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
