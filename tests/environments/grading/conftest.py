"""A real repository with a bug, its dataset row, and prepared worlds of it in real sandboxes."""

import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from waiting import PATIENCE

from sandbox import Limits, open_backend

sys.path.insert(0, str(Path(__file__).parent))

from small_project import MODULE, RUNNERS, SOURCE, TESTS, Project


@pytest.fixture(scope="session")
def projects(repo_at, tmp_path_factory):
    repo = repo_at(tmp_path_factory.mktemp("grading") / "project")
    repo.commit(
        {"pkg.py": SOURCE, MODULE: TESTS, "tests/__init__.py": "", "setup.cfg": "[metadata]\nname = pkg\n"}
    )
    return {
        name: Project(repo.folder, tmp_path_factory.mktemp(name), command, naming)
        for name, (command, naming) in RUNNERS.items()
    }


@pytest.fixture
def project(projects):
    return projects["pytest"]


@pytest.fixture
def prepared(tmp_path):
    """Start the world of a task once, to be copied from."""

    @asynccontextmanager
    async def start(task):
        backend = open_backend("overlay", run="test-grading", state=tmp_path / "sandboxes")
        try:
            yield await backend.start(task.world(), name="base", limits=Limits(memory=None, timeout=PATIENCE))
        finally:
            await backend.close()

    return start
