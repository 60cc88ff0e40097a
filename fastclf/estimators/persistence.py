"""From the plain data of a saved model to the estimator that it came from."""

from typing import Any

import numpy as np

from fastclf.errors import ModelFileError
from fastclf.estimators.base import LinearClassifier
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.multilabel import MultiLabelLogisticRegression
from fastclf.linear_model import LinearModel

_ESTIMATORS: dict[str, type[LinearClassifier]] = {
    "LogisticRegression": LogisticRegression,
    "MultiLabelLogisticRegression": MultiLabelLogisticRegression,
}


def as_estimator(model: LinearModel, source: Any) -> LinearClassifier | None:
    """Return the fitted estimator that a model came from.

    It predicts the same bits. None where the model does more than an estimator: where it encodes
    columns, changes features first, or divides by a temperature.

    Parameters
    ----------
    model : LinearModel
    source : path-like
        Its file, for messages.

    Raises
    ------
    ModelFileError
        If the file names no estimator that we have, or one that has no such models.
    """
    name = model.metadata.get("estimator")
    kind = _ESTIMATORS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ModelFileError(f"{source}: holds an unknown estimator {name!r}")
    if model.task == ("multilabel" if kind is LogisticRegression else "multiclass"):
        raise ModelFileError(f"{source}: holds a {model.task} model as a {name}")
    if model.encoder is not None or model.preprocessing is not None or model.temperature != 1:
        return None
    estimator = kind()
    estimator._store_theta(model.theta, model.theta.dtype)
    estimator.classes_ = model.classes
    estimator.n_features_in_ = model.n_features
    if model.feature_names is not None:
        estimator.feature_names_in_ = np.array(model.feature_names, dtype=object)
    if isinstance(estimator, MultiLabelLogisticRegression):
        estimator._one_label = model.task == "binary"
        estimator.threshold_ = np.asarray(model.threshold)
        estimator.top_k = model.top_k
    return estimator
