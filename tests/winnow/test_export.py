"""`winnow export`: every form holds what the run has, no secret is in any, and nothing is half written."""

from __future__ import annotations

import csv
import json
import subprocess

import pytest
from graded_run import RUN, Told, Try, patch_of, write
from hypothesis import given
from hypothesis import strategies as st

from agent import Ending
from store import open_store
from winnow.export import FORMATS, Asked, export
from winnow.export_errors import CannotExport
from winnow.export_secrets import Scrubber

TALK = ("be good", "the issue", "first try", "wrong, again", "second try")
OTHER = ("be good", "the issue", "another way")
KEY = "sk-proj-0123456789abcdefghijklmnopqrstuv"
OWN = "hunter2-hunter2"

BATCH = {
    "a__b-1": Told(
        {
            "attempt-1": Try(patch_of(1), True, conversation=TALK),
            "attempt-2": Try(patch_of(2), False, conversation=OTHER),
            "attempt-10": Try(patch_of(3), True, conversation=TALK),
        },
        "attempt-2",
    ),
    "c/d 2": Told({"attempt-1": Try(patch_of(4), True, strict=False, conversation=("s", "u", "m"))}, "attempt-1"),
    "e__f-3": Told({"attempt-1": Try("", None), "attempt-2": Try("", None, Ending.RATE_LIMIT)}, ""),
    "g__h-4": Told({"attempt-1": Try(patch_of(5), True, flags=("network",), conversation=("s", "u", "n"))}, None),
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    write(tmp_path / "winnow.db", BATCH)
    return tmp_path / "winnow.db"


def exported(file, *words, **more):
    with open_store(file) as store:
        return export(store, RUN, Asked(*words, **more))


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_predictions_are_the_chosen_patches(file, tmp_path):
    out = tmp_path / "deep" / "preds.jsonl"
    said = exported(file, "predictions-jsonl", out)
    assert rows_of(out) == [
        {"instance_id": name, "model_name_or_path": "winnow-toy-1", "model_patch": patch}
        for name, patch in (("a__b-1", patch_of(2)), ("c/d 2", patch_of(4)), ("e__f-3", ""))
    ]
    assert "1 of 4 issues have none" in " ".join(said)
    assert "SWE-bench" not in " ".join(said)
    assert "ends in .json" in exported(file, "predictions-json", tmp_path / "preds")[-1]
    exported(file, "predictions-json", tmp_path / "preds.json")
    assert json.loads((tmp_path / "preds.json").read_text()) == rows_of(out)
    exported(file, "predictions-jsonl", out, which="attempt-1", name="me/mine")
    assert [(row["model_name_or_path"], row["model_patch"]) for row in rows_of(out)] == [
        ("me__mine", patch) for patch in (patch_of(1), patch_of(4), "", patch_of(5))
    ]
    exported(file, "predictions-jsonl", out, which="all")
    assert [row["model_name_or_path"] for row in rows_of(out)] == [
        f"winnow-toy-1__attempt-{n}" for n in (1, 2, 10, 1, 1, 1)
    ]  # an attempt that the world ended is no candidate


def test_patches_are_files_that_git_takes(file, tmp_path):
    repository = tmp_path / "repo"
    (repository / "src/pkg").mkdir(parents=True)
    (repository / "src/pkg/mod.py").write_text("value = 0\ndone = True\n")
    said = exported(file, "patches", tmp_path / "out", which="all")
    found = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.patch")
    )
    assert found[:3] == [f"a__b-1/attempt-{n}.patch" for n in (1, 10, 2)] and len(found) == 5
    assert "1 empty patches have no file" in said
    for path in (tmp_path / "out").rglob("*.patch"):
        subprocess.run(["git", "apply", "--check", path], cwd=repository, check=True)
    exported(file, "patches", tmp_path / "chosen")
    names = sorted(path.name for path in (tmp_path / "chosen").iterdir())
    assert (
        names[0] == "a__b-1.patch"
        and len(names) == 2
        and not any("/" in name or " " in name for name in names)
    )


def test_training_data_by_grade_by_choice_and_all(file, tmp_path):
    said = exported(file, "sft", tmp_path / "resolved.jsonl")
    (row,) = rows_of(tmp_path / "resolved.jsonl")
    assert [message["content"] for message in row["messages"]] == list(TALK)
    assert [m["role"] for m in row["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert (row["instance_id"], row["candidate"], row["part"]) == ("a__b-1", "attempt-1", "editing")
    assert (row["resolved"], row["chosen"]) == (True, False)
    assert sorted(said[1:]) == [
        "left out: 1 attempts that resolve the issue but have an audit flag",
        "left out: 1 attempts that resolve the issue only by changes to test machinery",
        "left out: 1 conversations that are there already",
    ]
    exported(file, "sft", tmp_path / "chosen.jsonl", only="chosen")
    assert [r["messages"][-1]["content"] for r in rows_of(tmp_path / "chosen.jsonl")] == ["another way", "m"]
    exported(file, "sft", tmp_path / "all.jsonl", only="all")
    assert len(rows_of(tmp_path / "all.jsonl")) == 4


def test_a_conversation_that_starts_anew_is_another_one(tmp_path):
    """The editing machine may begin again in the same branch: neither is lost, and none is cut into turns."""
    import asyncio

    from graded_run import converse

    from winnow.export_conversations import conversations

    file = tmp_path / "winnow.db"
    write(file, {"t": Told({"attempt-1": Try(patch_of(1), True)}, "attempt-1")})
    with open_store(file) as store:
        asyncio.run(converse(store, "t", "attempt-1", "testing", TALK))
        asyncio.run(converse(store, "t", "attempt-1", "editing", ("other", "words", "reply"), first=0))
        asyncio.run(converse(store, "t", "attempt-1", "editing", TALK, first=1))
        found = list(conversations(store, RUN, "t", "attempt-1"))
    assert [(talk.branch, len(talk.messages)) for talk in found] == [
        ("editing", 3),
        ("testing", 5),
        ("editing", 5),
    ]


def test_a_submission_has_what_the_leaderboard_asks_for(file, tmp_path):
    out = tmp_path / "20261121_winnow"
    exported(file, "submission", out)
    assert {path.name for path in out.iterdir()} == {
        "all_preds.jsonl",
        "metadata.yaml",
        "README.md",
        "trajs",
        "logs",
    }
    assert len(rows_of(out / "all_preds.jsonl")) == 3
    yaml = pytest.importorskip("yaml")
    about = yaml.safe_load((out / "metadata.yaml").read_text())
    assert about["info"]["name"] == "winnow-toy-1" and about["tags"]["system"]["attempts"] == "2+"
    assert about["tags"]["checked"] is False and about["tags"]["model"] == ["toy-1"]
    trace = json.loads((out / "trajs/a__b-1.json").read_text())
    assert trace["submitted"] == "attempt-2" and trace["why"] == "because"
    assert trace["trajectories"]["attempt-1"][0]["messages"][-1]["content"] == "second try"
    report = json.loads((out / "logs/a__b-1/report.json").read_text())["a__b-1"]
    assert report["patch_successfully_applied"] is True and report["resolved"] is False
    assert report["tests_status"]["FAIL_TO_PASS"] == {"success": [], "failure": ["t.py::test_new"]}
    assert (out / "logs/a__b-1/patch.diff").read_text() == patch_of(2)
    assert (out / "logs/a__b-1/test_output.txt").read_text() == "3 failed"
    assert not (out / "logs/e__f-3/report.json").exists()
    assert "1 of 4 (25.0%" in (out / "README.md").read_text()
    with pytest.raises(CannotExport, match="one patch for each issue"):
        exported(file, "submission", tmp_path / "other", which="all")


def test_logs_of_the_official_harness_take_the_place_of_ours(file, tmp_path):
    logs = tmp_path / "logs" / "a__b-1"
    logs.mkdir(parents=True)
    (logs / "eval.sh").write_text("#!/bin/bash\n")
    (logs / "test_output.txt").write_bytes(b"caf\xe9 " + KEY.encode())
    (logs / "core").write_text("no log")
    (logs / "link.txt").symlink_to("/etc/hostname")
    said = exported(file, "submission", tmp_path / "out", logs=tmp_path / "logs")
    assert "(1 of the official harness)" in said[0]
    found = tmp_path / "out/logs/a__b-1"
    assert sorted(path.name for path in found.iterdir()) == ["eval.sh", "test_output.txt"]
    assert (found / "test_output.txt").read_bytes() == b"caf\xe9 [removed: a key]"
    assert "official harness's for 1 of 3" in (tmp_path / "out/README.md").read_text()
    with pytest.raises(CannotExport, match="no folder: name the official"):
        exported(file, "submission", tmp_path / "other", logs=tmp_path / "none")


def test_figures_as_tables_and_json(file, tmp_path):
    exported(file, "csv", tmp_path / "tables")
    exported(file, "json", tmp_path / "figures.json")
    body = json.loads((tmp_path / "figures.json").read_text())
    with (tmp_path / "tables/attempts.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(body["per_attempt"]) == 7 and body["figures"]["coverage"]["value"] == 0.75


def test_no_secret_leaves_in_any_form(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_SERVICE_TOKEN", OWN)
    secret = f"{OWN} and {KEY} at postgresql://me:pa55word@host/db"
    tries = {
        "attempt-1": Try(patch_of(1) + f"\n# {OWN}\n", True, conversation=("s", secret, secret)),
        "attempt-2": Try(patch_of(2), False, conversation=("s", secret, "x")),
    }
    file = tmp_path / "winnow.db"
    config = {"model": {"name": f"toy {KEY}"}, "preset": OWN, "dataset": secret}
    write(file, {"t-1": Told(tries, "attempt-1")}, config=config)
    for form in FORMATS:
        out = tmp_path / form
        said = exported(file, form, out, only="all") if form == "sft" else exported(file, form, out)
        assert form == "csv" or any("secrets were removed" in sentence for sentence in said), form
        for path in out.rglob("*") if out.is_dir() else [out]:
            text = path.read_text() if path.is_file() else ""
            assert "pa55word" not in text, path
            for word in (OWN, KEY):
                assert word not in text and word not in str(path.relative_to(tmp_path)), path


def test_a_made_up_key_in_a_patch_stays_and_is_said(tmp_path):
    file = tmp_path / "winnow.db"
    patch = patch_of(1) + f"+fake = '{KEY}'\n"
    write(file, {"t": Told({"attempt-1": Try(patch, True)}, "attempt-1")})
    said = exported(file, "predictions-jsonl", tmp_path / "p.jsonl")
    assert rows_of(tmp_path / "p.jsonl")[0]["model_patch"] == patch
    assert "1 places in patches look like keys and were kept: look at them" in said


@given(st.text())
def test_texts_without_secrets_stay_as_they_are(text):
    assert (
        Scrubber({"KEYMAP": "standard", "A_KEY": "short", "KEY_FILE": "/etc/keys/of/mine"}).clean(text)
        == text
    )


@pytest.mark.parametrize(
    "secret",
    [
        KEY, "ghp_" + "a1B2" * 9, "github_pat_" + "a1B2_" * 12, "AKIA" + "ABCD" * 4, "AIza" + "a1B2c" * 7,
        "xoxb-1234567890-abcdefghij", "hf_" + "aBcD" * 8, "glpat-" + "a1B2" * 5, "gsk_" + "a1B2" * 8,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)  # fmt: skip
def test_forms_of_keys(secret):
    scrubber = Scrubber({})
    assert (
        scrubber.clean(f"before {secret} after") == "before [removed: a key] after" and scrubber.removed == 1
    )
    assert scrubber.clean(json.dumps({"a": secret})) == json.dumps({"a": "[removed: a key]"})


@pytest.mark.parametrize(
    "words, sentence",
    [
        (("--format", "predictions-json1"), "did you mean 'predictions-json"),
        (("--format", "sft", "--only", "resolve"), "did you mean 'resolved'"),
        (("--format", "patches", "--candidate", "attempt-7"), "there are attempt-1, attempt-2, attempt-10"),
    ],
)
def test_wrong_words_are_sentences(home, file, tmp_path, words, sentence):
    done = home.run("export", RUN, *words, "--out", str(tmp_path / "out"), "--store", str(file))
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten_by_a_folder_nor_left_half(file, tmp_path, monkeypatch):
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("x")
    for form in ("patches", "submission", "csv"):
        with pytest.raises(CannotExport, match="not empty"):
            exported(file, form, full)
        with pytest.raises(CannotExport, match="no folder"):
            exported(file, form, full / "mine")
    with pytest.raises(CannotExport, match="not empty"):
        exported(file, "sft", full)
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(CannotExport, match="is a folder"):
        exported(file, "sft", tmp_path / "folder.jsonl")
    assert [path.name for path in full.iterdir()] == ["mine"] and (full / "mine").read_text() == "x"
    (tmp_path / "preds.jsonl").write_text("old")
    monkeypatch.setattr("winnow.export_patches.prediction", lambda *_: 1 / 0)
    for form, out in (("predictions-jsonl", "preds.jsonl"), ("submission", "sub")):
        monkeypatch.setattr("winnow.export_submission.prediction", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            exported(file, form, tmp_path / out)
    assert (tmp_path / "preds.jsonl").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir() if "winnow.db" not in path.name) == [
        "folder.jsonl",
        "full",
        "preds.jsonl",
    ]


def test_what_a_run_does_not_have_is_a_sentence(tmp_path):
    file = tmp_path / "winnow.db"
    write(file, {"t": Told({"a": Try(patch_of(1)), "b": Try(patch_of(2))})}, kind="import")
    with pytest.raises(CannotExport, match="import of several systems: say --candidate"):
        exported(file, "predictions-jsonl", tmp_path / "out")
    with pytest.raises(CannotExport, match="no trajectories"):
        exported(file, "sft", tmp_path / "out", only="all")
    exported(file, "predictions-jsonl", tmp_path / "out", which="all")
    assert [row["model_name_or_path"] for row in rows_of(tmp_path / "out")] == ["a", "b"]
    for name, issues, words in (
        ("none.db", {}, "no candidates yet"),
        ("ungraded.db", {"t": Told({"attempt-1": Try(patch_of(1))}, "attempt-1")}, "not graded"),
    ):
        write(tmp_path / name, issues)
        form = "sft" if "graded" in words else "patches"
        with pytest.raises(CannotExport, match=words):
            exported(tmp_path / name, form, tmp_path / "none")
