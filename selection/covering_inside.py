"""A pytest plugin, copied into a sandbox: which test files execute anything in which of some source files.

Only standard library, and old Pythons: it runs in the tests' interpreter. It costs little: from Python 3.12 on, code is
looked at once for each test file; before, each call of a function costs two dictionary look-ups.
"""

import json
import os
import sys
import threading

_HERE = os.path.dirname(os.path.abspath(__file__))
_START = os.getcwd()
with open(os.path.join(_HERE, "files.json")) as _file:
    _FILES = {os.path.realpath(os.path.join(_START, path)): path for path in json.load(_file)}

_known = {}
_seen = {}
_noted = set()
_current = [None]
_last = [None]


def _meant(filename):
    """The file that a code object's file name means, None for another."""
    if filename not in _known:
        _known[filename] = _FILES.get(os.path.realpath(os.path.join(_START, filename)))
    return _known[filename]


def _note(path):
    if path not in _noted and _current[0] is not None:
        _noted.add(path)
        _seen.setdefault(path, set()).add(_current[0])


def _profile(frame, event, arg):
    if event == "call":
        path = _meant(frame.f_code.co_filename)
        if path is not None:
            _note(path)


def _started(code, offset):
    path = _meant(code.co_filename)
    if path is not None:
        _note(path)
        if _current[0] is None:
            return None
    return sys.monitoring.DISABLE


def pytest_configure(config):
    if hasattr(sys, "monitoring"):
        for tool in (4, 3, 2):
            try:
                sys.monitoring.use_tool_id(tool, "winnow")
            except ValueError:  # somebody else has it
                continue
            event = sys.monitoring.events.PY_START
            sys.monitoring.register_callback(tool, event, _started)
            sys.monitoring.set_events(tool, event)
            return
    threading.setprofile(_profile)
    sys.setprofile(_profile)


def pytest_runtest_protocol(item):
    _current[0] = os.path.relpath(str(item.fspath), _START)
    if _current[0] != _last[0]:
        _last[0] = _current[0]
        _noted.clear()
        if hasattr(sys, "monitoring"):
            sys.monitoring.restart_events()


def pytest_runtest_logfinish(nodeid, location):
    _current[0] = None


def pytest_unconfigure(config):
    """A file for each process: xdist has several."""
    seen = dict((path, sorted(tests)) for path, tests in _seen.items())
    with open(os.path.join(_HERE, "seen-" + str(os.getpid()) + ".json"), "w") as file:
        file.write(json.dumps(seen) + "\n")
