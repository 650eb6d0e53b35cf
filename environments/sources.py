"""Which files of a repository are its source code: by language, without tests, vendored and generated files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from .task import Snapshot

LANGUAGES: dict[str, tuple[str, ...]] = {
    "python": (".py", ".pyi", ".pyx", ".pxd"),
    "javascript": (".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte"),
    "typescript": (".ts", ".tsx", ".mts", ".cts"),
    "go": (".go",),
    "rust": (".rs",),
    "java": (".java",),
    "kotlin": (".kt", ".kts"),
    "scala": (".scala",),
    "c": (".c", ".h"),
    "c++": (".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h", ".ipp"),
    "c#": (".cs",),
    "ruby": (".rb",),
    "php": (".php",),
    "swift": (".swift",),
    "elixir": (".ex", ".exs"),
    "haskell": (".hs",),
    "lua": (".lua",),
    "perl": (".pl", ".pm"),
    "shell": (".sh", ".bash"),
    "julia": (".jl",),
    "r": (".r",),
    "dart": (".dart",),
}
_LANGUAGE_OF = {ending: name for name, endings in reversed(LANGUAGES.items()) for ending in endings}

# CodeMonkeys skips files over 100,000 tokens; at four bytes a token that is 400 KB.
LARGEST = 400_000
_VENDORED = frozenset(
    "node_modules vendor vendored _vendor _vendored third_party third-party thirdparty bower_components "
    "site-packages .yarn Godeps".split()
)
_TEST_FOLDERS = frozenset({"test", "tests", "testing", "__tests__", "__mocks__", "testdata"})
_SPEC_FOLDERS = frozenset({"spec", "specs", "e2e", "cypress"})  # where JavaScript and Ruby keep tests
_SPEC_LANGUAGES = frozenset({"javascript", "typescript", "ruby"})
_GENERATED = (
    ".min.js",
    ".bundle.js",
    "-min.js",
    "_pb2.py",
    "_pb2_grpc.py",
    ".pb.go",
    ".pb.cc",
    ".pb.h",
    ".g.dart",
)
_TEST_STEMS = (".test", ".spec", "_test", "_tests", ".e2e", ".cy")


def source_files(snapshot: Snapshot, languages: Iterable[str]) -> Iterator[str]:
    """Paths of the source files in these languages, sorted; tests, vendored, generated and huge files left out."""
    endings = {ending for name in languages for ending in LANGUAGES.get(name, ())}
    files = snapshot.files()
    libraries = test_libraries(files)
    for path in files:
        if _ending(path) in endings and _is_source(path, libraries):
            try:
                small = (snapshot.tree / path).lstat().st_size <= LARGEST
            except OSError:
                continue
            if small:
                yield path


def languages_of(snapshot: Snapshot) -> tuple[str, ...]:
    """The languages of the sources, most files first; those with under 3 % of the files are left out."""
    files = snapshot.files()
    libraries = test_libraries(files)
    count = Counter(
        _LANGUAGE_OF[_ending(path)]
        for path in files
        if _ending(path) in _LANGUAGE_OF and _is_source(path, libraries)
    )
    if count["c++"] > 0 and count["c"] and not any(_ending(path) == ".c" for path in files):
        count["c++"] += count.pop("c")  # a header alone does not say which of the two it is
    total = sum(count.values())
    return tuple(name for name, number in count.most_common() if number * 100 >= 3 * total)


def is_test(path: str, libraries: frozenset[str] = frozenset()) -> bool:
    """Whether a path is a test or test data. libraries: folders named like tests that are source (`test_libraries`)."""
    where = PurePosixPath(path)
    parents = where.parts[:-1]
    spec = _LANGUAGE_OF.get(_ending(path)) in _SPEC_LANGUAGES
    for count, parent in enumerate(parents, 1):
        named = parent.lower() in _TEST_FOLDERS or (spec and parent.lower() in _SPEC_FOLDERS)
        if named and "/".join(parents[:count]) not in libraries:
            return True
    if where.name == "conftest.py":
        return True
    if where.suffix in (".java", ".kt", ".scala", ".cs"):
        return where.stem.endswith(("Test", "Tests", "IT", "Spec"))
    stem = where.name.lower().rpartition(".")[0]
    if stem.startswith("test_") and _ending(path) in LANGUAGES["python"]:
        return True
    return stem.endswith(_TEST_STEMS) or (spec and stem.endswith("_spec"))


def test_libraries(files: Iterable[str]) -> frozenset[str]:
    """Folders called test or testing that are a project's own test library, and so source.

    django/test and sphinx/testing are two. Such a folder is a Python package inside a package and holds no test file
    itself; "tests" always holds tests.
    """
    files = tuple(files)
    present = set(files)
    holds_tests = {
        str(PurePosixPath(path).parent)
        for path in files
        if path.endswith(".py")
        and (PurePosixPath(path).name.startswith("test_") or path.endswith("_test.py"))
    }
    found = set()
    for path in files:
        where = PurePosixPath(path)
        folder = where.parent
        if where.name != "__init__.py" or folder.name not in ("test", "testing"):
            continue
        if (
            str(folder.parent / "__init__.py") in present
            and str(folder) not in holds_tests
            and folder.parent.name
        ):
            found.add(str(folder))
    return frozenset(found)


test_libraries.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever pytest makes of its name


def _is_source(path: str, libraries: frozenset[str]) -> bool:
    if path.endswith(_GENERATED) or _VENDORED.intersection(path.split("/")[:-1]):
        return False
    return not is_test(path, libraries)


def _ending(path: str) -> str:
    return PurePosixPath(path).suffix.lower()
