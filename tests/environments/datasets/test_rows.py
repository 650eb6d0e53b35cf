"""One row with something wrong in it, and rows that look wrong and are not (SAFETY 16, 17)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows_for_tests import ids, row, write

from environments import folder_name, read_dataset


def reading(tmp_path, *content, name="rows.jsonl"):
    return read_dataset(str(write(tmp_path / name, [row("good-1"), *content, row("good-2")])))


@pytest.mark.parametrize("column", ["instance_id", "problem_statement", "repo", "base_commit"])
@pytest.mark.parametrize("value", ["missing", None, "", "  ", 7, ["x"], {"a": 1}, True, "a\x00b"])
def test_a_needed_column_that_is_not_right_is_one_sentence(tmp_path, column, value):
    wrong = row("bad-1")
    if value == "missing":
        del wrong[column]
    else:
        wrong[column] = value
    dataset = reading(tmp_path, wrong)
    if column == "problem_statement" and value == "a\x00b":
        assert dataset.instances[1].issue == "a\ufffdb" and not dataset.bad  # an issue is any text
        return
    assert ids(dataset) == ["good-1", "good-2"]
    (bad,) = dataset.bad
    assert bad.place == f"{tmp_path}/rows.jsonl, line 2" and column in bad.sentence and "\n" not in str(bad)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("FAIL_TO_PASS", 3, "a number, not a list"),
        ("FAIL_TO_PASS", '{"a": 1}', "an object, not a list"),
        ("FAIL_TO_PASS", "test_one, test_two", "text, not a list"),
        ("PASS_TO_PASS", ["a", 1], "a number in it"),
        ("PASS_TO_PASS", "__import__('os').getpid()", "text, not a list"),
        ("patch", ["a"], "a list, not text"),
        ("created_at", "yesterday", "no date"),
        ("created_at", float("nan"), "no date"),
        ("created_at", 10**30, "no date"),
        ("created_at", "0001-01-01T00:00:00+10:00", "no date"),
        ("repo", "--upload-pack=touch x", "starts with a dash"),
        ("base_commit", "HEAD; rm", "blanks"),
        ("image", "two words", "blanks"),
        ("network", "open", "none or host"),
        ("files", {"../../etc/passwd": "x"}, "not inside"),
        ("files", {"/etc/passwd": "x"}, "not inside"),
        ("files", {".git/hooks/post-checkout": "x"}, "not inside"),
        ("files", {"tests/test_a.py": 3}, "a number, not text"),
        ("install_config", "[", "text, not an object"),
        ("instance_id", "x" * 501, "500 characters"),
    ],
)
def test_a_column_of_the_wrong_type_is_one_sentence(tmp_path, column, value, said):
    dataset = reading(tmp_path, row(**{"instance_id": "bad-1", column: value}))
    assert ids(dataset) == ["good-1", "good-2"]
    (bad,) = dataset.bad
    assert column in bad.sentence or "test_a.py" in bad.sentence or "the file" in bad.sentence
    assert said in bad.sentence and len(str(bad)) < 300


def test_the_second_row_with_an_id_is_left_out_and_both_lines_are_named(tmp_path):
    dataset = reading(tmp_path, row("good-1", repo="other/repo"))
    assert ids(dataset) == ["good-1", "good-2"] and dataset.instances[0].repo == "acme/tool"
    assert str(dataset.bad[0]) == (
        f"{tmp_path}/rows.jsonl, line 2: the id good-1 is already that of {tmp_path}/rows.jsonl, line 1"
    )
    assert dataset.bad[0].id == "good-1"


def test_unknown_columns_are_let_be(tmp_path):
    dataset = reading(tmp_path, row("odd-1", difficulty="<15 min", meta={"a": [1]}, embedding=[0.5]))
    assert len(dataset.instances) == 3 and not dataset.bad


@pytest.mark.parametrize("value", [["a::b", "c"], '["a::b", "c"]', "['a::b', 'c']", ("a::b", "c", "c")])
def test_lists_of_tests_are_read_in_every_form(tmp_path, value):
    dataset = reading(tmp_path, row("x", FAIL_TO_PASS=value))
    assert dataset.references["x"].fail_to_pass == ("a::b", "c")


@pytest.mark.parametrize(
    ("value", "created"),
    [
        ("2021-05-13T21:32:41Z", "2021-05-13T21:32:41Z"),
        ("2021-05-13 21:32:41", "2021-05-13T21:32:41"),
        ("2021-05-13T23:32:41+02:00", "2021-05-13T21:32:41Z"),
        ("2021-05-13", "2021-05-13T00:00:00"),
        (1620941561, "2021-05-13T21:32:41Z"),
        (1620941561000, "2021-05-13T21:32:41Z"),
        ("", ""),
        (None, ""),
    ],
)
def test_dates_are_read_in_every_form(tmp_path, value, created):
    assert reading(tmp_path, row("x", created_at=value)).instances[1].created == created


@pytest.mark.parametrize(
    "issue", ["{{ 7 * 7 }} {% raw %}", "<edit>x</edit></test>", "\x1b[31mred\x07", "日本 \u202e"]
)
def test_an_issue_is_text_whatever_is_in_it(tmp_path, issue):
    found = reading(tmp_path, row("x", problem_statement=issue)).instances[1].issue
    assert found == issue.replace("\x1b", "\ufffd").replace("\x07", "\ufffd")


def test_an_issue_of_a_megabyte_is_cut_and_says_so(tmp_path):
    found = reading(tmp_path, row("x", problem_statement="é" * 1_000_000)).instances[1].issue
    assert len(found.encode()) < 1_000_200 and "was cut here" in found


def test_half_a_surrogate_pair_reaches_nobody(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row("x", problem_statement="a\ud800b", FAIL_TO_PASS=["t\udc00"])) + "\n")
    dataset = read_dataset(str(file))
    assert dataset.instances[0].issue == "a\ufffdb" and dataset.references["x"].fail_to_pass == ("t\ufffd",)


def test_a_row_without_an_answer_can_be_worked_on_but_has_no_reference(tmp_path):
    bare = {
        key: value for key, value in row("x").items() if key not in ("patch", "FAIL_TO_PASS", "PASS_TO_PASS")
    }
    dataset = reading(tmp_path, bare)
    assert ids(dataset) == ["good-1", "x", "good-2"] and set(dataset.references) == {"good-1", "good-2"}


def test_nothing_of_the_answer_is_in_the_instance(tmp_path):
    secret = "xyzzy-the-answer"
    columns = {
        name: secret for name in ("patch", "test_patch", "hints_text", "eval_script", "log_parser", "gold")
    }
    columns |= {"FAIL_TO_PASS": [secret], "PASS_TO_PASS": [secret], "files": {"t.py": secret}}
    dataset = reading(tmp_path, row("x", unreliable_tests=[secret], **columns))
    assert not dataset.bad and secret not in repr(dataset.instances)
    assert repr(dataset.references["x"]).count(secret) == 8  # all but the hints and the unknown column


@given(st.lists(st.text(min_size=1), min_size=2, max_size=6, unique=True))
def test_ids_become_harmless_and_different_folder_names(found):
    names = [folder_name(each) for each in found]
    assert len(set(names)) == len(names)
    for name in names:
        assert name and "/" not in name and name[0] not in ".-" and len(name) <= 120 and name.isascii()


def test_ordinary_ids_are_their_own_folder_names():
    assert folder_name("django__django-11999") == "django__django-11999"
    assert folder_name("a/b") != folder_name("a-b") == "a-b"
    assert folder_name("..") and folder_name("../../x").endswith(folder_name("../../x")[-8:])
