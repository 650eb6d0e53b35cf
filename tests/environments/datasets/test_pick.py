"""Selections: what each part takes, in which order, and that shards are a partition."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows_for_tests import ids, row, rows, write

from environments import DatasetError, Pick, read_dataset

IDS = st.lists(
    st.text("abc/ -0é", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=30, unique=True
)
BOUND = st.none() | st.integers(-12, 12)


@settings(max_examples=80)
@given(IDS, st.integers(1, 7), st.none() | st.integers())
def test_shards_are_disjoint_and_together_everything(tmp_path, found, parts, seed):
    file = str(write(tmp_path / "rows.jsonl", [row(each) for each in found]))
    whole = ids(read_dataset(file, Pick(shuffle=seed)))
    shards = [ids(read_dataset(file, Pick(shuffle=seed, shard=f"{k}/{parts}"))) for k in range(1, parts + 1)]
    assert sorted(each for shard in shards for each in shard) == sorted(whole) == sorted(found)
    assert all(shard == [each for each in whole if each in shard] for shard in shards)


@settings(max_examples=80)
@given(IDS, st.integers(2, 5), st.data())
def test_a_row_stays_in_its_shard_whatever_else_is_there(tmp_path, found, parts, data):
    fewer = data.draw(st.lists(st.sampled_from(found), min_size=1, unique=True))
    shard = f"{data.draw(st.integers(1, parts))}/{parts}"
    some = set(
        ids(read_dataset(str(write(tmp_path / "a.jsonl", [row(e) for e in fewer])), Pick(shard=shard)))
    )
    whole = set(
        ids(read_dataset(str(write(tmp_path / "b.jsonl", [row(e) for e in found])), Pick(shard=shard)))
    )
    assert some == whole & set(fewer)


@settings(max_examples=80)
@given(st.integers(1, 12), BOUND, BOUND, BOUND.filter(lambda step: step != 0))
def test_slices_are_pythons(tmp_path, count, start, stop, step):
    file = str(write(tmp_path / "rows.jsonl", rows(count)))
    said = ":".join("" if each is None else str(each) for each in (start, stop, step))
    expected = ids(read_dataset(file))[start:stop:step]
    if expected:
        assert ids(read_dataset(file, Pick(slice=said))) == expected
    else:
        with pytest.raises(DatasetError, match="nothing of .* is selected: the slice"):
            read_dataset(file, Pick(slice=said))


@settings(max_examples=80)
@given(IDS, st.integers())
def test_an_order_depends_on_the_seed_and_the_ids_alone(tmp_path, found, seed):
    there = read_dataset(str(write(tmp_path / "a.jsonl", [row(e) for e in found])), Pick(shuffle=seed))
    back = read_dataset(
        str(write(tmp_path / "b.jsonl", [row(e) for e in reversed(found)])), Pick(shuffle=seed)
    )
    assert ids(there) == ids(back) and sorted(ids(there)) == sorted(found)
    assert there.digest == back.digest


def test_seeds_give_different_orders(tmp_path):
    file = str(write(tmp_path / "rows.jsonl", rows(30)))
    orders = {tuple(ids(read_dataset(file, Pick(shuffle=seed)))) for seed in range(5)}
    assert len(orders) == 5


@pytest.fixture
def mixed(tmp_path):
    content = [
        row("django__django-1", repo="django/django", version="3.1", difficulty="<15 min fix", python="3.6"),
        row("django__django-2", repo="django/django", version="4.0", difficulty="1-4 hours", stars=5),
        row("sympy__sympy-1", repo="sympy/sympy", version="1.1"),
    ]
    return str(write(tmp_path / "rows.jsonl", content))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("django", [1, 2]),
        ("-1$", [1, 3]),
        ("^sympy|-2$", [2, 3]),
        ("repo=sympy/sympy", [3]),
        ("repo!=sympy/sympy", [1, 2]),
        ("version~^[13]", [1, 3]),
        ("id=django__django-1", [1]),
        ("difficulty=<15 min fix", [1]),
        ("difficulty=", [3]),
        ("stars=5", [2]),
        (("django", "version=4.0"), [2]),
        (("django", "version~3"), [1]),
        ("(?=django).*2", [2]),
        ("", [1, 2, 3]),
    ],
)
def test_filters(mixed, filters, expected):
    names = ["django__django-1", "django__django-2", "sympy__sympy-1"]
    assert ids(read_dataset(mixed, Pick(filter=filters))) == [names[number - 1] for number in expected]


def test_a_filter_that_nothing_passes_is_said(mixed):
    with pytest.raises(
        DatasetError, match=r"nothing of .* is selected: no row passes 'flask' \(it has 3 usable rows\)"
    ):
        read_dataset(mixed, Pick(filter="flask"))
    with pytest.raises(DatasetError, match="no field 'rep' to filter by; did you mean repo"):
        read_dataset(mixed, Pick(filter="rep=django/django"))


def test_a_file_of_instances_gives_rows_and_their_order(mixed, tmp_path):
    file = tmp_path / "wanted.txt"
    file.write_bytes(b"\xef\xbb\xbf# mine\r\nsympy__sympy-1\r\n\r\n  django__django-2 \ndjango__django-2")
    assert ids(read_dataset(mixed, Pick(instances=file))) == ["sympy__sympy-1", "django__django-2"]
    assert ids(read_dataset(mixed, Pick(instances=str(file), slice="1:"))) == ["django__django-2"]
    assert ids(read_dataset(mixed, Pick(instances=file, filter="^s"))) == ["sympy__sympy-1"]


def test_an_unknown_instance_is_named_with_the_nearest(mixed, tmp_path):
    file = tmp_path / "wanted.txt"
    file.write_text("sympy__sympy-1\ndjango__djngo-2\nnowhere\n")
    with pytest.raises(
        DatasetError, match=r"wanted\.txt, line 2: .* no instance 'django__djngo-2' \(and 1 more\)"
    ):
        read_dataset(mixed, Pick(instances=file))
    with pytest.raises(DatasetError, match=r"did you mean django__django-[12]\?"):
        read_dataset(mixed, Pick(instances=file))


def test_an_instance_whose_row_is_bad_is_in_the_bad_rows_and_no_reason_to_stop(tmp_path):
    data = str(write(tmp_path / "rows.jsonl", [row("a-1"), row("a-2", repo=None)]))
    file = tmp_path / "wanted.txt"
    file.write_text("a-1\na-2\n")
    dataset = read_dataset(data, Pick(instances=file))
    assert ids(dataset) == ["a-1"] and dataset.bad[0].id == "a-2"


def test_a_file_of_instances_that_cannot_be_read_is_one_sentence(mixed, tmp_path):
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n# nothing\n")
    binary.write_bytes(b"\xff\xfe\x00")
    for file, said in (
        (empty, "names none"),
        (binary, "no UTF-8"),
        (tmp_path / "no", "No such file"),
        (tmp_path, "dir"),
    ):
        with pytest.raises(DatasetError, match=said):
            read_dataset(mixed, Pick(instances=file))


def test_the_order_of_application(tmp_path):
    """instances, filter, shuffle, slice, shard: shards of a slice are together the slice."""
    data = str(write(tmp_path / "rows.jsonl", rows(40)))
    pick = {"filter": "-[1-3]", "shuffle": 3, "slice": "2:14"}
    sliced = ids(read_dataset(data, Pick(**pick)))
    shuffled = ids(read_dataset(data, Pick(filter="-[1-3]", shuffle=3)))
    assert sliced == shuffled[2:14]
    shards = [ids(read_dataset(data, Pick(**pick, shard=f"{k}/3"))) for k in (1, 2, 3)]
    assert sorted(each for shard in shards for each in shard) == sorted(sliced)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"slice": "3"}, "as in Python"),
        ({"slice": "1:2:0"}, "as in Python"),
        ({"slice": "a:b"}, "as in Python"),
        ({"slice": "-:3"}, "as in Python"),
        ({"slice": "9" * 30 + ":"}, "as in Python"),
        ({"shard": "0/3"}, "K from 1 to N"),
        ({"shard": "4/3"}, "K from 1 to N"),
        ({"shard": "1"}, "K/N"),
        ({"filter": "("}, "no regular expression"),
        ({"filter": "repo~["}, "no regular expression"),
    ],
)
def test_what_cannot_be_understood_is_said_before_anything_is_read(wrong, said):
    with pytest.raises(DatasetError, match=said):
        Pick(**wrong)


def test_the_digest_is_of_the_selected_contents(tmp_path):
    first = read_dataset(str(write(tmp_path / "a.jsonl", rows(3))))
    assert read_dataset(str(write(tmp_path / "b.jsonl", rows(3), end="\r\n"))).digest == first.digest
    assert read_dataset(str(write(tmp_path / "c.jsonl", rows(3, unknown="x")))).digest == first.digest
    for change in ({"problem_statement": "other"}, {"FAIL_TO_PASS": ["other"]}, {"patch": "other"}):
        assert read_dataset(str(write(tmp_path / "d.jsonl", rows(3, **change)))).digest != first.digest
    assert read_dataset(str(tmp_path / "a.jsonl"), Pick(slice=":2")).digest != first.digest
    assert read_dataset(str(write(tmp_path / "e.jsonl", rows(2)))).digest == (
        read_dataset(str(tmp_path / "a.jsonl"), Pick(slice=":2")).digest
    )
