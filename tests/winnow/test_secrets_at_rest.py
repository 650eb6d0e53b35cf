"""Servers that give back the keys they were sent: none is in the store, on a screen, in an export or a page."""

from __future__ import annotations

import base64
import json
import sqlite3
import zlib
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import toy
from direct_server import DirectServer, edit
from winnow_home import Home

pytestmark = pytest.mark.overlay

KEY = 'pk/live+7Qz"81x_Rw\\bV3'
PASSWORD = "gr8-p@ss:w0rd"
PARAMETER = "Zx81-spectrum-48k"
QUICK = (
    "--sandbox", "overlay", "--price", "1,10", "--preset", "monkeys", "--attempts", "2", "-o", "patches.choices=1",
    "-o", "selection.reproduction_files=0", "-o", "selection.regressions=false", "-o", "model.patience=0.2",
)  # fmt: skip


def written(secret: str) -> list[str]:
    """A secret as it is, and as servers write what they were sent."""
    in_json = json.dumps(secret)[1:-1]
    return [
        secret,
        in_json,
        json.dumps(in_json)[1:-1],
        quote(secret, safe=""),
        quote(quote(secret, safe=""), safe=""),
        "".join(f"\\u{ord(c):04x}" for c in secret),
        base64.b64encode(secret.encode()).decode().rstrip("="),
        base64.b64encode(b"x" + secret.encode() + b"yy").decode(),
        secret.encode().hex(),
    ]


SECRETS = [way for secret in (KEY, PASSWORD, PARAMETER) for way in written(secret)]
SECRETS.append(base64.b64encode(f"me:{PASSWORD}".encode()).decode().rstrip("="))


class EchoingServer(DirectServer):
    """Ends every reply, and every error, with the credentials of the request, in every spelling."""

    def __init__(self, failing: tuple[str, ...] = ()):
        self.failing = failing
        self.got: set[str] = set()
        super().__init__(lambda step, choice, messages: edit(toy.RIGHT))

    def arrived(self, body, headers, path):
        given = {name.lower(): value for name, value in headers.items()}
        kind, _, sent = given["authorization"].partition(" ")
        self.got |= {base64.b64decode(sent).decode() if kind == "Basic" else sent, path}
        return super().arrived(body, headers, path)

    def said(self, body):
        echo = " ".join(["By the way:", *SECRETS, f"Basic {SECRETS[-1]}", *self.got])
        if any(word in body["step"] for word in self.failing):
            return {"misbehave": "error", "status": 503, "message": f"{'x' * 270} {KEY} {echo}"}
        said = super().said(body)
        pieces = [{"type": "text", "text": KEY[:9]}, {"type": "text", "text": KEY[9:]}]
        return said | {
            "contents": [f"{text}\n{echo}\n{KEY}" for text in said["contents"]],
            "thinking": {"reasoning_content": echo, "reasoning_details": pieces},
            "model": f"toy {KEY}",
        }


def leaks(content: bytes) -> list[str]:
    return [way for way in SECRETS if way.encode() in content]


def stored(file: Path) -> bytes:
    """The store's files, and every value in them unpacked."""
    whole = b"".join(path.read_bytes() for path in file.parent.glob(file.name + "*"))
    connection = sqlite3.connect(file)
    for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
        for row in connection.execute(f'select * from "{table}"'):
            for value in row:
                packed = isinstance(value, bytes)
                whole += zlib.decompress(value) if packed else str(value).encode("utf-8", "replace")
                whole += b"\n"
    connection.close()
    return whole


def everything(home: Home) -> dict[str, bytes]:
    """What lies in the data folder, by name."""
    found = {str(path): path.read_bytes() for path in home.folder.rglob("*") if path.is_file()}
    return {**found, "the store, unpacked": stored(home.store)}


def check(home: Home, *done) -> None:
    for name, content in everything(home).items():
        assert not leaks(content), name
    for one in done:
        assert not leaks((one.stdout + one.stderr).encode()), one.args


def address(server: DirectServer, password: str = PASSWORD) -> str:
    at = server.url.partition("://")[2]
    return f"http://me:{quote(password, safe='')}@{at}?api-version=2&key={PARAMETER}"


@pytest.fixture
def keyed(home, monkeypatch):
    monkeypatch.setattr(
        Home, "environment", lambda self, old=Home.environment: {**old(self), "OPENAI_API_KEY": KEY}
    )
    return home


def test_a_server_that_gives_back_keys(keyed, tmp_path):
    """In text, in reasoning of two pieces, in the model's name, in an error's 300 characters; then a resume."""
    home = keyed
    toy.make_repository(tmp_path / "repo")
    words = ("solve", str(tmp_path / "repo"), "--issue", toy.ISSUE, "--model", "openai/toy")
    with EchoingServer(failing=("attempt-2", "think-patches-2")) as server:
        failed = home.run(*words, "--api-base", address(server), *QUICK)
        assert failed.returncode in (0, 3), failed.stderr
        check(home, failed)
        # The server got what it was to get.
        assert f"me:{PASSWORD}" in server.got
        assert any(
            path.endswith(f"/v1/chat/completions?api-version=2&key={PARAMETER}") for path in server.got
        )
        listed = home.run("runs")
        [run] = {word for word in listed.stdout.split() if word.startswith("20") and word.count("-") > 2}

        server.failing, asked = (), [step for step in server.steps if "attempt-2" not in step]
        server.reset()
        server.steps.clear()
        without = home.run("resume", run)
        assert without.returncode == 2 and not server.steps
        assert "is kept without its password or key: give it again with --api-base" in without.stderr
        resumed = home.run("resume", run, "--api-base", address(server))
        assert resumed.returncode == 0, resumed.stderr
        assert server.steps and not set(server.steps) & {
            s for s in asked if "patch/0" in s and "patches-2" not in s
        }
        check(home, without, resumed)

    again = home.run("resume", run, "--api-base", address(server))  # all from the journal: no server answers
    assert again.returncode == 0 and f"+{toy.RIGHT}" in again.stdout, again.stderr
    shown = [
        home.run(*one)
        for one in (("show", run), ("report", run), ("status", run), ("tail", run, "--no-follow"))
    ]
    for form in ("predictions-jsonl", "patches", "sft", "json", "submission"):
        out = tmp_path / "exports" / form
        out.parent.mkdir(exist_ok=True)
        shown.append(home.run("export", run, "--format", form, "--out", str(out)))
    shown.append(home.run("view", run, "--export", str(tmp_path / "exports/pages")))
    check(home, again, *shown)
    files = [path for path in (tmp_path / "exports").rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        assert not leaks(path.read_bytes()), path


def test_an_address_that_is_none_and_one_that_nobody_answers(keyed, tmp_path):
    toy.make_repository(tmp_path / "repo")
    words = ("solve", str(tmp_path / "repo"), "--issue", toy.ISSUE, "--model", "openai/toy", *QUICK)
    for wrong in (
        f"me:{PASSWORD}@127.0.0.1:9/v1",
        f"http://me:{quote(PASSWORD)}@127.0.0.1:9/v1?key={PARAMETER}",
        f"http://me:a/{PARAMETER}@127.0.0.1:9/v1",
    ):
        done = keyed.run(*words, "--api-base", wrong)
        assert done.returncode in (2, 3) and "api-base" in done.stderr + done.stdout or "URL" in done.stderr
        for content in [done.stdout.encode(), done.stderr.encode()]:
            assert not leaks(content) and PASSWORD.encode() not in unquote(content.decode()).encode(), wrong
        if keyed.store.exists():
            check(keyed)


def test_a_members_address(keyed, tmp_path):
    """Of a mixture, in a file of settings and in a variable."""
    toy.make_repository(tmp_path / "repo")
    with EchoingServer() as server:
        file = tmp_path / "winnow.toml"
        member = f'[[mixture.members]]\nmodel = "openai/toy"\napi_base = "{address(server)}"\n'
        file.write_text(f'[model]\nname = "openai/toy"\napi_base = "{server.url}?sig={PARAMETER}"\n{member}')
        done = keyed.run("solve", str(tmp_path / "repo"), "--issue", toy.ISSUE, "--config", str(file), *QUICK)
        assert done.returncode == 0, done.stderr
    check(keyed, done)
