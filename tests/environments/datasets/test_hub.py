"""Datasets by Hugging Face id, through the real huggingface_hub, from a hub on loopback and from its cache.

Each reading is a process of its own, as for a user: huggingface_hub reads its settings when it is imported.
"""

import json
import os
import subprocess
import sys

import pytest
from hub_server import COMMIT, Hub
from rows_for_tests import row, rows, write
from waiting import PATIENCE

from environments import read_dataset
from environments.datasets.hub import HubName, hub_name

pytest.importorskip("huggingface_hub")

CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: test\n    path: data/test-*\n"
CARD += "  - split: dev\n    path: data/dev-*\n---\n# Card\n"
READ = """
import json, sys
from environments import DatasetError, Pick, read_dataset
try:
    found = read_dataset(sys.argv[1])
except DatasetError as error:
    print(json.dumps({"error": str(error)}))
else:
    print(json.dumps({"ids": [each.id for each in found.instances], "source": found.source, "digest": found.digest,
        "schema": found.schema, "bad": [str(bad) for bad in found.bad], "images": [i.image for i in found.instances]}))
"""


def reading(name, cache, url, **settings):
    env = {
        **os.environ,
        "HF_HUB_CACHE": str(cache),
        "HF_ENDPOINT": url,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_ETAG_TIMEOUT": f"{PATIENCE:.0f}",
        "HF_HUB_DOWNLOAD_TIMEOUT": f"{PATIENCE:.0f}",
        **settings,
    }
    env.pop("HF_TOKEN", None)
    done = subprocess.run(
        [sys.executable, "-c", READ, name], env=env, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "served"
    write(folder / "data" / "test-00000-of-00002.jsonl", [row("a-1"), row("a-2", repo=None)])
    write(folder / "data" / "test-00001-of-00002.jsonl", [row("a-3")])
    write(folder / "data" / "dev-00000-of-00001.jsonl", [row("dev-1")])
    (folder / "picture.png").write_bytes(b"png")
    (folder / "README.md").write_text(CARD)
    return folder


def test_an_id_is_fetched_split_by_split_and_then_read_from_the_cache(served, tmp_path, httpserver):
    hub, cache = Hub(httpserver, "acme/tasks", served), tmp_path / "cache"
    found = reading("acme/tasks", cache, hub.url)
    assert found["ids"] == ["a-1", "a-3"] and found["source"] == f"acme/tasks@{COMMIT}:test"
    assert found["bad"][0].startswith("acme/tasks/data/test-00000-of-00002.jsonl, line 2: repo is empty")
    assert sorted(hub.asked) == [
        "README.md",
        "data/test-00000-of-00002.jsonl",
        "data/test-00001-of-00002.jsonl",
    ]
    assert found["digest"] == read_dataset(str(served)).digest

    offline = reading("acme/tasks", cache, "http://127.0.0.1:1", HF_HUB_OFFLINE="1")
    assert offline == found


def test_a_split_a_configuration_and_a_revision(served, tmp_path, httpserver):
    hub = Hub(httpserver, "acme/tasks", served)
    assert reading("acme/tasks:dev", tmp_path / "1", hub.url)["ids"] == ["dev-1"]
    assert [path for path in hub.asked if path.startswith("data/")] == ["data/dev-00000-of-00001.jsonl"]
    assert reading("acme/tasks@v1:default/dev", tmp_path / "2", hub.url)["ids"] == ["dev-1"]
    assert "no split 'train'" in reading("acme/tasks:train", tmp_path / "3", hub.url)["error"]
    assert "no revision v2" in reading("acme/tasks@v2", tmp_path / "4", hub.url)["error"]


def test_an_alias_is_fetched_by_its_id_and_read_by_its_schema(tmp_path, httpserver):
    folder = tmp_path / "served"
    write(folder / "data" / "test-00000-of-00001.jsonl", rows(1))
    hub = Hub(httpserver, "SWE-bench/SWE-bench_Verified", folder)
    found = reading("verified", tmp_path / "cache", hub.url)
    assert found["schema"] == "verified" and found["ids"] == ["acme__tool-1"]
    assert found["images"] == ["swebench/sweb.eval.x86_64.acme_1776_tool-1:latest"]


def test_what_cannot_be_fetched_is_one_sentence(served, tmp_path, httpserver):
    hub = Hub(httpserver, "acme/tasks", served)
    for name, url, settings, said in (
        ("acme/nothing", hub.url, {}, "there is none of that name"),
        ("acme/tasks", "http://127.0.0.1:1", {"HF_HUB_OFFLINE": "1"}, "cannot be reached and no copy"),
        ("acme/tasks", "http://127.0.0.1:1", {}, "cannot be reached and no copy"),
    ):
        error = reading(name, tmp_path / "empty", url, **settings)["error"]
        assert (
            error.startswith(f"the dataset {name} cannot be fetched") and "\n" not in error and said in error
        )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("owner/name", HubName("owner/name")),
        ("owner/name@main", HubName("owner/name", "main")),
        ("owner/name:test", HubName("owner/name", "", "test")),
        ("owner/na.me-1@refs/pr/3:all/test", HubName("owner/na.me-1", "refs/pr/3", "test", "all")),
        ("name", None),
        ("owner/name/more", None),
        ("../name", None),
        ("owner/", None),
        ("owner/name@", None),
        ("ownér/name", None),
        ("owner/name:", None),
        ("https://x.org/a", None),
    ],
)
def test_ids(name, expected):
    assert hub_name(name) == expected
