"""Requests to a package index, made here with the user's login, certificates and proxies on behalf of a build."""

from __future__ import annotations

import base64
import contextlib
import functools
import netrc
import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import certifi
import httpcore

from .addresses import Reach, Refused, addresses_of, allowed_addresses, reach_of
from .index import Means, Remote, without_login

REDIRECTS = 10
_PORTS = {"http": 80, "https": 443}
_SHORT = 1 << 16
_MOVED = (301, 302, 303, 307, 308)
_SAID = "!#$%&'()*+,/:;=?@[]~"
"""Characters of an address that mean something as they are."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose body is still to come. url: where it came from after all redirects."""

    status: int
    headers: Mapping[str, str]
    url: str
    body: AsyncIterator[bytes]


class Unreachable(Exception):
    """No answer, in one sentence without a secret."""


class Upstream:
    """One remote, and the files that it links."""

    def __init__(self, remote: Remote, means: Means) -> None:
        self.remote = remote
        self._means = means
        self._pools: dict[tuple[str, bool], Any] = {}
        self._reach: Reach | None = None

    @contextlib.asynccontextmanager
    async def ask(self, method: str, url: str, headers: Iterable[tuple[str, str]]) -> AsyncIterator[Answer]:
        """GET or HEAD; redirects are followed. Raises Unreachable."""
        headers = list(headers)
        async with contextlib.AsyncExitStack() as stack:
            try:
                for _ in range(REDIRECTS):
                    response = await stack.enter_async_context(self._request(method, url, headers))
                    said = {
                        name.decode().lower(): value.decode("latin-1") for name, value in response.headers
                    }
                    body = response.aiter_stream()
                    if response.status not in _MOVED or "location" not in said:
                        break
                    await _read_up(body)
                    await stack.aclose()
                    url = urljoin(without_login(url)[0], said["location"])
                else:
                    raise Unreachable(f"{_host(url)} redirects without an end")
            except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
                raise Unreachable(f"{_host(url)} does not answer ({_kind(error)})") from error
            except httpcore.ProxyError as error:
                raise Unreachable(f"the proxy on the way to {_host(url)} refuses") from error
            except (OSError, Refused) as error:
                raise Unreachable(f"{_host(url)} cannot be reached ({error})") from error
            except ValueError as error:
                raise Unreachable("the index names an address that is none") from error
            yield Answer(response.status, said, without_login(url)[0], body)
            await _read_up(body)

    async def close(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()

    def _request(self, method: str, url: str, headers: list[tuple[str, str]]) -> Any:
        bare, own = without_login(url)
        bare = quote(bare, safe=_SAID)
        parts = urlsplit(bare)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise Refused("only addresses with http and https are")
        login = own or (self.remote.login if _origin(bare) == _origin(self.remote.url) else None)
        login = login or _from_netrc(parts.hostname, self._means.environ)
        if login is not None:
            word = base64.b64encode(f"{login[0]}:{login[1]}".encode()).decode()
            headers = [*headers, ("Authorization", f"Basic {word}")]
        times = dict.fromkeys(("connect", "read", "write", "pool"), self._means.timeout)
        return self._pool(bare).stream(
            method,
            bare,
            headers=[("Host", parts.netloc), *headers],
            extensions={"timeout": times},
        )

    def _pool(self, url: str) -> Any:
        proxy, parts = proxy_for(url, self._means.environ), urlsplit(url)
        verify = not {parts.netloc, parts.hostname, "*"} & self._means.trusted
        if (proxy, verify) not in self._pools:
            common = {
                "ssl_context": _trust(self._means.certificates, verify),
                "max_connections": 64,
                "max_keepalive_connections": 16,
                "keepalive_expiry": 30.0,
                "retries": 1,
            }
            if proxy:  # it finds the hosts itself
                bare, login = without_login(proxy)
                user = None if login is None else (login[0].encode(), login[1].encode())
                pool = httpcore.AsyncHTTPProxy(bare, proxy_auth=user, **common)
            else:
                pool = httpcore.AsyncConnectionPool(network_backend=_Checked(self), **common)
            self._pools[proxy, verify] = pool
        return self._pools[proxy, verify]

    async def addresses(self, host: str, port: int) -> list[str]:
        """Where a host may be called: the remote's own anywhere, others not on this machine unless the remote is."""
        parts = urlsplit(self.remote.url)
        if (host, port) == (parts.hostname, parts.port or _PORTS[parts.scheme]):
            return [str(one) for one in await addresses_of(host, port)]
        if self._reach is None:
            found = await addresses_of(parts.hostname or "", parts.port or _PORTS[parts.scheme])
            self._reach = min(
                (reach_of(one) for one in found), key=["public", "never", "private", "loopback"].index
            )
        return await allowed_addresses(host, port, self._reach)


async def _read_up(body: AsyncIterator[bytes]) -> None:
    """Take what is left of a short body: a connection whose answer was not read cannot be used again."""
    left = _SHORT
    with contextlib.suppress(httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
        async for piece in body:
            left -= len(piece)
            if left < 0:
                return


@functools.lru_cache(maxsize=4)
def _trust(certificates: bytes, verify: bool) -> ssl.SSLContext:
    if certificates:
        trust = ssl.create_default_context(cadata=certificates.decode("ascii", "ignore"))
    else:
        trust = ssl.create_default_context(cafile=certifi.where())
    if not verify:
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return trust


class _Checked(httpcore.AnyIOBackend):
    """Connects to addresses that were looked at."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def connect_tcp(self, host: str, port: int, *args: Any, **more: Any) -> Any:
        try:
            found = await self._upstream.addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"no such host: {error.strerror}") from error
        for address in found[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await super().connect_tcp(address, port, *args, **more)
        return await super().connect_tcp(found[-1], port, *args, **more)


def proxy_for(url: str, environ: Mapping[str, str]) -> str:
    """The user's proxy on the way to an address, "" for none."""
    parts = urlsplit(url)
    words = {name.lower(): value for name, value in environ.items() if value}
    proxies = {"no": words.get("no_proxy", "")}
    if urllib.request.proxy_bypass_environment(parts.netloc.rpartition("@")[2], proxies):
        return ""
    proxy = words.get(f"{parts.scheme}_proxy") or words.get("all_proxy") or ""
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)


def _host(url: str) -> str:
    return urlsplit(without_login(url)[0]).netloc


def _kind(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__


def _from_netrc(host: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    file = environ.get("NETRC") or f"{environ.get('HOME', '/nonexistent')}/.netrc"
    try:
        found = netrc.netrc(file).hosts.get(host)  # not its default: that would go to everybody
    except (OSError, netrc.NetrcParseError):
        return None
    return None if found is None else (found[0], found[2] or "")
