"""`winnow run`: a whole dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .checks import check_build_network, check_sandbox
from .options import BuildNetworkOption, StoreOption

EXAMPLE = "Example: winnow run issues.jsonl --model gpt-5 --repos mirrors/ --budget 50 --budget-per-issue 1"


def command(
    dataset: Annotated[
        str,
        typer.Argument(help="A JSON, JSONL or parquet file, a Hugging Face id, or an alias (`datasets`)."),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="Who answers: gpt-5, anthropic/NAME, vllm/NAME, deterministic:FILE. Several share the attempts: "
            "NAME=0.3.",
        ),
    ] = None,
    context_model: Annotated[
        str | None, typer.Option(help="A cheaper model for reading the repository's files.")
    ] = None,
    api_base: Annotated[str | None, typer.Option(help="The endpoint's URL.")] = None,
    price: Annotated[
        str | None, typer.Option(help="USD per million tokens: prompt,completion[,cached].")
    ] = None,
    context_window: Annotated[
        int | None, typer.Option(min=1000, help="The model's window in tokens. Default: what is known of it.")
    ] = None,
    filter: Annotated[
        list[str] | None,
        typer.Option(
            help="Only issues whose id a regular expression finds, or FIELD=VALUE. May be said again."
        ),
    ] = None,
    slice: Annotated[str, typer.Option(help="Only these, as Python slices: 0:50.")] = "",
    instances: Annotated[Path | None, typer.Option(help="A file with the ids to take, one a line.")] = None,
    shuffle: Annotated[int | None, typer.Option(help="The seed of another order.")] = None,
    shard: Annotated[str, typer.Option(help="K/N: the K-th of N parts, the same on every machine.")] = "",
    repos: Annotated[Path | None, typer.Option(help="A folder with mirrors of the repositories.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A recipe, or a folder of recipes, written or mended by hand.")
    ] = None,
    rootfs: Annotated[
        Path | None,
        typer.Option(help="A root file system that worlds are built on (docker/rootfs-debian.sh)."),
    ] = None,
    build_network: BuildNetworkOption = None,
    attempts: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Attempts for each issue; auto: as many as change its answer. Default: the preset's.",
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="The method; `winnow presets` lists them.")] = None,
    budget: Annotated[float | None, typer.Option(help="USD that the run may cost.")] = None,
    budget_per_issue: Annotated[float | None, typer.Option(help="USD that one issue may cost.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(help="Tokens that the run may use.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds that the run may take.")] = None,
    sandbox: Annotated[
        str, typer.Option(help="docker, overlay, or auto: docker where an engine answers, else overlay.")
    ] = "auto",
    issues: Annotated[int | None, typer.Option(min=1, help="Issues under way at most.")] = None,
    sandboxes: Annotated[int | None, typer.Option(min=1, help="Sandboxes alive at most.")] = None,
    executions: Annotated[
        int | None, typer.Option(min=1, help="Commands running in sandboxes at most. Default: processors.")
    ] = None,
    builds: Annotated[int | None, typer.Option(min=1, help="Worlds built at once.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Model calls in flight at most.")] = None,
    patience: Annotated[
        float | None, typer.Option(min=0, help="Seconds that a call is tried again while the world fails.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file with settings.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="KEY=VALUE", help="One setting: -o attempt.temperature=0.8."),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Work on many issues: worlds built, many attempts each, one patch for each; all of it kept, all of it resumable.

    Ctrl-C once: what is in flight is finished and kept; twice: at once. `winnow status` looks on from elsewhere.
    Exit code 0: every issue has a result; 2: the command is wrong; 3: the world failed some: resume tries again.
    """
    from ..batch_command import Asked, start
    from ..mixing import said_models

    check_sandbox(sandbox)
    check_build_network(build_network)
    asked = Asked(
        dataset=dataset,
        selection={
            "filter": tuple(filter or ()),
            "slice": slice,
            "instances": instances,
            "shuffle": shuffle,
            "shard": shard,
        },
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
            "budget": {
                "usd": budget,
                "usd_per_issue": budget_per_issue,
                "tokens": budget_tokens,
                "seconds": time_limit,
            },
            "sandbox": {"build_network": build_network},
            "limits": {
                "issues": issues,
                "sandboxes": sandboxes,
                "executions": executions,
                "builds": builds,
            },
        },
        preset=preset,
        config=config,
        words=tuple(option or ()),
        sandbox=sandbox,
        repos=repos,
        recipe=recipe,
        rootfs=rootfs,
        context_window=context_window,
        store=store,
    )
    raise typer.Exit(start(asked))
