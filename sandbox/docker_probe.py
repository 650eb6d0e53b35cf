"""Whether the docker backend works here: an engine answers, and a container really starts."""

from __future__ import annotations

from .docker_client import Engine, NoEngine, connect, plain_errors
from .docker_container import labels
from .docker_leftovers import leave_nothing, remove_container
from .docker_skeleton import bare_image, host_ground
from .owner import owner_label
from .probe import Probe
from .protocol import HostRoot, SandboxError

ELSEWHERE = (
    ", on another machine: it needs --image or --dockerfile, since it cannot show this machine's files"
)


def probe_docker() -> Probe:
    """Start one hardened container and see it end well. Blocks for about a second, leaves nothing behind."""
    try:
        engine = connect()
    except NoEngine as error:
        return Probe("docker", False, error.why, error.cure)
    try:
        failure = _start_one(engine)
    except SandboxError as error:
        failure = str(error)
    finally:
        engine.close()
    if failure:
        return Probe(
            "docker", False, f"a Docker engine answers but starts no container: {failure}", _cure(failure)
        )
    version = engine.info.get("ServerVersion", "")
    return Probe(
        "docker", True, f"Docker engine {version} starts containers{'' if engine.local else ELSEWHERE}"
    )


def _start_one(engine: Engine) -> str:
    """What went wrong, empty when nothing did."""
    run = f"probe-{owner_label().partition('@')[0]}"
    container = ""
    try:
        with plain_errors():
            image, user, mounts = "", "", ()
            if engine.local:
                facts, mounts = host_ground(engine, run, HostRoot())
                image, user = facts.id, facts.user
            else:
                image = bare_image(engine, run)
            api = engine.api
            host = api.create_host_config(
                network_mode="none", cap_drop=["ALL"], init=True, mounts=list(mounts)
            )
            container = api.create_container(
                image,
                entrypoint=["/bin/sh", "-c", "exit 42"],
                user=user,
                labels=labels(run, "scratch"),
                host_config=host,
            )["Id"]
            api.start(container)
            code = api.wait(container, timeout=120)["StatusCode"]
            # The bare image has no program: the init's word that it found none (127) means that all else went well.
            wanted = 42 if engine.local else 127
            return "" if code == wanted else f"its command ended with exit code {code} instead of {wanted}"
    finally:
        if container:
            remove_container(engine, container)
        leave_nothing(engine, run)


def _cure(failure: str) -> str:
    if "is full" in failure:
        return "free some disk space (docker system df shows what is used)"
    if "cgroup" in failure:
        return "run the engine where the cgroup file system is mounted and writable (a privileged container, a machine)"
    return "see what `docker run --rm hello-world` and the engine's log say"
