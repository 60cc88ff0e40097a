"""Compare fits to distributions with scikit-learn's fits to copies of the rows, one for each class.

Scikit-learn accepts no distributions. It has the same objective if each row is repeated for each
class, with the probability of the class as its weight.
"""

import argparse
import warnings
from functools import partial
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
import scipy.sparse
from _benchmark import alternate, cell, parser, timed, write
from _soft import SoftProblem, load, paths
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

import fastclf

TOLERANCES = tuple(10.0**-e for e in range(4, 12))

SLACK = 1e-8
"""Relative excess over the lowest objective with which a fit still counts as optimal."""

MOST = 4e8
"""Largest product of rows, features and squared classes; larger problems are cut to fewer rows."""

SECOND_ORDER = 2_000
"""Largest number of coefficients for which scikit-learn's newton-cholesky is also tried."""

Row = dict[str, Any]


def expanded(problem: SoftProblem, all_copies: bool) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return features, labels and weights of the copies; ``all_copies`` keeps those of weight 0."""
    rows, codes = np.nonzero(problem.P >= 0 if all_copies else problem.P > 0)
    return problem.X[rows], codes, problem.P[rows, codes]


def objective(problem: SoftProblem, model: Any, C: float) -> float:
    """Return the mean cross-entropy plus ``‖W‖² / (2 C n)``, in float64."""
    Z = problem.X @ model.coef_.T + model.intercept_
    inner = np.where(problem.P > 0, problem.P * Z, 0.0).sum(axis=1)
    losses = logsumexp(Z, axis=1) * problem.P.sum(axis=1) - inner
    return float(losses.mean() + (model.coef_**2).sum() / (2 * C * len(Z)))


def cut(problem: SoftProblem) -> SoftProblem:
    """Return random rows of a problem that is too large for scikit-learn; others are unchanged."""
    n, d = problem.X.shape
    d = problem.X.nnz / n if scipy.sparse.issparse(problem.X) else d
    rows = int(MOST / (d * problem.K**2))
    if rows >= n:
        return problem
    return problem.take(np.sort(np.random.default_rng(0).permutation(n)[:rows]))


class Contender:
    """An estimator class and its data; it keeps the model of the last fit."""

    def __init__(self, make: Any, problem: SoftProblem, arrays: tuple, C: float) -> None:
        self.make, self.problem, self.arrays, self.C = make, problem, arrays, C
        self.model: Any = None

    def fit(self, **parameters: Any) -> None:
        *data, weight = self.arrays
        self.model = self.make(C=self.C, **parameters).fit(*data, sample_weight=weight)

    def value(self) -> float:
        return objective(self.problem, self.model, self.C)

    def first_tolerance(self, goal: float, budget: float, **parameters: Any) -> float | None:
        """Return the largest tolerance that reaches the goal; None if a fit exceeds the budget."""
        for tol in TOLERANCES:
            seconds, _ = timed(partial(self.fit, tol=tol, max_iter=20_000, **parameters))
            if self.value() <= goal:
                return tol
            if seconds > budget:
                break
        return None


def solve(problem: SoftProblem, options: argparse.Namespace) -> Row:
    """Time both packages on a problem; return a row of the table."""
    copies = expanded(problem, options.all_copies)
    ours = Contender(fastclf.LogisticRegression, problem, (problem.X, problem.P, None), options.C)
    theirs = Contender(LogisticRegression, problem, copies, options.C)
    row: Row = {**problem.size(), "copies": len(copies[1])}
    run = partial(alternate, repeats=options.repeats, budget=options.budget)
    defaults = run({"fastclf": ours.fit, "scikit-learn": theirs.fit})
    default_values = ours.value(), theirs.value()

    ours.fit(tol=1e-12, max_iter=20_000)
    best = ours.value()
    goal = best * (1 + SLACK)
    found: dict[str, Any] = {
        "fastclf": partial(ours.fit, tol=ours.first_tolerance(goal, options.budget))
    }
    ours_value = ours.value()
    differences = []
    small = problem.K * problem.X.shape[1] <= SECOND_ORDER
    for solver in ("lbfgs", "newton-cholesky") if small else ("lbfgs",):
        tol = theirs.first_tolerance(goal, options.budget, solver=solver)
        differences.append((theirs.value() - ours_value) / best)
        if tol is not None:
            found[solver] = partial(theirs.fit, tol=tol, max_iter=20_000, solver=solver)
    exact = run(found)
    peers = {name: seconds for name, seconds in exact.items() if name != "fastclf"}
    fastest = min(peers, key=lambda name: peers[name], default=None)
    return row | {
        "fastclf ms": 1e3 * defaults["fastclf"],
        "scikit-learn ms": 1e3 * defaults["scikit-learn"],
        "times faster": defaults["scikit-learn"] / defaults["fastclf"],
        "fastclf excess": default_values[0] / best - 1,
        "scikit-learn excess": default_values[1] / best - 1,
        "objective": best,
        "difference": float(min(differences, key=abs)),
        "fastclf to optimum ms": 1e3 * exact["fastclf"],
        "scikit-learn to optimum ms": 1e3 * peers[fastest] if fastest else None,
        "its solver": fastest,
        "times faster to optimum": peers[fastest] / exact["fastclf"] if fastest else None,
    }


def parse() -> argparse.Namespace:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, help="folder with the problems, soft_NAME.npz")
    options.add_argument("--problems", nargs="+", metavar="NAME", help="only these")
    options.add_argument("--budget", type=float, default=60, help="seconds of each contender")
    options.add_argument("--C", type=float, default=1.0)
    options.add_argument(
        "--all-copies", action="store_true", help="also copies of probability 0, in soft_all"
    )
    given = options.parse_args()
    if given.data is None:
        options.error("give the folder of the problems with --data")
    return given


def main() -> None:
    options = parse()
    files = paths(options.data)
    names = options.problems or list(files)
    unknown = sorted(set(names) - set(files))
    if unknown:
        raise SystemExit(f"no problem named {', '.join(unknown)}; there are {', '.join(files)}")
    warnings.simplefilter("ignore")
    for name in names[:1]:  # compile the kernels
        problem = load(files[name])
        fastclf.LogisticRegression().fit(problem.X, problem.P)
    rows: list[Row] = []
    for name in names:
        row = solve(cut(load(files[name])), options)
        rows.append(row)
        print(", ".join(f"{key} {cell(value)}" for key, value in row.items()), flush=True)
    means = {
        key: geometric_mean([row[key] for row in rows if row[key]])
        for key in ("times faster", "times faster to optimum")
        if any(row[key] for row in rows)
    }
    kept = (
        "copies of probability 0 included"
        if options.all_copies
        else ("copies of probability 0 left out")
    )
    note = (
        "Medians of whole fits, float64, the same objective: fastclf on the distributions, "
        f"scikit-learn on copies of each row with their probabilities as weights ({kept}; making "
        "them isn't timed). First both with their defaults, and by how much their objectives "
        "exceed the lowest. Then each with the largest tolerance that reaches the lowest "
        f"objective to {SLACK:g}, scikit-learn with the faster of lbfgs and, up to {SECOND_ORDER} "
        "coefficients, newton-cholesky. difference: its objective there minus fastclf's, "
        "relative. Dense features are standardised; sets too large for scikit-learn are cut to "
        "fewer rows. Geometric means: "
        + ", ".join(f"{key} {value:.3g}" for key, value in means.items())
        + "."
    )
    name = "soft_all" if options.all_copies else "soft"
    write(name, "Distributions: fastclf against scikit-learn on copies", note, rows, options.out)


if __name__ == "__main__":
    main()
