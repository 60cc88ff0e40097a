"""Compare fastclf's default fit with an L1 or elastic-net penalty with other packages."""

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
import scipy.sparse
from _benchmark import alternate, brief, cell, parser, timed, write
from _problems import PROBLEMS, Make, Problem, objective, stored
from sklearn import linear_model

import fastclf

QUICK = ("breast_cancer", "breast_cancer_scaled", "wine_scaled", "digits_scaled")

SINGLE = (*QUICK, "iris", "digits", "tall_binary", "tall_7")
"""Bundled and generated problems to solve; with ``--data``, also those of the folder."""

TOLERANCES = tuple(10.0**-e for e in range(2, 11))

SLACK = 1e-6
"""A peer has solved a problem if its objective exceeds fastclf's by at most this, relatively."""

FEW = 20
"""Iterations of the fit that measures saga's seconds per iteration."""

Coefficients = tuple[np.ndarray, np.ndarray]
Fit = Callable[[Problem, float, float, float, int], Coefficients]
"""Fits a problem, given C, l1_ratio, a tolerance and a limit on iterations."""


@dataclass(frozen=True)
class Time:
    """The seconds of a fit that reaches the objective; if none did, a lower bound of them."""

    seconds: float
    reached: bool

    def entry(self, factor: float) -> float | str:
        """Return the seconds times a factor, with a ``>`` before a lower bound."""
        value = factor * self.seconds
        return value if self.reached else f"> {cell(value)}"


def saga(problem: Problem, C: float, l1_ratio: float, tol: float, most: int) -> Coefficients:
    model = linear_model.LogisticRegression(
        C=C, l1_ratio=l1_ratio, solver="saga", tol=tol, max_iter=most, random_state=0
    ).fit(problem.X, problem.y)
    return model.coef_, model.intercept_


def liblinear(problem: Problem, C: float, l1_ratio: float, tol: float, most: int) -> Coefficients:
    # With a large scaling, the penalty on the intercept is negligible.
    model = linear_model.LogisticRegression(
        C=C, l1_ratio=1.0, solver="liblinear", intercept_scaling=100, tol=tol, max_iter=most,
        random_state=0,
    ).fit(problem.X, problem.y)  # fmt: skip
    return model.coef_, model.intercept_


def skglm(problem: Problem, C: float, l1_ratio: float, tol: float, most: int) -> Coefficients:
    from skglm import GeneralizedLinearEstimator
    from skglm.datafits import Logistic
    from skglm.penalties import L1
    from skglm.solvers import ProxNewton

    X = problem.X
    X = X.tocsc() if scipy.sparse.issparse(X) else np.asfortranarray(X)
    solver = ProxNewton(tol=tol, max_iter=most)
    model = GeneralizedLinearEstimator(Logistic(), L1(1 / (C * X.shape[0])), solver)
    model.fit(X, problem.y)
    return np.atleast_2d(model.coef_), np.ravel(model.intercept_)


def celer(problem: Problem, C: float, l1_ratio: float, tol: float, most: int) -> Coefficients:
    from celer import LogisticRegression

    model = LogisticRegression(C=C, tol=tol, max_iter=most).fit(problem.X, problem.y)
    return model.coef_, model.intercept_


PEERS: dict[str, tuple[Fit, bool, int | None]] = {
    "saga": (saga, False, None),
    "liblinear": (liblinear, True, 10_000),
    "skglm": (skglm, True, 1000),
    "celer": (celer, True, 1000),
}
"""For each peer: its fit, whether it supports only two classes and pure L1, and its limit on
iterations, which is enough for any tolerance. None stands for as many as the budget allows.
"""


def value(problem: Problem, C: float, l1_ratio: float, found: Coefficients) -> float:
    """Return the mean loss plus the penalty."""
    W = np.asarray(found[0], np.float64)
    loss = objective(problem.X, problem.y, W, found[1], C=np.inf)
    penalty = (1 - l1_ratio) / 2 * (W**2).sum() + l1_ratio * np.abs(W).sum()
    return float(loss + penalty / (C * problem.X.shape[0]))


def ready(fit: Fit) -> str | None:
    """Warm a peer up; return why it can't run, or None."""
    try:
        fit(PROBLEMS["breast_cancer_scaled"]("breast_cancer_scaled"), 1.0, 1.0, 1e-3, 1000)
    except Exception as error:
        return brief(error)
    return None


def fastest(name: str, problem: Problem, goal: float, options: argparse.Namespace) -> Time:
    """Return the time of a peer at the largest tolerance with which it reaches the objective."""
    fit, _, most = PEERS[name]
    settings = problem, options.C, options.l1_ratio
    fit(*settings, TOLERANCES[0], 1)  # compiles
    if most is None:
        seconds, _ = timed(partial(fit, *settings, 0.0, FEW))
        most = FEW + int(FEW * options.budget / seconds)
    longest = 0.0
    for tol in TOLERANCES:
        run = partial(fit, *settings, tol, most)
        first, found = timed(run)
        if value(*settings, found) <= goal:
            seconds = alternate({"it": run}, options.repeats, options.budget)["it"]
            return Time(seconds, reached=True)
        longest = max(longest, first)
        if first > 0.9 * options.budget:
            break
    return Time(longest, reached=False)


def solve(
    problem: Problem, peers: list[str], options: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, Time]]:
    """Return a row of the table, and each peer's time divided by fastclf's."""
    models: list[fastclf.LogisticRegression] = []

    def ours() -> None:
        model = fastclf.LogisticRegression(options.C, l1_ratio=options.l1_ratio)
        models.append(model.fit(problem.X, problem.y))

    ours()  # compiles
    seconds = alternate({"fastclf": ours}, options.repeats, options.budget)["fastclf"]
    model = models[-1]
    reached = value(problem, options.C, options.l1_ratio, (model.coef_, model.intercept_))
    row = {
        **problem.size(),
        "not 0": int((model.coef_ != 0).sum()),
        "objective": reached,
        "fastclf ms": 1e3 * seconds,
    }
    times: dict[str, Time] = {}
    for name in peers:
        if PEERS[name][1] and (problem.K > 2 or options.l1_ratio < 1):
            row |= {f"{name} ms": None, f"times {name}": None}
            continue
        theirs = fastest(name, problem, reached * (1 + SLACK), options)
        row[f"{name} ms"] = theirs.entry(1e3)
        row[f"times {name}"] = theirs.entry(1 / seconds)
        times[name] = Time(theirs.seconds / seconds, theirs.reached)
    return row, times


def mean(times: list[Time]) -> str:
    """Return the geometric mean of times as text, with the number of lower bounds among them."""
    bounds = sum(not time.reached for time in times)
    least, some = ("at least ", f", {bounds} of them bounds") if bounds else ("", "")
    number = geometric_mean([time.seconds for time in times])
    return f"{least}{number:.3g} ({len(times)} problems{some})"


def choose(options: argparse.Namespace) -> dict[str, Make]:
    """Return the problems to solve."""
    made = {name: PROBLEMS[name] for name in (QUICK if options.quick else SINGLE)}
    files = stored(options.data) if options.data else {}
    known = PROBLEMS | {name: file for name, file in files.items() if not file.multilabel}
    if options.problems:
        unknown = sorted(set(options.problems) - set(known))
        if unknown:
            raise SystemExit(f"no problem named {', '.join(unknown)}; there are {', '.join(known)}")
        return {name: known[name] for name in options.problems}
    return made if options.quick else made | {n: m for n, m in known.items() if n in files}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="folder with more problems, NAME.npz")
    options.add_argument("--problems", nargs="+", metavar="NAME", help="only these")
    options.add_argument("--quick", action="store_true", help="only a few small problems")
    options.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    options.add_argument("--budget", type=float, default=20, help="seconds of each contender")
    options.add_argument("--C", type=float, default=1.0)
    options.add_argument("--l1-ratio", type=float, default=1.0)
    given = options.parse_args()
    warnings.simplefilter("ignore")
    refusals = {name: ready(PEERS[name][0]) for name in given.peers}
    peers = [name for name, reason in refusals.items() if reason is None]
    absent = "; ".join(f"{name} ({reason})" for name, reason in refusals.items() if reason)
    rows: list[dict[str, Any]] = []
    ratios: dict[str, list[Time]] = {}
    problems = choose(given)
    for number, (name, make) in enumerate(problems.items()):
        row, times = solve(make(name), peers, given)
        rows.append(row)
        for peer, time in times.items():
            ratios.setdefault(peer, []).append(time)
        means = [f"{peer} {mean(found)}" for peer, found in ratios.items()]
        write(
            "l1",
            f"L1 penalties: C = {given.C:g}, l1_ratio = {given.l1_ratio:g}",
            "Medians of whole fits of the same float64 X. fastclf with its defaults; each peer "
            f"with the largest tolerance that reaches fastclf's objective to {SLACK:g}. After a >: "
            f"no tolerance does in {given.budget:g} s, and the longest fit that didn't took so "
            "long. A dash: it can't fit such a problem. "
            f"Geometric means of times faster: {', '.join(means)}."
            + (f" Without {absent}." if absent else ""),
            rows,
            given.out,
            show=number == len(problems) - 1,
        )


if __name__ == "__main__":
    main()
