"""Runs inside a grading sandbox, in the interpreter of the tests: what a test run said, under a seal (see reporter.py).

Never imported by Winnow. Python 2.7 to today, standard library only. It is loaded before any code of the repository,
takes the key from beside it and removes the file; a process that finds no key (a child, a worker) does nothing.
As the pytest plug-in `winnow_reporter` it seals pytest's own XML report when pytest has ended; as `sitecustomize` it
keeps what unittest's results were told, and seals that when the outermost test run ends.
"""

import hashlib
import hmac
import json
import os

_HERE = os.path.dirname(os.path.abspath(__file__))


def _take_sealer():
    path = os.path.join(_HERE, "key")
    try:
        with open(path, "rb") as file:
            key = file.read()
        os.remove(path)
    except OSError:
        return None

    def seal(content):
        with open(os.path.join(_HERE, "seal"), "w") as file:
            file.write(hmac.new(key, content, hashlib.sha256).hexdigest())

    return seal


def _watch_pytest(seal):
    def pytest_unconfigure(config):
        try:
            with open(os.path.join(_HERE, "report"), "rb") as file:
                content = file.read()
        except OSError:
            return
        seal(content)

    globals()["pytest_unconfigure"] = pytest_unconfigure


def _watch_unittest(seal):
    import unittest

    kept = []
    active = []

    def told(outcome):
        def wrap(method):
            def wrapped(self, test, *more, **named):
                if active and active[0] is self:
                    if outcome != "subtest" or (more and more[-1] is not None):
                        kept.append([str(test), _title(test), "failed" if outcome == "subtest" else outcome])
                return method(self, test, *more, **named)

            return wrapped

        return wrap

    def begins(method):
        def wrapped(self):
            if not active:
                active.append(self)
            return method(self)

        return wrapped

    def ends(method):
        def wrapped(self):
            if active and active[0] is self:
                active.pop()
                content = json.dumps(kept).encode("ascii")
                with open(os.path.join(_HERE, "report"), "wb") as file:
                    file.write(content)
                seal(content)
            return method(self)

        return wrapped

    outcomes = {
        "addSuccess": "passed",
        "addFailure": "failed",
        "addError": "error",
        "addSkip": "skipped",
        "addExpectedFailure": "passed",
        "addUnexpectedSuccess": "failed",
        "addSubTest": "subtest",
    }
    base = unittest.TestResult
    for name, outcome in outcomes.items():
        if hasattr(base, name):
            setattr(base, name, told(outcome)(getattr(base, name)))
    base.startTestRun = begins(base.startTestRun)
    base.stopTestRun = ends(base.stopTestRun)


def _title(test):
    try:
        return test.shortDescription() or ""
    except Exception:
        return ""


_seal = _take_sealer()
if _seal is not None:
    (_watch_unittest if __name__ == "sitecustomize" else _watch_pytest)(_seal)
del _seal
