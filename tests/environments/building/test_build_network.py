"""What a build reaches: its package index by pip and uv, and nothing of the host, its network or the user's secrets."""

import asyncio
import json
import os
import secrets
import socket
import sys

import pytest
import pytest_asyncio
from private_index import PASSWORD, PrivateIndex, source, wheel

from environments.building.bench import Ground, open_bench
from environments.building.failures import StepFailed
from environments.building.index import read_index
from environments.building.interpreters import uv_program
from sandbox import HostRoot, Place, open_backend

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]
BIG = 150 << 20
PYTHON = f"{sys.base_prefix}/bin/python3"
ATTACKS = """\
import glob, json, os, socket, urllib.request

TARGETS = json.loads(%r)

def attack():
    reached = []
    def tried(name, do):
        try:
            if do():
                reached.append(name)
        except (OSError, ValueError):
            pass
    def call(family, address):
        line = socket.socket(family)
        line.settimeout(3)
        line.connect(address)
        return True
    port, index, files = TARGETS["port"], TARGETS["index"], TARGETS["files"]
    for host in ("127.0.0.1", "127.0.0.2", "0.0.0.0", TARGETS["own"], "169.254.169.254", "1.1.1.1"):
        for number in (port, index, files, 80):
            tried(f"{host}:{number}", lambda: call(socket.AF_INET, (host, number)))
    tried("::1", lambda: call(socket.AF_INET6, ("::1", port)))
    tried("abstract", lambda: call(socket.AF_UNIX, chr(0) + TARGETS["abstract"]))
    tried("path", lambda: call(socket.AF_UNIX, TARGETS["path"]))
    tried("names", lambda: socket.getaddrinfo("pypi.org", 443))
    tried("abstract names", lambda: TARGETS["abstract"] in open("/proc/net/unix").read())
    secret = TARGETS["secret"][::-1].encode()
    for file in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/tmp/*"):
        tried(f"secret in {file}", lambda: secret in open(file, "rb").read())
    tried("secret in the environment", lambda: secret in repr(os.environ).encode())
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    def got(path, method="GET", host="127.0.0.1:61001", **headers):
        url = f"http://127.0.0.1:61001{path}"
        asked = urllib.request.Request(url, method=method, headers={"Host": host, **headers})
        try:
            with direct.open(asked, timeout=10) as answer:
                return answer.read() + repr(answer.headers.items()).encode()
        except urllib.error.HTTPError as error:
            return error.read() + repr(error.headers.items()).encode()
    private = b"something private"
    for path in ("/", "/admin", "/index/../../admin", "/index/%%2e%%2e/%%2e%%2e/admin", f"/file/{'0' * 24}/x",
                 "/index//x/", f"http://127.0.0.1:{port}/", f"//127.0.0.1:{files}/private",
                 "/index/twice/../../../private"):
        tried(f"by the proxy: {path}", lambda: private in got(path))
        tried(f"secret by the proxy: {path}", lambda: secret in got(path))
    tried("by another Host", lambda: private in got("/index/admin/", host=f"127.0.0.1:{files}"))
    tried("by POST", lambda: private in got("/index/twice/", "POST"))
    tried("secret in a page", lambda: secret in got("/index/twice/") + got("/index/none/"))
    # The proxy as a way to anywhere, if it knew CONNECT.
    def connect():
        with socket.create_connection(("127.0.0.1", 61001), 10) as line:
            line.sendall(b"CONNECT 127.0.0.1:%%d HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" %% port)
            return line.recv(100).startswith(b"HTTP/1.1 200")
    tried("by CONNECT", connect)
    for number in [n for n in range(1024, 65536) if n != 61001]:
        line = socket.socket()
        if line.connect_ex(("127.0.0.1", number)) == 0 and line.getsockname() != line.getpeername():
            reached.append(f"a port {number}")
        line.close()
    with open("/tmp/reached.json", "w") as file:
        json.dump(reached, file)

def build_wheel(folder, settings=None, metadata=None):
    attack()
    import zipfile
    name = "trouble-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        archive.writestr("trouble.py", "")
        archive.writestr("trouble-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: trouble\\nVersion: 1\\n")
        about = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        archive.writestr("trouble-1.dist-info/WHEEL", about)
        archive.writestr("trouble-1.dist-info/RECORD", "")
    return name
"""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("overlay", marks=pytest.mark.overlay),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def kind(request):
    return request.param


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(kind, tmp_path_factory):
    backend = open_backend(kind, f"network-{secrets.token_hex(4)}", tmp_path_factory.mktemp("state"))
    yield backend
    await backend.close()


@pytest.fixture(scope="module")
def index():
    packages = {
        "twice": [wheel("twice", needs=["half"])],
        "half": [wheel("half")],
        "big": [wheel("big", files=[("big.bin", os.urandom(1 << 20) * (BIG >> 20))])],
    }
    with PrivateIndex(packages) as one:
        yield one


@pytest.fixture
def bench(backend, index, tmp_path, monkeypatch):
    """Open a build's sandbox for a user whose settings name the private index."""
    opened = []
    (tmp_path / "repository").mkdir()

    async def make(*, environ=None, **more):
        environ = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.url, **(environ or {})}
        ground = Ground(HostRoot(), (), HostRoot((sys.base_prefix, uv_program())), (), uv_program(), PYTHON)
        place = Place(tmp_path / "repository", "/testbed")
        opened.append(await open_bench(backend, ground, read_index(environ), (place,), "network", {}, **more))
        return opened[-1]

    yield make
    return opened


@pytest_asyncio.fixture(loop_scope="module")
async def opened(bench):
    one = await bench()
    yield one
    await one.close()


async def pip_install(bench, *words):
    command = f"{PYTHON} -m pip install -q --no-cache-dir --target /tmp/installed {' '.join(words)}"
    return await bench.run(command, step="installing", index=True)


async def uv_install(bench, *words):
    await bench.uv("venv", "-q", "--clear", "--python", PYTHON, "/tmp/env", step="making it")
    await bench.uv("pip", "install", "--python", "/tmp/env/bin/python", *words, step="installing")


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "html"])
async def test_pip_and_uv_install_through_it(opened, index, as_json, monkeypatch):
    monkeypatch.setattr(index, "says_json", as_json)
    index.asked.clear()
    await uv_install(opened, "twice")
    assert (
        await opened.run("/tmp/env/bin/python -c 'import twice, half; print(twice.double(2))'", step="x")
    ) == "4\n"
    await pip_install(opened, "twice")
    assert await opened.run(
        "ls /tmp/installed/half.py && grep -rl 61001 /tmp/installed /tmp/env/lib || true", step="x"
    ) == ("/tmp/installed/half.py\n"), "what is installed names a port"
    agents = {headers.get("user-agent", "").partition("/")[0] for *_, headers in index.asked}
    assert {"uv", "pip"} <= agents


async def test_versions_as_of_a_day_by_the_indexs_own_times(opened, index, monkeypatch):
    await uv_install(opened, "--exclude-newer", "2021-01-01T00:00:00Z", "twice")
    with pytest.raises(StepFailed, match="installing failed") as caught:
        await uv_install(opened, "--exclude-newer", "2019-01-01T00:00:00Z", "--no-cache", "twice")
    assert "twice" in caught.value.output


async def test_a_large_file_arrives_whole(opened, index):
    await uv_install(opened, "big")
    size = await opened.run("stat -c %s /tmp/env/lib/python*/site-packages/big.bin", step="x")
    assert int(size) == BIG


async def test_what_fails_names_the_index_and_no_password(opened, index):
    for install in (uv_install, pip_install):
        with pytest.raises(StepFailed) as caught:
            await install(opened, "there-is-none")
        assert "there-is-none" in caught.value.output
        assert PASSWORD not in caught.value.output and "127.0.0.1:61" not in caught.value.output


async def test_a_build_that_tries_everything_reaches_its_index_alone(opened, index, tmp_path):
    came = []

    async def serve(reader, writer):
        came.append(writer.get_extra_info("sockname"))
        writer.close()

    abstract, path = f"winnow-build-{os.getpid()}", str(tmp_path / "socket")
    own = _own_address()
    servers = [
        await asyncio.start_server(serve, sock=socket.create_server(("", 0))),
        *[await asyncio.start_unix_server(serve, where) for where in (f"\0{abstract}", path)],
    ]
    targets = {
        "port": servers[0].sockets[0].getsockname()[1],
        "index": index.index.server_port,
        "files": index.files.server_port,
        "own": own or "192.0.2.1",
        "abstract": abstract,
        "path": path,
        "secret": PASSWORD[::-1],  # turned round: the attack itself is no find
    }
    index.packages["trouble"] = [source("trouble", ATTACKS % json.dumps(targets))]
    try:
        await uv_install(opened, "trouble")
        assert json.loads(await opened.sandbox.read("/tmp/reached.json")) == []
        assert came == []
    finally:
        for server in servers:
            server.close()
        del index.packages["trouble"]


async def test_the_hosts_network_is_an_explicit_choice(bench, index):
    """It works, which also shows that the attacks could succeed."""
    one = await bench(network="host")
    try:
        connect = f"import socket; socket.create_connection(('127.0.0.1', {index.index.server_port})); print('reached')"
        assert await one.run(f'{PYTHON} -c "{connect}"', step="x") == "reached\n"
        await uv_install(one, "twice")
        assert PASSWORD in (await one.sandbox.run("env", env=one.network.env)).output
    finally:
        await one.close()


async def test_extra_indexes_pages_of_links_and_names(bench, index, tmp_path):
    """As the user has them: each a port of its own, a folder as it is; uv's user and password stay outside."""
    local = tmp_path / "wheels"
    local.mkdir()
    name, data, _ = wheel("local")
    (local / name).write_bytes(data)
    plain = index.url.replace(f"somebody:{PASSWORD}@", "")
    environ = {
        "PIP_INDEX_URL": "",
        "UV_DEFAULT_INDEX": f"mine={plain}",
        "UV_INDEX_MINE_USERNAME": "somebody",
        "UV_INDEX_MINE_PASSWORD": PASSWORD,
        "UV_INDEX": index.url,
        "UV_FIND_LINKS": f"{index.url}half/,{local}",
    }
    settings = read_index(environ)
    assert settings.shows == (str(local),)
    one = await bench(environ=environ)
    try:
        env = one.network.env
        assert env["UV_DEFAULT_INDEX"] == "mine=http://127.0.0.1:61001/index/"
        assert env["UV_INDEX"] == "http://127.0.0.1:61002/index/"
        assert env["UV_FIND_LINKS"] == f"http://127.0.0.1:61003/links/,{local}"
        assert PASSWORD not in repr(dict(env))
        half = await one.run(
            f"{PYTHON} -m pip download -q --no-index --no-deps -d /tmp/half half", step="x", index=True
        )
        assert "error" not in half.lower()
    finally:
        await one.close()


async def test_a_host_that_the_recipe_names_and_no_other(bench, index, monkeypatch):
    """By the proxy that a step which installs is told of; the port of it leads nowhere else either."""
    from environments.building import host_proxy

    asked = []

    async def addresses(host, port, base):
        asked.append((host, base))
        return ["127.0.0.1"]

    monkeypatch.setattr(host_proxy, "allowed_addresses", addresses)
    monkeypatch.setattr(host_proxy, "PORTS", (index.files.server_port, 80))
    one = await bench(hosts=("files.example",))
    script = """
import sys, urllib.request
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=20).read().decode().strip())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode().strip())
"""
    try:
        await one.sandbox.write("/tmp/ask.py", script.encode())
        port = index.files.server_port
        urls = [f"http://files.example:{port}/x", "http://files.example:22/", f"http://other.example:{port}/"]
        said = await one.run(f"{PYTHON} /tmp/ask.py {' '.join(urls)}", step="x", index=True)
        lines = said.splitlines()
        assert lines[0] == "something private of this server" and all(
            line.startswith("403 ") for line in lines[1:]
        )
        assert asked == [("files.example", "public")]
        # Another step has no such variables, and the port refuses it.
        said = await one.run(f"http_proxy=http://127.0.0.1:61000 {PYTHON} /tmp/ask.py {urls[0]}", step="x")
        assert said.startswith("403 no step that installs is running")
        await uv_install(one, "twice")  # the index goes on by its own port
        assert not {"HTTP_PROXY", "https_proxy"} & set(dict(one.env))
    finally:
        await one.close()


async def test_a_step_that_needs_another_host_says_which(opened):
    with pytest.raises(StepFailed) as caught:
        await uv_install(opened, "git+https://git.example.org/a/b.git")
    assert 'hosts = ["git.example.org"]' in "\n".join(caught.value.lines)
    with pytest.raises(StepFailed) as caught:
        await pip_install(opened, "https://files.example.org/x-1.tar.gz")
    assert 'hosts = ["files.example.org"]' in "\n".join(caught.value.lines)


def _own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        try:
            line.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return ""
        return line.getsockname()[0]
