"""pytest 9.2 no longer reads the field in which pytest-xdist 3.8 notes a test's group: without this, tests that must
not run at the same time (`xdist_group`) do. To be removed with a pytest-xdist that knows."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "models"))  # tiny_gguf, gbnf


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory):
    """A model file of random weights; tests that need it are skipped where the extra `local` is not installed."""
    pytest.importorskip("xllamacpp", reason="the extra local is not installed")
    pytest.importorskip("gguf", reason="gguf, which writes the model, is not installed")
    from tiny_gguf import write_tiny_gguf

    return write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    for item in items:
        noted = vars(item).get("_nodeid")
        if noted and noted.startswith(f"{item.nodeid}@"):
            from _pytest.nodeid import NodeId

            item._id = NodeId.parse(noted)
            assert item.nodeid == noted
