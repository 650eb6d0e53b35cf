"""The user's package index: pip's and uv's settings, certificates, local folders.

What may hold a secret (a URL with a password, a proxy) stays outside of a build's sandbox (see network.py), unless the
user chose the host's network for it: then it is an environment variable of single commands. It is in no layer and no
recipe, and `Index.plain` takes it out of what is shown.
"""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from models.secrets import HIDDEN, KNOWN, KnownSecrets, strip_urls

CERTIFICATES = "/tmp/winnow-certificates.pem"
"""Where a sandbox of a build has the user's certificates."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_ASKED = ("HOME", "NETRC")
_OWN = ("UV_INDEX_STRATEGY", "UV_HTTP_TIMEOUT", "UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS")


_TIMEOUT = 60.0
PYPI = "https://pypi.org/simple/"


@dataclass(frozen=True, slots=True)
class Remote:
    """An index of another host, or a page of links (page). url: without a login. login: (user, password), or None.

    name: what uv calls it.
    """

    url: str
    name: str = ""
    login: tuple[str, str] | None = field(default=None, repr=False)
    page: bool = False

    @property
    def base(self) -> str:
        """The address that projects' names are added to."""
        return self.url.rstrip("/") + "/"


@dataclass(frozen=True, slots=True)
class Means:
    """What the user's requests are made with. certificates: a bundle, b"" for the usual ones. trusted: hosts whose
    certificates need not be good. environ: where proxies and .netrc are said. timeout: seconds without a byte."""

    certificates: bytes = b""
    trusted: frozenset[str] = frozenset()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = _TIMEOUT


@dataclass(frozen=True, slots=True)
class Index:
    """default, extra, links: indexes and find-links, each a remote or what names a folder of this machine.

    env: variables for uv and pip with the host's network. shows: host folders that they name. certificates: a bundle,
    b"" for none.
    """

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    shows: tuple[str, ...] = ()
    certificates: bytes = b""
    default: Remote | str = Remote(PYPI)
    extra: tuple[Remote | str, ...] = ()
    links: tuple[Remote | str, ...] = ()
    means: Means = Means()

    def plain(self, text: str) -> str:
        """Text without passwords of URLs, nor any other secret that is known."""
        known = KnownSecrets(self.env)
        text = strip_urls(KNOWN.redact_reply(known.redact_reply(text)))
        return text.replace(f"://{HIDDEN}@", "://")


def read_index(environ: Mapping[str, str] | None = None) -> Index:
    """The index settings of this machine's user: uv's own variables and files first, then pip's."""
    environ = os.environ if environ is None else environ
    uv, pip = _uv_settings(environ), _pip_settings(environ)
    default = (
        environ.get("UV_DEFAULT_INDEX")
        or environ.get("UV_INDEX_URL")
        or uv.get("default")
        or pip.get("index-url")
    )
    extra = (
        environ.get("UV_INDEX", "").split()
        or environ.get("UV_EXTRA_INDEX_URL", "").split()
        or uv.get("extra", "").split()
        or pip.get("extra-index-url", "").split()
    )
    links = re.split(r"[,\s]+", environ.get("UV_FIND_LINKS") or pip.get("find-links") or "")
    extra, links = [one for one in extra if _usable(one)], [one for one in links if one and _usable(one)]
    env: dict[str, str] = {}
    if default:
        env |= {
            "UV_DEFAULT_INDEX": default,
            "PIP_INDEX_URL": default.split("=", 1)[-1] if "=http" in default else default,
        }
    if extra:
        # pip takes the best of all indexes, uv the first that knows a name: pip's settings mean pip's way.
        env |= {"UV_INDEX": " ".join(extra), "PIP_EXTRA_INDEX_URL": " ".join(extra)}
        env |= {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    if links:
        env |= {"UV_FIND_LINKS": ",".join(links), "PIP_FIND_LINKS": " ".join(links)}
    for name in (*_OWN, *_PROXIES, *(proxy.lower() for proxy in _PROXIES)):
        if environ.get(name):
            env[name] = environ[name]
    env |= {
        name: word
        for name, word in environ.items()
        if re.fullmatch(r"UV_INDEX_\w+_(USERNAME|PASSWORD)", name)
    }
    certificates = _certificates(environ, pip)
    if certificates:
        env |= dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), CERTIFICATES)
    if trusted := pip.get("trusted-host"):
        env.setdefault("UV_INSECURE_HOST", trusted.replace("\n", " "))
        env["PIP_TRUSTED_HOST"] = trusted
    KNOWN.learn_environment(env)  # what stood in files, too
    folders = dict.fromkeys(folder for one in (default or "", *extra, *links) if (folder := _folder(one)))
    return Index(
        env,
        tuple(folders),
        certificates,
        default=_source(default or PYPI, environ),
        extra=tuple(_source(one, environ) for one in extra),
        links=tuple(_source(one, environ, page=True) for one in links),
        means=Means(
            certificates,
            frozenset(env.get("UV_INSECURE_HOST", "").split()),
            {
                name: environ[name]
                for name in (*_ASKED, *_PROXIES, *map(str.lower, _PROXIES))
                if name in environ
            },
            _seconds(environ),
        ),
    )


def without_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """An address without its user and password, and these."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = login.partition(":")
    return urlunsplit(parts._replace(netloc=host)), (unquote(user), unquote(password))


def _source(said: str, environ: Mapping[str, str], page: bool = False) -> Remote | str:
    """What an entry of the settings names: uv's may have a name before the address."""
    name, url = "", said
    if match := re.match(r"([\w.-]+)=(\w+://.*)", said):
        name, url = match[1], match[2]
    if not url.startswith(("http://", "https://")):
        return said
    url, login = without_login(url)
    if login is None and name:
        word = re.sub(r"[^A-Z0-9]", "_", name.upper())
        user, password = (environ.get(f"UV_INDEX_{word}_{what}") for what in ("USERNAME", "PASSWORD"))
        login = (user or "", password or "") if user or password else None
    return Remote(url, name, login, page)


def _seconds(environ: Mapping[str, str]) -> float:
    said = environ.get("UV_HTTP_TIMEOUT") or environ.get("PIP_DEFAULT_TIMEOUT") or ""
    return max(float(said), 1.0) if re.fullmatch(r"\d{1,5}(\.\d+)?", said) else _TIMEOUT


def _uv_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """`default` and `extra` of uv.toml: the user's goes before the machine's."""
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", "/nonexistent"), ".config")
    for file in (environ.get("UV_CONFIG_FILE"), f"{home}/uv/uv.toml", "/etc/uv/uv.toml"):
        if not file or not os.path.isfile(file):
            continue
        try:
            said = tomllib.loads(Path(file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        indexes = [one for one in said.get("index", ()) if isinstance(one, dict) and one.get("url")]
        default = next((str(one["url"]) for one in indexes if one.get("default")), said.get("index-url", ""))
        extra = [str(one["url"]) for one in indexes if not one.get("default") and not one.get("explicit")]
        return {
            "default": str(default),
            "extra": " ".join([*extra, *map(str, said.get("extra-index-url", ()))]),
        }
    return {}


def _pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's configuration files, the later over the earlier, and its variables over them."""
    home = environ.get("HOME", "/nonexistent")
    config = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    files = ["/etc/xdg/pip/pip.conf", "/etc/pip.conf", f"{home}/.pip/pip.conf", f"{config}/pip/pip.conf"]
    if virtual := environ.get("VIRTUAL_ENV"):
        files.append(f"{virtual}/pip.conf")
    if "PIP_CONFIG_FILE" in environ:
        files = [] if environ["PIP_CONFIG_FILE"] == os.devnull else [*files, environ["PIP_CONFIG_FILE"]]
    found: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= {
                    key.replace("_", "-"): " ".join(word.split())
                    for key, word in parser.items(section)
                    if word
                }
    for key in ("index-url", "extra-index-url", "find-links", "cert", "trusted-host"):
        if word := environ.get("PIP_" + key.upper().replace("-", "_")):
            found[key] = word
    return found


def _certificates(environ: Mapping[str, str], pip: Mapping[str, str]) -> bytes:
    for file in (environ.get("SSL_CERT_FILE"), pip.get("cert"), environ.get("REQUESTS_CA_BUNDLE")):
        if file and os.path.isfile(file):
            try:
                return Path(file).read_bytes()
            except OSError:
                continue
    return b""


def _folder(url: str) -> str:
    """The host's folder that a file URL or a path names, "" for none. A local index keeps its files beside it."""
    path = unquote(urlsplit(url).path) if url.startswith("file://") else url
    if not path.startswith("/") or not os.path.isdir(path):
        return ""
    return os.path.dirname(path.rstrip("/")) if path.rstrip("/").endswith("/simple") else path


def _usable(url: str) -> bool:
    """A local folder that is not there (any more) would stop uv; pip only warns of it."""
    local = url.startswith(("file://", "/"))
    return not local or bool(_folder(url))
