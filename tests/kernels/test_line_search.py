"""The line search: one round on made cases, and whole searches on functions of one variable."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from fastclf.kernels.linalg import line_search
from fastclf.solvers.line_search import search

DOUBLE, SINGLE = (float(np.finfo(dtype).eps) for dtype in (np.float64, np.float32))


class Round(NamedTuple):
    take: bool
    taken: float
    t: float
    pending: bool


def judge(
    value: Any,
    slope: Any,
    start: tuple = (1.0, -1.0),
    t: Any = 1.0,
    taken: Any = 0.0,
    pending: Any = True,
    eps: float = DOUBLE,
) -> list[Round]:
    """One round for several trials, each of a problem that began at ``start``."""
    value, slope = (np.atleast_1d(np.asarray(a, float)) for a in (value, slope))
    values, slopes = (np.full(value.size, float(a)) for a in start)
    t, taken = (np.array(np.broadcast_to(a, value.shape), float) for a in (t, taken))
    pending = np.array(np.broadcast_to(pending, value.shape), bool)
    take = np.ones(value.size, bool)
    line_search.judge(values, slopes, eps, value, slope, t, taken, pending, take)
    return [Round(*row) for row in zip(take.tolist(), taken, t, pending.tolist(), strict=True)]


@pytest.mark.parametrize("slope", [-0.9, -0.1, 0.0, 0.5, 3.0])
def test_a_step_that_leads_down_enough_is_taken(slope: float):
    # Even where it went past the minimum: the objective is convex.
    assert judge(0.9, slope) == [Round(True, 1.0, 1.0, False)]


@pytest.mark.parametrize("value", [1.0 - 0.5e-4, 1.0, 1.5])
def test_a_step_that_leads_down_too_little_is_not(value: float):
    (found,) = judge(value, 1.0)
    assert not found.take and found.taken == 0 and found.pending
    assert 0.01 <= found.t <= 0.6
    # Beside a minimum that is as far from both ends, slopes tell nothing either.
    assert value > 1 or judge(value, 0.9)[0].take


def test_a_steep_end_is_followed_by_a_step_four_times_as_long():
    assert judge(0.05, -0.95) == [Round(True, 1.0, 4.0, True)]
    assert judge(-4.0, -0.91, t=4.0, taken=1.0) == [Round(True, 4.0, 16.0, True)]
    assert judge(0.05, -0.9) == [Round(True, 1.0, 1.0, False)]


def test_a_slope_of_noise_is_not_followed_further():
    noise = -line_search.ROUNDED * SINGLE
    assert judge(1.0, noise, (1.0, noise), eps=SINGLE) == [Round(True, 1.0, 1.0, False)]
    assert judge(1.0, 2 * noise, (1.0, 2 * noise), eps=SINGLE) == [Round(True, 1.0, 4.0, True)]


@pytest.mark.parametrize("value", [2.0, np.inf, np.nan])
def test_the_longest_good_step_is_kept(value: float):
    (found,) = judge(value, 1.0, t=4.0, taken=1.0)
    assert not found.take and found.taken == 1 and not found.pending


@pytest.mark.parametrize(
    "value, slope",
    [(np.nan, 1.0), (np.inf, 1.0), (0.5, np.nan), (0.5, -np.inf), (np.nan, np.nan), (-np.inf, 0.0)],
)
def test_a_trial_that_is_not_finite_is_cut_to_a_hundredth(value: float, slope: float):
    (found,) = judge(value, slope, t=2.0)
    assert not found.take and found.pending
    np.testing.assert_allclose(found.t, 0.02)


@pytest.mark.parametrize("minimum", [0.02, 0.1, 0.3, 0.45, 0.59])
@pytest.mark.parametrize("third", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("t", [1.0, 0.25])
def test_a_long_step_is_cut_at_the_minimum_of_a_cubic(minimum: float, third: float, t: float):
    # f(x) = a (x - m)^2 / 2 + b (x - m)^3 / 3, in units of the step, with its minimum at m.
    def f(x: float) -> float:
        return (x - minimum) ** 2 / 2 + third * (x - minimum) ** 3 / 3

    def slope(x: float) -> float:
        return ((x - minimum) + third * (x - minimum) ** 2) / t

    f0, f1 = 1e3 * f(0), 1e3 * f(1)
    (found,) = judge(max(f1, f0), 1e3 * slope(1), (f0, 1e3 * slope(0)), t)
    if f1 > f0:  # or it would have been taken
        np.testing.assert_allclose(found.t, minimum * t, rtol=1e-9)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e8, 1e300])
@pytest.mark.parametrize("slope", [-10.0, -1.0, 0.0, 1e-9, 1.0, 1e12])
def test_a_cut_stays_between_a_hundredth_and_six_tenths(size: float, slope: float):
    (found,) = judge(1.0 + size, slope)
    assert 0.01 <= found.t <= 0.6


def test_rounding_is_no_increase():
    start = (1.0, -1e-8)
    # A value above the first by as much as float32 may be wrong: the slopes decide.
    rise = 8 * SINGLE
    (flat,) = judge(1 + rise, 1e-10, start, eps=SINGLE)
    assert flat.take and not flat.pending
    (too_far,) = judge(1 + rise, 2e-8, start, eps=SINGLE)
    assert not too_far.take
    (still_steep,) = judge(1 + rise, -1e-8, start, eps=SINGLE)
    assert still_steep.take and still_steep.t == 4
    (worse,) = judge(1 + 32 * SINGLE, 1e-10, start, eps=SINGLE)
    assert not worse.take
    (double,) = judge(1 + rise, 1e-10, start, eps=DOUBLE)
    assert not double.take


def test_problems_that_are_not_pending_are_left_alone():
    found = judge([0.5, 0.5, np.nan], [0, 0, 0], t=[1, 2, 3], taken=[0, 2, 0], pending=[1, 0, 0])
    assert found == [
        Round(True, 1.0, 1.0, False),
        Round(False, 2.0, 2.0, False),
        Round(False, 0.0, 3.0, False),
    ]


def test_each_problem_is_judged_as_if_alone():
    rng = np.random.default_rng(0)
    trials = [*rng.uniform(-1, 3, (40, 2)), (np.nan, 0.0), (0.5, np.inf), (0.1, -0.95)]
    together = judge(*np.array(trials).T)
    assert together == [judge(*trial)[0] for trial in trials]
    assert len({(found.take, found.pending) for found in together}) > 2


# Whole searches


class Along:
    """M functions of one variable, each through its own column, that count how often they ran."""

    def __init__(self, *functions: Any, dtype: type = np.float64) -> None:
        self.functions = functions
        self.dtype = np.dtype(dtype)
        self.asked: list[np.ndarray] = []

    def value_and_grad(
        self, theta: np.ndarray, active: np.ndarray, hessian: bool = False, dtype: Any = None
    ) -> tuple:
        assert not hessian and dtype is None
        self.asked.append(active.copy())
        values, gradient = np.zeros(len(self.functions)), np.zeros(theta.shape)
        for m, f in enumerate(self.functions):
            if active[m]:
                values[m], gradient[0, m] = f(theta[0, m])
        return values, gradient

    def search(self, first: Any = 1.0, running: Any = True, signs: Any = 1.0) -> Any:
        M = len(self.functions)
        theta = np.zeros((1, M))
        values, gradient = self.value_and_grad(theta, np.ones(M, bool))
        self.asked.clear()
        direction = -np.sign(gradient) * signs
        slopes = (direction * gradient)[0]
        running = np.array(np.broadcast_to(running, M), bool)
        first = np.array(np.broadcast_to(first, M), float)
        return search(self, theta, values, gradient, direction, slopes, running, first)


def quadratic(minimum: float) -> Any:
    return lambda x: ((x - minimum) ** 2, 2 * (x - minimum))


def logistic(x: float) -> tuple[float, float]:
    """Falls for ever, ever more slowly."""
    return float(np.log1p(np.exp(-x))), float(-1 / (1 + np.exp(x)))


def wall(x: float) -> tuple[float, float]:
    """Defined below 1e-3 alone."""
    return (
        (-np.log(1 - 1e3 * x) - 2e3 * x, 1e3 / (1 - 1e3 * x) - 2e3)
        if x < 1e-3
        else (np.inf, np.inf)
    )


@pytest.mark.parametrize(
    "f, first, expected, evaluations",
    [
        (quadratic(1.0), 1.0, 1.0, 1),
        (quadratic(0.7), 1.0, 1.0, 1),
        (quadratic(0.3), 1.0, 0.3, 2),  # a cubic finds what is quadratic
        (quadratic(0.3), 0.25, 0.25, 1),
        (quadratic(50.0), 1.0, 16.0, 3),  # 1, 4, 16, where the slope has fallen enough
        (logistic, 1.0, 1.0, 1),
    ],
)
def test_a_search(f: Any, first: float, expected: float, evaluations: int):
    along = Along(f)
    found = along.search(first)
    np.testing.assert_allclose(found.steps, expected)
    np.testing.assert_allclose(found.theta, [[expected]])
    assert len(along.asked) == evaluations
    values, gradient = along.value_and_grad(found.theta, np.ones(1, bool))
    assert np.array_equal(found.values, values) and np.array_equal(found.gradient, gradient)


def test_a_search_that_runs_into_a_wall_turns_back():
    found = Along(wall).search(1.0)
    assert 0 < found.steps[0] < 1e-3 and found.values[0] < 0


def test_where_longer_steps_lead_nowhere_the_last_good_one_is_kept():
    along = Along(lambda x: (-x, -1.0) if x < 1e-3 else (np.inf, np.nan))
    np.testing.assert_allclose(along.search(1e-4).steps, [4e-4])
    assert len(along.asked) == 3


def test_where_nothing_is_better_no_step_is_taken():
    along = Along(lambda x: (0.0, -1.0) if x == 0 else (np.nan, np.nan))
    found = along.search()
    assert found.steps == [0] and found.theta == [[0]] and found.values == [0]
    assert 1 < len(along.asked) < 100


def test_uphill_is_not_searched():
    along = Along(quadratic(1.0), quadratic(1.0))
    found = along.search(signs=np.array([[1.0, -1.0]]))
    np.testing.assert_allclose(found.steps, [1, 0])
    np.testing.assert_allclose(found.theta, [[1, 0]])
    assert all(np.array_equal(active, [True, False]) for active in along.asked)


FUNCTIONS = [quadratic(0.3), quadratic(1.0), quadratic(50.0), logistic, quadratic(0.01), wall]


def test_searches_together_are_those_alone():
    along = Along(*FUNCTIONS)
    found = along.search()
    for m, f in enumerate(FUNCTIONS):
        alone = Along(f)
        one = alone.search()
        assert np.array_equal(found.theta[:, [m]], one.theta)
        assert found.steps[m] == one.steps[0] and found.values[m] == one.values[0]
        assert np.array_equal(found.gradient[:, [m]], one.gradient)
        # Who has found a step isn't asked again.
        assert sum(active[m] for active in along.asked) == len(alone.asked)
    assert len(along.asked) == max(sum(active[m] for active in along.asked) for m in range(6))


def test_problems_that_rest_stay_where_they_are():
    running = np.array([True, False, True, False, True, True])
    found = Along(*FUNCTIONS).search(running=running)
    everyone = Along(*FUNCTIONS).search()
    assert (found.steps[~running] == 0).all() and (found.theta[:, ~running] == 0).all()
    assert np.array_equal(found.steps[running], everyone.steps[running])


# Who can't get better


class Retired(NamedTuple):
    lowest: float
    smallest: float
    stale: int
    stuck: bool
    running: bool


def retire(
    value: float, norm: float, step: float = 1.0, stale: int = 0, running: bool = True
) -> Retired:
    """After an iteration that began at a lowest value and a smallest norm of 1; patience is 3."""
    arrays: Any = [[1.0], [1.0], [stale], [False], [running]]
    lowest, smallest, old, stuck, live = (np.array(a) for a in arrays)
    line_search.retire(
        *np.array([[value], [norm]]),
        SINGLE,
        np.array([step]),
        3,
        lowest,
        smallest,
        old,
        stuck,
        live,
    )
    return Retired(lowest[0], smallest[0], old[0], bool(stuck[0]), bool(live[0]))


def test_a_lower_value_or_a_smaller_gradient_is_better():
    assert retire(0.5, 2.0, stale=2) == Retired(0.5, 1.0, 0, False, True)
    assert retire(2.0, 0.5, stale=2) == Retired(1.0, 0.5, 0, False, True)
    assert retire(0.5, 0.5, stale=2) == Retired(0.5, 0.5, 0, False, True)


def test_rounding_is_no_better_value():
    assert retire(1 - SINGLE / 2, 1.0) == Retired(1.0, 1.0, 1, False, True)
    assert retire(1 - 2 * SINGLE, 1.0).stale == 0


def test_patience_has_an_end():
    assert retire(1.0, 1.0, stale=1) == Retired(1.0, 1.0, 2, False, True)
    assert retire(1.0, 1.0, stale=2) == Retired(1.0, 1.0, 3, True, False)


def test_no_step_is_the_end():
    assert retire(1.0, 1.0, step=0.0) == Retired(1.0, 1.0, 1, True, False)


def test_who_has_finished_is_not_stuck():
    assert retire(1.0, 1.0, step=0.0, stale=7, running=False) == Retired(1.0, 1.0, 8, False, False)
