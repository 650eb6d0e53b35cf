"""Pulling on the real engine from a real registry on loopback, through a proxy that misbehaves."""

import asyncio
import base64
import json
import os
import secrets
import threading

import pytest
from loopback_registry import (
    Proxy,
    Registry,
    cut,
    fine,
    once,
    says,
    stall,
    stays_away,
    waits,
)
from programs import needs, program_path
from waiting import PATIENCE, wait_until, wait_until_async

from sandbox import Limits, World
from sandbox.docker_client import connect
from sandbox.docker_engine import DockerBackend
from sandbox.image_facts import describe
from sandbox.images import Images
from sandbox.importing import import_rootfs
from sandbox.protocol import CannotStart, DiskFull, Image, WrongRoot
from sandbox.pruning import list_images, prune_images
from sandbox.pulling import PullRules, PullStopped, free_space, pull

pytestmark = [
    pytest.mark.docker,
    pytest.mark.xdist_group("pulls"),  # so that the pushed image is made once
    needs("docker-registry"),
]
QUICK = PullRules(pause=0.01)
LAYER_BYTES = 300_000


@pytest.fixture(scope="module")
def registry(tmp_path_factory, docker_engine):
    if not docker_engine.local:
        pytest.skip("the engine is on another machine: it does not reach our loopback")
    registry = Registry(program_path("docker-registry"), tmp_path_factory.mktemp("registry"))
    yield registry
    registry.close()


@pytest.fixture(scope="module")
def pushed(registry, docker_engine, docker_rootfs, tmp_path_factory):
    """The repository of an image that only the registry has. Its content is like nothing else in the engine."""
    from sandbox.building import build
    from sandbox.protocol import Dockerfile

    base = import_rootfs(docker_engine, docker_rootfs)
    mark = f"winnow-pull-{secrets.token_hex(4)}"  # another worker's tests may run beside these
    docker_engine.api.tag(base, mark, "1")
    folder = tmp_path_factory.mktemp("pushed")
    for number in range(2):
        (folder / f"data{number}").write_bytes(secrets.token_bytes(LAYER_BYTES))
    (folder / "Dockerfile").write_text(f"FROM {mark}:1\nCOPY data0 /data0\nCOPY data1 /data1\n")
    image = build(docker_engine, Dockerfile(folder / "Dockerfile", folder, network="none"))
    api = docker_engine.api
    api.tag(image, f"{registry.host}/tests/small", "1")
    said = [json.loads(line) for text in api.push(f"{registry.host}/tests/small", "1", stream=True)
            for line in text.splitlines()]  # fmt: skip
    assert not [line for line in said if "error" in line], said
    for name in (f"{registry.host}/tests/small:1", f"{mark}:1", image):
        api.remove_image(name, force=True)
    assert describe(docker_engine, image) is None
    return "tests/small:1"


@pytest.fixture
def through(registry, pushed, docker_engine):
    """Makes the image's name through a proxy that has a rule; what was pulled goes at the end."""
    proxies = []

    def make(rule):
        proxy = Proxy(registry, rule)
        proxies.append(proxy)
        return proxy, f"{proxy.host}/{pushed}"

    yield make
    for proxy in proxies:
        proxy.close()
        if describe(docker_engine, f"{proxy.host}/{pushed}") is not None:
            docker_engine.api.remove_image(f"{proxy.host}/{pushed}", force=True)


def test_a_pull_says_how_far_it_is(docker_engine, through, run_name):
    _, name = through(fine)
    said = []
    facts = Images(run_name, progress=said.append).ready(docker_engine, Image(name))
    assert facts.tags == (name,) and facts.size > 2 * LAYER_BYTES
    assert said and all(line.startswith(f"{name}: ") and " of 3 layers" in line for line in said), said
    assert any(" MB, " in line for line in said) and "unpacking, " in said[-1], said


def layer(exchange):
    return exchange.layer


def manifest(exchange):
    return exchange.manifest and exchange.command == "GET"


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(once(cut, layer), id="a cut in the middle of a layer"),
        pytest.param(once(says(500), manifest), id="500 for the manifest"),
        pytest.param(once(says(503), layer, 2), id="503 for a layer"),
        pytest.param(once(says(429, b'{"errors":[{"code":"TOOMANYREQUESTS"}]}', Retry_After="1"), manifest, 2),
                     id="429, twice"),
    ],
)  # fmt: skip
def test_trouble_that_passes_is_tried_again(docker_engine, through, rule):
    proxy, name = through(rule)
    pull(docker_engine, name, rules=QUICK)
    assert describe(docker_engine, name) is not None


def test_trouble_that_stays_is_a_sentence_after_all_tries(docker_engine, through):
    proxy, name = through(once(says(500), manifest, 1000))
    said = []
    with pytest.raises(CannotStart, match="cannot be pulled") as failure:
        pull(docker_engine, name, said.append, rules=PullRules(tries=3, pause=0.01))
    assert not isinstance(failure.value, WrongRoot | DiskFull) and "\n" not in str(failure.value)
    assert sum("trying again" in line for line in said) == 2
    assert proxy.count("/manifests/") >= 3


@pytest.mark.parametrize(
    ("rule", "tag"),
    [
        (once(says(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'), manifest, 99), None),
        (once(says(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}'), manifest, 99), None),
        (once(says(403, b'{"errors":[{"code":"DENIED","message":"access denied"}]}'), manifest, 99), None),
        (fine, "none-such"),
    ],
)  # fmt: skip
def test_what_the_registry_refuses_is_not_tried_again(docker_engine, through, rule, tag):
    _, name = through(rule)
    name = name if tag is None else f"{name.rpartition(':')[0]}:{tag}"
    said = []
    with pytest.raises(WrongRoot, match="check the name") as failure:
        pull(docker_engine, name, said.append, rules=QUICK)
    assert name in str(failure.value) and not [line for line in said if "trying again" in line]


@pytest.mark.parametrize("how", [stall, stays_away])
@pytest.mark.parametrize("what", [layer, manifest])
def test_a_pull_that_hangs_is_tried_again(docker_engine, through, how, what):
    """The engine itself clings to a request whose answer has not begun: it is let go with the first new try."""
    proxy, name = through(once(how, what))
    said = []

    def progress(line):
        said.append(line)
        if "trying again" in line:
            proxy.released.set()

    # On a slow machine the tries after it may be silent for as long, and nothing is wrong with them.
    pull(docker_engine, name, progress, rules=PullRules(tries=10, pause=0.01, silent=3))
    assert describe(docker_engine, name) is not None
    assert any("nothing came for 3 s" in line for line in said)


def any_manifest(exchange):
    """The engine asks for the digest first (HEAD), and then only for a manifest that it has not kept from before."""
    return exchange.manifest


@pytest.mark.parametrize("what", [layer, any_manifest])
def test_a_pull_that_is_stopped_ends_at_once(docker_engine, through, run_name, what):
    """Nobody waits for what hangs: neither who stopped it, nor a pull of the same image that begins then."""
    proxy, name = through(once(stays_away, what))
    images, failures = Images(run_name), []

    def work():
        try:
            images.ready(docker_engine, Image(name))
        except CannotStart as error:
            failures.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    path = "/blobs/" if what is layer else "/manifests/"
    wait_until(lambda: proxy.count(path) >= 1, "the registry is asked")
    images.stop()
    worker.join(PATIENCE)
    assert not worker.is_alive() and isinstance(failures[0], PullStopped)
    assert describe(docker_engine, name) is None


def test_several_who_want_the_same_image_wait_for_one_pull(docker_engine, through):
    proxy, name = through(once(waits, layer))
    alone = threading.Event()
    said, ended = [[], [], []], []

    def work(number, stop=None):
        try:
            pull(docker_engine, name, said[number].append, stop=stop, rules=QUICK)
            ended.append("pulled")
        except PullStopped:
            ended.append("stopped")

    workers = [threading.Thread(target=work, args=(n, alone if n == 0 else None)) for n in range(3)]
    for worker in workers:
        worker.start()
    wait_until(lambda: proxy.count("/blobs/") >= 1, "the registry is asked")
    alone.set()  # the one that began it goes: the pull goes on for the others
    wait_until(lambda: ended == ["stopped"], "it went")
    proxy.released.set()
    for worker in workers:
        worker.join(PATIENCE)
    assert sorted(ended) == ["pulled", "pulled", "stopped"]
    fetched = [line for line in proxy.seen if line.startswith("GET") and "/blobs/" in line]
    assert len(fetched) == len(set(fetched)), "each layer came once"


def test_a_pull_stops_before_the_disk_is_full(docker_engine, through):
    _, name = through(fine)
    free = (256 << 20) + 3 * LAYER_BYTES  # room for two layers as they are sent, not for what they unpack to
    with pytest.raises(DiskFull, match="too full for .* MB must stay free"):
        pull(docker_engine, name, rules=PullRules(pause=0.01, free=lambda: free))
    assert describe(docker_engine, name) is None
    pull(docker_engine, name, rules=PullRules(pause=0.01, free=lambda: 1 << 40))


def test_a_disk_that_somebody_else_fills_meanwhile_stops_it_too(docker_engine, through):
    _, name = through(fine)
    left = iter([1 << 40] * 4)
    with pytest.raises(DiskFull):
        pull(docker_engine, name, rules=PullRules(pause=0.01, free=lambda: next(left, 1 << 20)))


def test_the_free_space_is_that_of_the_engines_disk(docker_engine):
    root = docker_engine.info["DockerRootDir"]
    about = os.statvfs(root if os.path.isdir(root) else "/")
    assert free_space(docker_engine) == pytest.approx(about.f_bavail * about.f_frsize, rel=0.1)


def test_what_winnow_pulled_is_pruned_and_what_the_user_pulled_is_not(docker_engine, through, tmp_path):
    _, name = through(fine)
    with Images("run-1", tmp_path) as images:
        facts = images.ready(docker_engine, Image(name))
        assert prune_images(tmp_path, 0, docker_engine) == []
    with Images("run-2", tmp_path) as images:  # found there, and still Winnow's
        images.ready(docker_engine, Image(name))
    (entry,) = list_images(tmp_path, docker_engine)
    assert (entry.kept.kind, entry.kept.name, entry.kept.run) == ("pulled", name, "run-2")
    assert entry.kept.size == facts.size
    assert len(prune_images(tmp_path, facts.size - 1, docker_engine)) == 1
    assert describe(docker_engine, facts.id) is None
    pull(docker_engine, name, rules=QUICK)  # as the user would
    with Images("run-3", tmp_path) as images:
        images.ready(docker_engine, Image(name))
    assert prune_images(tmp_path, 0, docker_engine) == [] and describe(docker_engine, name) is not None


def test_a_name_that_the_user_gave_to_another_image_since_is_the_users(
    docker_engine, docker_rootfs, through, tmp_path
):
    _, name = through(fine)
    with Images("run-1", tmp_path) as images:
        old = images.ready(docker_engine, Image(name))
    newer = import_rootfs(docker_engine, docker_rootfs)
    docker_engine.api.tag(newer, *name.rsplit(":", 1))
    assert len(prune_images(tmp_path, 0, docker_engine)) == 1
    assert describe(docker_engine, old.id) is None and describe(docker_engine, name).id == newer


async def test_a_backend_that_is_closed_waits_for_no_pull(through, docker_engine, run_name):
    proxy, name = through(once(waits, layer))
    backend = DockerBackend(run_name)
    start = asyncio.create_task(backend.start(World(Image(name)), name="never", limits=Limits(processes=64)))
    await wait_until_async(lambda: proxy.count("/blobs/") >= 1, "the registry is asked")
    await asyncio.wait_for(backend.close(), PATIENCE)
    with pytest.raises((CannotStart, asyncio.CancelledError)):
        await start
    assert describe(docker_engine, name) is None


HTPASSWD = "winnow:$2b$05$FpRZWwbFJwAIX/zEFZQQ5.FcrWm8upUQtSp990T3FgbJ.KlXteRWS\n"
"""The password is "of the tests"."""


def test_the_credentials_of_dockers_own_configuration_are_used(
    docker_engine, pushed, registry, tmp_path, monkeypatch
):
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    closed = Registry(
        program_path("docker-registry"),
        tmp_path / "closed",
        registry.storage,
        f"auth: {{htpasswd: {{realm: tests, path: {tmp_path / 'htpasswd'}}}}}\n",
    )
    name = f"{closed.host}/{pushed}"
    try:
        with pytest.raises(WrongRoot, match="docker login"):
            pull(docker_engine, name, rules=QUICK)
        word = base64.b64encode(b"winnow:of the tests").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {closed.host: {"auth": word}}}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        engine = connect()
        pull(engine, name, rules=QUICK)
        assert describe(engine, name) is not None
        engine.api.remove_image(name, force=True)
        engine.close()
    finally:
        closed.close()
