"""Files of rows, whole and damaged: what can be read is read, and the rest is named with file and line."""

import gzip
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows_for_tests import ids, row, rows, write

from environments import DatasetError, read_dataset

VALUES = st.dictionaries(
    st.text(max_size=5), st.text() | st.integers() | st.none() | st.booleans(), max_size=3
)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(VALUES, st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\n \t\n"]), st.booleans()), min_size=1
    ),
    st.booleans(),
    st.booleans(),
)
def test_rows_survive_every_mixture_of_line_endings(tmp_path, lines, zipped, marked):
    content = "\ufeff" if marked else ""
    for number, (others, end, ascii_only) in enumerate(lines):
        text = json.dumps(
            {**others, **row(f"a-{number}", problem_statement="\u2028é\x85")}, ensure_ascii=ascii_only
        )
        content += text + end
    file = tmp_path / ("rows.jsonl.gz" if zipped else "rows.jsonl")
    data = content.encode("utf-8", "replace")
    file.write_bytes(gzip.compress(data) if zipped else data)
    dataset = read_dataset(str(file))
    assert ids(dataset) == [f"a-{number}" for number in range(len(lines))] and not dataset.bad


@settings(max_examples=60)
@given(st.data())
def test_a_file_cut_anywhere_keeps_every_row_before_the_cut(tmp_path, data):
    whole = "".join(json.dumps(each) + "\r\n" for each in rows(4)).encode()
    ends = [0]
    for line in whole.splitlines(keepends=True):
        ends.append(ends[-1] + len(line))
    cut = data.draw(st.integers(ends[1], len(whole)))
    file = tmp_path / "rows.jsonl"
    file.write_bytes(whole[:cut])
    dataset = read_dataset(str(file))
    # A row is whole once its closing brace is there, with or without its line end.
    complete = sum(cut >= end - 2 for end in ends[1:])
    assert len(dataset.instances) == complete
    if cut > ends[complete]:
        (bad,) = dataset.bad
        assert bad.place == f"{file}, line {complete + 1}" and "cut off" in bad.sentence
    else:
        assert not dataset.bad


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_gzip_file_that_is_cut_off_keeps_what_comes_before(tmp_path, keep):
    # Texts that do not compress, so that the cut falls between rows.
    content = [
        row(f"a-{n}", problem_statement="".join(chr(33 + (n * k * k) % 90) for k in range(4000)))
        for n in range(60)
    ]
    data = gzip.compress("".join(json.dumps(each) + "\n" for each in content).encode())
    file = tmp_path / "rows.jsonl.gz"
    file.write_bytes(data[: int(len(data) * keep)])
    try:
        dataset = read_dataset(str(file))
    except DatasetError as error:
        assert "cut off" in str(error)
        return
    assert ids(dataset) == [f"a-{n}" for n in range(len(dataset.instances))]
    assert "cut off" in dataset.bad[-1].sentence


def test_something_else_called_gzip_is_one_sentence(tmp_path):
    file = tmp_path / "rows.jsonl.gz"
    file.write_bytes(b"PK\x03\x04 this is a zip file")
    with pytest.raises(
        DatasetError, match=r"no usable row.*rows\.jsonl\.gz, line 1: the compressed file is damaged"
    ):
        read_dataset(str(file))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"[1, 2]", "a JSON list, not an object"),
        (b"null", "null, not an object"),
        (b'{"instance_id": "x", }', "no JSON"),
        (b'{"instance_id": "\xff\xfe"}', "no UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 6000 + b"}", "no JSON"),
        (b"\x00\x00\x00", "no JSON"),
        (b"<!DOCTYPE html>", "no JSON"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_runs(tmp_path, line, sentence):
    file = tmp_path / "rows.jsonl"
    good = [json.dumps(each).encode() for each in rows(2)]
    file.write_bytes(b"\n".join([good[0], line, good[1], b""]))
    dataset = read_dataset(str(file))
    assert ids(dataset) == ["acme__tool-1", "acme__tool-2"]
    (bad,) = dataset.bad
    assert bad.place == f"{file}, line 2" and sentence in bad.sentence


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_list_has_lines_too(tmp_path, indent):
    file = tmp_path / "rows.json"
    content = rows(3)
    del content[1]["repo"]
    file.write_text(json.dumps(content, indent=indent))
    dataset = read_dataset(str(file))
    assert ids(dataset) == ["acme__tool-1", "acme__tool-3"]
    line = 1 if indent is None else file.read_text().splitlines().index("  {", 3) + 1
    assert dataset.bad[0].place == f"{file}, line {line}" and "repo is missing" in dataset.bad[0].sentence


def test_a_json_list_that_is_cut_off_keeps_the_rows_before_the_cut(tmp_path):
    file = tmp_path / "rows.json"
    text = json.dumps(rows(3), indent=1)
    for cut, count in ((text.rindex("{") + 40, 2), (len(text) - 1, 3)):
        file.write_text(text[:cut])
        dataset = read_dataset(str(file))
        assert len(dataset.instances) == count and "cut off" in dataset.bad[0].sentence


def test_json_by_id_one_row_and_lines_in_a_json_file(tmp_path):
    file = tmp_path / "rows.json"
    by_id = {each.pop("instance_id"): each for each in rows(2)}
    file.write_text(json.dumps(by_id))
    assert ids(read_dataset(str(file))) == ["acme__tool-1", "acme__tool-2"]
    file.write_text(json.dumps(row()))
    assert ids(read_dataset(str(file))) == ["acme__tool-1"]
    write(file, rows(2))
    assert ids(read_dataset(str(file))) == ["acme__tool-1", "acme__tool-2"]


@pytest.mark.parametrize("content", ["", "\n\n", "[]", "{}", "7"])
def test_a_file_without_rows_is_one_sentence(tmp_path, content):
    file = tmp_path / "rows.json"
    file.write_text(content)
    with pytest.raises(DatasetError, match="no usable row"):
        read_dataset(str(file))


def test_what_is_no_file_of_rows_is_said(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b")
    with pytest.raises(DatasetError, match=r"none of the kinds.*\.jsonl"):
        read_dataset(str(tmp_path / "rows.csv"))
    with pytest.raises(DatasetError, match="there is no dataset"):
        read_dataset(str(tmp_path / "missing.jsonl"))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 but not really PAR1")
    with pytest.raises(DatasetError, match=r"broken\.parquet: the file cannot be read as parquet"):
        read_dataset(str(tmp_path / "broken.parquet"))


def test_parquet_has_the_same_rows_as_json_lines(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    content = rows(150)
    content[7]["repo"] = None
    lines = read_dataset(str(write(tmp_path / "rows.jsonl", content)))
    for each in content:
        each["created_at"] = datetime.fromisoformat(each["created_at"]).astimezone(UTC)
    parquet.write_table(pyarrow.Table.from_pylist(content), tmp_path / "rows.parquet", row_group_size=40)
    table = read_dataset(str(tmp_path / "rows.parquet"))
    assert ids(table) == ids(lines) and table.references == lines.references
    assert table.bad[0].place == f"{tmp_path}/rows.parquet, row 8"
    assert table.digest == lines.digest


def test_a_parquet_file_with_a_damaged_part_keeps_what_comes_before(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "rows.parquet"
    content = [row(f"a-{n}", problem_statement=f"{n} " * 3000) for n in range(300)]
    options = {"row_group_size": 64, "compression": "gzip", "use_dictionary": False}
    parquet.write_table(pyarrow.Table.from_pylist(content), file, **options)
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = b"\xff" * 2000
    file.write_bytes(bytes(data))
    dataset = read_dataset(str(file))
    assert 0 < len(dataset.instances) < 300 and "damaged" in dataset.bad[-1].sentence
