"""The hosts that a recipe names: what the proxy to them lets through, and what not."""

import asyncio

import pytest

from environments.building import host_proxy
from environments.building.host_proxy import HostProxy
from environments.building.hosts import is_host


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("github.com", True),
        ("files.pythonhosted.org", True),
        ("xn--bcher-kva.example", True),
        ("GitHub.com", False),
        ("github.com:443", False),
        ("*.github.com", False),
        ("localhost", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("https://github.com", False),
        ("a..b", False),
        ("", False),
    ],
)
def test_names_of_hosts(name, good):
    assert is_host(name) == good


class Said:
    """A proxy for example.com and what it answers to some bytes."""

    def __init__(self, environ=None):
        self.proxy = HostProxy(("example.com",), environ or {})

    async def __call__(self, said):
        async def serve(reader, writer):
            try:
                await self.proxy.serve(reader, writer)
            except (ConnectionError, EOFError):
                pass
            finally:
                writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(said)
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            return answer


@pytest.mark.parametrize(
    "request_line",
    [
        "CONNECT other.example:443 HTTP/1.1",
        "CONNECT example.com:22 HTTP/1.1",
        "CONNECT example.com.evil.org:443 HTTP/1.1",
        "CONNECT evil@example.com.org:443 HTTP/1.1",
        "CONNECT 127.0.0.1:80 HTTP/1.1",
        "CONNECT [::1]:80 HTTP/1.1",
        "CONNECT example.com HTTP/1.1 x",
        "GET http://other.example/ HTTP/1.1",
        "GET http://example.com:8080/ HTTP/1.1",
        "GET https://example.com/ HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET / HTTP/1.1",
        "nonsense",
    ],
)
async def test_everything_else_is_refused(request_line, monkeypatch):
    async def never(*_):
        raise AssertionError("nothing may be looked up")

    monkeypatch.setattr(host_proxy, "allowed_addresses", never)
    answer = await Said()(f"{request_line}\r\nHost: example.com\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403"), answer


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"])
async def test_a_named_host_that_leads_to_this_machine_is_refused(address, monkeypatch):
    loop = asyncio.get_running_loop()

    async def getaddrinfo(host, port, **more):
        return [(0, 0, 0, "", (address, port))]

    proxy = Said()
    real = loop.getaddrinfo
    monkeypatch.setattr(
        loop,
        "getaddrinfo",
        lambda host, port, **more: (getaddrinfo if host == "example.com" else real)(host, port, **more),
    )
    answer = await proxy(b"CONNECT example.com:443 HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403") and b"may not reach" in answer


async def test_a_tunnel_and_a_plain_request(monkeypatch):
    heard = []

    async def serve(reader, writer):
        heard.append(await reader.read())
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setattr(host_proxy, "PORTS", (port,))

        async def addresses(host, port, base):
            assert (host, base) == ("example.com", "public")
            return ["127.0.0.1"]

        monkeypatch.setattr(host_proxy, "allowed_addresses", addresses)
        answer = await Said()(f"CONNECT Example.com:{port} HTTP/1.1\r\n\r\nbytes".encode())
        assert answer == b"HTTP/1.1 200 Connection established\r\n\r\nhello" and heard.pop() == b"bytes"
        request = f"GET http://example.com:{port}/a?b HTTP/1.1\r\nHost: other\r\nProxy-Authorization: x\r\nA: b\r\n\r\n"
        assert await Said()(request.encode()) == b"hello"
        assert heard.pop() == b"GET /a?b HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\nA: b\r\n\r\n"


async def test_by_the_users_own_proxy():
    heard = []

    async def serve(reader, writer):
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nthere")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        at = f"http://me:word@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        answer = await Said({"https_proxy": at})(b"CONNECT example.com:443 HTTP/1.1\r\n\r\n")
        assert answer.endswith(b"\r\n\r\nthere") and b"Basic bWU6d29yZA==" in heard[0]
