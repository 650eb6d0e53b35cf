"""Which Python is chosen, from made-up metadata: what is declared goes first, then what was usual at the date."""

from datetime import date

import pytest

from environments.building.version_choice import RELEASED, Declared, choose, declared_by, minor_of, usual_at

ALL = [(2, 7), (3, 6), (3, 7), (3, 8), (3, 9), (3, 10), (3, 11), (3, 12), (3, 13)]


def first(wanted="", day="2021-06-01", available=ALL, **files):
    read = {name.replace("__", ".").replace("_toml", ".toml"): text for name, text in files.items()}
    chosen = choose(wanted, declared_by(read), date.fromisoformat(day), available)
    return [one.minor for one in chosen]


def test_what_is_asked_for_is_taken_alone():
    assert first("3.9") == [(3, 9)]
    assert first("3.9.18", pyproject_toml='[project]\nrequires-python = ">=3.11"\n') == [(3, 9)]


def test_what_is_asked_for_and_not_here_gives_the_nearest_newer_one():
    assert first("3.9", available=[(3, 8), (3, 11)])[0] == (3, 11)
    assert first("3.13", available=[(3, 8), (3, 11)])[0] == (3, 11)
    assert first("2.6", available=[(3, 8)]) == []  # another major version is another language


def test_the_newest_that_was_usual_at_the_date():
    assert first(day="2019-08-03")[0] == (3, 7)
    assert first(day="2021-01-01")[0] == (3, 8), "3.9 had been out for three months only"
    assert first(day="2021-06-01")[0] == (3, 9)
    assert usual_at(date(2009, 1, 1)) == (2, 7)


def test_metadata_bounds_the_choice():
    assert first(pyproject_toml='[project]\nrequires-python = ">=3.6,<3.8"\n')[0] == (3, 7)
    assert first(setup__py="setup(python_requires='>=3.10')")[0] == (3, 10)
    assert first(setup__cfg="[options]\npython_requires = <3.7\n")[0] == (3, 6)
    assert first(pyproject_toml='[tool.poetry.dependencies]\npython = "^3.6"\n')[0] == (3, 9)
    assert first(pyproject_toml='[tool.poetry.dependencies]\npython = "~3.7"\n')[0] == (3, 9)
    assert first(pyproject_toml='[tool.poetry.dependencies]\npython = "~2.7 || ^3.8"\n')[0] == (3, 9)


def test_listed_versions_bound_it_from_above():
    classifiers = "'Programming Language :: Python :: 3.6', 'Programming Language :: Python :: 3.7'"
    assert first(setup__py=f"setup(classifiers=[{classifiers}])")[0] == (3, 7)
    assert first(tox__ini="[tox]\nenvlist = py{36,37},flake8\n")[0] == (3, 7)
    assert first(**{"__travis__yml": "python:\n  - 3.5\n  - 3.6\n"})[0] == (3, 6)


def test_an_old_project_without_an_interpreter_of_its_time_gets_the_nearest():
    versions = ", ".join(f"'Programming Language :: Python :: {one}'" for one in ("2.6", "2.7", "3.3"))
    chosen = first(day="2014-11-01", setup__py=f"setup(classifiers=[{versions}])")
    assert chosen[0] == (3, 6) and (2, 7) in chosen


def test_python_2_alone_is_python_2():
    assert first(
        day="2012-01-01", setup__py="setup(classifiers=['Programming Language :: Python :: 2.7'])"
    ) == [(2, 7)]


def test_a_pin_goes_before_the_date():
    assert first(**{"__python-version": "3.11.4\n"})[0] == (3, 11)
    assert first(runtime__txt="python-3.8.2")[0] == (3, 8)
    assert first(**{"__tool-versions": "nodejs 18.0\npython 3.10.1\n"})[0] == (3, 10)
    assert first(**{"__python-version": "pypy\n"})[0] == (3, 9), "no version of CPython: the date decides"


@pytest.mark.parametrize(
    "text", ["[project", "", "\0\1", "[project]\nrequires-python = 3\n", "[tool]\npoetry = 1\n"]
)
def test_broken_metadata_is_no_error(text):
    read = {"pyproject.toml": text, "setup.cfg": text, "setup.py": text}
    assert choose("", declared_by(read), date(2021, 6, 1), ALL)[0].minor == (3, 9)


def test_nothing_here_is_nothing():
    assert choose("", Declared(), date(2021, 6, 1), []) == ()


def test_at_most_three_and_none_twice():
    for day in ("2010-01-01", "2018-01-01", "2030-01-01"):
        chosen = first(day=day)
        assert 1 <= len(chosen) <= 3 and len(set(chosen)) == len(chosen)


def test_versions_are_read_from_what_people_write():
    assert minor_of("python3.9") == minor_of("3.9.18") == minor_of("cpython-3.9.1") == (3, 9)
    assert minor_of("") is minor_of("3") is minor_of("latest") is None


def test_every_release_is_later_than_the_one_before():
    dates = [RELEASED[minor] for minor in sorted(RELEASED)]
    assert dates == sorted(dates)
