"""Compare exact logistic regression with that of other packages: default fits, and precision."""

import argparse
import math
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import _curves
import _precision
import numpy as np
from _benchmark import BOTH_WAYS, alternate, both_ways, brief, cell, means, parser, write
from _problems import (
    OF_SCALED,
    PROBLEMS,
    Make,
    Problem,
    choose,
    forms,
    generated,
    objective,
    stored,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

import fastclf

SLACK = 1e-6
"""Largest relative excess of the objective over scikit-learn's that isn't counted as an excess."""

MODES = ("default", "multilabel", "sparse", "sparse_multilabel", "growth", "precision")

GROWTH_N = (10_000, 30_000, 100_000, 300_000, 1_000_000)
GROWTH_D = (20, 50, 100, 200, 500, 1000, 2000)

Row = dict[str, Any]
Solve = Callable[[Problem], tuple[Row, dict]]
"""Solves a problem; returns a row of the table, and details for the JSON file."""


class Fitting:
    """A callable that fits a new estimator, and keeps it with whether it converged."""

    def __init__(self, new: Callable[[], Any], X: np.ndarray, y: np.ndarray) -> None:
        self.new, self.X, self.y = new, X, y

    def __call__(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.model = self.new().fit(self.X, self.y)
        self.converged = not any(issubclass(w.category, ConvergenceWarning) for w in caught)


def compare(
    sizes: Row, ours: Fitting, peer: Fitting, f: Callable, options: argparse.Namespace
) -> Row:
    """Time both fits, and compare the objectives of their models; ``f`` computes them."""
    fits = {"fastclf": ours, "scikit-learn": peer}
    times = both_ways(fits, options.repeats, options.budget)
    f_ours, f_peer = f(ours.model), f(peer.model)
    return {
        **sizes,
        **times,
        "objective excess": float((f_ours.sum() - f_peer.sum()) / f_peer.sum()),
        "worst label": float(((f_ours - f_peer) / f_peer).max()),
        "fastclf converged": ours.converged,
        "scikit-learn converged": peer.converged,
        **course(ours.model),
    }


def course(model: Any) -> Row:
    """Return fastclf's solver and path, its number of iterations, and its passes over the data."""
    history = model.history_
    return {
        "path": ", ".join(str(history[key]) for key in ("solver", "path") if key in history),
        "iterations": int(np.max(model.n_iter_)),
        "passes": float(history["passes"][-1]),
    }


def default(problem: Problem, options: argparse.Namespace) -> tuple[Row, dict]:
    """Compare fastclf's default fit with scikit-learn's."""
    X, y = problem.X, problem.y
    row = compare(
        problem.size(),
        Fitting(fastclf.LogisticRegression, X, y),
        Fitting(LogisticRegression, X, y),
        lambda model: np.array([objective(X, y, model.coef_, model.intercept_)]),
        options,
    )
    del row["worst label"]
    return row, {}


def multilabel(problem: Problem, options: argparse.Namespace) -> tuple[Row, dict]:
    """Compare one fit of all labels with a scikit-learn fit per label, without constant labels."""
    X, Y = problem.X, problem.y
    Y = np.ascontiguousarray(Y[:, Y.min(axis=0) < Y.max(axis=0)])
    L = Y.shape[1]

    def of_labels(model: Any) -> np.ndarray:
        parts = getattr(model, "estimators_", None)
        W = model.coef_ if parts is None else np.vstack([part.coef_ for part in parts])
        b = model.intercept_ if parts is None else np.hstack([part.intercept_ for part in parts])
        return np.array([objective(X, Y[:, j], W[j : j + 1], b[j : j + 1]) for j in range(L)])

    n, d = X.shape
    row = compare(
        {"problem": problem.name, "n": n, "d": d, "L": L},
        Fitting(fastclf.MultiLabelLogisticRegression, X, Y),
        Fitting(partial(OneVsRestClassifier, LogisticRegression()), X, Y),
        of_labels,
        options,
    )
    return row, {"labels left out": problem.K - L}


def summary(rows: list[Row]) -> str:
    """Return sentences with the means and counts of a table."""
    texts = [means(rows)]
    if rows and "objective excess" in rows[0]:
        worse = sum(row["objective excess"] > SLACK for row in rows)
        texts.append(f"Problems with an objective excess above {SLACK:g}: {worse}.")
    if rows and "best peer" in rows[0]:
        without = sum(row["fastclf auto ms"] is None for row in rows)
        alone = sum(row["best peer"] is None for row in rows)
        texts.append(f"fastclf missed the gap on {without} of {len(rows)}, all peers on {alone}.")
    return " ".join(filter(None, texts))


def drive(
    name: str,
    title: str,
    note: str,
    problems: dict[str, Make],
    solve: Solve,
    options: argparse.Namespace,
) -> list[Row]:
    """Solve all problems, and write the results after each; a failure is recorded and skipped."""
    rows: list[Row] = []
    details: dict[str, Any] = {}
    for key, make in problems.items():
        try:
            row, details[key] = solve(make(key))
        except Exception as error:
            details[key] = {"error": brief(error)}
            print(f"{name}, {key}: {brief(error)}", flush=True)
        else:
            rows.append(row)
            print(f"{name}, " + ", ".join(f"{k} {cell(v)}" for k, v in row.items()), flush=True)
        failed = [f"{key} ({told['error']})" for key, told in details.items() if "error" in told]
        texts = [note, summary(rows), f"Failed: {'; '.join(failed)}." if failed else ""]
        text = " ".join(filter(None, texts))
        write(name, title, text, rows, options.out, details, show=key == list(problems)[-1])
    return rows


def precision(options: argparse.Namespace, problems: dict[str, Make]) -> None:
    """Compare the times of all solvers to a small objective gap, and draw their curves."""
    contenders, refusals = _precision.ready()
    for name, reason in refusals.items():
        print(f"without {name}: {reason}", flush=True)

    def solve(problem: Problem) -> tuple[Row, dict]:
        best, climbs = _precision.race(
            problem, contenders, options.repeats, options.budget, options.cap
        )
        _curves.draw_race(problem, best, climbs, options.out / "curves" / f"{problem.name}.png")
        auto = [c for c in climbs if c.contender.name == "fastclf auto"][0].seconds
        peer = _precision.fastest([c for c in climbs if not c.contender.ours])
        row = {
            **problem.size(),
            "fastclf auto ms": None if auto is None else 1e3 * auto,
            "best peer": None if peer is None else peer.name,
            "its ms": None if peer is None else 1e3 * peer.seconds,
            "times faster": None if auto is None or peer is None else peer.seconds / auto,
        }
        return row, _precision.described(best, climbs)

    left_out = "; ".join(f"{name} ({reason})" for name, reason in refusals.items())
    drive(
        "precision",
        f"Time to a relative objective gap of {_precision.GAP:g}",
        "Milliseconds of a whole `fit` on float64 data, conversions included, with the lowest "
        "limit on iterations (or the largest tolerance) that reaches the gap to the best objective "
        "that anyone found. fastclf uses all CPUs; of the peers it is the fastest solver, on the "
        "better of one thread and all. A dash: none reached the gap."
        + (f" Without {left_out}." if left_out else ""),
        problems,
        solve,
        options,
    )


def growth(options: argparse.Namespace) -> None:
    """Time the default fit for growing numbers of rows and of features."""
    sizes = [("n", n, 50, K) for K in (2, 7) for n in GROWTH_N]
    sizes += [("d", 20_000, d, K) for K in (2, 7) for d in GROWTH_D]
    if options.quick:
        sizes = [size for size in sizes if size[1] <= 30_000 and size[2] <= 100]
    rows: list[Row] = []

    def solve(problem: Problem) -> tuple[Row, dict]:
        fit = Fitting(fastclf.LogisticRegression, problem.X, problem.y)
        seconds = alternate({"fastclf": fit}, options.repeats, options.budget)["fastclf"]
        n, d = problem.X.shape
        row = {"against": problem.name[0], "n": n, "d": d, "K": problem.K}
        row |= {"fastclf ms": 1e3 * seconds, "slope": None, **course(fit.model)}
        before = [r for r in rows if (r["against"], r["K"]) == (row["against"], row["K"])]
        if before:
            by = math.log(row[row["against"]] / before[-1][row["against"]])
            row["slope"] = math.log(row["fastclf ms"] / before[-1]["fastclf ms"]) / by
        rows.append(row)
        return row, {}

    drive(
        "growth",
        "Growth of the time of a default fit",
        "Generated data; against n with d = 50, against d with n = 20000. The slope is that of "
        "log time against log size, from the row above: 1 is proportional.",
        {
            f"{against} = {n if against == 'n' else d}, K = {K}": partial(generated, n, d, K)
            for against, n, d, K in sizes
        },
        solve,
        options,
    )
    _curves.draw_growth(rows, options.out / "curves" / "growth.png")


def parse() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--mode", choices=(*MODES, "all"), default="all")
    options.add_argument("--data", type=Path, help="folder with more problems, NAME.npz")
    options.add_argument("--problems", nargs="+", metavar="NAME", help="only these")
    options.add_argument("--quick", action="store_true", help="only a few small problems")
    options.add_argument("--list", action="store_true", help="print the problems, and stop")
    options.add_argument("--budget", type=float, default=20, help="seconds of each contender")
    options.add_argument("--cap", type=float, default=60, help="seconds of a fit to precision")
    return options.parse_args()


def main() -> None:
    options = parse()
    known = set(PROBLEMS) | set(stored(options.data) if options.data else ())
    unknown = sorted(set(options.problems or ()) - known)
    if unknown:
        raise SystemExit(f"no problem named {', '.join(unknown)}; --list shows those there are")
    single, several, sparse, sparse_several = (
        choose(options.data, options.problems, options.quick, multilabel, is_sparse)
        for is_sparse in (False, True)
        for multilabel in (False, True)
    )
    if options.list:
        for name, make in (single | several | sparse | sparse_several).items():
            size = make(name).size()
            print(f"{name:24s} n {size['n']:8d}  d {size['d']:6d}  K {size['K']:4d}", flush=True)
        return
    if _curves.matplotlib is None:
        print("no pictures: matplotlib isn't installed", flush=True)
    warnings.simplefilter("ignore")
    modes = MODES if options.mode == "all" else (options.mode,)
    for name in ("iris", "breast_cancer_scaled"):  # compile
        problem = PROBLEMS[name](name)
        fastclf.LogisticRegression().fit(problem.X, problem.y)
    scaled, raw = forms(single)
    singles = (
        ("default", "default", scaled, "scaled features", OF_SCALED),
        ("default", "default_raw", raw, "raw features", "Features are as they are stored."),
        ("sparse", "sparse", sparse, "CSR", "Features are as they are stored."),
    )
    for mode, name, problems, form, about in singles:
        if mode in modes and problems:
            rows = drive(
                name,
                f"`LogisticRegression().fit(X, y)`: fastclf against scikit-learn, {form}",
                f"Whole fits, both with their defaults, of the same float64 X. {about} "
                f"{BOTH_WAYS} The objective excess is fastclf's over scikit-learn's, relative to "
                "the latter: below 0 is better.",
                problems,
                partial(default, options=options),
                options,
            )
            _curves.draw_comparison(rows, options.out / "curves" / f"{name}.svg")
    sets = (("multilabel", several, ""), ("sparse_multilabel", sparse_several, ", CSR"))
    for mode, problems, form in sets:
        if mode in modes and problems:
            drive(
                mode,
                f"Several labels: fastclf against scikit-learn{form}",
                "Whole fits of `fastclf.MultiLabelLogisticRegression()` and "
                "`OneVsRestClassifier(LogisticRegression())`, of the same float64 X; labels "
                f"that are constant in the training rows are left out. {BOTH_WAYS} The objective "
                "excess is fastclf's over scikit-learn's, relative to the latter, both summed over "
                "labels.",
                problems,
                partial(multilabel, options=options),
                options,
            )
    if "growth" in modes and (options.mode == "growth" or not options.problems):
        growth(options)
    if "precision" in modes and single:
        precision(options, single)


if __name__ == "__main__":
    main()
