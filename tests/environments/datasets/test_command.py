"""`winnow datasets`, as a user types it."""

import json
import subprocess
import sys

import pytest
from rows_for_tests import row, rows, write
from waiting import PATIENCE


def winnow(*args):
    return subprocess.run(
        [sys.executable, "-c", "from winnow.cli import main; main()", "datasets", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.fixture
def data(tmp_path):
    content = [
        *rows(3, patch="xyzzy-the-answer"),
        row("other__tool-1", repo="other/tool", image="other:1"),
        {"a": 1},
    ]
    return write(tmp_path / "rows.jsonl", content)


def test_the_aliases_are_listed():
    done = winnow()
    assert done.returncode == 0 and "SWE-bench/SWE-bench_Verified:test" in done.stdout
    assert "rebench" in done.stdout and "github.com/R2E-Gym/R2E-Gym" in done.stdout


def test_a_file_is_described_without_its_answers(data):
    done = winnow(data)
    assert done.returncode == 0 and "xyzzy" not in done.stdout
    for said in (
        "selected:     4 rows",
        "acme/tool 3, other/tool 1",
        "1 rows name one, 3 are built",
        "python 4",
    ):
        assert said in done.stdout
    assert f"left out: {data}, line 5: column instance_id is missing (it has a)" in done.stdout


def test_a_selection_prints_its_ids(data, tmp_path):
    wanted = tmp_path / "wanted"
    wanted.write_text("other__tool-1\nacme__tool-2\nacme__tool-1\n")
    assert (
        winnow(data, "--ids", "--instances", wanted, "--slice", ":2").stdout
        == "other__tool-1\nacme__tool-2\n"
    )
    assert winnow(data, "--ids", "--filter", "-1", "--filter", "repo=acme/tool").stdout == "acme__tool-1\n"
    halves = [
        winnow(data, "--ids", "--shuffle", 5, "--shard", f"{part}/2").stdout.splitlines() for part in (1, 2)
    ]
    assert sorted(halves[0] + halves[1]) == sorted(winnow(data, "--ids").stdout.splitlines())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["verifid"], "there is no dataset 'verifid': did you mean verified?"),
        (["nothing.jsonl"], "there is no dataset 'nothing.jsonl'"),
        (["{data}", "--slice", "7"], "write it as in Python"),
        (["{data}", "--shard", "3/2"], "K from 1 to N"),
        (["{data}", "--filter", "["], "no regular expression"),
    ],
)
def test_mistakes_are_one_sentence(data, args, said):
    done = winnow(*(arg.format(data=data) for arg in args))
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1


def test_without_the_extra_parquet_and_the_hub_say_what_to_install(tmp_path):
    """The packages are hidden from a fresh interpreter, as if the extra were not installed."""
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    hide = "import sys; sys.modules.update({'pyarrow': None, 'huggingface_hub': None})\n"
    read = "from environments import DatasetError, read_dataset\nimport json\nsaid = []\n"
    read += f"for name in ({str(tmp_path / 'rows.parquet')!r}, 'verified', 'owner/name'):\n"
    read += "    try: read_dataset(name)\n    except DatasetError as error: said.append(str(error))\n"
    done = subprocess.run(
        [sys.executable, "-c", hide + read + "print(json.dumps(said))"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    said = json.loads(done.stdout)
    assert len(said) == 3 and all("pip install 'winnow[datasets]'" in each for each in said)
