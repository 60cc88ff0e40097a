"""Schedules: functions from the step to the learning rate."""

from math import cos, pi

import pytest

from fastclf.solvers import Constant, Cosine, InverseTime, Step
from fastclf.solvers.schedules import NAMES, by_name

RATE = 0.3
ALL = [
    lambda warmup: Constant(RATE, warmup),
    lambda warmup: InverseTime(RATE, half_life=20, warmup=warmup),
    lambda warmup: Step(RATE, every=15, factor=0.5, warmup=warmup),
    lambda warmup: Cosine(RATE, total=100, warmup=warmup),
]


@pytest.mark.parametrize("make", ALL)
def test_warm_up_is_linear_and_then_the_schedule_begins(make):
    warmup = 9
    rates = [make(warmup)(step) for step in range(100)]
    assert rates[:warmup] == pytest.approx([RATE * (i + 1) / (warmup + 1) for i in range(warmup)])
    assert rates[warmup] == RATE
    assert all(0 <= later <= earlier for earlier, later in zip(rates[9:], rates[10:], strict=False))


@pytest.mark.parametrize("make", ALL)
def test_no_warm_up_begins_at_the_peak(make):
    schedule = make(0)
    assert schedule(0) == RATE
    assert all(isinstance(schedule(step), float) for step in range(200))


def test_formulas():
    assert Constant(RATE)(1000) == RATE
    assert InverseTime(RATE, half_life=20)(60) == pytest.approx(RATE / 4)
    assert Step(RATE, every=15, factor=0.5)(44) == pytest.approx(RATE / 4)
    assert Cosine(RATE, total=80)(20) == pytest.approx(RATE * (1 + cos(pi / 4)) / 2)
    assert Cosine(RATE, total=80, final=0.1)(80) == pytest.approx(RATE / 10)
    assert Cosine(RATE, total=80, final=0.1)(10_000) == pytest.approx(RATE / 10)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("total", [1, 2, 300])
def test_by_name_lasts_the_whole_training(name: str, total: int):
    rates = [by_name(name, RATE, total, warmup=0)(step) for step in range(total)]
    assert rates[0] == RATE
    assert all(0 < rate <= RATE for rate in rates)
    if total == 300 and name != "constant":
        assert rates[-1] < RATE / 9
