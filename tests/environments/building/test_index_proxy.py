"""The package index as a build sees it: what may be asked for, what is told, and that no password is among it."""

import asyncio
import hashlib
import json
import os
import tracemalloc

import httpcore
import pytest
from private_index import JSON, PASSWORD, PrivateIndex, wheel

from environments.building.addresses import Refused, allowed_addresses, reach_of
from environments.building.index import Means, Remote, read_index
from environments.building.index_pages import rewritten
from environments.building.index_proxy import IndexProxy
from environments.building.upstream import Upstream

BIG = 60 << 20


@pytest.fixture
def index():
    with PrivateIndex(
        {"twice": [wheel("twice")], "big": [wheel("big", files=[("data", os.urandom(1000))])]}
    ) as one:
        yield one


class Asking:
    """A proxy for an index, and a client of it."""

    def __init__(self, remote, **means):
        self.upstream = Upstream(remote, Means(**means))
        self.proxy = IndexProxy(self.upstream)

    async def _serve(self, reader, writer):
        try:
            await self.proxy.serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()  # as a sandbox's port does

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.at = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        self.pool = httpcore.AsyncConnectionPool()
        return self

    async def __aexit__(self, *_):
        await self.pool.aclose()
        self.server.close()
        await self.upstream.close()

    async def __call__(self, path, method="GET", **headers):
        said = [(name.replace("_", "-"), value) for name, value in headers.items()]
        answer = await self.pool.request(method, self.at + path, headers=said)
        return answer.status, {n.decode().lower(): v.decode() for n, v in answer.headers}, answer.content


def asking(index, **more):
    settings = read_index({"PIP_INDEX_URL": index.url, "PIP_CONFIG_FILE": "/dev/null"})
    return Asking(settings.default, **more)


def secret_in(answer):
    return PASSWORD in repr(answer)


@pytest.mark.parametrize("accept", [JSON, "text/html"])
async def test_pages_are_rewritten_and_their_files_are_served(index, accept):
    async with asking(index) as ask:
        status, headers, page = await ask(
            "/index/twice/", Accept=accept, Cookie="mine", Authorization="Basic bWluZQ=="
        )
        assert status == 200 and headers["etag"] == '"one"' and "set-cookie" not in headers
        name, data, metadata = index.packages["twice"][0]
        digest = hashlib.sha256(data).hexdigest()
        if accept == JSON:
            (file,) = json.loads(page)["files"]
            path = file["url"]
            assert file["upload-time"] == "2020-01-01T00:00:00Z" and file["hashes"] == {"sha256": digest}
            assert file["core-metadata"] and "provenance" not in file
        else:
            path = page.decode().partition('href="')[2].partition('"')[0]
            path, _, fragment = path.partition("#")
            assert fragment == f"sha256={digest}" and 'data-requires-python="&gt;=2.7"' in page.decode()
        assert path.startswith("/file/") and path.endswith(name) and b"127.0.0.1" not in page
        assert (await ask(path))[2] == data
        assert (await ask(f"{path}.metadata"))[2] == metadata
        status, headers, body = await ask(path, "HEAD")
        assert (status, headers["content-length"], body) == (200, str(len(data)), b"")
        status, headers, body = await ask(path, Range="bytes=-10")
        assert (status, body) == (206, data[-10:]) and headers["content-range"].endswith(f"/{len(data)}")
    asked = [headers for which, _, _, headers in index.asked if which == "index"]
    assert asked and all(
        "Cookie" not in headers and headers["Authorization"] != "Basic bWluZQ==" for headers in asked
    )
    assert all("Authorization" not in headers for which, _, _, headers in index.asked if which == "files")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/index/",
        "/index/../../admin/",
        "/index/..%2f..%2fadmin/",
        "/index/%2e%2e/",
        "/index/twice/../../../admin",
        "/index/twice/?x=/admin",
        "/index//admin/",
        "/admin",
        "/links/",
        "http://127.0.0.1/admin",
        "/file/000000000000000000000000/twice-1-py3-none-any.whl",
    ],
)
async def test_nothing_but_projects_and_what_they_link_can_be_asked_for(index, path):
    async with asking(index) as ask:
        await ask("/index/twice/")
        before = len(index.asked)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(ask.at.rpartition(":")[2]))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 404")
        writer.close()
        assert len(index.asked) == before


async def test_a_file_has_no_other_name(index):
    async with asking(index) as ask:
        page = json.loads((await ask("/index/twice/", Accept=JSON))[2])
        path = page["files"][0]["url"].rpartition("/")[0]
        for name in ("other.whl", "twice-1-py3-none-any.whl.asc", "twice-1-py3-none-any.whl%2f..%2fx"):
            assert (await ask(f"{path}/{name}"))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_an_index_is_only_read(index, method):
    async with asking(index) as ask:
        assert (await ask("/index/twice/", method))[0] == 405
    assert index.asked == []


async def test_no_connect_and_no_nonsense(index):
    async with asking(index) as ask:
        for said in (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01 nonsense\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(ask.at.rpartition(":")[2]))
            writer.write(said)
            writer.write_eof()
            answer = await reader.read()
            assert answer == b"" or answer.startswith(b"HTTP/1.1 405"), answer
            writer.close()
    assert index.asked == []


async def test_no_password_is_in_an_answer(index):
    index.moved["/root/simple/gone/"] = f"http://u:{PASSWORD}@127.0.0.1:1/nowhere"
    index.links["twice"] = [
        f"http://u:{PASSWORD}@127.0.0.1:{index.files.server_port}/packages/x-1.tar.gz?token={PASSWORD}"
    ]
    async with asking(index) as ask:
        answers = [await ask(f"/index/{name}/", Accept=JSON) for name in ("twice", "none", "gone")]
        answers += [await ask("/index/twice/", Accept="text/html")]
        assert [status for status, *_ in answers] == [200, 404, 502, 200]
        wrong = Asking(
            Remote(f"http://127.0.0.1:{index.index.server_port}/root/simple/", login=("u", PASSWORD))
        )
        async with wrong as ask_wrongly:
            answers += [await ask_wrongly("/index/twice/")]
        assert answers[-1][0] == 401 and "www-authenticate" not in answers[-1][1]
        assert not any(map(secret_in, answers))


async def test_redirects_are_followed_outside_and_the_login_does_not_go_along(index):
    files = f"http://127.0.0.1:{index.files.server_port}"
    index.packages["moved"] = [wheel("moved")]
    index.moved["/packages/moved-1-py3-none-any.whl"] = f"{files}/packages/twice-1-py3-none-any.whl"
    index.moved["/root/simple/other/"] = "/root/simple/twice/"
    index.moved["/root/simple/round/"] = "/root/simple/round/"
    index.moved["/root/simple/away/"] = f"{files}/root/simple/away/"
    async with asking(index) as ask:
        path = json.loads((await ask("/index/moved/", Accept=JSON))[2])["files"][0]["url"]
        assert (await ask(path))[2] == index.packages["twice"][0][1]
        assert (await ask("/index/other/"))[0] == 200
        assert (await ask("/index/round/"))[0] == 502
        assert (await ask("/index/away/"))[0] == 502  # no page of an index
        for target in (
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "http://169.254.169.254/latest",
            "http://[fe80::1]/",
        ):
            index.moved["/root/simple/x/"] = target
            status, _, said = await ask("/index/x/")
            assert status == 502 and b"root:" not in said
    assert all("Authorization" not in headers for which, _, _, headers in index.asked if which == "files")


@pytest.mark.parametrize(
    ("host", "base", "allowed"),
    [
        ("127.0.0.1", "public", False),
        ("localhost", "public", False),
        ("10.1.2.3", "public", False),
        ("192.168.0.1", "public", False),
        ("169.254.169.254", "public", False),
        ("169.254.169.254", "loopback", False),
        ("100.100.100.200", "loopback", False),
        ("::1", "public", False),
        ("::ffff:127.0.0.1", "public", False),
        ("64:ff9b::a9fe:a9fe", "public", False),
        ("2002:7f00:1::", "public", False),
        ("fd00:ec2::254", "private", False),
        ("0.0.0.0", "loopback", False),
        ("2130706433", "public", False),
        ("0x7f.1", "public", False),
        ("127.0.0.1", "private", False),
        ("10.1.2.3", "private", True),
        ("127.0.0.1", "loopback", True),
        ("1.1.1.1", "public", True),
        ("2606:4700::1111", "public", True),
    ],
)
async def test_what_an_index_may_send_somebody_to(host, base, allowed):
    if allowed:
        assert await allowed_addresses(host, 80, base)
    else:
        with pytest.raises(Refused):
            await allowed_addresses(host, 80, base)


async def test_an_index_of_the_internet_may_not_link_to_this_machine(index):
    async with asking(index) as ask:
        ask.upstream._reach = "public"  # as if it were
        page = json.loads((await ask("/index/twice/", Accept=JSON))[2])
        status, _, said = await ask(page["files"][0]["url"])
        assert status == 502 and b"which a build may not reach" in said


async def test_a_name_that_changes_its_address_is_looked_at_where_it_is_called(index, monkeypatch):
    """DNS rebinding: the address that was looked at is the one that is connected to."""
    loop, answers = asyncio.get_running_loop(), [[("1.1.1.1", 80)], [("127.0.0.1", 80)]]

    async def getaddrinfo(host, port, **more):
        return [(2, 1, 6, "", where) for where in answers.pop(0)]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    assert await allowed_addresses("changes.example", 80, "public") == ["1.1.1.1"]
    with pytest.raises(Refused):
        await allowed_addresses("changes.example", 80, "public")


def test_addresses_that_lead_elsewhere():
    import ipaddress

    for said, reach in (("224.0.0.1", "never"), ("255.255.255.255", "never"), ("100.64.0.1", "private")):
        assert reach_of(ipaddress.ip_address(said)) == reach


async def test_a_large_file_streams_with_bounded_memory(index):
    index.packages["big"] = [("big-1-py3-none-any.whl", bytes(BIG), b"")]
    async with asking(index) as ask:
        path = json.loads((await ask("/index/big/", Accept=JSON))[2])["files"][0]["url"]
        tracemalloc.start()
        try:
            count = 0
            async with ask.pool.stream("GET", ask.at + path) as answer:
                async for piece in answer.aiter_stream():
                    count += len(piece)
            assert count == BIG and tracemalloc.get_traced_memory()[1] < 24 << 20
        finally:
            tracemalloc.stop()


async def test_half_a_file_never_looks_whole(index, monkeypatch):
    index.packages["big"] = [("big-1-py3-none-any.whl", bytes(BIG), b"")]
    async with asking(index) as ask:
        path = json.loads((await ask("/index/big/", Accept=JSON))[2])["files"][0]["url"]
        with pytest.raises((httpcore.ReadError, httpcore.RemoteProtocolError)):
            async with ask.pool.stream("GET", ask.at + path) as answer:
                async for _ in answer.aiter_stream():
                    for pool in ask.upstream._pools.values():
                        for one in pool.connections:
                            await one.aclose()


async def test_the_users_own_proxy_is_used_and_may_know_more_names(index):
    seen = []

    async def proxy(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head)
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    async with server:
        at = f"http://me:word@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        remote = Remote("http://index.of.a.company/simple/", login=("u", "p"))
        async with Asking(remote, environ={"http_proxy": at, "no_proxy": "other.example"}) as ask:
            assert (await ask("/index/twice/"))[0] == 404
    assert seen[0].startswith(b"GET http://index.of.a.company/simple/twice/ HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6d29yZA==" in seen[0]


def test_html_with_a_base_and_links_of_every_kind():
    page = b"""<html><head><base href="../files/"><meta name="pypi:repository-version" content="1.0"></head>
    <a href="a-1.tar.gz#md5=1">a</a><A HREF='/b%2B-1.zip' data-yanked>b</a><a href="mailto:x@y">c</a>
    <a href="javascript:alert(1)">d</a><a href="http://[x/">e</a><a>f</a><script>evil</script>"""
    seen = []

    def rename(url):
        seen.append(url)
        return "/file/1/" + url.rpartition("/")[2] if url.startswith("https:") else ""

    text = rewritten(page, "text/html; charset=utf-8", "https://i.example/simple/x/", rename).decode()
    assert seen[:2] == ["https://i.example/simple/files/a-1.tar.gz", "https://i.example/b%2B-1.zip"]
    assert text.count("<a ") == 2 and "evil" not in text and "pypi:repository-version" in text
    assert (
        '<a href="/file/1/b%2B-1.zip" data-yanked="">' in text and 'href="/file/1/a-1.tar.gz#md5=1"' in text
    )


async def test_pages_that_are_packed_too_large_or_no_pages_at_all(index, monkeypatch):
    from environments.building import index_proxy

    async with asking(index) as ask:
        index.page = lambda project, as_json: ("text/plain", b"something else")
        assert (await ask("/index/twice/"))[0] == 502
        index.page = lambda project, as_json: (JSON, b'{"files": 1}')
        assert (await ask("/index/twice/"))[0] == 502
        monkeypatch.setattr(index_proxy, "_PAGE", 1000)
        index.page = lambda project, as_json: ("text/html", b"x" * 1001)
        assert (await ask("/index/twice/"))[0] == 502
