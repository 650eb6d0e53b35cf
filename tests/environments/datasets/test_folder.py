"""Folders laid out as Hugging Face datasets: which files belong to which split."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows_for_tests import ids, row, write

from environments import DatasetError, read_dataset
from environments.datasets.folder import files_of_split


def made(folder, readme="", names=()):
    """Each file that is named has one row, whose id is the file's path."""
    folder.mkdir(exist_ok=True)
    if readme:
        (folder / "README.md").write_text(f"---\n{readme}\n---\n# Card\n")
    for name in names:
        write(folder / name, [row(name)])
    return folder


CONFIGS = """
license: mit
configs:
- config_name: default
  data_files:
  - split: dev
    path: data/dev-*
  - split: test
    path:
    - data/test-*
    - more/**/test.jsonl
- config_name: small
  data_files: small.jsonl
"""


def test_the_readme_says_which_files_belong_to_a_split(tmp_path):
    names = [
        "data/dev-0.jsonl",
        "data/test-1.jsonl",
        "data/test-0.jsonl",
        "more/a/b/test.jsonl",
        "small.jsonl",
    ]
    folder = str(made(tmp_path / "set", CONFIGS, names=[*names, "data/other.jsonl"]))
    assert ids(read_dataset(folder)) == ["data/test-0.jsonl", "data/test-1.jsonl", "more/a/b/test.jsonl"]
    assert ids(read_dataset(f"{folder}:dev")) == ["data/dev-0.jsonl"]
    assert ids(read_dataset(f"{folder}:default/dev")) == ["data/dev-0.jsonl"]
    assert ids(read_dataset(f"{folder}:small/train")) == ["small.jsonl"]
    with pytest.raises(DatasetError, match="no split 'tset', but dev, test"):
        read_dataset(f"{folder}:tset")
    with pytest.raises(DatasetError, match="no configuration 'big', but default, small"):
        read_dataset(f"{folder}:big/test")


@pytest.mark.parametrize(
    ("names", "split", "expected"),
    [
        (["test-00000-of-00002.jsonl", "test-00001-of-00002.jsonl"], "", [0, 1]),
        (["data/test-00000-of-00001.jsonl", "data/dev-00000-of-00001.jsonl"], "", [0]),
        (["data/filtered-00000-of-00001.jsonl", "data/test-00000-of-00001.jsonl"], "filtered", [0]),
        (["test.jsonl", "train.jsonl"], "", [0]),
        (["test/part1.jsonl", "train/part1.jsonl", "train/part2.jsonl"], "train", [1, 2]),
        (["swe-bench-dev.json", "swe-bench-test.json"], "dev", [0]),
        (["one.jsonl", "two.jsonl"], "", [0, 1]),
        (["rows.jsonl", ".hidden/rows.jsonl", ".rows.jsonl"], "", [0]),
        (["latest.jsonl", "contest.jsonl"], "", [1, 0]),
    ],
)
def test_without_a_readme_the_names_of_files_say_the_split(tmp_path, names, split, expected):
    folder = str(made(tmp_path / "set", names=names))
    found = ids(read_dataset(f"{folder}:{split}" if split else folder))
    assert found == [names[number] for number in expected]


def test_several_splits_and_none_named_test_is_a_question(tmp_path):
    folder = made(tmp_path / "set", names=["train.jsonl", "dev.jsonl"])
    with pytest.raises(DatasetError, match="no split 'test', but dev, train: write the split after"):
        read_dataset(str(folder))


@pytest.mark.parametrize(
    "path", ["../secret.jsonl", "/etc/rows.jsonl", "a/../../b.jsonl", "", 3, None, [["a"]]]
)
def test_a_readme_cannot_point_out_of_its_folder(tmp_path, path):
    write(tmp_path / "secret.jsonl", [row("secret")])
    said = f"configs:\n- config_name: default\n  data_files:\n  - split: test\n    path: {json.dumps(path)}"
    folder = made(tmp_path / "set", said, names=["test.jsonl"])
    with pytest.raises(DatasetError, match="its README says"):
        read_dataset(str(folder))


@pytest.mark.parametrize("matter", ["a: [", "\t- x", "configs: 3", "configs:\n- 7", "just text", "? : :"])
def test_a_readme_of_another_form_is_one_sentence_or_says_nothing(tmp_path, matter):
    folder = made(tmp_path / "set", matter, names=["test.jsonl"])
    try:
        assert ids(read_dataset(str(folder))) == ["test.jsonl"]
    except DatasetError as error:
        assert "front matter" in str(error) and "\n" not in str(error)


@pytest.mark.parametrize("text", [b"# A card\n", b"", b"\xff\xfe---\n", b"----\na: 1\n----\n"])
def test_a_readme_without_front_matter_says_nothing(tmp_path, text):
    folder = made(tmp_path / "set", names=["test.jsonl"])
    (folder / "README.md").write_bytes(text)
    assert ids(read_dataset(str(folder))) == ["test.jsonl"]


def test_a_folder_without_rows_is_one_sentence(tmp_path):
    (tmp_path / "README.md").write_text("# nothing")
    with pytest.raises(DatasetError, match="no files of rows"):
        read_dataset(str(tmp_path))


def test_one_broken_file_of_a_split_spares_the_others(tmp_path):
    folder = made(tmp_path / "set", names=["data/test-0.jsonl", "data/test-2.jsonl"])
    (folder / "data" / "test-1.parquet").write_bytes(b"no parquet")
    dataset = read_dataset(str(folder))
    assert ids(dataset) == ["data/test-0.jsonl", "data/test-2.jsonl"]
    assert dataset.bad[0].place.endswith("test-1.parquet")


@given(st.text("abc-_./0 ", min_size=1, max_size=12))
def test_any_split_that_is_asked_for_is_found_or_refused(split):
    with tempfile.TemporaryDirectory() as name:
        folder = made(Path(name) / "set", names=["a.jsonl", "b-test.jsonl"])
        try:
            taken, files = files_of_split(folder, split)
        except DatasetError as error:
            assert "no split" in str(error)
        else:
            assert taken == split and files
