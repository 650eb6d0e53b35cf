"""The script that starts services, in a real shell: once, waiting until they answer, and saying why they do not."""

import os
import signal
import subprocess

from environments.building.plan import Service
from environments.building.services import start_script


def run(script, cwd):
    return subprocess.run(["sh", "-c", script], cwd=cwd, capture_output=True, text=True, timeout=60)


def test_it_waits_and_does_nothing_the_second_time(tmp_path):
    start = f"echo $$ >> {tmp_path}/pids; sleep 0.5; touch {tmp_path}/up; exec sleep 60"
    script = start_script([Service("x1", start, f"test -f {tmp_path}/up", 20)])
    try:
        assert run(script, tmp_path).returncode == 0 and (tmp_path / "up").exists()
        assert run(script, tmp_path).returncode == 0
        assert len((tmp_path / "pids").read_text().split()) == 1
    finally:
        for pid in (tmp_path / "pids").read_text().split():
            os.kill(int(pid), signal.SIGKILL)


def test_one_that_dies_says_its_last_words(tmp_path):
    done = run(start_script([Service("x2", "echo 'port is taken'; exit 3", "false", 1)]), tmp_path)
    assert done.returncode == 70 and "x2 does not answer" in done.stdout and "port is taken" in done.stdout


def test_quotes_and_several_lines(tmp_path):
    start = f"printf '%s' \"it's \\\"so\\\"\" > '{tmp_path}/said'\nsleep 0"
    done = run(start_script([Service("x3", start, f"test -s {tmp_path}/said", 10)]), tmp_path)
    assert done.returncode == 0 and (tmp_path / "said").read_text() == 'it\'s "so"'


def test_no_services_no_script():
    assert start_script([]) == ""
