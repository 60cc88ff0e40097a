"""Compare cross-validated logistic regression with scikit-learn's, for ten C and five folds."""

import argparse
import warnings
from functools import partial
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
from _benchmark import alternate, brief, cell, parser, write
from _problems import PROBLEMS, Problem, stored
from sklearn.linear_model import LogisticRegressionCV

import fastclf

NAMES = ("breast_cancer", "digits", "magic_telescope", "satimage", "covtype_93k")

PARAMETERS: dict[str, Any] = {"Cs": 10, "cv": 5, "scoring": "accuracy", "l1_ratios": (0.0,)}

Row = dict[str, Any]


def best_score(model: Any) -> float:
    """Return the highest mean accuracy over the folds."""
    return float(model.scores_.mean(axis=0).max())


def solve(problem: Problem, options: argparse.Namespace) -> tuple[Row, dict]:
    """Time both packages on a problem; return a row of the table, and details for the JSON file."""
    X, y = problem.X, problem.y
    models: dict[str, Any] = {}

    def fit(name: str, new: Any) -> None:
        models[name] = new().fit(X, y)

    contenders = {
        "fastclf": partial(fastclf.LogisticRegressionCV, use_legacy_attributes=False),
        "scikit-learn": partial(LogisticRegressionCV, use_legacy_attributes=False),
    }
    seconds = alternate(
        {name: partial(fit, name, partial(new, **PARAMETERS)) for name, new in contenders.items()},
        options.repeats,
        options.budget,
    )
    ours, theirs = models["fastclf"], models["scikit-learn"]
    row = {
        **problem.size(),
        "fastclf ms": 1e3 * seconds["fastclf"],
        "scikit-learn ms": 1e3 * seconds["scikit-learn"],
        "times faster": seconds["scikit-learn"] / seconds["fastclf"],
        "fastclf score": best_score(ours),
        "scikit-learn score": best_score(theirs),
        "fastclf C": ours.C_,
        "scikit-learn C": theirs.C_,
        "passes": float(ours.history_["path_passes"]),
    }
    details = {
        name: {"scores": model.scores_.mean(axis=(0, 1)).tolist(), "C": model.Cs_.tolist()}
        for name, model in models.items()
    }
    return row, details


def parse() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="folder with more problems, NAME.npz")
    options.add_argument("--problems", nargs="+", metavar="NAME", default=NAMES, help="only these")
    options.add_argument("--budget", type=float, default=60, help="seconds of each contender")
    return options.parse_args()


def main() -> None:
    options = parse()
    made: dict[str, Any] = PROBLEMS | (stored(options.data) if options.data else {})
    warnings.simplefilter("ignore")
    for name in ("iris", "breast_cancer_scaled"):  # compile the kernels
        problem = PROBLEMS[name](name)
        fastclf.LogisticRegressionCV(2, cv=2).fit(problem.X, problem.y)
    rows: list[Row] = []
    details: dict[str, Any] = {}
    for name in options.problems:
        if name not in made:
            print(f"without {name}: give its folder with --data", flush=True)
            continue
        try:
            row, details[name] = solve(made[name](name), options)
        except Exception as error:
            details[name] = {"error": brief(error)}
            print(f"{name}: {brief(error)}", flush=True)
            continue
        rows.append(row)
        print(", ".join(f"{key} {cell(value)}" for key, value in row.items()), flush=True)
    note = (
        "Medians of whole fits, of the same float64 X, both with `Cs=10, cv=5` and accuracy. The "
        "scores are the highest means over the folds; where X isn't scaled, scikit-learn's default "
        "solver often stops at its limit on iterations, before the optimum."
    )
    if rows:
        faster = geometric_mean([row["times faster"] for row in rows])
        worst = np.min([row["fastclf score"] - row["scikit-learn score"] for row in rows])
        note += f" Times faster: geometric mean {faster:.3g}. Smallest gain in score: {worst:.2g}."
    title = "`LogisticRegressionCV().fit(X, y)`: fastclf against scikit-learn"
    write("cv", title, note, rows, options.out, details)


if __name__ == "__main__":
    main()
