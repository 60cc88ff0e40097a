"""Shared code of the experiments: options, metrics of probabilities, means with standard errors."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent.parent / "docs" / "experiments"

BINS = 15

TEST, VALIDATION = 0.2, 0.16
"""Shares of the rows for testing and for choosing parameters."""


def parser(description: str, seeds: int) -> argparse.ArgumentParser:
    """Return a parser with the options that all experiments have."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--out", type=Path, default=RESULTS, help="folder for the results")
    options.add_argument("--data", type=Path, help="folder with the data sets, NAME.npz")
    options.add_argument("--seeds", type=int, default=seeds, help="random splits of each data set")
    options.add_argument("--only", nargs="+", metavar="NAME", help="only these data sets")
    return options


def split(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the indices of the training, validation and test rows."""
    order = rng.permutation(n)
    first, second = int(TEST * n), int((TEST + VALIDATION) * n)
    return order[second:], order[first:second], order[:first]


def one_hot(codes: np.ndarray, n_classes: int) -> np.ndarray:
    """Return labels as distributions (n, K)."""
    return np.eye(n_classes)[codes]


def cross_entropy(log_p: np.ndarray, P: np.ndarray) -> float:
    """Return the mean cross-entropy of predictions against distributions P; ``0 log 0`` is 0."""
    return float(-np.where(P > 0, P * np.where(P > 0, log_p, 0), 0).sum(axis=1).mean())


def calibration_error(p: np.ndarray, P: np.ndarray, bins: int = BINS) -> float:
    """Return the expected calibration error of p if the classes are distributed as P.

    The accuracy of a row is the probability that P gives to the predicted class. For one-hot P the
    result is that of :func:`fastclf.functional.expected_calibration_error`.
    """
    confidence, top = p.max(axis=1), p.argmax(axis=1)
    right = P[np.arange(len(P)), top]
    places = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence)
    return float(np.abs(np.bincount(places, right - confidence)).sum() / len(P))


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean over splits and its standard error.

    Splits of one data set share rows, so the variance of the mean is larger than that of
    independent values: ``(1 / J + n_test / n_train) s²`` (Nadeau and Bengio, *Inference for the
    generalization error*, Machine Learning 52, 2003).
    """
    test_to_train = TEST / (1 - TEST)
    variance = np.var(values, ddof=1) * (1 / len(values) + test_to_train)
    return float(np.mean(values)), float(np.sqrt(variance))


def shown(values: Sequence[float], digits: int, signed: bool = False) -> str:
    """Return the mean over splits and its standard error as text."""
    mean, error = mean_and_error(values)
    return f"{mean:{'+' if signed else ''}.{digits}f} ± {error:.{digits}f}"
