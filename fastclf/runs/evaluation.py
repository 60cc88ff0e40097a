"""Metrics of a model on some rows, and the tables behind them.

A metric that isn't defined for the data is omitted, such as the ROC AUC of a class without rows or
the log-loss of a class that the model doesn't know. In tables its value is None.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn import metrics

from fastclf import functional as F
from fastclf.functional.measures import in_bins
from fastclf.linear_model import LinearModel
from fastclf.runs.bootstrap import Ratio
from fastclf.runs.parts import Part
from fastclf.runs.threshold_curves import threshold_curves
from fastclf.runs.unmatched import Unmatched
from fastclf.table import Table

Metrics = dict[str, float]

_OF_LABELS = (
    *("accuracy", "balanced_accuracy", "log_loss", "brier", "ece", "macro_f1", "micro_f1"),
    "roc_auc",
)
METRICS = {
    "binary": _OF_LABELS,
    "multiclass": _OF_LABELS,
    "distribution": ("accuracy", "macro_f1", "cross_entropy", "kl_divergence", "brier", "ece"),
    "multilabel": (
        *("subset_accuracy", "hamming_loss", "log_loss", "brier", "ece", "micro_f1", "macro_f1"),
        *("lrap", "coverage_error", "roc_auc"),
    ),
}
"""The metrics of each task, and of targets that are distributions."""

BINS = 15
"""Number of bins in reliability tables."""

_MOST_RANKED = 20_000_000
"""Largest number of probabilities for which ROC AUC is computed: ranking more outlasts a fit."""


_ENCODED_BYTES = 1 << 24
"""Most bytes of encoded features that an evaluation has in memory."""


@dataclass(frozen=True)
class Evaluation:
    """Metrics and tables of a model on some rows.

    Attributes
    ----------
    n_rows : int
        The number of rows; with none, metrics and tables are empty.
    metrics : dict of str to float
        For labels: "accuracy", "balanced_accuracy" (mean recall of the classes that occur),
        "log_loss", "brier" (mean squared error of the probability of the second of two classes;
        for more classes summed over them), "ece" (expected calibration error of the largest
        probability), "macro_f1", "micro_f1" and "roc_auc" (for more than two classes the mean of
        one against the rest; only if all classes occur).

        For distributions: "accuracy" and "macro_f1" against the most probable class of the target;
        "cross_entropy" and "kl_divergence", in nats; "brier", the squared distance to the target;
        and "ece", where a prediction is right with the probability that the target gives its class.

        For multi-label data: "subset_accuracy"; "hamming_loss", "log_loss" and "brier" (means over
        rows and labels); "ece" (over all probabilities); "micro_f1"; "macro_f1"; "lrap" (label
        ranking average precision); "coverage_error" (mean rank of the lowest-ranked true label of
        a row); and "roc_auc" (mean over labels; only if each label has positive and negative
        rows). Unknown entries are ignored. An entry that is a probability counts as positive if it
        is above one half.
    tables : dict
        JSON values: "per_class" or "per_label", a list of rows with "name", "precision", "recall",
        "f1", "support" and "roc_auc"; "reliability", a list of bins of probabilities with "from",
        "to", "count", "confidence" (their mean) and "accuracy". For classes also
        "confusion_matrix" with "classes" and "counts" (rows are true classes, columns predicted
        ones); for labels also "threshold_curves", see `fastclf.runs.threshold_curves`.
    intervals : dict of str to (float, float)
        The lower and upper end of the interval of 95 % of some metrics, see
        `fastclf.runs.intervals`.
    terms : dict of str to Ratio
        For an evaluation with intervals: what each row adds to the metrics that are ratios of sums
        over rows. It isn't part of the JSON values.
    """

    n_rows: int
    metrics: Metrics = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    terms: dict[str, Ratio] = field(default_factory=dict, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the contents of one part of ``evaluation.json``."""
        found: dict[str, Any] = {"n_rows": self.n_rows, "metrics": self.metrics}
        if self.intervals:
            found["intervals"] = {name: list(ends) for name, ends in self.intervals.items()}
        return {**found, **self.tables}


def evaluate(model: LinearModel, part: Part) -> Evaluation:
    """Return the metrics and tables of a model on some rows."""
    if len(part.y) == 0:
        return Evaluation(0)
    return evaluate_predictions(part.y, *predictions_of(model, part), model.classes)


def predictions_of(model: LinearModel, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Return a model's predicted labels or indicators, and its probabilities, for some rows."""
    unmatched = Unmatched(model.encoder)
    unmatched.examine(part.X)
    unmatched.warn()
    logits = logits_of(model, part.X)
    codes = model.decide(logits)
    predicted = codes if model.task == "multilabel" else model.classes[codes]
    return predicted, model.probabilities(logits)


def logits_of(model: LinearModel, X: Any) -> np.ndarray:
    """Return a model's logits for raw rows; many or wide ones are encoded some at a time."""
    encoder = model.encoder
    if not isinstance(X, Table) or encoder is None:
        return model.decision_function(X)
    values = encoder.n_features
    if encoder.sparse:  # a text has many more entries than another value
        values = 4 * len(encoder.columns) + 100 * len(encoder.text)
    step = max(1, _ENCODED_BYTES // (8 * max(values, 1)))
    if len(X) <= step:
        return model.decision_function(X)
    some = (X.take(slice(start, start + step)) for start in range(0, len(X), step))
    return np.concatenate([model.decision_function(rows) for rows in some])


def evaluate_predictions(
    y: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray, classes: np.ndarray
) -> Evaluation:
    """Return the metrics and tables of predictions against the true targets.

    Parameters
    ----------
    y : ndarray of shape (n,), (n, K) or (n, L)
        Labels; or a distribution over the classes for each row; or indicators of L labels, which
        may be probabilities, and NaN where unknown.
    predicted : ndarray of shape (n,) or (n, L)
        Predicted labels or indicators.
    probabilities : ndarray of shape (n, K) or (n, L)
        Predicted probabilities.
    classes : ndarray of shape (K,) or (L,)
        The classes or labels of the columns of ``probabilities``. Labels are compared as text.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.runs.evaluation import evaluate_predictions
    >>> p = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> classes = np.array(["no", "yes"])
    >>> y, predicted = np.array(["no", "no", "yes"]), np.array(["no", "yes", "yes"])
    >>> found = evaluate_predictions(y, predicted, p, classes)
    >>> round(found.metrics["accuracy"], 3), found.metrics["roc_auc"]
    (0.667, 1.0)
    >>> found.tables["confusion_matrix"]["counts"]
    [[1, 1], [0, 1]]
    """
    if len(y) == 0:
        return Evaluation(0)
    names = [str(name) for name in classes.tolist()]
    if predicted.ndim == 2:
        return _evaluate_labels(y.astype(np.float64), predicted, probabilities, names)
    if y.ndim == 2:
        found = _evaluate_classes(
            y.argmax(axis=1), codes_of(predicted, names), probabilities, names
        )
        agreement = {name: found.metrics[name] for name in ("accuracy", "macro_f1")}
        right = y[np.arange(len(y)), probabilities.argmax(axis=1)]
        ece, bins = _reliability(probabilities.max(axis=1), right)
        brier = _mean_square(probabilities - y)
        figures = {**agreement, **_divergences(y, probabilities), "brier": brier, "ece": ece}
        return Evaluation(len(y), figures, {**found.tables, "reliability": bins})
    names += others_than(names, y)
    return _evaluate_classes(codes_of(y, names), codes_of(predicted, names), probabilities, names)


def metric(
    name: str, y: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray, classes: np.ndarray
) -> float | None:
    """Return one metric of predictions; None if it isn't defined for them.

    It is that of `evaluate_predictions`, which computes all of them and takes longer; so do the
    parameters.
    """
    if y.ndim == 1 and predicted.ndim == 1 and name in ("accuracy", "log_loss"):
        names = [str(label) for label in classes.tolist()]
        known = not others_than(names, y)
        if known and name == "accuracy":
            return float(np.mean(codes_of(y, names) == codes_of(predicted, names)))
        if known:
            return float(
                metrics.log_loss(codes_of(y, names), probabilities, labels=range(len(names)))
            )
    return evaluate_predictions(y, predicted, probabilities, classes).metrics.get(name)


def _evaluate_classes(y: np.ndarray, predicted: np.ndarray, p: np.ndarray, names: list[str]) -> Any:
    """Evaluate class codes. The last codes may be of classes that the model, and ``p``, lack."""
    n, known = p.shape
    numbers = np.arange(len(names))
    columns = metrics.precision_recall_fscore_support(
        y, predicted, labels=numbers, zero_division=np.nan
    )
    _, recall, f1, support = columns
    accuracy = float(metrics.accuracy_score(y, predicted))
    figures = {"accuracy": accuracy, "balanced_accuracy": float(np.nanmean(recall))}
    if y.max() < known:
        figures["log_loss"] = float(metrics.log_loss(y, p, labels=numbers))
        figures["brier"] = _brier(y, p)
    figures["ece"], bins = _reliability(p.max(axis=1), p.argmax(axis=1) == y)
    figures["macro_f1"] = float(np.nanmean(f1))
    figures["micro_f1"] = accuracy  # equal if each row has one label
    areas = _roc_aucs((y == code for code in range(known)), p)
    if len(names) == known and np.all(support > 0) and not np.isnan(areas).any():
        figures["roc_auc"] = float(areas.mean())
    areas = np.append(areas, np.full(len(names) - known, np.nan))
    counts = metrics.confusion_matrix(y, predicted, labels=numbers)
    tables = {
        "per_class": _table_rows(names, columns, areas),
        "confusion_matrix": {"classes": names, "counts": counts.tolist()},
        "reliability": bins,
    }
    return Evaluation(n, figures, tables)


def _evaluate_labels(y: np.ndarray, predicted: np.ndarray, p: np.ndarray, names: list[str]) -> Any:
    known = ~np.isnan(y)
    some = known.any(axis=1)
    if not some.any():
        return Evaluation(0)
    on, chosen = y > 0.5, predicted > 0
    counts = [(known & hit).sum(axis=0) for hit in (on & chosen, ~on & chosen, on & ~chosen)]
    right, false, missed = (count.astype(np.float64) for count in counts)
    with np.errstate(invalid="ignore"):
        precision, recall = right / (right + false), right / (right + missed)
        f1 = 2 * right / (2 * right + false + missed)
        micro = 2 * right.sum() / (2 * right + false + missed).sum()
    of_known, truth = p[known].astype(np.float64), y[known]
    ece, bins = _reliability(of_known, truth)
    figures = {
        "subset_accuracy": float(np.mean(np.all((on == chosen) | ~known, axis=1)[some])),
        "hamming_loss": float(np.mean((on != chosen)[known])),
        "log_loss": _binary_log_loss(truth, of_known, p.dtype),
        "brier": float(np.mean((of_known - truth) ** 2)),
        "ece": ece,
        # a label that neither occurs nor is predicted scores 0
        "micro_f1": float(np.nan_to_num(micro)),
        "macro_f1": float(np.mean(np.nan_to_num(f1))),
    }
    if y.shape[1] > 1:
        ranked = np.where(known, p, -1)[some]  # unknown entries rank last and count as negative
        figures["lrap"] = float(
            metrics.label_ranking_average_precision_score((on & known)[some], ranked)
        )
        figures["coverage_error"] = float(metrics.coverage_error((on & known)[some], ranked))
    areas = _roc_aucs(on.T, p, known.T)
    if not np.isnan(areas).any():
        figures["roc_auc"] = float(areas.mean())
    columns = precision, recall, f1, (on & known).sum(axis=0)
    tables = {
        "per_label": _table_rows(names, columns, areas),
        "reliability": bins,
        "threshold_curves": threshold_curves(on, p, names, known),
    }
    return Evaluation(len(y), figures, tables)


def _reliability(confidence: np.ndarray, right: np.ndarray) -> tuple[float, list[dict[str, Any]]]:
    """Return the expected calibration error, and the reliability bins that aren't empty."""
    counts, means, shares = in_bins(confidence, right, BINS)
    edges = np.linspace(0, 1, BINS + 1)
    bins = [
        {
            "from": float(edges[i]),
            "to": float(edges[i + 1]),
            "count": int(counts[i]),
            "confidence": float(means[i]),
            "accuracy": float(shares[i]),
        }
        for i in np.flatnonzero(counts)
    ]
    gaps = sum(bin["count"] * abs(bin["accuracy"] - bin["confidence"]) for bin in bins)
    return gaps / len(confidence), bins


def _binary_log_loss(y: np.ndarray, p: np.ndarray, dtype: Any) -> float:
    eps = np.finfo(dtype).eps  # finite, as scikit-learn's log_loss
    p = np.clip(p, eps, 1 - eps)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def _brier(y: np.ndarray, p: np.ndarray) -> float:
    errors = p.astype(np.float64)
    errors[np.arange(len(y)), y] -= 1
    return _mean_square(errors)


def _mean_square(errors: np.ndarray) -> float:
    errors = errors.astype(np.float64, copy=False)
    return float(np.mean(errors[:, 1] ** 2 if errors.shape[1] == 2 else (errors**2).sum(axis=1)))


def _divergences(y: np.ndarray, p: np.ndarray) -> Metrics:
    bounded = np.clip(p, np.finfo(p.dtype).tiny, 1)  # finite, as scikit-learn's log_loss
    divergence = float(np.mean(F.kl_divergence(y.astype(p.dtype), bounded)))
    return {
        "cross_entropy": float(np.mean(-(y * np.log(bounded)).sum(axis=1))),
        "kl_divergence": divergence,
    }


def _roc_aucs(
    positive: Iterable[np.ndarray], p: np.ndarray, known: np.ndarray | None = None
) -> np.ndarray:
    """Return the ROC AUC of each column, NaN for one without positive or negative rows.

    It is computed as the Mann-Whitney statistic; ties count one half.

    Parameters
    ----------
    positive : iterable of ndarray of bool of shape (n,)
        For each column, which rows are positive.
    p : ndarray of shape (n, K)
        Scores.
    known : ndarray of bool of shape (K, n), optional
        For each column, which rows to use; by default all.
    """
    columns = p.shape[1]
    areas = np.full(columns, np.nan)
    if p.size > _MOST_RANKED:
        return areas
    for column, on in enumerate(positive):
        score = p[:, column]
        if known is not None:
            on, score = on[known[column]], score[known[column]]
        count = int(on.sum())
        if 0 < count < len(on):
            above = rankdata(score)[on].sum() - count * (count + 1) / 2
            areas[column] = above / (count * (len(on) - count))
    return areas


def _table_rows(names: list[str], columns: Any, areas: np.ndarray) -> list[dict[str, Any]]:
    keys = ("precision", "recall", "f1", "support", "roc_auc")
    rows = []
    for name, *figures in zip(names, *columns, areas, strict=True):
        known = (None if np.isnan(figure) else figure.item() for figure in figures)
        rows.append({"name": name, **dict(zip(keys, known, strict=True))})
    return rows


def others_than(names: list[str], y: np.ndarray) -> list[str]:
    """Return the text of the labels (n,) that aren't among ``names``, sorted."""
    return sorted({str(label) for label in np.unique(_sortable(y)).tolist()} - set(names))


def codes_of(labels: np.ndarray, names: list[str]) -> np.ndarray:
    """Return labels (n,) as indices into ``names``, among which the text of each label is."""
    values, inverse = np.unique(_sortable(labels), return_inverse=True)
    position = {name: code for code, name in enumerate(names)}
    return np.array([position[str(value)] for value in values.tolist()], np.intp)[inverse]


def _sortable(labels: np.ndarray) -> np.ndarray:
    return labels.astype(str) if labels.dtype.kind == "O" else labels
