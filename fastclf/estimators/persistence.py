"""From the plain data of a saved model to the estimator that it came from."""

from dataclasses import astuple
from typing import Any

import numpy as np

from fastclf.errors import ModelFileError
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.multilabel import MultiLabelLogisticRegression
from fastclf.estimators.prediction import LinearPredictor, set_coefficients
from fastclf.linear_model import LinearModel

_ESTIMATORS: dict[str, type[LinearPredictor]] = {
    "LogisticRegression": LogisticRegression,
    "MultiLabelLogisticRegression": MultiLabelLogisticRegression,
}


def as_estimator(model: LinearModel, source: Any) -> LinearPredictor | None:
    """Return the fitted estimator that a model came from, or None if the model takes raw columns.

    A model takes raw columns if it has an encoder; or if it has names of features, and a scaling
    or a temperature. Without names the scaling and the temperature become part of the
    coefficients.

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
    changed = model.preprocessing is not None or model.temperature != 1
    if model.encoder is not None or (changed and model.feature_names is not None):
        return None
    estimator = kind()
    set_coefficients(estimator, theta_of_features(model), model.theta.dtype)
    estimator.classes_ = model.classes
    estimator.n_features_in_ = model.n_features
    if model.feature_names is not None:
        estimator.feature_names_in_ = np.array(model.feature_names, dtype=object)
    if isinstance(estimator, MultiLabelLogisticRegression):
        estimator.threshold_ = np.asarray(model.threshold)
        estimator.top_k = model.top_k
    return estimator


def theta_of_features(model: LinearModel) -> np.ndarray:
    """Return coefficients and intercepts (d + 1, C) with the temperature and the scale in them."""
    if model.temperature == 1 and model.preprocessing is None:
        return model.theta
    theta = model.theta.astype(np.float64) / model.temperature
    if model.preprocessing is not None:
        shift, scale = (np.asarray(a, np.float64) for a in astuple(model.preprocessing))
        theta[:-1] /= scale[:, None]
        theta[-1] -= shift @ theta[:-1]
    return theta
