"""A tracked virtual environment decides which interpreter it is, and no folder of the host (SAFETY 24)."""

import os

import pytest

from environments import detect, freeze
from environments.interpreter_homes import installation


def interpreter(prefix, name="python3.11"):
    """A folder with all that an installation has, as far as Winnow looks."""
    for path in (f"bin/{name}", "lib/python3.11/os.py"):
        (prefix / path).parent.mkdir(parents=True, exist_ok=True)
        (prefix / path).touch()
    return prefix / "bin" / name


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    (folder / ".ssh/bin").mkdir(parents=True)
    (folder / ".ssh/id_rsa").write_text("secret")
    (folder / ".ssh/bin/python").touch()
    (folder / ".ssh/python3").touch()
    interpreter(folder / ".pyenv/versions/3.11.7")
    interpreter(folder / "work")  # somebody's own project, which brings a Python
    return folder


ATTACKS = {
    "a link to a folder": {".venv/bin/python": ".ssh"},
    "a link to a file in it": {".venv/bin/python": ".ssh/id_rsa"},
    "a file that is called python": {".venv/bin/python": ".ssh/bin/python"},
    "a folder that looks like an installation": {".venv/bin/python": "work/bin/python3.11"},
    "the folder of programs is a link": {".venv/bin": ".ssh/bin"},
    "the environment is a link": {".venv": "work"},
    "its settings are a link": {
        ".venv/pyvenv.cfg": ".ssh/id_rsa",
        ".venv/bin/python": ".pyenv/versions/3.11.7/bin/python3.11",
    },
    "two links": {".venv/bin/python": "LINK", "x": ".ssh/bin/python"},
    "the tool's own folder": {".venv/bin/python": ".pyenv/versions"},
    "another name": {"mine/bin/python": ".ssh/bin/python", "mine/pyvenv.cfg": "home = {home}/.ssh\n"},
}  # fmt: skip


@pytest.mark.parametrize("kind", ATTACKS)
@pytest.mark.parametrize(
    "settings", ["home = {home}/.ssh\n", "home = {home}/work/bin\ninclude-system-site-packages = true\n"]
)
def test_no_folder_of_the_home_is_shown(new_repo, home, tmp_path, kind, settings):
    repo = new_repo({"a.py": "1", ".venv/pyvenv.cfg": settings.format(home=home)})
    for name, target in ATTACKS[kind].items():
        path = repo.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            (path / "pyvenv.cfg").unlink()
            path.rmdir()
        path.unlink(missing_ok=True)
        if "=" in target:
            path.write_text(target.format(home=home))
        else:
            path.symlink_to(repo.folder / "x" if target == "LINK" else home / target)
    repo.commit()
    shot = freeze(repo.folder, tmp_path / "frozen")
    recipe = detect(shot.tree, at=shot.at, environ={"HOME": str(home), "PATH": "/usr/bin"})
    shown = [
        os.path.realpath(path) for path in (*recipe.root.extra, *(place.source for place in recipe.places))
    ]
    allowed = f"{home}/.pyenv/versions/3.11.7"
    assert not [path for path in shown if path.startswith(str(home)) and not path.startswith(allowed)]
    assert str(tmp_path / "frozen") not in recipe.root.extra


PLACES = {
    "pyenv": (".pyenv/versions/3.11.7", {}),
    "uv": (".local/share/uv/python/cpython-3.11.7-linux-x86_64-gnu", {}),
    "uv elsewhere": ("data/uv/cpython-3.11.7", {"UV_PYTHON_INSTALL_DIR": "data/uv"}),
    "conda": ("miniconda3", {}),
    "an environment of conda": ("miniforge3/envs/test", {}),
    "asdf": (".asdf/installs/python/3.11.7", {}),
    "mise": (".local/share/mise/installs/python/3.11", {}),
    "named by the user": ("tools/deep/python-3.11", {"WINNOW_INTERPRETERS": "tools"}),
}


@pytest.mark.parametrize("tool", PLACES)
def test_interpreters_of_known_tools_are_shown(new_repo, tmp_path, tool):
    home = tmp_path / "home"
    place, variables = PLACES[tool]
    program = interpreter(home / place)
    (home / ".local/bin").mkdir(parents=True, exist_ok=True)
    (home / ".local/bin/python3").symlink_to(program)
    environ = {
        "HOME": str(home),
        "PATH": "/usr/bin",
        **{name: f"{home}/{path}" for name, path in variables.items()},
    }
    repo = new_repo({"a.py": "1", ".venv/pyvenv.cfg": f"home = {program.parent}\n"})
    (repo.folder / ".venv/bin").mkdir()
    (repo.folder / ".venv/bin/python").symlink_to(home / ".local/bin/python3")
    shot = freeze(repo.folder, tmp_path / "frozen")
    recipe = detect(shot.tree, at=shot.at, environ=environ)
    assert set(recipe.root.extra) == {str(home / place), str(home / ".local/bin/python3")}
    assert recipe.env["PATH"].startswith(f"{shot.at}/.venv/bin:")
    if variables:
        recipe = detect(shot.tree, at=shot.at, environ={"HOME": str(home), "PATH": "/usr/bin"})
        assert str(home / place) not in recipe.root.extra
        assert any("is not used" in why and "WINNOW_INTERPRETERS" in why for why in recipe.why)


@pytest.mark.parametrize(
    "place", [".pyenv", ".pyenv/versions", ".pyenv/versions/3.11.7/lib", "x/.pyenv/versions/3.11.7"]
)
def test_only_the_installation_itself_counts(tmp_path, place):
    program = interpreter(tmp_path / place)
    assert installation(program, {"HOME": str(tmp_path)}) is None
