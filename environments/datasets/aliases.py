"""The public datasets that Winnow knows by name, each with the function that reads its rows."""

from __future__ import annotations

from .row import Row
from .schema import Schema
from .schemas import r2e, swe_bench, swe_bench_pro, swe_gym, swe_rebench, swe_smith, swefficiency
from .usual import usual

_HARNESS = "github.com/SWE-bench/SWE-bench"

USUAL = Schema("", (), "", usual, "the dataset card of SWE-bench/SWE-bench_Verified")

SCHEMAS: tuple[Schema, ...] = (
    Schema(
        "verified",
        ("SWE-bench/SWE-bench_Verified", "princeton-nlp/SWE-bench_Verified"),
        "test",
        swe_bench.python_row,
        f"its dataset card; {_HARNESS}",
    ),
    Schema(
        "lite",
        ("SWE-bench/SWE-bench_Lite", "princeton-nlp/SWE-bench_Lite"),
        "test",
        swe_bench.python_row,
        f"its dataset card; {_HARNESS}",
    ),
    Schema(
        "full",
        ("SWE-bench/SWE-bench", "princeton-nlp/SWE-bench"),
        "test",
        swe_bench.python_row,
        f"its dataset card; {_HARNESS}",
    ),
    Schema(
        "multilingual",
        ("SWE-bench/SWE-bench_Multilingual",),
        "test",
        swe_bench.multilingual_row,
        f"{_HARNESS}, docs/guides/datasets.md",
    ),
    Schema(
        "multimodal",
        ("SWE-bench/SWE-bench_Multimodal", "princeton-nlp/SWE-bench_Multimodal"),
        "dev",  # its test split was published without answers
        swe_bench.multimodal_row,
        f"{_HARNESS}, docs/guides/datasets.md",
    ),
    Schema(
        "pro",
        ("ScaleAI/SWE-bench_Pro",),
        "test",
        swe_bench_pro.pro_row,
        "github.com/scaleapi/SWE-bench_Pro-os",
        swe_bench_pro.recognises,
    ),
    Schema(
        "r2e",
        ("R2E-Gym/R2E-Gym-Subset", "R2E-Gym/R2E-Gym-V1"),
        "train",
        r2e.r2e_row,
        "github.com/R2E-Gym/R2E-Gym",
        r2e.recognises,
    ),
    Schema(
        "smith",
        ("SWE-bench/SWE-smith", "SWE-bench/SWE-smith-py"),
        "train",
        swe_smith.swe_smith_row,
        "github.com/SWE-bench/SWE-smith",
        swe_smith.recognises,
    ),
    Schema(
        "gym",
        ("SWE-Gym/SWE-Gym", "SWE-Gym/SWE-Gym-Lite"),
        "train",
        swe_gym.swe_gym_row,
        "its dataset card; github.com/SWE-Gym/SWE-Gym",
    ),
    Schema(
        "swefficiency",
        ("swefficiency/swefficiency",),
        "test",
        swefficiency.swefficiency_row,
        "github.com/swefficiency/swefficiency",
        swefficiency.recognises,
    ),
    Schema(
        "rebench",
        ("nebius/SWE-rebench",),
        "test",
        swe_rebench.rebench_row,
        "its dataset card; github.com/SWE-rebench/SWE-bench-fork",
    ),
    Schema(
        "rebench-leaderboard",
        ("nebius/SWE-rebench-leaderboard",),
        "test",
        swe_rebench.leaderboard_row,
        "github.com/SWE-rebench/SWE-bench-fork",
    ),
)


def dataset_schemas() -> tuple[Schema, ...]:
    """What is known of each public dataset, in the order in which they are listed."""
    return SCHEMAS


def by_alias(alias: str) -> Schema | None:
    """The dataset that is called so, None where none is."""
    return next((schema for schema in SCHEMAS if schema.alias == alias), None)


def by_hub_id(name: str) -> Schema | None:
    """The dataset with this Hugging Face id, whatever the case of its letters."""
    return next((each for each in SCHEMAS if name.lower() in map(str.lower, each.hub)), None)


def by_columns(row: Row) -> Schema:
    """The dataset that a row's columns tell, the usual ones where they tell none."""
    return next((each for each in SCHEMAS if each.recognises(row)), USUAL)
