"""Makes `misbehaving` importable, and gives a server that says Hello."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def server():
    from misbehaving import start_server

    with start_server("Hello") as running:
        yield running


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    """No test may reach a provider with a key of the machine it runs on."""
    import os

    for name in list(os.environ):
        if name.endswith("_API_KEY") or name == "OPENAI_BASE_URL":
            monkeypatch.delenv(name)
