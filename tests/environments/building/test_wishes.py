"""What repositories ask for, read from their settings without running anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.building.installing import unpinned
from environments.building.setup_py import read_setup
from environments.building.wishes import wishes_of


def wishes(*others, minor=(3, 9), **texts):
    read = {name.replace("__", "."): text for name, text in texts.items()}
    return wishes_of(read, (*read, *others), minor)


def test_a_pyproject_with_a_test_extra():
    found = wishes(
        pyproject__toml='[project]\nname="a"\n[project.optional-dependencies]\ntest=["x"]\ndocs=["y"]\n'
    )
    assert (found.project, found.name, found.extras) == ("pyproject.toml", "a", ("test",))


def test_dev_extras_only_where_there_are_none_for_tests():
    both = '[project]\nname="a"\n[project.optional-dependencies]\ntests=[]\ndev=[]\n'
    assert wishes(pyproject__toml=both).extras == ("tests",)
    assert wishes(pyproject__toml=both.replace("tests", "docs")).extras == ("dev",)


def test_extras_of_setup_py_through_names_and_sums():
    text = (
        "from setuptools import setup\nBASE = ['a>=1']\nEXTRA = {'test': BASE + ['pytest'], 'doc': []}\n"
        "EXTRA['testing'] = EXTRA['test']\nsetup(name='n', install_requires=BASE, extras_require=EXTRA,"
        " tests_require=['mock'])"
    )
    found = wishes(setup__py=text)
    assert found.extras == ("test", "testing") and found.loose == ("mock",)


def test_a_pyproject_that_only_configures_tools_is_no_project():
    found = wishes(pyproject__toml="[tool.black]\nline-length = 90\n", setup__py="setup(name='n')")
    assert found.project == "setup.py"
    assert wishes(pyproject__toml="[tool.black]\n").project == ""


def test_dependency_groups():
    found = wishes(
        pyproject__toml='[project]\nname="a"\n[dependency-groups]\ntest=["pytest"]\nlint=["ruff"]\n'
    )
    assert found.groups == ("test",)


@pytest.mark.parametrize(
    "name",
    [
        "requirements-dev.txt",
        "dev-requirements.txt",
        "requirements_test.txt",
        "test-requirements.txt",
        "requirements/tests.txt",
        "tests/requirements.txt",
        "tests/requirements/py3.txt",
        "requirements.test.txt",
        "requirements/dev.in",
    ],
)
def test_requirements_files_for_tests(name):
    assert wishes(name, setup__py="setup()").files == (name,)


@pytest.mark.parametrize(
    "name",
    [
        "docs/requirements.txt",
        "requirements-docs.txt",
        "requirements/lint.txt",
        "tests/requirements/oracle.txt",
    ],
)
def test_requirements_files_for_other_ends(name):
    assert wishes(name, setup__py="setup()").files == ()


def test_tox_conditions_hold_for_the_chosen_version_only():
    tox = "[testenv]\nextras = test\ndeps =\n    py{3,39}: -rtests/requirements/py3.txt\n    py27: mock\n    other: x\n"
    tox += "    -r {toxinidir}/requirements/ci.txt  # all\n    attrs>=19\n    https://example.org/x.zip\n"
    found = wishes("tests/requirements/py3.txt", "requirements/ci.txt", tox__ini=tox, setup__py="setup()")
    assert found.files == ("tests/requirements/py3.txt", "requirements/ci.txt")
    assert found.loose[:1] == ("attrs>=19",) and "mock" not in found.loose


def test_poetry_groups_as_pip_says_them():
    text = '[tool.poetry]\nname="p"\n[tool.poetry.dev-dependencies]\npytest="^6.2"\nmock={version="~4.0", markers="os_name==\'x\'"}\nx={git="https://y"}\n'
    text += '[tool.poetry.group.test.dependencies]\nhypothesis="*"\nattrs="^0.3"\n'
    found = wishes(pyproject__toml=text)
    assert found.loose == ("pytest>=6.2,<7", "mock>=4.0,<4.1; os_name=='x'", "hypothesis", "attrs>=0.3,<0.4")


def test_exact_versions_are_taken_away():
    assert unpinned("a==1.2") == "a" and unpinned("a[b] == 1.2 ; python_version>'3'").startswith("a[b] ;")
    assert unpinned("a>=1,<2") == "a>=1,<2" and unpinned("-r other.txt") == "-r other.txt"
    assert unpinned("a; python_version == '3.6'") == "a; python_version == '3.6'"


@given(st.text(max_size=300))
def test_any_text_in_any_file_is_read_without_an_error(text):
    read = dict.fromkeys(("pyproject.toml", "setup.cfg", "setup.py", "tox.ini"), text)
    wishes_of(read, tuple(read), (3, 9))


def test_setup_py_of_python_2_says_nothing():
    assert read_setup("print 'hello'\nsetup(name='x')") == {}
