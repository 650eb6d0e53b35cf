"""The adaptive limit, against simulated servers in simulated time: no real clock is involved."""

import heapq
import random

import pytest

from models import LimitRule
from models.limit_rule import work


def simulate(rule, serve, calls, refuse_above=None, tokens=lambda rng: rng.randint(100, 500)):
    """Run `calls` calls with as many in flight as the rule allows; the limits after each.

    serve(batch) -> seconds a token for the calls being served; a server that has `slots` queues the others.
    """
    slots, pace = serve
    rng = random.Random(1)
    now, active, queued, limits = 0.0, [], [], []
    sent = refusals = 0
    while len(limits) < calls:
        while len(active) + len(queued) < int(rule.limit):
            sent += 1
            if refuse_above is not None and len(active) + len(queued) >= refuse_above:
                refusals += 1
                rule.refused(now, now + 0.01, len(active) + len(queued) + 1)
                now += 0.01
                continue
            queued.append((now, tokens(rng)))
        while queued and len(active) < slots:
            started, left = queued.pop(0)
            heapq.heappush(active, [left, started, left])
        step = active[0][0]
        now += step * pace(len(active))
        for call in active:
            call[0] -= step
        _, started, done = heapq.heappop(active)
        rule.succeeded(started, now, work(0, 0, done), len(active) + len(queued) + 1)
        limits.append(rule.limit)
    return limits, refusals


def batching(batch):
    """Seconds a token when `batch` calls are decoded together: each a little slower, all together much faster."""
    return 0.02 * (1 + batch / 64)


def test_without_trouble_it_reaches_its_most():
    limits, _ = simulate(LimitRule(start=8, most=128), (1000, lambda batch: 0.02), 3000)
    assert limits[-1] == 128


def test_a_batching_server_that_gains_is_filled():
    limits, _ = simulate(LimitRule(start=8, most=64), (256, batching), 3000)
    assert limits[-1] == 64


@pytest.mark.parametrize("start", [2, 16])
@pytest.mark.parametrize("slots", [1, 4, 16, 48])
def test_a_queueing_server_is_noticed_by_latency(slots, start):
    limits, _ = simulate(LimitRule(start=start, most=256), (slots, batching), 6000)
    late = limits[-2000:]
    assert max(late) <= max(3 * slots, 4 * start), "the queue stays short"
    assert sum(late) / len(late) >= slots, "and the server busy"


def test_a_server_that_loses_most_of_its_slots_is_noticed():
    rule = LimitRule(start=2, most=256)
    simulate(rule, (64, batching), 6000)
    limits, _ = simulate(rule, (4, batching), 6000)
    assert max(limits[-2000:]) <= 32


def test_a_refusing_server_is_kept_below_its_limit_mostly():
    rule = LimitRule(start=16, most=256)
    limits, refusals = simulate(rule, (1000, lambda batch: 0.02), 5000, refuse_above=40)
    late = limits[-2000:]
    assert max(late) <= 45 and sum(late) / len(late) > 20
    assert refusals < 5000 / 40 + 20


def test_it_comes_back_after_a_refusal():
    rule = LimitRule(start=64, most=64)
    rule.refused(1.0, 2.0, 64)
    assert rule.limit == 32
    limits, _ = simulate(rule, (1000, lambda batch: 0.02), 3000)
    assert limits[-1] == 64


def test_refusals_of_one_moment_halve_once():
    rule = LimitRule(start=64, most=64)
    for i in range(30):
        rule.refused(1.0, 2.0 + i / 100, 60)
    assert rule.limit == 30
    rule.refused(2.5, 3.0, 30)
    assert rule.limit == 15


def test_it_never_falls_below_one():
    rule = LimitRule(start=4, most=64)
    for i in range(50):
        rule.refused(float(i), i + 0.5, 1)
    assert rule.limit == 1


def test_a_limit_that_nobody_fills_does_not_grow():
    rule = LimitRule(start=16, most=256)
    for i in range(500):
        rule.succeeded(float(i), i + 1.0, 100, 2)
    assert rule.limit == 16


def test_longer_answers_are_not_taken_for_a_queue():
    short, long = LimitRule(start=16, most=16), LimitRule(start=16, most=16)
    simulate(short, (1000, lambda batch: 0.02), 500, tokens=lambda rng: 50)
    limits, _ = simulate(long, (1000, lambda batch: 0.02), 500, tokens=lambda rng: rng.choice([50, 4000]))
    assert min(limits) == 16


@pytest.mark.parametrize("start, most, wanted", [(0, 10, 1), (100, 10, 10), (5, 0, 1)])
def test_odd_settings(start, most, wanted):
    assert LimitRule(start, most).limit == wanted


def test_work_counts_prompts_little_and_is_never_zero():
    assert work(0, 0, 0) == 1
    assert work(1000, 1000, 10) == 10
    assert 10 < work(1000, 0, 10) < 100
