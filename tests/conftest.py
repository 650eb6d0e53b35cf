"""pytest 9.2 no longer reads the field in which pytest-xdist 3.8 notes a test's group: without this, tests that must
not run at the same time (`xdist_group`) do. To be removed with a pytest-xdist that knows."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    for item in items:
        noted = vars(item).get("_nodeid")
        if noted and noted.startswith(f"{item.nodeid}@"):
            from _pytest.nodeid import NodeId

            item._id = NodeId.parse(noted)
            assert item.nodeid == noted
