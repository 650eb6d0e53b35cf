"""What several commands check of their words before they import anything heavy."""

from __future__ import annotations

import typer


def check_sandbox(sandbox: str) -> None:
    """Raises typer.BadParameter where `--sandbox` names none."""
    if sandbox not in ("docker", "overlay", "auto"):
        raise typer.BadParameter(f"{sandbox!r} is none of docker, overlay, auto", param_hint="--sandbox")


def check_build_network(network: str | None) -> None:
    """Raises typer.BadParameter where `--build-network` names none."""
    if network not in (None, "index", "host"):
        raise typer.BadParameter(f"{network!r} is none of index, host", param_hint="--build-network")


def check_hosts(hosts: list[str]) -> None:
    """Raises typer.BadParameter where `--setup-host` names none."""
    if not hosts:
        return
    from environments.building import is_host

    if wrong := [host for host in hosts if not is_host(host)]:
        raise typer.BadParameter(
            f"{wrong[0]!r} is no host's whole name, such as github.com", param_hint="--setup-host"
        )
