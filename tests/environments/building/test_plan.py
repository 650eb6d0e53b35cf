"""Recipe files: written, edited, given back; what is wrong in one is a sentence."""

import pytest

from environments.building.plan import (
    Plan,
    Service,
    WrongRecipe,
    find_recipe,
    read_recipe,
    with_given,
    write_recipe,
)

PLAN = Plan(
    python="3.9",
    date="2020-01-02",
    project="setup.py",
    extras=("test",),
    files=("requirements-dev.txt",),
    hosts=("github.com",),
    requirements=('a>=1; python_version < "4"', "b"),
    install="develop",
    setup="echo 'x'\nmake \\\n  all\n",
    env={"URL": "http://127.0.0.1:1/", "odd name": "\x7f\u00e9\\"},
    test_command="python -m pytest -rA",
    test_format="pytest",
    services=(Service("db", "db --port 1", "db-ready", 5, ("db==1",)),),
    why=("because\nof this",),
)


def test_what_is_written_is_read_back(tmp_path):
    (tmp_path / "r.toml").write_text(
        write_recipe(PLAN, repository="o/n", commit="0" * 40, resolved=("a==1",))
    )
    given = read_recipe(tmp_path / "r.toml")
    assert with_given(Plan(why=PLAN.why), given) == PLAN


def test_a_part_is_enough(tmp_path):
    (tmp_path / "r.toml").write_text('test_command = "make check"\n')
    assert with_given(PLAN, read_recipe(tmp_path / "r.toml")).test_command == "make check"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('pyton = "3.9"', "'python' meant"),
        ("python = 3.9", "python is a text"),
        ('extras = "test"', "list of texts"),
        ('install = "wheel"', "one of editable"),
        ('date = "yesterday"', "2021-03-31"),
        ("test_timeout = -1", "number of seconds"),
        ('network = "all"', "none or host"),
        ('[[services]]\nname = "a b"\nstart = "x"', "is a word"),
        ('[[services]]\nname = "a"', "a line that starts it"),
        ('[[services]]\nname = "a"\nstart = "x"\nport = 1', "no 'port'"),
        ("env = 1", "table of texts"),
        ("python = ", "no recipe that can be read"),
        ('hosts = ["127.0.0.1"]', "no host's whole name"),
        ('hosts = ["*.github.com"]', "no host's whole name"),
        ('hosts = "github.com"', "a list of texts"),
    ],
)
def test_a_wrong_recipe_is_a_sentence(tmp_path, text, said):
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(WrongRecipe, match=said) as caught:
        read_recipe(tmp_path / "r.toml")
    assert str(tmp_path) in str(caught.value)


def test_the_narrowest_file_of_a_folder(tmp_path):
    names = ("row-1", "o__n-0123", "o__n")
    assert find_recipe(tmp_path, names) is None
    (tmp_path / "o__n.toml").touch()
    assert find_recipe(tmp_path, names) == tmp_path / "o__n.toml"
    (tmp_path / "row-1.toml").touch()
    assert find_recipe(tmp_path, names) == tmp_path / "row-1.toml"
    assert find_recipe(tmp_path / "o__n.toml", names) == tmp_path / "o__n.toml"
    with pytest.raises(WrongRecipe):
        find_recipe(tmp_path / "none", names)
