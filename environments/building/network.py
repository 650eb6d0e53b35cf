"""What of a network a build has: its package indexes through ports of its own loopback, and nothing else.

Or, as the user's explicit choice, all that the host has.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from sandbox import CannotStart, NoPorts, Sandbox

from .index import CERTIFICATES, Index, Remote, read_index

if TYPE_CHECKING:
    from ..task import Recipe
    from .upstream import Upstream

BuildNetwork = Literal["index", "host"]
"""index: the user's package indexes alone. host: the host's whole network."""

HOSTS_PORT, FIRST_PORT = 61000, 61001
"""Above those that a kernel hands out by itself (32768 to 60999), so that no program has one by chance."""

_HERE = "127.0.0.1"
_NAMES_A_HOST = (
    r"[Cc]ould not resolve host(?:name)?:? '?([\w.-]+)",
    r"[Ff]ailed to connect to ([\w.-]+)",
    r"unable to access '\w+://(?:[^/@\s']*@)?([\w.-]+)",
    r"(?:git|hg|svn|bzr)\+\w+://(?:[^/@\s'\"]*@)?([\w.-]+)",
    r"host='([\w.-]+)'",
    r"([\w.-]+) is no host that the recipe names",
    r"[Ff]ailed to fetch: `\w+://(?:[^/@\s`]*@)?([\w.-]+)",
    r"error sending request for url \(\w+://(?:[^/@\s)]*@)?([\w.-]+)",
    r"Could not (?:connect to|resolve) '?([\w.-]+)",
)


class HostNetwork:
    """The host's, with all that the user's settings say."""

    sandbox: Literal["none", "host"] = "host"

    def __init__(self, index: Index) -> None:
        self._index = index
        self.env: Mapping[str, str] = index.env

    async def attach(self, sandbox: Sandbox) -> None:
        if self._index.certificates:
            await sandbox.write(CERTIFICATES, self._index.certificates)

    @contextlib.contextmanager
    def step(self) -> Iterator[Mapping[str, str]]:
        yield self.env

    def explained(self, output: str) -> str:
        return self._index.plain(output)

    def missed(self, output: str) -> str:
        return ""

    async def close(self) -> None:
        """Nothing is held."""


class IndexNetwork:
    """A port for each index, and one for the hosts that the recipe names, if any. env: of steps that install.

    folders: whether the sandbox shows those of this machine that the settings name.
    """

    sandbox: Literal["none", "host"] = "none"

    def __init__(self, index: Index, hosts: tuple[str, ...] = (), folders: bool = True) -> None:
        self._index, self._hosts, self._folders = index, hosts, folders
        self._steps = 0  # that install, and run now
        self._remotes: dict[int, Remote] = {}
        self._upstreams: list[Upstream] = []
        self.env: Mapping[str, str] = {**self._index_env(), **(self._hosts_env() if hosts else {})}

    async def attach(self, sandbox: Sandbox) -> None:
        """Give the build's sandbox its ports. Raises CannotStart where it can have none."""
        from .host_proxy import HostProxy
        from .index_proxy import IndexProxy
        from .upstream import Upstream

        handlers: dict[int, Callable[..., Awaitable[None]]] = {}
        for port, remote in self._remotes.items():
            upstream = Upstream(remote, self._index.means)
            self._upstreams.append(upstream)
            handlers[port] = IndexProxy(upstream).serve
        if self._hosts:
            proxy = HostProxy(self._hosts, self._index.means.environ, lambda: self._steps > 0)
            handlers[HOSTS_PORT] = proxy.serve
            if self._index.certificates:
                await sandbox.write(CERTIFICATES, self._index.certificates)
        if not handlers:
            return
        try:
            await sandbox.forward(handlers)
        except NoPorts as error:
            raise CannotStart(
                f"{error} Or say --build-network host: then a build has the host's network."
            ) from error

    @contextlib.contextmanager
    def step(self) -> Iterator[Mapping[str, str]]:
        """While a step that installs runs. -> its variables. The recipe's hosts are reached by no other."""
        self._steps += 1
        try:
            yield self.env
        finally:
            self._steps -= 1

    def explained(self, output: str) -> str:
        """Output as a person wants it: the indexes' own addresses, no password, and which host was missed."""
        for port, remote in self._remotes.items():
            here, shown = re.escape(f"http://{_HERE}:{port}"), remote.url.partition("?")[0].rstrip("/")
            parts = urlsplit(shown)
            output = re.sub(rf"{here}/(?:index|links)\b", lambda _, shown=shown: shown, output)
            output = re.sub(
                rf"{here}/file/[0-9a-f]{{24}}",
                lambda _, parts=parts: f"{parts.scheme}://{parts.netloc}/...",
                output,
            )
        return self._index.plain(output)

    def missed(self, output: str) -> str:
        """The sentence that says which host a failed step would have needed, "" where none shows."""
        own = {urlsplit(remote.url).hostname for remote in self._remotes.values()}
        for pattern in _NAMES_A_HOST:
            for match in re.finditer(pattern, output):
                host = match[1].lower().rstrip(".")
                if host in own or host in self._hosts or host in (_HERE, "localhost") or "." not in host:
                    continue
                return (
                    f"error: a build reaches nothing but the package index, and this step needs {host}: name it in the "
                    f'recipe (hosts = ["{host}"]), or say --build-network host'
                )
        return ""

    async def close(self) -> None:
        upstreams, self._upstreams = self._upstreams, []
        for upstream in upstreams:
            with contextlib.suppress(Exception):
                await upstream.close()

    def _index_env(self) -> dict[str, str]:
        index = self._index
        env = {
            name: index.env[name] for name in ("UV_INDEX_STRATEGY", "UV_HTTP_TIMEOUT") if name in index.env
        }
        uv, pip = self._seen(index.default)
        env |= {"UV_DEFAULT_INDEX": uv, "PIP_INDEX_URL": pip}
        if extra := self._shown(index.extra):
            seen = [self._seen(one) for one in extra]
            env["UV_INDEX"] = " ".join(uv for uv, _ in seen)
            env["PIP_EXTRA_INDEX_URL"] = " ".join(pip for _, pip in seen)
        if links := self._shown(index.links):
            seen = [self._seen(one) for one in links]
            env["UV_FIND_LINKS"] = ",".join(uv for uv, _ in seen)
            env["PIP_FIND_LINKS"] = " ".join(pip for _, pip in seen)
        return env

    def _shown(self, sources: tuple[Remote | str, ...]) -> tuple[Remote | str, ...]:
        return tuple(one for one in sources if self._folders or isinstance(one, Remote))

    def _seen(self, source: Remote | str) -> tuple[str, str]:
        """What uv and pip are told of an index in the sandbox: a folder as it is, a remote by its port."""
        if isinstance(source, str):
            return source, source
        port = FIRST_PORT + len(self._remotes)
        self._remotes[port] = source
        url = f"http://{_HERE}:{port}/{'links' if source.page else 'index'}/"
        return (f"{source.name}={url}" if source.name else url), url

    def _hosts_env(self) -> dict[str, str]:
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), f"http://{_HERE}:{HOSTS_PORT}")
        proxies["NO_PROXY"] = f"{_HERE},localhost"
        env = {**proxies, **{name.lower(): value for name, value in proxies.items()}}
        if self._index.certificates:
            names = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
            env |= dict.fromkeys(names, CERTIFICATES)
        return env


def reach_told(choice: str, hosts: tuple[str, ...]) -> tuple[str, ...]:
    """What is said of what a build or a set-up reaches; nothing where that is the package index alone."""
    if choice == "host":
        return ("the build has the host's network (--build-network host)",)
    return (f"the build reaches {', '.join(hosts)} too, as asked for",) if hosts else ()


def network_of(choice: str, index: Index, hosts: tuple[str, ...] = ()) -> HostNetwork | IndexNetwork:
    return HostNetwork(index) if choice == "host" else IndexNetwork(index, hosts)


def setup_network(recipe: Recipe) -> IndexNetwork | None:
    """What a set-up script reaches; None where its sandbox has the host's network and nothing need be told."""
    if "host" in (recipe.build_network, recipe.network):
        return None
    return IndexNetwork(read_index(), recipe.hosts, folders=False)
