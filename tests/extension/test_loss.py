"""A loss from outside the package: the Huberised hinge. CONTRIBUTING.md explains this file."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from fastclf.kernels.runtime.jit import primitive
from fastclf.losses import ColumnLoss
from fastclf.objective import InMemoryObjective
from fastclf.penalties import L2, ElasticNet
from fastclf.plan import MEASURED
from fastclf.solvers import LBFGS, SGD, Newton, Proximal, choose, minimize
from fastclf.targets import Target

WIDTH, STRENGTH = 2.0, 0.2


@primitive
def one_sided(margin, width):
    """Value, slope and curvature of the Huberised hinge: a parabola between two lines."""
    zero, one = type(margin)(0), type(margin)(1)
    half = type(margin)(0.5)
    h = type(margin)(width)
    short = one + h - margin
    inside = short * short / (4 * h)
    value = inside if margin > one - h else one - margin
    slope = -short / (2 * h) if margin > one - h else -one
    curvature = half / h if margin > one - h else zero
    beyond = margin > one + h
    return zero if beyond else value, zero if beyond else slope, zero if beyond else curvature


@primitive
def huberised_hinge(z, y, positive, parameters):
    """Take the hinge of both classes, weighted by y and 1 - y."""
    up, up_slope, up_curvature = one_sided(z, parameters[0])
    down, down_slope, down_curvature = one_sided(-z, parameters[0])
    on, off = y * positive, type(z)(1) - y
    return (
        on * up + off * down,
        on * up_slope - off * down_slope,
        on * up_curvature + off * down_curvature,
    )


HINGE = ColumnLoss(huberised_hinge, (WIDTH,))


def exact(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The loss by its definition."""

    def hinge(margin: np.ndarray) -> np.ndarray:
        inside = (1 + WIDTH - margin) ** 2 / (4 * WIDTH)
        line = np.where(margin < 1 - WIDTH, 1 - margin, inside)
        return np.where(margin > 1 + WIDTH, 0, line)

    return y * hinge(z) + (1 - y) * hinge(-z)


def problem(M: int = 3, n: int = 150, d: int = 4, **settings: Any) -> InMemoryObjective:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.7)
    Y = (X @ rng.normal(size=(d, M)) + rng.normal(size=(n, M)) > 0) * 1.0
    Y[::7] = rng.random((len(Y[::7]), M))  # soft ones, too
    target = Target(rng.uniform(0.5, 2, (1, n)), soft=Y)
    storage, dtype = settings.pop("storage", np.asarray), settings.pop("dtype", np.float64)
    penalty = settings.pop("penalty", L2(np.linspace(0.01, 0.03, M)))
    return InMemoryObjective(storage(X.astype(dtype)), target, HINGE, M, penalty, **settings)


def value_by_definition(objective: InMemoryObjective, theta: np.ndarray) -> np.ndarray:
    X, target = objective.features.X, objective.target
    losses = exact(X @ theta[:-1] + theta[-1], target.soft)
    squares = 0.5 * objective.penalty.strength * (theta[:-1] ** 2).sum(axis=0)
    return target.weights[0] @ losses / target.weights[0].sum() + squares


PATHS: dict[str, dict[str, Any]] = {
    "loops over rows": {},
    "tiles": {"costs": replace(MEASURED, few_features=0)},
    "BLAS": {"costs": replace(MEASURED, few_features=0, many_columns=1)},
    "CSR": {"storage": scipy.sparse.csr_array},
    "CSR columns": {
        "storage": scipy.sparse.csr_array,
        "costs": replace(MEASURED, sparse_work=0, sparse_entries=1 << 30),
    },
}


@pytest.mark.parametrize("M", [1, 3])
@pytest.mark.parametrize("path", PATHS)
def test_every_pass_computes_it(path: str, M: int):
    objective = problem(M, **PATHS[path])
    theta = np.random.default_rng(1).normal(size=(5, M))
    values, gradient = objective.value_and_grad(theta)
    np.testing.assert_allclose(values, value_by_definition(objective, theta), rtol=1e-12)
    h = 1e-6
    for index in np.ndindex(theta.shape):
        e = np.zeros(theta.shape)
        e[index] = h
        up, down = (value_by_definition(objective, theta + s * e).sum() for s in (1, -1))
        np.testing.assert_allclose(gradient[index], (up - down) / (2 * h), atol=1e-7)


@pytest.mark.parametrize("path", PATHS)
def test_hessians_are_the_derivatives_of_the_gradient(path: str):
    objective = problem(1, **PATHS[path])
    theta = np.random.default_rng(1).normal(size=(5, 1))
    hessian = objective.hessian(theta, whole=True)
    shift = np.eye(5)
    shift[-1, :-1] = hessian.center
    found = shift.T @ hessian.blocks[0] @ shift
    h = 1e-7  # so small that no row changes between a parabola and a line
    for j in range(5):
        e = np.zeros(theta.shape)
        e[j] = h
        up, down = (objective.value_and_grad(theta + s * e)[1] for s in (1, -1))
        expected = ((up - down) / (2 * h))[:, 0]
        expected[j] -= objective.penalty.strength[0] * (j < 4)
        np.testing.assert_allclose(found[j], expected, atol=1e-7)
    moments = objective.curvature(full=True, theta=theta)
    assert np.isfinite(moments.second).all() and moments.logits > 0


def test_float32_stays_float32():
    objective = problem(dtype=np.float32, **PATHS["tiles"])
    theta = np.random.default_rng(1).normal(size=(5, 3))
    values, _ = objective.value_and_grad(theta)
    np.testing.assert_allclose(values, value_by_definition(objective, theta), rtol=1e-5)
    z = np.linspace(-3, 3, 9, dtype=np.float32)[:, None]
    target = Target(np.ones((1, 9)), soft=np.ones((9, 1)))
    assert HINGE.curvature(z, target, 1).dtype == np.float32


def optimum(objective: InMemoryObjective, m: int) -> np.ndarray:
    """The optimum of one problem, by SciPy."""
    M = objective.n_problems

    def value(x: np.ndarray) -> float:
        theta = np.zeros((x.size, M))
        theta[:, m] = x
        return value_by_definition(objective, theta)[m]

    return scipy.optimize.minimize(value, np.zeros(5), tol=1e-10, options={"gtol": 1e-8}).x


SOLVERS: dict[str, Any] = {
    "newton": lambda objective: Newton(),
    "lbfgs": lambda objective: LBFGS(),
    "auto": choose,
}


@pytest.mark.parametrize("M", [1, 3])
@pytest.mark.parametrize("path", ["loops over rows", "tiles", "CSR"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_exact_solvers_reach_the_optimum(solver: str, path: str, M: int):
    objective = problem(M, **PATHS[path])
    chosen = replace(SOLVERS[solver](objective), tol=1e-9, max_iter=500)
    result = minimize(objective, np.zeros((5, M)), chosen)
    for m in range(M):
        np.testing.assert_allclose(result.theta[:, m], optimum(objective, m), atol=1e-5)


@pytest.mark.parametrize("path", ["tiles", "CSR"])
def test_minibatches_come_near_it(path: str):
    objective = problem(**PATHS[path])
    best = minimize(objective, np.zeros((5, 3)), Newton(tol=1e-9, max_iter=200))
    solver = SGD(schedule="cosine", max_iter=60, tol=0.0, batch_size=16, seed=0)
    found = minimize(objective, np.zeros((5, 3)), solver)
    at_best, at_found = (objective.value_and_grad(r.theta)[0] for r in (best, found))
    assert (at_best <= at_found).all() and (at_found < at_best + 5e-3).all()


@pytest.mark.parametrize("path", ["loops over rows", "CSR"])
def test_an_l1_penalty_zeroes_coefficients(path: str):
    penalty = ElasticNet(L2(np.array([1e-3])), np.array([STRENGTH]))
    objective = problem(1, penalty=penalty, **PATHS[path])
    result = minimize(objective, np.zeros((5, 1)), Proximal(tol=1e-8, max_iter=200))
    _, gradient = objective.value_and_grad(result.theta)
    zero = result.theta[:-1, 0] == 0
    assert zero.any() and not zero.all()
    assert (np.abs(gradient[:-1, 0][zero]) <= STRENGTH + 1e-6).all()
    signs = np.sign(result.theta[:-1, 0][~zero])
    np.testing.assert_allclose(gradient[:-1, 0][~zero], -STRENGTH * signs, atol=1e-6)
    np.testing.assert_allclose(gradient[-1], 0, atol=1e-6)


SCRIPT = """
import numpy as np
import own
from fastclf.kernels.loss.columns import curvatures_of
kernel = curvatures_of(own.loss)
out = np.empty(1)
kernel(np.zeros(1), np.zeros(1), (), out)
stats = kernel.stats
print(out[0], sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""

OWN = """
import helper
from fastclf.kernels.runtime.jit import primitive

@primitive
def loss(z, y, positive, parameters):
    return z * z, 2.0 * z, 2.0 + helper.MORE
"""


def test_an_edit_of_its_file_or_of_what_it_names_is_compiled(tmp_path: Path):
    def run() -> list[float]:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", SCRIPT],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return [float(word) for word in done.stdout.split()]

    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), str(tmp_path)]),
    }
    (tmp_path / "helper.py").write_text("MORE = 0.0\n")
    (tmp_path / "own.py").write_text(OWN)
    assert run() == [2, 0, 1]
    assert run() == [2, 1, 0]
    (tmp_path / "own.py").write_text(OWN.replace("2.0 +", "3.0 +"))
    assert run() == [3, 0, 1]
    (tmp_path / "helper.py").write_text("MORE = 1.0\n")
    assert run() == [4, 0, 1]
    assert run() == [4, 1, 0]
