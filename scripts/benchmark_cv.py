"""Compare cross-validated logistic regression with scikit-learn's, for ten C and five folds."""

import argparse
import warnings
from functools import partial
from pathlib import Path
from typing import Any

from _benchmark import BOTH_WAYS, both_ways, brief, cell, means, parser, write
from _problems import OF_SCALED, PROBLEMS, Make, Problem, find, forms
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
    times = both_ways(
        {name: partial(fit, name, partial(new, **PARAMETERS)) for name, new in contenders.items()},
        options.repeats,
        options.budget,
    )
    ours, theirs = models["fastclf"], models["scikit-learn"]
    row = {
        **problem.size(),
        **times,
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


def drive(
    name: str, form: str, about: str, problems: dict[str, Make], options: argparse.Namespace
) -> None:
    """Solve all problems, and write the results; a failure is recorded and skipped."""
    rows: list[Row] = []
    details: dict[str, Any] = {}
    for key, make in problems.items():
        try:
            row, details[key] = solve(make(key), options)
        except Exception as error:
            details[key] = {"error": brief(error)}
            print(f"{name}, {key}: {brief(error)}", flush=True)
            continue
        rows.append(row)
        print(f"{name}, " + ", ".join(f"{k} {cell(v)}" for k, v in row.items()), flush=True)
    note = (
        f"Whole fits of the same float64 X, both with `Cs=10, cv=5` and accuracy. {about} "
        f"{BOTH_WAYS} The scores are the highest means over the folds. {means(rows)}"
    )
    if rows:
        worst = min(row["fastclf score"] - row["scikit-learn score"] for row in rows)
        note += f" Smallest gain in score: {worst:.2g}."
    title = f"`LogisticRegressionCV().fit(X, y)`: fastclf against scikit-learn, {form}"
    write(name, title, note, rows, options.out, details)


def main() -> None:
    options = parse()
    scaled, raw = forms(find(options.data, options.problems))
    warnings.simplefilter("ignore")
    for name in ("iris", "breast_cancer_scaled"):  # compile the kernels
        problem = PROBLEMS[name](name)
        fastclf.LogisticRegressionCV(2, cv=2).fit(problem.X, problem.y)
    if scaled:
        drive("cv", "scaled features", OF_SCALED, scaled, options)
    if raw:
        about = (
            "Features are as they are stored, so that scikit-learn's default solver often stops at "
            "its limit on iterations, before the optimum."
        )
        drive("cv_raw", "raw features", about, raw, options)


if __name__ == "__main__":
    main()
