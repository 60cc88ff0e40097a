"""Compare training on distributions of people's votes with training on majority votes."""

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from _benchmark import write
from _experiments import calibration_error, cross_entropy, one_hot, parser, shown, split
from _soft import SoftProblem, load, paths

import fastclf

LEFT_OUT = ("cifar100_distill",)
"""Data sets not used by default: their distributions are a teacher's, not people's votes."""

PENALTIES = tuple(10.0**e for e in range(-4, 2))
"""Candidate values of C."""

SMOOTHING = 0.1

FEW = (3, 10)
"""Numbers of votes per row to draw, for data sets with many votes."""

MANY = 40

KINDS = ("distributions", "majority", "smoothed majority")

FIGURES = {
    "loss": "log-loss, distributions",
    "label_loss": "log-loss, labels",
    "accuracy": "accuracy",
    "ece": "ECE, distributions",
    "label_ece": "ECE, labels",
}
"""The metrics on held-out rows, each with its heading."""

Row = dict[str, Any]


def majority(P: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the most probable class of each row; ties are broken at random."""
    return np.where(P == P.max(axis=1, keepdims=True), rng.random(P.shape), -1).argmax(axis=1)


def drawn(votes: np.ndarray, m: int, rng: np.random.Generator) -> np.ndarray:
    """Return the distributions (n, K) of m votes per row, drawn without replacement."""
    return np.array([rng.multivariate_hypergeometric(row, min(m, row.sum())) for row in votes]) / m


def fitted(kind: str, C: float, X: Any, P: np.ndarray) -> fastclf.LogisticRegression:
    """Fit distributions. A majority vote is a one-hot row, so that all classes are known.

    A class that is never the majority gets the rate of half a row.
    """
    smoothing = SMOOTHING if kind == "smoothed majority" else 0.0
    return fastclf.LogisticRegression(C, label_smoothing=smoothing, n_threads=1).fit(X, P)


def one_split(problem: SoftProblem, m: int | None, seed: int) -> dict[str, dict[str, float]]:
    """Return the metrics of each kind of training on one split.

    Each kind chooses C by the log-loss on validation targets of its own kind.
    """
    rng = np.random.default_rng(seed)
    K = problem.K
    train, validation, test = split(problem.X.shape[0], rng)
    known = np.concatenate([train, validation])
    seen = problem.P.copy()  # the distributions available for training and validation
    if m is not None:
        assert problem.votes is not None
        seen[known] = drawn(problem.votes[known], m, rng)
    labels = majority(seen, rng)
    truth = majority(problem.P, rng) if problem.truth is None else problem.truth
    P, answers = problem.P[test], one_hot(truth[test], K)
    results = {}
    for kind in KINDS:
        target = seen if kind == "distributions" else one_hot(labels, K)
        losses = []
        for C in PENALTIES:
            model = fitted(kind, C, problem.X[train], target[train])
            log_p = model.predict_log_proba(problem.X[validation])
            losses.append(cross_entropy(log_p, target[validation]))
        C = PENALTIES[int(np.argmin(losses))]
        log_p = fitted(kind, C, problem.X[known], target[known]).predict_log_proba(problem.X[test])
        p = np.exp(log_p)
        results[kind] = {
            "C": C,
            "loss": cross_entropy(log_p, P),
            "label_loss": cross_entropy(log_p, answers),
            "accuracy": float((p.argmax(axis=1) == truth[test]).mean()),
            "ece": calibration_error(p, P),
            "label_ece": calibration_error(p, answers),
        }
    return results


def tables(name: str, votes: str, splits: list[dict]) -> list[Row]:
    """Return a row for each kind of training, and one for each difference from the majority."""
    rows = []
    first = {"problem": name, "votes": votes}
    for kind in KINDS:
        figures = {
            heading: shown([found[kind][key] for found in splits], 4)
            for key, heading in FIGURES.items()
        }
        rows.append({**first, "trained on": kind, **figures})
    for kind in ("distributions", "smoothed majority"):
        figures = {
            heading: shown([f[kind][key] - f["majority"][key] for f in splits], 4, signed=True)
            for key, heading in FIGURES.items()
        }
        rows.append({**first, "trained on": f"difference: {kind} - majority", **figures})
    return rows


def parse() -> argparse.Namespace:
    options = parser(__doc__, seeds=10)
    given = options.parse_args()
    if given.data is None:
        options.error("give the folder of the sets soft_NAME.npz with --data")
    if given.seeds < 2:
        options.error("--seeds must be at least 2: errors are those over splits")
    return given


def chosen(folder: Path, only: list[str] | None) -> list[SoftProblem]:
    files = paths(folder)
    names = only or [name for name in files if name not in LEFT_OUT]
    unknown = sorted(set(names) - set(files))
    if unknown:
        raise SystemExit(f"no data set named {', '.join(unknown)}; there are {', '.join(files)}")
    return [load(files[name]) for name in names]


def main() -> None:
    options = parse()
    warnings.simplefilter("ignore")
    rows: list[Row] = []
    details: dict[str, Any] = {}
    for problem in chosen(options.data, options.only):
        many = problem.votes is not None and np.median(problem.votes.sum(axis=1)) >= MANY
        for m in (None, *FEW) if many else (None,):
            votes = "all" if m is None else str(m)
            splits = [one_split(problem, m, seed) for seed in range(options.seeds)]
            details[f"{problem.name}, {votes}"] = splits
            rows += tables(problem.name, votes, splits)
            gain = rows[-2][FIGURES["loss"]]
            print(f"{problem.name}, {votes} votes: log-loss {gain}", flush=True)
    note = (
        f"Means over {options.seeds} random splits (64 % to train on, 16 % to choose C by, then "
        "both to train on; 20 % held out) and their standard errors, corrected for rows that "
        "splits share (Nadeau and Bengio 2003). Differences are paired: taken split by split. "
        "Distributions: shares of the annotators' votes, or the set's own. Labels: the true ones "
        "of cifar10h, else the majority. ECE against distributions counts a prediction as right "
        "to the share of the votes that it has. votes: how many of each row's were trained on, "
        "drawn anew in each split; rows are always judged by all. Each kind of training chooses "
        f"C by held-out targets of its own kind. smoothed: label_smoothing={SMOOTHING:g}."
    )
    title = "Training on distributions against majority votes"
    write("soft_labels", title, note, rows, options.out, details, show=False)


if __name__ == "__main__":
    main()
