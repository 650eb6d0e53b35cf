"""Runs inside a grading sandbox, in the interpreter of the tests: what a test run said, under a seal (see reporter.py).

Never imported by Winnow. As `sitecustomize` it is loaded at the interpreter's start, before any code of the
repository; it takes the key from beside it and removes the file. A process that finds no key (a child, a worker) does
nothing. pytest's own XML report is sealed when pytest has ended, through the plug-in `winnow_reporter`; of unittest it
keeps what results are told, and seals that when the outermost test run ends. Python 2.7 to today.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _take_key():
    path = os.path.join(_HERE, "key")
    try:
        with open(path, "rb") as file:
            key = file.read()
        os.remove(path)
    except Exception:
        return None
    return key


def _sealer(key):
    """The repository may be on the path already, and must not be what the standard library is imported from."""
    path, said = sys.path[:], os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [part for part in path if part not in said]
    try:
        import hashlib
        import hmac
        import json
        import unittest
    finally:
        sys.path[:] = path

    def seal(content):
        with open(os.path.join(_HERE, "seal"), "w") as file:
            file.write(hmac.new(key, content, hashlib.sha256).hexdigest())

    return seal, json.dumps, unittest.TestResult


def _watch_pytest(seal):
    def unconfigure(config):
        try:
            with open(os.path.join(_HERE, "report"), "rb") as file:
                content = file.read()
        except Exception:
            return
        seal(content)

    def take():
        globals().pop("take_hook")
        return unconfigure

    globals()["take_hook"] = take


def _watch_unittest(seal, dumps, base):
    kept = []
    active = []

    def told(outcome, method):
        def wrapped(self, test, *more, **named):
            if active and active[0] is self:
                if outcome != "subtest":
                    kept.append([str(test), _title(test), outcome])
                elif more and more[-1] is not None:
                    kept.append([str(test), _title(test), "failed"])
            return method(self, test, *more, **named)

        return wrapped

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
                content = dumps(kept).encode("ascii")
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
    for name, outcome in outcomes.items():
        if hasattr(base, name):
            setattr(base, name, told(outcome, getattr(base, name)))
    base.startTestRun = begins(base.startTestRun)
    base.stopTestRun = ends(base.stopTestRun)


def _title(test):
    try:
        return test.shortDescription() or ""
    except Exception:
        return ""


def _begin():
    key = _take_key()
    if key is None:
        return
    seal, dumps, base = _sealer(key)
    if os.path.exists(os.path.join(_HERE, "winnow_reporter.py")):
        _watch_pytest(seal)
    else:
        _watch_unittest(seal, dumps, base)


_begin()
