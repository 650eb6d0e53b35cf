"""What all tests share: the helpers in `support/`, the profile of property tests, the order in which tests start."""

import os
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "models")]  # helpers are imported by name

from backends import skip_without_backend  # noqa: E402 (these need the path above)
from order import start_order  # noqa: E402
from programs import refuse_unlisted_programs  # noqa: E402

refuse_unlisted_programs()

# What is printed into a pipe is held back in a user's process: tests must not miss that where a machine says otherwise.
os.environ.pop("PYTHONUNBUFFERED", None)

# A shell has Ctrl-C ignored in what it starts in the background (`make test &`), and tests would hand that on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No verdict may depend on how fast a machine is, or on which fixtures a property test takes: an example that needs a
# fresh one makes it itself.
hypothesis.settings.register_profile(
    "winnow",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
    print_blob=True,
)
hypothesis.settings.load_profile("winnow")


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory):
    """A model file of random weights; tests that need it are skipped where the extra `local` is not installed."""
    reason = "the extra local, or libgomp.so.1 that it is linked with, is not installed"
    pytest.importorskip("xllamacpp", reason=reason, exc_type=ImportError)
    pytest.importorskip("gguf", reason="gguf, which writes the model, is not installed")
    from tiny_gguf import write_tiny_gguf

    return write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


def pytest_runtest_setup(item):
    skip_without_backend(item)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items.sort(key=start_order)
    _restore_groups(items)


def _restore_groups(items):
    """pytest 9.2 does not read the field in which pytest-xdist 3.8 notes a test's group.

    Without this, tests that must not run at the same time (`xdist_group`) do. To be removed with a pytest-xdist that
    knows.
    """
    for item in items:
        noted = vars(item).get("_nodeid")
        if noted and noted.startswith(f"{item.nodeid}@"):
            from _pytest.nodeid import NodeId

            item._id = NodeId.parse(noted)
            assert item.nodeid == noted
