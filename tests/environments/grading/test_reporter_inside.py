"""The reporter in every Python that is here: what it keeps of a run, and that its key is gone."""

import hashlib
import hmac
import json
import subprocess
import sys

import pytest
from programs import program_path

from environments.reporter import _SOURCE, unittest_results

TESTS = """
import unittest

class Case(unittest.TestCase):
    def test_good(self):
        '''What is good.'''

    def test_bad(self):
        self.fail("no")

    @unittest.skip("later")
    def test_later(self):
        pass

    @unittest.expectedFailure
    def test_expected(self):
        self.fail("as expected")

    def test_in_a_run(self):
        inner = unittest.TestSuite([Inner("runTest")])
        unittest.TextTestRunner(stream=open("/dev/null", "w")).run(inner)

class Inner(unittest.TestCase):
    def runTest(self):
        self.fail("an inner run's failure is none of ours")

"""
PYTHONS = ["python2.7", *(f"python3.{minor}" for minor in range(6, 15))]


@pytest.mark.parametrize("name", [sys.executable, *PYTHONS])
def test_what_unittest_was_told(tmp_path, name):
    python = name if name == sys.executable else program_path(name)
    if not python or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"there is no {name} here")
    (tmp_path / "test_case.py").write_text(TESTS.replace("\ndel Inner.__module__\n", ""))
    (tmp_path / "json.py").write_text("raise SystemExit(0)\n")
    place = tmp_path / "reporter"
    place.mkdir()
    (place / "sitecustomize.py").write_bytes(_SOURCE.read_bytes())
    (place / "key").write_bytes(b"a key")
    done = subprocess.run(
        [python, "-m", "unittest", "-v", "test_case.Case"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{place}:{tmp_path}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    content = (place / "report").read_bytes()
    results, titles = unittest_results(content)
    assert {key.split()[0]: outcome for key, outcome in results.items()} == {
        "test_good": "passed",
        "test_bad": "failed",
        "test_later": "skipped",
        "test_expected": "passed",
        "test_in_a_run": "passed",
    }
    assert titles == {"What is good.": "passed"} and not (place / "key").exists()
    assert (place / "seal").read_text() == hmac.new(b"a key", content, hashlib.sha256).hexdigest()
    assert json.loads(content)
