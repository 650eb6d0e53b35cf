"""Which files are sources: the project's own test library is, tests, vendored and huge files are not."""

import pytest

from environments import Task, freeze, is_test, languages_of, source_files
from environments.task import Recipe

SOURCES = ["django/test/client.py", "django/test/__init__.py", "sphinx/testing/util.py", "pkg/core.py", "setup.py",
           "django/core/management/commands/test.py", "src/contest.py", "latest/attest.py", "pkg/module_spec.py",
           "pkg/test_pkg/__init__.py", "pkg/sub dir/ü.py"]  # fmt: skip
OTHERS = ["tests/test_a.py", "test/test_b.py", "testing/test_c.py", "pkg/tests/helper.py", "pkg/test_inline.py",
          "pkg/inline_test.py", "conftest.py", "pkg/_vendor/six.py", "pkg/api_pb2.py", "Tests/x.py",
          "pkg2/test/test_own.py", "pkg2/test/support.py", "README.md", "data.json", "pkg/huge.py"]  # fmt: skip
PACKAGES = ["django/__init__.py", "sphinx/__init__.py", "sphinx/testing/__init__.py", "pkg/__init__.py",
            "pkg2/__init__.py", "pkg2/test/__init__.py", "testing/__init__.py"]  # fmt: skip


@pytest.fixture(scope="module")
def shot(repo_at, tmp_path_factory):
    repo = repo_at(tmp_path_factory.mktemp("sources") / "project")
    names = [*SOURCES, *OTHERS, *PACKAGES]
    repo.write({name: "x = 1\n" for name in names} | {"pkg/huge.py": "x\n" * 200_001, "a.c": "", "b.js": ""})
    (repo.folder / "linked.py").symlink_to("setup.py")
    repo.commit()
    return freeze(repo.folder, tmp_path_factory.mktemp("frozen") / "tree")


def test_sources(shot):
    found = set(source_files(shot, ["python"]))
    assert set(SOURCES) <= found
    assert not set(OTHERS) & found
    assert "linked.py" not in found and "a.c" not in found
    assert list(source_files(shot, ["c", "nothing"])) == ["a.c"]
    task = Task("id", "issue", shot, Recipe(languages=("python",)))
    assert set(task.sources()) == found


def test_languages(shot):
    assert languages_of(shot)[0] == "python"


def test_header_files_follow_their_sources(repo_at, tmp_path):
    repo = repo_at(tmp_path / "p")
    repo.commit({"a.cpp": "1", "a.h": "1", "b.h": "1"})
    shot = freeze(repo.folder, tmp_path / "one")
    assert languages_of(shot) == ("c++",) and "a.h" in set(source_files(shot, languages_of(shot)))
    repo.commit({"c.c": "1"})
    assert set(languages_of(freeze(repo.folder, tmp_path / "two"))) == {"c", "c++"}


@pytest.mark.parametrize(
    ("path", "test"),
    [
        ("pkg/a_test.go", True), ("src/a.spec.ts", True), ("src/a.test.jsx", True), ("src/__tests__/a.js", True),
        ("src/main/java/ATest.java", True), ("spec/models/user_spec.rb", True), ("spec/parser.py", False),
        ("src/latest.go", False), ("a/testdata/x.go", True), ("src/contest.ts", False), ("cypress/e2e/a.cy.js", True),
        ("src/Manifest.java", False), ("pkg/testutil/a.go", False), ("tests.py", False), ("test", False),
    ],
)  # fmt: skip
def test_tests_of_other_languages(path, test):
    assert is_test(path) is test
