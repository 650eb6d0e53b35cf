"""A package index with a password, on this machine's loopback: pages on one port, files on another."""

import base64
import contextlib
import hashlib
import http.server
import io
import json
import tarfile
import threading
import zipfile

USER, PASSWORD = "somebody", "a-password-of-the-index"
JSON = "application/vnd.pypi.simple.v1+json"


def wheel(name, version="1", files=(), needs=()):
    """A wheel's file name and bytes. files: (path, bytes)."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {need}\n" for need in needs)
    content = {
        f"{name}.py": b"def double(x):\n    return 2 * x\n",
        **dict(files),
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*content, f"{info}/RECORD"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, data in {**content, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(path, data)
    return f"{name}-{version}-py3-none-any.whl", packed.getvalue(), metadata.encode()


def source(name, backend, version="1"):
    """A source distribution that is built by its own backend: Python that runs in the build."""
    project = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    project += f'[project]\nname = "{name}"\nversion = "{version}"\n'
    packed = io.BytesIO()
    top = f"{name}-{version}"
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in (
            ("pyproject.toml", project),
            ("own.py", backend),
            ("PKG-INFO", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
        ):
            about = tarfile.TarInfo(f"{top}/{path}")
            about.size = len(text.encode())
            archive.addfile(about, io.BytesIO(text.encode()))
    return f"{top}.tar.gz", packed.getvalue(), b""


class PrivateIndex:
    """packages: {project: [(file name, bytes, metadata)]}. asked: (port's name, method, path, headers) of requests.

    moved: {path: where it redirects to}. says_json: whether pages are JSON for who asks for it.
    """

    def __init__(self, packages, says_json=True, login=True):
        self.packages, self.says_json, self.login = packages, says_json, login
        self.asked, self.moved, self.links = [], {}, {}
        self.index, self.files = self._server("index"), self._server("files")

    @property
    def url(self):
        login = f"{USER}:{PASSWORD}@" if self.login else ""
        return f"http://{login}127.0.0.1:{self.index.server_port}/root/simple/"

    def __enter__(self):
        for server in (self.index, self.files):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        for server in (self.index, self.files):
            server.shutdown()
            server.server_close()

    def page(self, project, as_json):
        files = []
        for name, data, metadata in self.packages[project]:
            url = f"http://127.0.0.1:{self.files.server_port}/packages/{name}"
            digest = hashlib.sha256(data).hexdigest()
            seen = {"sha256": hashlib.sha256(metadata).hexdigest()} if metadata else False
            files.append((name, url, digest, seen))
        extra = self.links.get(project, [])
        if as_json:
            said = [
                {"filename": name, "url": url, "hashes": {"sha256": digest}, "core-metadata": seen,
                 "upload-time": "2020-01-01T00:00:00Z", "requires-python": ">=2.7", "provenance": f"{url}.p"}
                for name, url, digest, seen in files
            ]  # fmt: skip
            said += [
                {"filename": url.partition("?")[0].rpartition("/")[2], "url": url, "hashes": {}}
                for url in extra
            ]
            page = {"meta": {"api-version": "1.1"}, "name": project, "files": said}
            return JSON, json.dumps(page).encode()
        lines = [
            f'<a href="{url}#sha256={digest}" data-requires-python="&gt;=2.7">{name}</a>'
            for name, url, digest, _ in files
        ]
        lines += [f'<a href="{url}">{url}</a>' for url in extra]
        return "text/html", ("<html><body>" + "<br>".join(lines) + "</body></html>").encode()

    def _server(self, which):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.asked.append((which, self.command, self.path, dict(self.headers)))
                if self.path in outer.moved:
                    self._say(302, b"", {"Location": outer.moved[self.path]})
                elif which == "index" and outer.login and not self._allowed():
                    self._say(401, f"who are you? not {PASSWORD}".encode(), {"WWW-Authenticate": "Basic"})
                elif which == "index" and self.path.startswith("/root/simple/"):
                    self._page(self.path.removeprefix("/root/simple/").strip("/"))
                elif self.path.startswith("/packages/"):
                    self._file(self.path.removeprefix("/packages/"))
                else:
                    self._say(200, b"something private of this server", {"Set-Cookie": "session=1"})

            do_HEAD = do_GET

            def _allowed(self):
                word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                return self.headers.get("Authorization") == f"Basic {word}"

            def _page(self, project):
                if project not in outer.packages:
                    self._say(404, b"no such project", {})
                    return
                as_json = outer.says_json and JSON in self.headers.get("Accept", "")
                kind, page = outer.page(project, as_json)
                self._say(200, page, {"Content-Type": kind, "ETag": '"one"', "Set-Cookie": "session=1"})

            def _file(self, name):
                found = {n: data for files in outer.packages.values() for n, data, _ in files}
                found |= {
                    f"{n}.metadata": data for files in outer.packages.values() for n, _, data in files if data
                }
                if name not in found:
                    self._say(404, b"no such file", {})
                    return
                data, status, told = found[name], 200, {"Accept-Ranges": "bytes"}
                if wanted := self.headers.get("Range"):
                    start, _, end = wanted.removeprefix("bytes=").partition("-")
                    start, end = (
                        (int(start), int(end or len(data) - 1))
                        if start
                        else (len(data) - int(end), len(data) - 1)
                    )
                    told["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
                    data, status = data[start : end + 1], 206
                self._say(status, data, told)

            def _say(self, status, body, headers):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    with contextlib.suppress(OSError):
                        self.wfile.write(body)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        return server
