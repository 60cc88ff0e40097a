"""Confidence intervals of metrics.

The rows are drawn with replacement, as many as there are; each draw gives every metric another
value. An interval is between the percentiles 2.5 and 97.5 of these values: the percentile bootstrap
of Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. It tells how much a
metric would vary with other test rows of the same kind, for this model; it doesn't tell how the
model would vary with other training rows.

A draw is the number of times that each row was drawn. Accuracy, log loss and the like are ratios of
two sums over rows, here weighted by these numbers; the ROC AUC needs one sort for all draws. The
same seed gives the same draws, and the same bits for any number of threads.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastclf.linear_model import LinearModel
from fastclf.runs.baseline import class_frequencies, names_of, with_baseline
from fastclf.runs.bootstrap import (
    MOST_DRAWN,
    MOST_ROWS,
    N_DRAWS,
    Interval,
    Ratio,
    drawn_counts,
    influence_of,
    normal_interval,
    percentile_interval,
    values_of,
)
from fastclf.runs.evaluation import (
    Evaluation,
    codes_of,
    evaluate,
    evaluate_predictions,
    others_than,
    predictions_of,
)
from fastclf.runs.parts import Part


def evaluate_parts(
    model: LinearModel, parts: Mapping[str, Part], seed: int
) -> dict[str, Evaluation]:
    """Evaluate a model on the parts of a run's data that have rows, with intervals on "test".

    The baseline's metrics are those for the class frequencies of the part "train".
    """
    some = {name: part for name, part in parts.items() if len(part)}
    found = {name: evaluate(model, part) for name, part in some.items() if name != "test"}
    if "test" in some:
        found["test"] = evaluate_with_intervals(model, some["test"], seed)
    frequencies = class_frequencies(parts["train"].y, names_of(model))
    return {
        name: with_baseline(one, model, some[name].y, frequencies) for name, one in found.items()
    }


def intervals_by_part(found: Mapping[str, Evaluation]) -> dict[str, dict[str, list[float]]]:
    """Return the intervals of those evaluations that have some, as JSON values."""
    return {name: part.as_json()["intervals"] for name, part in found.items() if part.intervals}


def undefined_by_part(found: Mapping[str, Evaluation]) -> dict[str, dict[str, str]]:
    """Return the reasons of metrics that aren't defined, for those evaluations that have some."""
    return {name: part.undefined for name, part in found.items() if part.undefined}


def evaluate_with_intervals(model: LinearModel, part: Part, seed: int) -> Evaluation:
    """Evaluate a model on some rows, with intervals."""
    if len(part) == 0:
        return Evaluation(0)
    predicted, p = predictions_of(model, part)
    found = evaluate_predictions(part.y, predicted, p, model.classes)
    terms = row_terms(part.y, predicted, p, model.classes)
    intervals = _intervals(terms, part.y, predicted, p, model.classes, seed)
    known = {name: ends for name, ends in intervals.items() if name in found.metrics}
    return replace(found, intervals=known, terms=terms)


def terms_of(model: LinearModel, part: Part) -> dict[str, Ratio]:
    """Return the `row_terms` of a model's predictions."""
    return row_terms(part.y, *predictions_of(model, part), model.classes)


def row_terms(
    y: np.ndarray, predicted: np.ndarray, p: np.ndarray, classes: np.ndarray
) -> dict[str, Ratio]:
    """Return what each row adds to the metrics that are ratios of sums over rows.

    The arguments are those of `fastclf.runs.evaluation.evaluate_predictions`.

    Returns
    -------
    dict of str to Ratio
        For labels "accuracy", and "log_loss" if the model knows all of them; for distributions
        "accuracy" and "cross_entropy"; for several labels per row "subset_accuracy", "micro_f1" and
        "log_loss".

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.runs.intervals import row_terms
    >>> p = np.array([[0.9, 0.1], [0.4, 0.6]])
    >>> no, yes = classes = np.array(["no", "yes"])
    >>> row_terms(np.array([no, no]), np.array([no, yes]), p, classes)["accuracy"]
    Ratio(above=array([1., 0.]), below=array([1., 1.]))
    """
    if predicted.ndim == 2:
        return _label_terms(y.astype(np.float64), predicted > 0, p)
    names = [str(name) for name in classes.tolist()]
    each = np.ones(len(y))
    if y.ndim == 2:
        right = y.argmax(axis=1) == codes_of(predicted, names)
        bounded = np.clip(p, np.finfo(p.dtype).tiny, 1).astype(np.float64)
        losses = -(y * np.log(bounded)).sum(axis=1)
        return {"accuracy": Ratio(right.astype(float), each), "cross_entropy": Ratio(losses, each)}
    codes = _own_codes(y, names)
    right = codes == codes_of(predicted, names)
    found = {"accuracy": Ratio(right.astype(float), each)}
    if codes.min() >= 0:
        chosen = p[np.arange(len(y)), codes]
        eps = np.finfo(p.dtype).eps  # finite, as in the metric
        losses = -np.log(np.clip(chosen, eps, 1 - eps).astype(np.float64))
        found["log_loss"] = Ratio(losses, each)
    return found


def intervals_of(
    y: np.ndarray,
    predicted: np.ndarray,
    p: np.ndarray,
    classes: np.ndarray,
    seed: int,
    n_draws: int = N_DRAWS,
) -> dict[str, Interval]:
    """Return intervals of 95 % for the metrics of `row_terms`, and for "roc_auc" of labels.

    Parameters
    ----------
    y, predicted, p, classes
        As for `fastclf.runs.evaluation.evaluate_predictions`, with at least one row.
    seed : int
    n_draws : int
        The number of draws. Above 10,000 rows there are fewer, so that all draws together have 10
        million rows, but at least 200. Above 100,000 rows there are none: the ends are then 1.96
        standard errors from the metric, which such draws would only approximate.

    Returns
    -------
    dict of str to (float, float)
        Draws for which a metric isn't defined, such as the ROC AUC without a row of some class,
        are left out; a metric without half of its draws has no interval. ROC AUC has none either
        above 100,000 rows; for more than two classes above 10,000 probabilities; and if a class
        doesn't occur.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.runs.intervals import intervals_of
    >>> y = np.array([0, 1] * 50)
    >>> predicted = np.where(np.arange(100) < 80, y, 1 - y)
    >>> p = np.eye(2)[predicted] * 0.8 + 0.1
    >>> found = intervals_of(y, predicted, p, np.array([0, 1]), seed=0)
    >>> [round(end, 2) for end in found["accuracy"]]
    [0.72, 0.88]
    """
    terms = row_terms(y, predicted, p, classes)
    return _intervals(terms, y, predicted, p, classes, seed, n_draws)


def _intervals(
    ratios: dict[str, Ratio],
    y: np.ndarray,
    predicted: np.ndarray,
    p: np.ndarray,
    classes: np.ndarray,
    seed: int,
    n_draws: int = N_DRAWS,
) -> dict[str, Interval]:
    n = len(y)
    if n > MOST_ROWS:
        return {name: normal_interval(*influence_of(ratio)) for name, ratio in ratios.items()}
    rankings = [] if predicted.ndim == 2 or y.ndim == 2 else _rankings(y, p, classes, n_draws)
    values: dict[str, list[np.ndarray]] = {name: [] for name in ratios}
    areas = []
    for counts in drawn_counts(n, seed, n_draws):
        for name, ratio in ratios.items():
            values[name].append(values_of(ratio, counts))
        if rankings:
            areas.append(np.mean([ranking.areas(counts) for ranking in rankings], axis=0))
    if areas:
        values["roc_auc"] = areas
    ends = {name: percentile_interval(np.concatenate(found)) for name, found in values.items()}
    return {name: found for name, found in ends.items() if found is not None}


def _label_terms(y: np.ndarray, chosen: np.ndarray, p: np.ndarray) -> dict[str, Ratio]:
    """Return the terms for indicators y (n, L), NaN where unknown."""
    known = ~np.isnan(y)
    some = known.any(axis=1)
    on = y > 0.5
    right = some & np.all((on == chosen) | ~known, axis=1)
    hits = (known & on & chosen).sum(axis=1)
    wrong = (known & (on != chosen)).sum(axis=1)
    eps = np.finfo(p.dtype).eps
    bounded = np.clip(p, eps, 1 - eps).astype(np.float64)
    losses = -(y * np.log(bounded) + (1 - y) * np.log1p(-bounded))
    return {
        "subset_accuracy": Ratio(right.astype(float), some.astype(float)),
        "micro_f1": Ratio(2.0 * hits, 2.0 * hits + wrong),
        "log_loss": Ratio(np.where(known, losses, 0).sum(axis=1), known.sum(axis=1).astype(float)),
    }


def _own_codes(y: np.ndarray, names: list[str]) -> np.ndarray:
    """Return labels as indices into the names, -1 for those that aren't among them."""
    codes = codes_of(y, names + others_than(names, y))
    return np.where(codes < len(names), codes, -1)


class _Ranking(NamedTuple):
    """The rows ordered by a score, to compute the ROC AUC of each draw.

    Parameters
    ----------
    order : ndarray of int of shape (n,)
        The rows in increasing order of the score.
    positive : ndarray of float of shape (n,)
        For each row in this order, whether it is positive.
    starts : ndarray of int, or None
        The places where another score begins; None if no two scores are equal.
    """

    order: np.ndarray
    positive: np.ndarray
    starts: np.ndarray | None

    @classmethod
    def of(cls, positive: np.ndarray, score: np.ndarray) -> "_Ranking":
        order = np.argsort(score, kind="stable")
        ordered = score[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        ties = len(starts) < len(order)
        return cls(order, positive[order].astype(np.float64), starts if ties else None)

    def areas(self, counts: np.ndarray) -> np.ndarray:
        """Return the Mann-Whitney statistic of each draw; ties count one half."""
        weights = counts.take(self.order, axis=1)
        positive = weights * self.positive
        negative = weights - positive
        if self.starts is not None:
            positive = np.add.reduceat(positive, self.starts, axis=1)
            negative = np.add.reduceat(negative, self.starts, axis=1)
        below = negative.cumsum(axis=1)
        pairs = positive.sum(axis=1) * below[:, -1]
        below -= negative / 2
        with np.errstate(invalid="ignore"):
            return np.einsum("bn,bn->b", positive, below) / pairs


def _rankings(y: np.ndarray, p: np.ndarray, classes: np.ndarray, n_draws: int) -> list[_Ranking]:
    """Return the ranking of the second of two classes, or of each class; empty for no ROC AUC."""
    n, n_classes = p.shape
    codes = _own_codes(y, [str(name) for name in classes.tolist()])
    missing = codes.min() < 0 or len(np.unique(codes)) < n_classes
    if missing or (n_classes > 2 and n_draws * p.size > MOST_DRAWN):
        return []
    columns = [1] if n_classes == 2 else range(n_classes)
    return [_Ranking.of(codes == column, p[:, column]) for column in columns]
