"""`winnow import`: predictions from elsewhere come in whatever they look like, and nothing is lost silently."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from graded_run import patch_of
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.datasets import DatasetError, read_dataset
from store import RunBusy, open_store
from winnow.figures_gather import gather
from winnow.figures_summary import summarize
from winnow.importing import import_predictions
from winnow.importing_patches import (
    BINARY,
    CRLF,
    EMPTY,
    NO_DIFF,
    NO_PREFIX,
    ONLY_TESTS,
    OUTSIDE,
    TESTS,
    WRONG_COUNTS,
    look_at,
)
from winnow.importing_read import read_predictions

IDS = ("a__b-1", "a__b-2", "c__d-3")


@pytest.fixture
def dataset(tmp_path):
    path = tmp_path / "dataset.jsonl"
    rows = [
        {
            "instance_id": name,
            "repo": "a/b",
            "base_commit": "0" * 40,
            "problem_statement": f"Issue {name}",
            "patch": patch_of(1),
            "test_patch": patch_of(2, "tests/test_mod.py"),
            "FAIL_TO_PASS": '["tests/test_mod.py::test_secret_name"]',
            "PASS_TO_PASS": "[]",
        }
        for name in IDS
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "winnow.db") as opened:
        yield opened


def lines(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def row(name=IDS[0], patch=None, source="sys", **more):
    return {
        "instance_id": name,
        "model_name_or_path": source,
        "model_patch": patch_of(3) if patch is None else patch,
    } | more


def test_the_three_forms_and_gzip_read_alike(tmp_path):
    rows = [row(name) for name in IDS]
    files = {
        "a.jsonl": "".join(json.dumps(each) + "\n" for each in rows),
        "b.json": json.dumps(rows),
        "c.json": json.dumps({each.pop("instance_id"): each for each in json.loads(json.dumps(rows))}),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        for file in (tmp_path / name, tmp_path / f"{name}.gz"):
            read = read_predictions([file])
            assert [(p.instance, p.source, p.patch) for p in read.predictions] == [
                (name, "sys", patch_of(3)) for name in IDS
            ]
            assert not read.bad and not read.repeated


def test_bad_rows_are_named_and_the_rest_comes_in(tmp_path):
    file = lines(
        tmp_path / "p.jsonl",
        row(),
        "{not json",
        "[1]",
        {"instance_id": IDS[1]},
        {"instance_id": IDS[1], "patch": patch_of(1)},
        {"model_patch": "x"},
        row(7),
        row(IDS[1], 7),
        row(IDS[1], source=None),
        row(IDS[2]) | {"model_patch": None},
    )
    read = read_predictions([file])
    assert [(p.instance, p.source, p.patch) for p in read.predictions] == [
        (IDS[0], "sys", patch_of(3)),
        (IDS[1], "p", patch_of(3)),
        (IDS[2], "sys", ""),
    ]
    assert [bad.place for bad in read.bad] == [f"p.jsonl, line {n}" for n in range(2, 9)]
    assert "reference, not a prediction" in read.bad[3].sentence


def test_several_files_are_several_candidates(tmp_path):
    first = lines(tmp_path / "first.jsonl", row(), row(source="other"))
    second = lines(tmp_path / "second.jsonl", row(patch=patch_of(9)))
    read = read_predictions([first, second])
    assert [(p.source, p.patch) for p in read.predictions] == [
        ("sys@1", patch_of(3)),
        ("other", patch_of(3)),
        ("sys@2", patch_of(9)),
    ]


def test_the_last_of_repeated_rows_counts(tmp_path):
    file = lines(tmp_path / "p.jsonl", row(), row(patch=patch_of(4)), row(patch=patch_of(4)), row(IDS[1]))
    read = read_predictions([file])
    assert [(p.instance, p.patch) for p in read.predictions] == [(IDS[0], patch_of(4)), (IDS[1], patch_of(3))]
    assert read.repeated == ["p.jsonl, line 1", "p.jsonl, line 2"] and read.same == 1


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\nb\tc", "x" * 5000, "/", "context", "selection-1", "redone-1/x", " "]
)
def test_names_are_tame(tmp_path, name):
    (found,) = read_predictions([lines(tmp_path / "p.jsonl", row(source=name))]).predictions
    assert found.source and len(found.source) <= 120 and ".." not in found.source.split("/")
    assert not found.source.startswith("/") and found.source.isprintable() and " " not in found.source
    assert not found.source.startswith(("context", "selection-", "redone-"))


P = patch_of(1)
MOVED = "diff --git a/x.py b/y.py\nsimilarity index 100%\nrename from x.py\nrename to y.py\n"
PNG = "diff --git a/i.png b/i.png\nnew file mode 100644\nindex 0..1\nGIT binary patch\nliteral 3\nKcmZ=v\n\n"


@pytest.mark.parametrize(
    "patch, remarks",
    [
        (P, ()),
        ("", (EMPTY,)),
        (" \n\n", (EMPTY,)),
        ("I would change the function.", (NO_DIFF,)),
        (P.replace("\n", "\r\n"), (CRLF,)),
        (P.replace("a/src", "src").replace("b/src", "src"), (NO_PREFIX,)),
        (P.replace("-1,2", "-1,7"), (WRONG_COUNTS,)),
        (P.replace("+1,2 ", "+1 "), (WRONG_COUNTS,)),
        (P + patch_of(2), ()),
        (P.rstrip("\n"), ()),
        (P + "\\ No newline at end of file\n", ()),
        (patch_of(1, "tests/test_x.py"), (ONLY_TESTS,)),
        (P + patch_of(1, "tests/test_x.py"), (TESTS,)),
        (patch_of(1, "../../etc/passwd"), (OUTSIDE,)),
        (MOVED, ()),
        (PNG, (BINARY,)),
        ("--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1 @@\n--- a comment\n select 1;\n", ()),
        ("--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+x = 1\n", ()),
    ],
)
def test_how_a_patch_looks(patch, remarks):
    assert look_at(patch).remarks == remarks


@given(
    st.text()
    | st.lists(st.sampled_from([*P.splitlines(), "", "\r", "@@ -1 +1 @@", "--- ", "+++ b/"])).map("\n".join)
)
def test_no_text_is_a_crash(text):
    assert isinstance(look_at(text).remarks, tuple)


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)
)
COLUMNS = (
    "instance_id",
    "model_patch",
    "model_name_or_path",
    "source",
    "model",
    "resolved",
    "resolved_here",
    "patch",
)


@settings(max_examples=60)
@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS), VALUES), max_size=4), st.binary(max_size=40))
def test_no_row_and_no_bytes_are_a_crash(rows, junk):
    """Every row is a prediction, a bad row, or one that a later row took the place of."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "p.jsonl"
        file.write_text("".join(json.dumps(each) + "\n" for each in rows))
        read = read_predictions([file])
        assert len(read.predictions) + len(read.bad) + len(read.repeated) == len(rows)
        for each in read.predictions:
            look_at(each.patch)
        for name in ("p.jsonl", "p.json", "p.jsonl.gz", "p.json.gz"):
            (Path(folder) / name).write_bytes(junk)
            read_predictions([Path(folder) / name])


def test_a_run_that_somebody_works_on_is_left_alone(tmp_path, store, dataset):
    rows = read_dataset(str(dataset))
    import_predictions(store, "imp", [lines(tmp_path / "p.jsonl", row())], rows)
    with store.lease("imp"), pytest.raises(RunBusy):
        import_predictions(store, "imp", [lines(tmp_path / "q.jsonl", row(patch=""))], rows)
    assert json.loads(store.trajectories("imp", IDS[0])[0].body)["patch"] == patch_of(3)


def test_a_run_is_made_that_reports_and_grades_can_read(tmp_path, store, dataset):
    file = lines(
        tmp_path / "p.jsonl",
        row(resolved=False, resolved_here=True),
        row(IDS[1], patch="", resolved=False, resolved_here=None),
        row("a__b-11"),
        row(IDS[0], source="x/y", resolved="yes"),
    )
    done = import_predictions(store, "imp", [file], read_dataset(str(dataset)), published=True)
    assert (done.new, done.replaced, done.issues, done.predicted, done.claims) == (3, 0, 3, 2, 2)
    assert done.sources == {"sys": 2, "x/y": 1} and done.remarks == {EMPTY: (f"{IDS[1]} sys",)}
    assert done.unknown == (("a__b-11", "a__b-1"),)
    assert store.run("imp").kind == "import"
    assert "secret_name" not in "".join(task.body for task in store.tasks("imp"))
    said = summarize(gather(store, "imp"))
    assert said.attempts.all == 3 and said.issues == 3 and said.issues_without_attempt == 1
    assert said.published.coverage.value == pytest.approx(1 / 3)
    body = json.loads(store.trajectories("imp", IDS[0])[0].body)
    assert body["patch"] == patch_of(3) and body["id"] == "sys"


def test_an_import_is_added_to_and_replaced(tmp_path, store, dataset):
    rows = read_dataset(str(dataset))
    first = lines(tmp_path / "p.jsonl", row(), row(IDS[1]))
    import_predictions(store, "imp", [first], rows, predicted_only=True)
    assert len(store.tasks("imp")) == 2
    second = lines(tmp_path / "q.jsonl", row(patch=patch_of(8)), row(IDS[2], source="new"))
    done = import_predictions(store, "imp", [second], rows, predicted_only=True)
    assert (done.new, done.replaced, done.issues) == (1, 1, 3)
    assert json.loads(store.trajectories("imp", IDS[0])[0].body)["patch"] == patch_of(8)


def test_what_cannot_be_used_at_all_is_a_sentence_and_leaves_no_run(tmp_path, store, dataset):
    rows = read_dataset(str(dataset))
    for name, content, words in (
        ("other.jsonl", (row("z__z-9"),), "another dataset's file"),
        ("bad.jsonl", ("{",), "no prediction in these files, first of all bad.jsonl, line 1"),
        ("empty.jsonl", (), "no prediction"),
    ):
        with pytest.raises(DatasetError, match=words):
            import_predictions(store, "imp", [lines(tmp_path / name, *content)], rows)
    with pytest.raises(DatasetError, match="cannot be read"):
        import_predictions(store, "imp", [tmp_path / "none.jsonl"], rows)
    assert store.runs() == []
    store.create_run("mine", config="{}", kind="run")
    with pytest.raises(DatasetError, match="is a run, not an import"):
        import_predictions(store, "mine", [lines(tmp_path / "p.jsonl", row())], rows)


def test_the_command_says_what_came_in(home, tmp_path, dataset):
    file = lines(
        tmp_path / "p.jsonl", row(resolved=True), row("nobody-1"), "{", row(IDS[1], ""), row(IDS[1], "")
    )
    done = home.run("import", str(file), "--dataset", str(dataset), "--as", "imp")
    assert done.returncode == 0, done.stderr
    for words in (
        "2 predictions of 1 sources",
        "3 issues, 1 without a prediction",
        "1 patches: empty",
        "1 rows are repeated (1 with the same patch)",
        "1 instance ids are not in",
        "1 bad rows",
        "--published keeps it",
    ):
        assert words in done.stdout, f"{words!r} is not in\n{done.stdout}"
    done = home.run("import", str(file), "--dataset", str(dataset), "--as", "imp", "--published", "--json")
    assert json.loads(done.stdout)["replaced"] == 2 and json.loads(done.stdout)["claims"] == 1
    done = home.run("import", str(tmp_path / "no.jsonl"), "--dataset", str(dataset))
    assert done.returncode == 2 and "cannot be read" in done.stderr and "Traceback" not in done.stderr
