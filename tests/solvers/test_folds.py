"""Paths of penalties: what a fit leaves for the next one."""

from dataclasses import replace

import numpy as np
import pytest

from fastclf.objective import InMemoryObjective
from fastclf.penalties import L2
from fastclf.plan import MEASURED, using
from fastclf.solvers import LBFGS, Newton
from fastclf.solvers.folds import follow
from fastclf.solvers.loop import minimize
from fastclf.solvers.quasi_newton import Pairs
from tests.objective.test_objective import every_kind, make, many

RNG = np.random.default_rng(5)

LIMITS = {"tol": 1e-9, "max_iter": 200, "negligible": 0.0}


def penalty(objective: InMemoryObjective, strength: float) -> L2:
    return L2(np.full(objective.n_problems, strength) * (1 + np.arange(objective.n_problems)))


@every_kind
@many
def test_pairs_follow_the_penalty(kind: str, problems: int):
    objective = make(kind, problems).objective()
    before, after = (objective.with_penalty(penalty(objective, s)) for s in (0.1, 0.003))
    shape = objective.n_features + 1, objective.n_problems * objective.n_outputs
    points = RNG.normal(size=(4, *shape)) / 5
    running = np.ones(objective.n_problems, bool)
    past = [Pairs.empty(3, shape, objective.n_problems) for _ in range(2)]
    for own, at in zip(past, (before, after), strict=True):
        found = [(theta, at.value_and_grad(theta)[1]) for theta in points]
        for old, new in zip(found[:-1], found[1:], strict=True):
            own.add(running, old, new)
    columns = shape[1]
    past[0].penalise(after.penalty.columns(columns) - before.penalty.columns(columns))
    for name in ("steps", "changes", "rhos"):
        expected = getattr(past[1], name)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(getattr(past[0], name), expected, atol=1e-10 * scale)


def test_a_change_that_does_not_count_stays_so():
    past = Pairs.empty(2, (3, 2), 2)
    theta = RNG.normal(size=(3, 2))
    past.add(np.array([True, False]), (np.zeros((3, 2)), np.zeros((3, 2))), (theta, theta))
    past.penalise(np.array([1.0, 1.0]))
    assert past.rhos[0, 0] > 0
    assert past.rhos[0, 1] == 0


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_a_path_goes_on_with_the_pairs_of_the_last_fit(kind: str):
    # Each optimum is that of a fit from zero, and takes fewer passes.
    with using(replace(MEASURED, small_pass=0, few_features=0)):
        objective = make(kind).objective()
        penalties = [penalty(objective, strength) for strength in (1e-1, 3e-2, 1e-2, 3e-3)]
        solver = LBFGS(**LIMITS)
        path = follow(objective, objective, [(own, own) for own in penalties], solver)
        followed = [result.theta for result in path]
        apart = make(kind).objective()
        start = np.zeros_like(followed[0])
        alone = [minimize(apart.with_penalty(own), start, solver).theta for own in penalties]
    for one, other in zip(followed, alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert objective.passes < 0.8 * apart.passes


def test_a_path_with_exact_hessians_has_no_pairs_to_go_on_with():
    with using(replace(MEASURED, small_pass=0)):
        objective = make("hard").objective()
        solver = Newton(**LIMITS)
        theta = np.zeros((objective.n_features + 1, objective.n_outputs))
        result = minimize(objective, theta, solver)
        weaker = objective.with_penalty(penalty(objective, 1e-4))
        assert solver.proceed(weaker, result.theta, result.state, objective.penalty) is None
