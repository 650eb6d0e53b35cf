"""`winnow solve`: one issue, one patch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .checks import check_build_network, check_hosts, check_sandbox
from .options import BuildNetworkOption, StoreOption

EXAMPLE = "Example: winnow solve . --issue issue.md --model gpt-5 --attempts 5 --budget 2 --out fix.patch"


def command(
    source: Annotated[
        str, typer.Argument(metavar="[PATH|GIT-URL]", help="The repository: a checkout or a URL to clone.")
    ] = ".",
    issue: Annotated[str, typer.Option(help="The issue: TEXT, a FILE, a URL, or - for standard input.")] = "",
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="Who answers: gpt-5, anthropic/NAME, vllm/NAME, FILE.gguf ... Several share the attempts: NAME=0.3.",
        ),
    ] = None,
    context_model: Annotated[
        str | None, typer.Option(help="A cheaper model for reading the repository's files.")
    ] = None,
    api_base: Annotated[
        str | None, typer.Option(help="The endpoint's URL, e.g. http://127.0.0.1:8000/v1.")
    ] = None,
    price: Annotated[
        str | None, typer.Option(help="USD per million tokens: prompt,completion[,cached].")
    ] = None,
    context_window: Annotated[
        int | None, typer.Option(min=1000, help="The model's window in tokens. Default: what is known of it.")
    ] = None,
    attempts: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto", help="Attempts; auto: as many as change the answer. Default: the preset's."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="The method; `winnow presets` lists them.")] = None,
    budget: Annotated[float | None, typer.Option(help="USD that the run may cost.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(help="Tokens that the run may use.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds that the run may take.")] = None,
    sandbox: Annotated[
        str, typer.Option(help="docker, overlay, or auto: docker where an engine answers, else overlay.")
    ] = "auto",
    image: Annotated[str | None, typer.Option(help="The image that the repository's tests run in.")] = None,
    dockerfile: Annotated[Path | None, typer.Option(help="A Dockerfile to build that image from.")] = None,
    rootfs: Annotated[
        Path | None,
        typer.Option(help="A folder with a root file system instead of an image (docker/rootfs-debian.sh)."),
    ] = None,
    setup: Annotated[
        str | None,
        typer.Option(
            help="A shell line that prepares the repository, run once; it reaches the package index."
        ),
    ] = None,
    setup_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="What --setup reaches besides: github.com. May be said again."),
    ] = None,
    build_network: BuildNetworkOption = None,
    test_command: Annotated[
        str | None, typer.Option(help="The shell line that runs the existing tests. Default: detected.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the chosen patch to this file.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write the chosen patch into the checkout.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    store: StoreOption = None,
    patience: Annotated[
        float | None, typer.Option(min=0, help="Seconds that a call is tried again while the world fails.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Model calls in flight at most.")] = None,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="A fresh container for each run of a test on docker, not one for each candidate."
        ),
    ] = False,
    config: Annotated[Path | None, typer.Option(help="A TOML file with settings.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="KEY=VALUE", help="One setting: -o attempt.temperature=0.8."),
    ] = None,
) -> None:
    """Solve one issue: many attempts in sandboxes, weighed by tests and a selection machine, one patch.

    Exit code 0: a patch was chosen; 1: none was worth choosing; 2: the command is wrong; 3: the world failed.
    """
    from ..mixing import said_models
    from ..solve_command import Asked, solve

    if not issue:
        raise typer.BadParameter(
            "say what to solve: TEXT, a FILE, a URL, or - for standard input", param_hint="--issue"
        )
    if sum(root is not None for root in (image, dockerfile, rootfs)) > 1:
        raise typer.BadParameter("give one of --image, --dockerfile and --rootfs", param_hint="--image")
    check_sandbox(sandbox)
    check_build_network(build_network)
    check_hosts(setup_host or [])
    asked = Asked(
        source=source,
        issue=issue,
        options={
            "attempts": attempts,
            **said_models(
                model,
                context_name=context_model,
                api_base=api_base,
                price=price,
                concurrency=concurrency,
                patience=patience,
            ),
            "sandbox": {"build_network": build_network},
            "selection": {"isolation": "fresh" if fresh else None},
            "budget": {"usd": budget, "tokens": budget_tokens, "seconds": time_limit},
        },
        context_window=context_window,
        preset=preset,
        config=config,
        words=tuple(option or ()),
        sandbox=sandbox,
        image=image,
        dockerfile=dockerfile,
        rootfs=rootfs,
        setup=setup,
        setup_hosts=tuple(setup_host or ()),
        test_command=test_command,
        out=out,
        apply=apply,
        json=as_json,
        store=store,
    )
    raise typer.Exit(solve(asked))
