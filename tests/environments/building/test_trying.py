"""What a trial reads from test runners' words, and the order of ways that follows."""

from datetime import date

import pytest

from environments.building.plan import Plan
from environments.building.trying import _from_counts, _missing
from environments.building.version_choice import Choice
from environments.building.ways import ways_to_build


@pytest.mark.parametrize(
    ("said", "installs"),
    [
        ("E   ModuleNotFoundError: No module named 'hypothesis'", "hypothesis"),
        ("E   ImportError: No module named yaml", "pyyaml"),
        ("No module named 'freezegun.api'", "freezegun"),
        ("__main__.py: error: unrecognized arguments: --cov=pkg --cov-report=xml", "pytest-cov"),
        ("error: unrecognized arguments: -n auto", "pytest-xdist"),
        ("E       fixture 'mocker' not found", "pytest-mock"),
        ("ERROR: Missing required plugins: pytest-asyncio>=0.1", "pytest-asyncio"),
        ("async def functions are not natively supported.", "pytest-asyncio"),
        ("No module named 'pkg.missing'", ""),  # its own: nothing else may be installed under that name
        ("No module named 'tests'", ""),
        ("No module named '_compiled'", ""),
        ("E   AssertionError: assert 1 == 2", ""),
    ],
)
def test_what_is_plainly_missing(said, installs):
    assert _missing(said, {"pkg"}) == installs


def test_collected_tests_in_every_style():
    tree = "<Package tests>\n  <Module test_a.py>\n    <Function test_one>\n    <Function test_two>\n"
    assert _from_counts(tree) == {"test_a.py": 2}
    assert _from_counts("<Module 'tests/test_b.py'>\n  <UnitTestCase 'X'>\n    <TestCaseFunction 'y'>\n") == {
        "tests/test_b.py": 1
    }
    assert (
        _from_counts("tests/test_a.py: 3\ntests/test_b.py: 4\n\nno tests ran in 0.1s\n")["tests/test_b.py"]
        == 4
    )
    assert _from_counts("nothing: here\n") == {}


def found(minor, day, fixed=(), **plan):
    ways = ways_to_build(Plan(**plan), Choice(minor, "why"), date.fromisoformat(day), fixed)
    return [(way.plan.date, way.plan.wheels, way.plan.unpinned) for way in ways], ways[0].installs


def test_a_settled_python_takes_the_day_itself_first():
    ways, installs = found((3, 8), "2021-06-01", project="setup.py", files=("requirements.txt",))
    assert ways[0] == ("2021-06-01", False, False) and ways[1] == ("2021-06-01", False, True)
    assert ways[-1][0] > "2021-06-01" and installs == ("editable", "develop", "path")


def test_a_younger_python_takes_built_packages_or_a_later_day():
    ways, _ = found((3, 9), "2019-01-01", project="pyproject.toml")
    assert ways[0] == ("2019-01-01", True, False) and ways[1][0] == "2021-04-06"
    assert not any(unpinned for _, _, unpinned in ways), "nothing is pinned in a project without requirements"


def test_python_3_6_has_no_editable_installations():
    assert found((3, 6), "2019-01-01", project="setup.py")[1] == ("develop", "path")
    assert found((3, 6), "2019-01-01", project="pyproject.toml")[1] == ("path",)
    assert found((3, 9), "2022-01-01")[1] == ("path",), "there is nothing to install"


def test_a_recipe_fixes_what_it_says():
    ways, installs = found(
        (3, 9), "2019-01-01", {"date", "install"}, date="2020-05-05", install="develop", project="setup.py"
    )
    assert ways == [("2020-05-05", False, False)] and installs == ("develop",)
