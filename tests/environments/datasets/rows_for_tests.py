"""Rows as datasets have them, made here: nothing of a public dataset is copied."""

import json
from pathlib import Path
from typing import Any


def row(instance_id: str = "acme__tool-1", **columns: Any) -> dict[str, Any]:
    usual = {
        "instance_id": instance_id,
        "repo": "acme/tool",
        "base_commit": "0123456789abcdef0123456789abcdef01234567",
        "problem_statement": "It breaks.\nIt should not.",
        "hints_text": "Look at tool.py.",
        "patch": "diff --git a/tool.py b/tool.py\n--- a/tool.py\n+++ b/tool.py\n@@ -1 +1 @@\n-old\n+new\n",
        "test_patch": "",
        "created_at": "2021-05-13T21:32:41Z",
        "version": "2.0",
        "FAIL_TO_PASS": ["tests/test_tool.py::test_new"],
        "PASS_TO_PASS": ["tests/test_tool.py::test_old"],
    }
    return {**usual, **columns}


def rows(count: int, **columns: Any) -> list[dict[str, Any]]:
    return [row(f"acme__tool-{number}", **columns) for number in range(1, count + 1)]


def write(path: Path, content: list[dict[str, Any]], end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(json.dumps(each) + end for each in content).encode())
    return path


def ids(dataset: Any) -> list[str]:
    return [instance.id for instance in dataset.instances]
