"""The script that starts services, in a real shell: once, waiting until they answer, and saying why they do not."""

import os
import secrets
import signal
import subprocess
from pathlib import Path

import pytest
from waiting import PATIENCE

from environments.building.plan import Service
from environments.building.services import start_script


@pytest.fixture
def name():
    """A service's name that nobody else has: what it says goes to a file of /tmp that is called after it."""
    name = f"x{secrets.token_hex(4)}"
    yield name
    Path(f"/tmp/service-{name}.log").unlink(missing_ok=True)


def run(script, cwd):
    return subprocess.run(["sh", "-c", script], cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)


def test_it_waits_and_does_nothing_the_second_time(tmp_path, name):
    start = f"echo $$ >> {tmp_path}/pids; sleep 0.5; touch {tmp_path}/up; exec sleep 3600"
    script = start_script([Service(name, start, f"test -f {tmp_path}/up", int(PATIENCE))])
    try:
        assert run(script, tmp_path).returncode == 0 and (tmp_path / "up").exists()
        assert run(script, tmp_path).returncode == 0
        assert len((tmp_path / "pids").read_text().split()) == 1
    finally:
        for pid in (tmp_path / "pids").read_text().split():
            os.kill(int(pid), signal.SIGKILL)


def test_one_that_dies_says_its_last_words(tmp_path, name):
    # Asked for the first time, before the service is started, it is not ready; from then on, once it has died.
    ready = "[ -e asked ] || { touch asked; exit 1; }; until [ -e dead ]; do sleep 0.05; done; exit 1"
    service = Service(name, f"echo 'port is taken'; touch {tmp_path}/dead; exit 3", ready, 1)
    done = run(start_script([service]), tmp_path)
    assert done.returncode == 70 and f"{name} does not answer" in done.stdout
    assert "port is taken" in done.stdout


def test_quotes_and_several_lines(tmp_path, name):
    start = f"printf '%s' \"it's \\\"so\\\"\" > '{tmp_path}/said'\nsleep 0"
    done = run(start_script([Service(name, start, f"test -s {tmp_path}/said", int(PATIENCE))]), tmp_path)
    assert done.returncode == 0 and (tmp_path / "said").read_text() == 'it\'s "so"'


def test_no_services_no_script():
    assert start_script([]) == ""
