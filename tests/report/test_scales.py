"""Axes and labels: few round ticks on them, and labels that don't touch."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastclf.report.chart import spread
from fastclf.report.scales import Scale, scale_of
from fastclf.report.wording import (
    duration_text,
    number_text,
    short_number_text,
    shortened,
    text_width,
)

values = st.floats(-1e12, 1e12, allow_nan=False)


@given(values, values, st.booleans())
def test_ticks_are_few_different_and_on_the_axis(one: float, other: float, whole: bool):
    scale = scale_of([one, other], whole=whole)
    ticks = scale.ticks(5)
    room = 1e-6 * (scale.high - scale.low)
    assert len(ticks) <= 7
    assert len({text for _, text in ticks}) == len(ticks)
    for value, _ in ticks:
        assert scale.low - room <= value <= scale.high + room
    assert scale.position(scale.low) == 0 and scale.position(scale.high) == 1


@given(st.floats(1e-200, 1e200), st.floats(1e-200, 1e200))
def test_logarithmic_ticks(one: float, other: float):
    scale = scale_of([one, other], log=True)
    ticks = scale.ticks(5)
    assert 2 <= len(ticks) <= 10
    positions = [scale.position(value) for value, _ in ticks]
    assert positions == sorted(positions)
    assert -1e-9 <= positions[0] and positions[-1] <= 1 + 1e-9


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "odd",
    [[], [math.nan], [math.inf, -math.inf], [0.0], [5e-324, 1e308], [-1e308, 1e308], [3.0, 3.0]],
)
def test_odd_values_have_an_axis(odd: list[float], log: bool):
    scale = scale_of(odd, log=log)
    assert 0 <= scale.high - scale.low < math.inf and scale.low < scale.high
    assert scale.ticks()
    assert all(math.isfinite(scale.position(value)) for value, _ in scale.ticks())


def test_an_axis_may_begin_at_0():
    assert scale_of([2.0, 5.0], zero=True).low == 0
    assert scale_of([2.0, 5.0]).low > 0.5
    assert not Scale(0, 1).contains(math.nan) and Scale(0, 1).contains(1.0)


def test_small_changes_of_a_large_value_look_small():
    scale = scale_of([0.4140, 0.4155])
    assert scale.high - scale.low > 0.04
    assert (scale_of([0.1, 0.9]).low, scale_of([0.1, 0.9]).high) == (0, 1)


@given(st.lists(st.floats(0, 100), max_size=9))
def test_labels_are_apart_and_in_order(wanted: list[float]):
    places = spread(wanted, 10, 0, 100)
    assert all(-1e-6 <= place <= 100 + 1e-6 for place in places)
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    sorted_places = [places[i] for i in order]
    for low, high in zip(sorted_places, sorted_places[1:], strict=False):
        assert high - low >= 10 - 1e-6
    if all(abs(a - b) >= 10 for i, a in enumerate(wanted) for b in wanted[:i]):
        assert places == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5000"),
        (-2, "−2"),
        (1234567, "1,234,567"),
        (12.345, "12.35"),
        (123.45, "123.5"),
        (1e9, "10⁹"),
        (-2.5e-7, "−2.5·10⁻⁷"),
        (0.0, "0.0000"),
        (math.nan, "–"),
        (math.inf, "–"),
        (None, "–"),
    ],
)
def test_figures(value: float | None, text: str):
    assert number_text(value) == text


def test_short_figures_and_times():
    assert [short_number_text(value) for value in (-2.638, 0.0162, 123.4, 0.0, 9.999, 2e-7)] == [
        "−2.64",
        "0.0162",
        "123",
        "0",
        "10.00",
        "2·10⁻⁷",
    ]
    assert [duration_text(value) for value in (0.0, 90.0, 600.0, 7260.0)] == [
        "0 ms",
        "90 s",
        "10 min",
        "2 h 1 min",
    ]


@given(st.text(max_size=60), st.floats(20, 200))
def test_long_names_are_cut(name: str, room: float):
    cut = shortened(name, room, 11.5)
    assert cut and text_width(cut, 11.5) <= room + 12
    if text_width(" ".join(name.split()), 11.5) <= room and name.split():
        assert cut == " ".join(name.split())
