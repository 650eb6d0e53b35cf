"""Prices and windows."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Price, Refused, Usage, context_window, cost, known_price, parse_price


@pytest.mark.parametrize(
    "text, price",
    [("2.5,10", Price(2.5, 10)), (" 2.5 , 10 , 1.25", Price(2.5, 10, 1.25)), ("0,0", Price(0, 0))],
)
def test_a_price_from_the_command_line(text, price):
    assert parse_price(text) == price


@pytest.mark.parametrize(
    "text", ["", "1", "1,2,3,4", "a,b", "-1,2", "nan,1", "inf,1", "1;2", "1,,2", "$1,$2"]
)
def test_a_wrong_price_is_one_sentence(text):
    with pytest.raises(Refused, match="cannot be read: write"):
        parse_price(text)


def test_known_prices_with_and_without_provider():
    assert known_price("gpt-4o") == known_price("openai/gpt-4o") == Price(2.5, 10.0, 1.25)
    claude = known_price("anthropic/claude-sonnet-4-5")
    assert claude.written > claude.prompt > claude.cached


@pytest.mark.parametrize(
    "name",
    [
        "vllm/gpt-4o",
        "llamacpp/x",
        "openai/claude-sonnet-4-5",
        "nobody/x",
        "",
        "/",
        "sample_spec",
        "gemini/gemma-3-27b-it",
    ],
)
def test_what_is_not_known_is_none(name):
    assert known_price(name) is None


def test_windows():
    assert context_window("openai/gpt-4o") == 128_000
    assert context_window("claude-sonnet-4-5") == 200_000
    assert context_window("vllm/x") is None and context_window("sample_spec") is None


def test_cost_of_cached_written_and_long_prompts():
    price = Price(10, 20, 1, 12, above=(1000, Price(100, 200, 10, 120)))
    assert cost(price, Usage(1000, 10, cached=500, cache_written=100)) == pytest.approx(
        (400 * 10 + 500 * 1 + 100 * 12 + 10 * 20) / 1e6
    )
    assert cost(price, Usage(1001, 0)) == pytest.approx(1001 * 100 / 1e6)
    assert cost(None, Usage(1, 1)) is None


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_caching_never_costs_less_than_nothing(prompt, completion, cached):
    assert cost(Price(3, 15, 0.3), Usage(prompt, completion, cached)) >= 0


def test_no_litellm_and_no_sdk_for_prices_or_the_door():
    code = (
        "import models, sys\n"
        "assert not {'pydantic', 'openai', 'litellm', 'tenacity'} & set(sys.modules), 'the door is heavy'\n"
        "assert models.known_price('gpt-4o') and models.context_window('gpt-4o')\n"
        "assert not {'openai', 'litellm'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=models_root())


def models_root():
    from pathlib import Path

    return Path(__file__).resolve().parents[2]
