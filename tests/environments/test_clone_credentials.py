"""A repository behind a password: the clone works, and the password is neither kept nor said."""

from __future__ import annotations

import base64
import functools
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from environments import RepositoryError, freeze, repository_name
from environments.building.mirrors import find_repository
from environments.repository import clone

TOKEN = "glpat-tok3n-of-mine"


class _Locked(SimpleHTTPRequestHandler):
    """Files for whoever has the token, as user or as password, or as ?token=."""

    def do_GET(self):
        user, _, password = (
            base64.b64decode(self.headers.get("Authorization", "Basic ")[6:]).decode().partition(":")
        )
        if TOKEN not in (user, password) and TOKEN not in self.path:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_):
        """Nothing is printed."""


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    work, served = tmp_path / "work", tmp_path / "served"
    who = ("-c", "user.name=A", "-c", "user.email=a@b")
    for words in (
        ("init", "-q", str(work)),
        ("-C", str(work), *who, "commit", "-q", "--allow-empty", "-m", "one"),
        ("clone", "-q", "--bare", str(work), str(served / "r.git")),
        ("-C", str(served / "r.git"), "update-server-info"),
    ):
        subprocess.run(["git", *words], check=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Locked, directory=str(served)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def _says(folder: Path) -> str:
    return "".join(p.read_bytes().decode("latin-1") for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("user", [f"{TOKEN}:x", f"oauth2:{TOKEN}", f"x-access-token:{TOKEN}"])
def test_a_clone_does_not_keep_the_password(host, tmp_path, user):
    made = clone(f"http://{user}@{host}/r.git", tmp_path / "clone.git")
    assert (made / "HEAD").exists() and TOKEN not in _says(made) and "***" in (made / "config").read_text()


@pytest.mark.parametrize("url", ["http://me:{}@{}/none.git", "http://{1}/none.git?private_token={0}"])
def test_a_failure_does_not_say_it(host, tmp_path, url):
    with pytest.raises(RepositoryError, match="cannot be cloned") as raised:
        clone(url.format(TOKEN, host), tmp_path / "clone.git")
    assert TOKEN not in str(raised.value)
    with pytest.raises(RepositoryError) as raised:
        freeze(url.format(TOKEN, host), tmp_path / "frozen")
    assert TOKEN not in str(raised.value)


def test_names_and_rows(tmp_path):
    assert repository_name(f"https://host/o/r.git?token={TOKEN}") == "r"
    with pytest.raises(RepositoryError) as raised:
        find_repository("https://***@host/o/r", "", None)
    assert "start the run anew" in str(raised.value) and "--repos" in str(raised.value)
