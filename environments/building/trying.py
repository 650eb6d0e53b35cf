"""Whether a built world's tests run: they are collected, a few are run, and what is plainly missing is installed."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..test_logs import read_log
from .bench import Bench
from .failures import StepFailed
from .installing import add
from .plan import Plan
from .test_ways import TestWay

GOOD = 0.85
"""Share of a trial's tests that pass in a world that is taken at once; below it another way may be better."""
_ROUNDS = 6
_COLLECT_SECONDS = 900.0
_TRIAL_SECONDS = 300.0
_FILES = 8
_NO_FILE = "file or directory not found"

# What is imported under another name than it is installed by, and options of pytest that a plug-in brings.
_INSTALLED_AS = {
    "PIL": "pillow",
    "yaml": "pyyaml",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "sklearn": "scikit-learn",
    "pkg_resources": "setuptools",
    "git": "gitpython",
    "jwt": "pyjwt",
    "OpenSSL": "pyopenssl",
    "Crypto": "pycryptodome",
    "docx": "python-docx",
    "serial": "pyserial",
    "zmq": "pyzmq",
    "usb": "pyusb",
    "google.protobuf": "protobuf",
}
_PLUGINS = (
    (r"--(?:no-)?cov\b|--cov-", "pytest-cov"),
    (r"(?:^|\s)-n(?:\s|\d|auto|=)|--numprocesses|--dist\b|--maxprocesses", "pytest-xdist"),
    (r"--timeout\b", "pytest-timeout"),
    (r"--benchmark", "pytest-benchmark"),
    (r"--mypy", "pytest-mypy"),
    (r"--flake8", "pytest-flake8"),
    (r"--black", "pytest-black"),
    (r"--isort", "pytest-isort"),
    (r"--pep8", "pytest-pep8"),
    (r"--ruff", "pytest-ruff"),
    (r"--asyncio-mode|asyncio_mode", "pytest-asyncio"),
    (r"--strict-config|--randomly|-p no:randomly", "pytest-randomly"),
    (r"--reruns", "pytest-rerunfailures"),
    (r"--doctest-(?:plus|rst|modules-plus)", "pytest-doctestplus"),
    (r"--remote-data", "pytest-remotedata"),
    (r"--mpl\b", "pytest-mpl"),
    (r"--django|--ds\b|--nomigrations|--reuse-db", "pytest-django"),
    (r"--snapshot", "syrupy"),
    (r"--record-mode", "pytest-recording"),
    (r"--sugar|-p no:sugar", "pytest-sugar"),
    (r"--ordering|--order-", "pytest-ordering"),
    (r"--socket|--disable-socket", "pytest-socket"),
    (r"--color\b|--full-trace\b", "pytest"),
)
_FIXTURES = {
    "mocker": "pytest-mock",
    "httpbin": "pytest-httpbin",
    "httpserver": "pytest-httpserver",
    "benchmark": "pytest-benchmark",
    "freezer": "pytest-freezegun",
    "requests_mock": "requests-mock",
    "aiohttp_client": "pytest-aiohttp",
    "snapshot": "syrupy",
    "datadir": "pytest-datadir",
    "subtests": "pytest-subtests",
    "event_loop": "pytest-asyncio",
    "tornado": "pytest-tornado",
    "faker": "faker",
    "caplog": "pytest-catchlog",
    "testdir": "",
    "fs": "pyfakefs",
    "regtest": "pytest-regtest",
    "qtbot": "pytest-qt",
    "respx_mock": "respx",
    "anyio_backend": "anyio",
    "trio": "pytest-trio",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial of a world's tests said. share: of the tests that ran, those that passed, less what cannot even be
    collected. added: what was installed
    on the way. collected: tests found, 0 where that is not told apart. why: a sentence.
    """

    way: TestWay
    share: float
    passed: int
    added: tuple[str, ...] = ()
    collected: int = 0
    why: str = ""


async def try_tests(
    bench: Bench, plan: Plan, ways: Sequence[TestWay], own: Collection[str], services: str = ""
) -> Trial:
    """Try the ways in their order; the first good one, else the best that runs any test.

    own: import names of the repository, which nothing else may be installed for. services: the script that starts
    what the tests need. Raises StepFailed where no way runs a single test.
    """
    best: Trial | None = None
    failed: StepFailed | None = None
    for way in ways:
        try:
            trial = await _try_way(bench, plan, way, own, services)
        except StepFailed as error:
            failed = failed or error
            continue
        if best is None or trial.share > best.share:
            best = trial
        if trial.share >= GOOD:
            break
    if best is not None:
        return best
    raise failed or StepFailed("finding its tests", "there is no test file in the repository")


async def _try_way(bench: Bench, plan: Plan, way: TestWay, own: Collection[str], services: str) -> Trial:
    added: list[str] = []
    if way.format == "pytest":
        if "pytest" not in own and not await _has(bench, "pytest"):
            if (failed := await add(bench, plan, "pytest")) is not None:
                raise StepFailed("installing pytest", failed.output)
            added.append("pytest")
        files, broken, notes = await _collect(bench, plan, way, own, added)
        collected, whole = sum(files.values()), len(files) / (len(files) + broken)
        # Where a tree of modules was printed they may lack their folders: then those that look like tests will do.
        pieces = [shlex.join(_least(files)), shlex.join(way.pieces)]
    else:
        pieces, collected, whole, notes = list(way.pieces), 0, 1.0, ""
    passed, bad, said = 0, 0, ""
    for piece in pieces:
        for _ in range(_ROUNDS):
            good, wrong, said = await _run(bench, plan, way, piece, services)
            missing = _missing(said, own) if wrong or not good else ""
            if not missing or missing in added or await add(bench, plan, missing) is not None:
                break
            added.append(missing)
        if way.format == "pytest" and _NO_FILE in said:
            continue
        passed, bad = passed + good, bad + wrong
        if way.format == "pytest" or passed >= 40 or (passed >= 3 and not bad):
            break
    if not passed:
        raise StepFailed(f"running its tests ({way.command})", said, "none of those tried passes")
    share = passed / (passed + bad) * whole
    why = f"{passed} of {passed + bad} tests of a trial pass"
    if collected:
        why += f"; {collected} are found{notes}"
    return Trial(way, share, passed, tuple(added), collected, why)


async def _collect(
    bench: Bench, plan: Plan, way: TestWay, own: Collection[str], added: list[str]
) -> tuple[Counter[str], int, str]:
    """Tests by file, how many files cannot be collected, and a word on those."""
    said, files = "", Counter[str]()
    for _ in range(_ROUNDS):
        command = f"{way.command.replace(' -rA', '')} --collect-only -q -q -p no:cacheprovider"
        _, said = await bench.tried(command, timeout=_COLLECT_SECONDS, env=_test_env(plan))
        files = Counter(match[1] for match in re.finditer(r"^([^\s:<]\S*?\.\w+)::", said, re.MULTILINE))
        if not files:  # counts, or a tree, as versions and settings have it
            files = _from_counts(said)
        missing = _missing(said, own)
        if not missing or missing in added or await add(bench, plan, missing) is not None:
            break
        added.append(missing)
    broken = re.findall(r"^ERROR (\S+\.py)|_ ERROR collecting (\S+) _", said, re.MULTILINE)
    names = {a or b for a, b in broken}
    if not files:
        raise StepFailed("collecting its tests (pytest)", said)
    for name in names:
        files.pop(name, None)
    note = (
        f", {len(names)} of its test files cannot be imported (such as {sorted(names)[0]})" if names else ""
    )
    return files, len(names), note


def _from_counts(said: str) -> Counter[str]:
    files, current = Counter[str](), ""
    for line in said.splitlines():
        if match := re.match(r"\s*<Module '?([^'>]+\.py)'?>", line):
            current = match[1]
        elif current and re.match(r"\s*<(?:Function|TestCaseFunction|Instance)", line):
            files[current] += 1
        elif match := re.match(r"(\S+\.py): (\d+)$", line.strip()):
            files[match[1]] += int(match[2])
    return files


def _least(files: Counter[str]) -> list[str]:
    """Some files for a trial: not the biggest, from all over the list."""
    small = [name for name, count in sorted(files.items()) if count <= 60] or [
        min(files, key=lambda one: files[one])
    ]
    step = max(1, len(small) // _FILES)
    return small[::step][:_FILES]


async def _run(bench: Bench, plan: Plan, way: TestWay, piece: str, services: str) -> tuple[int, int, str]:
    """(passed, failed, output) of one piece."""
    command = way.command
    if way.format == "unittest":
        command = command.replace(" discover", "") if piece else command
    start = f"( {services}\n) || exit 70\n" if services else ""
    code, said = await bench.tried(f"{start}{command} {piece}", timeout=_TRIAL_SECONDS, env=_test_env(plan))
    if way.format == "exit":
        return (1, 0, said) if code == 0 else (0, 1, said)
    results, _ = read_log(way.format, said)
    passed = sum(outcome == "passed" for outcome in results.values())
    bad = sum(outcome in ("failed", "error") for outcome in results.values())
    if way.format == "pytest" and not results:  # versions before 3.8 do not name those that pass
        counts = {
            word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", said[-300:])
        }
        passed, bad = counts.get("passed", 0), counts.get("failed", 0) + counts.get("error", 0)
        bad = bad or (1 if code and not passed else 0)
    return passed, bad, said


def _missing(said: str, own: Collection[str]) -> str:
    """The distribution that a module, an option or a fixture which is missing comes from; "" where none is."""
    for match in re.finditer(r"(?:No module named|cannot import name \w+ from) '?([\w.]+)'?", said):
        top = match[1].partition(".")[0]
        if top in own or top.startswith("_") or match[1] in ("test", "tests", "conftest"):
            continue
        return _INSTALLED_AS.get(match[1]) or _INSTALLED_AS.get(top) or top
    if match := re.search(r"unrecognized arguments: (.*)", said):
        return next((plugin for pattern, plugin in _PLUGINS if re.search(pattern, match[1])), "")
    if match := re.search(
        r"(?:Unknown config option|Unknown config ini key|PytestConfigWarning: Unknown config option): (\w+)",
        said,
    ):
        known = {
            "asyncio_mode": "pytest-asyncio",
            "timeout": "pytest-timeout",
            "DJANGO_SETTINGS_MODULE": "pytest-django",
        }
        if match[1] in known:
            return known[match[1]]
    if match := re.search(r"Missing required plugins: ([\w.-]+)", said):
        return match[1]
    for match in re.finditer(r"fixture '(\w+)' not found", said):
        if plugin := _FIXTURES.get(match[1]):
            return plugin
    if re.search(r"async def functions are not natively supported|Unknown pytest\.mark\.asyncio", said):
        return "pytest-asyncio"
    return ""


async def _has(bench: Bench, module: str) -> bool:
    code, _ = await bench.tried(f"python -c 'import {module}'", timeout=120)
    return code == 0


def _test_env(plan: Plan) -> dict[str, str]:
    return dict(plan.env)
