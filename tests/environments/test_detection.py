"""Detection: the interpreter, what it needs of the host, the test command, and why."""

import sys
import venv
from pathlib import Path

import pytest

from environments import Overrides, detect, freeze, prepare_task
from environments.toolchains import python_needs
from sandbox import Dockerfile, HostRoot, Image

NODE = "node --test --test-reporter=tap"
PYTEST = "python -m pytest -rA"
NOTHING: dict = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def found(plain_folder, tmp_path):
    def make(files, overrides=None, environ=None, at=None):
        folder = plain_folder(files).folder
        shot = freeze(folder, tmp_path / "frozen")
        return detect(shot.tree, at=at or shot.at, overrides=overrides, environ=environ or NOTHING)

    return make


def make_environment(folder: Path, *packages: str):
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    for name in packages:
        (site / name).mkdir()
        (site / name / "__init__.py").write_text("")
    return site


def test_the_environment_inside_the_checkout(plain_folder, tmp_path):
    repo = plain_folder(
        {"pyproject.toml": "[project]\nname='pkg'\n", "pkg/__init__.py": "", "tests/test_a.py": ""}
    )
    make_environment(repo.folder / ".venv", "pytest")
    shot = freeze(repo.folder, tmp_path / "frozen")
    recipe = detect(shot.tree, at=shot.at, environ={**NOTHING, "VIRTUAL_ENV": "/elsewhere"})
    assert (
        recipe.env["PATH"].startswith(f"{shot.at}/.venv/bin:")
        and recipe.env["VIRTUAL_ENV"] == f"{shot.at}/.venv"
    )
    assert recipe.env["PYTHONPATH"] == shot.at and recipe.places == ()
    assert (recipe.test_command, recipe.test_format) == ("python -m pytest -rA", "pytest")
    assert recipe.env["PYTHONDONTWRITEBYTECODE"] == "1" and recipe.env["PYTHONHASHSEED"] == "0"
    base = Path(sys.base_prefix).resolve()
    assert isinstance(recipe.root, HostRoot)
    if not str(base).startswith("/usr"):
        assert str(base) in recipe.root.extra
    assert not any(Path(path) in (Path.home(), *Path.home().parents) for path in recipe.root.extra)
    assert all(word.strip() for word in recipe.why) and any(
        ".venv in the repository" in word for word in recipe.why
    )


def test_the_activated_environment_becomes_a_frozen_place(plain_folder, tmp_path):
    repo = plain_folder({"setup.py": "", "src/pkg/__init__.py": "", "tests/test_a.py": "import pytest\n"})
    outside = tmp_path / "envs/mine"
    site = make_environment(outside)
    environ = {**NOTHING, "VIRTUAL_ENV": str(outside)}
    task = prepare_task(repo.folder, "it fails", folder=tmp_path / "run", environ=environ)
    (place,) = task.recipe.places
    assert (
        place.target == str(outside) and place.source != outside and (place.source / "pyvenv.cfg").is_file()
    )
    assert task.recipe.env["PYTHONPATH"] == f"{repo.folder}/src"
    assert task.recipe.test_format == "unittest" and "discover" in task.recipe.test_command
    assert task.world().places[0].target == str(repo.folder) and task.world().places[1] == place
    (site / "__editable__.pkg-1.0.pth").write_text(f"{repo.folder}/src\n")
    assert (
        "PYTHONPATH" not in prepare_task(repo.folder, "x", folder=tmp_path / "2", environ=environ).recipe.env
    )
    (site / "__editable__.pkg-1.0.pth").write_text(f"{repo.folder}-other/src\n")
    assert "PYTHONPATH" in prepare_task(repo.folder, "x", folder=tmp_path / "3", environ=environ).recipe.env


def test_a_compiled_copy_is_not_hidden_by_its_source(plain_folder, tmp_path):
    repo = plain_folder({"setup.py": "", "pkg/__init__.py": ""})
    site = make_environment(repo.folder / "venv", "pkg")
    (site / "pkg/fast.cpython-311-x86_64-linux-gnu.so").write_bytes(b"")
    shot = freeze(repo.folder, tmp_path / "frozen")
    recipe = detect(shot.tree, at=shot.at, environ=NOTHING)
    assert "PYTHONPATH" not in recipe.env and any("compiled parts" in word for word in recipe.why)


def test_the_running_interpreter_is_the_last_resort(found):
    recipe = found({"setup.py": "", "one_module.py": "", "tests/test_a.py": ""})
    assert recipe.env["PATH"].startswith(str(Path(sys.prefix) / "bin"))
    assert any("runs Winnow" in word for word in recipe.why)
    if sys.prefix != sys.base_prefix:
        assert not recipe.places and sys.prefix in recipe.root.extra


@pytest.mark.parametrize(
    ("files", "command", "test_format"),
    [
        ({"setup.py": "", "tests/test_a.py": "", "pytest.ini": ""}, PYTEST, "pytest"),
        ({"setup.py": "", "a_test.py": "", "tox.ini": "[testenv]\ncommands = pytest\n"}, PYTEST, "pytest"),
        ({"manage.py": "", "requirements-dev.txt": "pytest-django\n", "test_a.py": ""}, PYTEST, "pytest"),
        ({"setup.py": "", "tests/runtests.py": "", "tests/test_sqlite.py": ""},
         "python tests/runtests.py --verbosity 2 --settings=test_sqlite --parallel 1", "unittest"),
        ({"setup.py": "", "pkg/__init__.py": ""}, None, "exit"),
        ({"setup.py": "", "Makefile": "all:\n\ntest: all\n\t./run\n"}, "make test", "exit"),
        ({"package.json": '{"scripts": {"test": "jest"}}', "a.js": ""}, "npm test", "exit"),
        ({"package.json": '{"scripts": {"test": "node --test"}}', "a.js": ""}, NODE, "tap"),
        ({"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\""}}', "a.js": ""}, None, "exit"),
        ({"package.json": '{"scripts": [1', "a.js": "", "Makefile": "test:\n"}, "make test", "exit"),
        ({"go.mod": "module x\n", "a.go": ""}, "go test -json ./...", "go"),
        ({"Cargo.toml": "", "src/main.rs": ""}, "cargo test", "cargo"),
        ({"Cargo.toml": "", "pyproject.toml": "pytest", "src/lib.rs": "", "test_x.py": ""}, PYTEST, "pytest"),
        ({"Makefile": "test := 1\n", "a.c": ""}, None, "exit"),
        ({"README": "nothing"}, None, "exit"),
        ({}, None, "exit"),
    ],
)  # fmt: skip
def test_test_commands(found, files, command, test_format):
    recipe = found(files)
    if command and command.startswith("python") and recipe.test_command:
        assert recipe.test_command.split(" ", 1)[1] == command.split(" ", 1)[1]
    else:
        assert recipe.test_command == command
    assert recipe.test_format == test_format and recipe.why


def test_what_the_user_says_goes_first(found, tmp_path):
    files = {"setup.py": "", "pytest.ini": "", "test_a.py": "", "pkg/__init__.py": ""}
    said = Overrides(
        setup="make deps", test_command="make check && go test -v ./...", image="py:3", network="host"
    )
    recipe = found(files, said)
    assert recipe.root == Image("py:3") and recipe.network == "host" and recipe.setup == "make deps"
    assert (recipe.test_command, recipe.test_format) == ("make check && go test -v ./...", "go")
    assert "PATH" not in recipe.env and recipe.places == () and "the test command was given" in recipe.why


def test_a_dockerfile_is_built_from_the_frozen_tree(found, tmp_path):
    recipe = found({"a.go": "", "go.mod": ""}, Overrides(dockerfile=tmp_path / "Dockerfile"))
    assert recipe.root == Dockerfile(tmp_path / "Dockerfile", tmp_path / "frozen")
    assert "PATH" not in recipe.env and "GOMODCACHE" not in recipe.env


def test_every_link_on_the_way_to_an_interpreter_is_shown(tmp_path):
    """uv's way: a link to a folder which is itself a link to the version."""
    real = tmp_path / "uv/cpython-3.11.7"
    (real / "bin").mkdir(parents=True)
    (real / "lib/python3.11").mkdir(parents=True)
    (real / "lib/python3.11/os.py").touch()
    (real / "bin/python3.11").touch()
    (tmp_path / "uv/cpython-3.11").symlink_to("cpython-3.11.7")
    (tmp_path / "local/bin").mkdir(parents=True)
    (tmp_path / "local/share/keyrings").mkdir(parents=True)
    (tmp_path / "local/bin/python3.11").symlink_to(tmp_path / "uv/cpython-3.11/bin/python3.11")
    needs = python_needs(tmp_path / "local/bin/python3.11")
    assert set(needs) == {
        str(tmp_path / "local/bin/python3.11"),
        str(tmp_path / "uv/cpython-3.11"),
        str(real),
    }


def test_a_home_is_never_shown(tmp_path, monkeypatch):
    """A Python built with --prefix=$HOME."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "lib/python3.11").mkdir(parents=True)
    (tmp_path / "lib/python3.11/os.py").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").touch()
    assert set(python_needs(tmp_path / "bin/python3")) == {
        f"{tmp_path}/bin/python3",
        f"{tmp_path}/lib/python3.11",
    }


def test_cargos_credentials_are_never_shown(plain_folder, tmp_path):
    cargo = tmp_path / "home/.cargo"
    for name in ("bin", "registry", "git"):
        (cargo / name).mkdir(parents=True)
    (cargo / "credentials.toml").write_text("secret")
    shot = freeze(plain_folder({"Cargo.toml": "", "src/a.rs": ""}).folder, tmp_path / "frozen")
    environ = {**NOTHING, "CARGO_HOME": str(cargo), "RUSTUP_HOME": str(tmp_path / "none")}
    recipe = detect(shot.tree, at=shot.at, environ=environ)
    assert set(recipe.root.extra) == {str(cargo / name) for name in ("bin", "registry", "git")}
