"""Scores of many models on the rows that a fold holds out; one product with X serves all models."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import make_scorer
from sklearn.utils.validation import _check_method_params

from fastclf import functional
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.multilabel import MultiLabelLogisticRegression
from fastclf.linear_model import LinearModel

_ROOM = 1 << 24
"""Most logits that are held in memory at a time."""

Scores = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Scores of some models, (models,) or (models, L), from their logits (m, models, C) and their
coefficients (models, C, d + 1).
"""


def score_models(
    coefs: np.ndarray,
    X: Any,
    scores: Scores,
    n_threads: int | None = None,
    room: int = _ROOM,
) -> np.ndarray:
    """Return the scores of models (models, C, d + 1) on rows X (m, d), by ``room`` logits or so."""
    count, columns, side = coefs.shape
    size = max(1, room // max(1, X.shape[0] * columns))
    parts = []
    for first in range(0, count, size):
        some = coefs[first : first + size]
        theta = np.ascontiguousarray(some.reshape(-1, side).T)
        model = LinearModel(theta, "multilabel", np.arange(theta.shape[1]))
        logits = model.decision_function(X, n_threads)
        parts.append(scores(logits.reshape(len(logits), -1, columns), some))
    return np.concatenate(parts)


def accuracy(codes: np.ndarray, weights: np.ndarray | None) -> Scores:
    """Return the scores that are the share of rows with the right class, their ``codes`` (m,)."""

    def scores(logits: np.ndarray, coefs: np.ndarray) -> np.ndarray:
        single = logits.shape[2] == 1
        best = logits[:, :, 0] > 0 if single else logits.argmax(axis=2)
        return np.average(best == codes[:, None], axis=0, weights=weights)

    return scores


def log_likelihood(p: np.ndarray, weights: np.ndarray | None) -> Scores:
    """Return the scores that are minus the cross-entropy to distributions (m, K)."""

    def scores(logits: np.ndarray, coefs: np.ndarray) -> np.ndarray:
        logits = logits.astype(np.float64)  # sums over many rows need the precision
        if logits.shape[2] == 1:
            logits = np.concatenate([-logits, logits], axis=2)
            log_p = functional.log_sigmoid(logits)
        else:
            log_p = functional.log_softmax(logits)
        return np.average(_expected(p[:, None, :], log_p).sum(axis=2), axis=0, weights=weights)

    return scores


def label_log_likelihood(y: np.ndarray, weights: np.ndarray | None) -> Scores:
    """Return the scores (models, L) that are minus the binary cross-entropy to labels (m, L).

    Those that are NaN don't count; each label must have one that does.
    """
    known = ~np.isnan(y)
    if not known.all():
        sums = label_likelihoods(y, np.ones(len(y)) if weights is None else weights)
        own = known if weights is None else known * weights[:, None]
        return lambda logits, coefs: sums(logits, coefs) / own.sum(axis=0)
    return lambda logits, coefs: np.average(_of_labels(y, logits), axis=0, weights=weights)


def label_likelihoods(y: np.ndarray, weights: np.ndarray) -> Scores:
    """Return the scores (models, L) that are sums over rows of weight times log-likelihood.

    That is minus the binary cross-entropy to labels (m, L), of which NaN doesn't count.
    """
    own = ~np.isnan(y) * weights[:, None]
    return lambda logits, coefs: np.einsum("ik,imk->mk", own, _of_labels(y, logits))


def _of_labels(y: np.ndarray, logits: np.ndarray) -> np.ndarray:
    # The log-likelihood (m, models, L) of labels (m, L); 0 for NaN.
    logits = logits.astype(np.float64)
    on, off = functional.log_sigmoid(logits), functional.log_sigmoid(-logits)
    return _expected(y[:, None, :], on) + _expected(1 - y[:, None, :], off)


def _expected(p: np.ndarray, log_q: Any) -> np.ndarray:
    # p log q, which is 0 for p = 0 even if q is 0.
    return np.where(p > 0, p * np.where(p > 0, log_q, 0), 0)


def by_scorer(
    scorer: Callable, view: Any, X: Any, y: np.ndarray, parameters: dict[str, Any]
) -> Scores:
    """Return the scores of a scikit-learn scorer, which sees each model as a fitted estimator."""

    def scores(logits: np.ndarray, coefs: np.ndarray) -> np.ndarray:
        each = (view.become(coefs[i], X, logits[:, i]) for i in range(len(coefs)))
        return np.array([scorer(model, X, y, **parameters) for model in each])

    return scores


def by_scorer_of_labels(
    scorer: Callable,
    view: Any,
    X: Any,
    y: np.ndarray,
    parameters: dict[str, Any],
    known: np.ndarray,
) -> Scores:
    """Return the scores (models, L) of a scorer of binary classifiers, for each label (m, L).

    A label's score is that of the rows in which it is ``known`` (m, L).
    """
    thresholds = view.threshold_

    def scores(logits: np.ndarray, coefs: np.ndarray) -> np.ndarray:
        of_labels = []
        for k in range(y.shape[1]):
            view.threshold_ = thresholds[k : k + 1]
            rows, own, own_logits, own_parameters = X, y[:, k], logits, parameters
            if not known[:, k].all():
                some = np.flatnonzero(known[:, k])
                rows, own, own_logits = X[some], own[some], logits[some]
                own_parameters = _check_method_params(X, parameters, indices=some)
            of_label = by_scorer(scorer, view, rows, own, own_parameters)
            of_labels.append(of_label(own_logits[:, :, k : k + 1], coefs[:, k : k + 1]))
        view.threshold_ = thresholds
        return np.stack(of_labels, axis=1)

    return scores


def with_classes(scorer: Any, classes: np.ndarray) -> Any:
    """Return a scorer that knows all classes, where its function asks for them as ``labels``.

    Otherwise it would take the classes of the rows that are held out for all classes.
    """
    function = getattr(scorer, "_score_func", None)
    asked: Any = () if function is None else inspect.signature(function).parameters
    if "labels" not in asked:
        return scorer
    known = {"labels": classes}
    if len(classes) == 2 and "pos_label" in asked:
        known["pos_label"] = classes[-1]
    return make_scorer(
        function,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        **{**known, **scorer._kwargs},
    )


class _View:
    """Mixin of a fitted estimator that becomes one model after another, and knows some logits."""

    _rows: Any = None
    _known: Any = None

    def become(self, coefs: np.ndarray, X: Any, logits: np.ndarray) -> "_View":
        """Take the coefficients (C, d + 1) of a model, with its logits (m, C) of rows X (m, d)."""
        self.coef_, self.intercept_ = coefs[:, :-1], coefs[:, -1]
        model = self.linear_model()  # type: ignore[attr-defined]
        self._rows, self._known = X, (model, logits[:, 0] if model.task == "binary" else logits)
        return self

    def _scored(self, X: Any) -> tuple[LinearModel, np.ndarray]:
        return self._known if X is self._rows else super()._scored(X)  # type: ignore[misc]


class LogisticView(_View, LogisticRegression):
    """A fitted :class:`LogisticRegression` whose coefficients change."""


class MultiLabelView(_View, MultiLabelLogisticRegression):
    """A fitted :class:`MultiLabelLogisticRegression` whose coefficients change."""
