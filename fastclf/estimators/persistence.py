"""Loading a saved model as the estimator that it came from."""

import os
from dataclasses import astuple

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


def load(path: str | os.PathLike[str]) -> LinearClassifier:
    """Load a fitted estimator from a file that ``save`` or a run wrote.

    It makes the same predictions and has the same ``classes_`` and dtypes; its parameters are the
    defaults. A distilled classifier comes back as its student. The scaling of a run becomes part of
    the coefficients, which are then those of raw features, and so does a temperature; a model that
    encodes the columns of a table comes back as an estimator of the encoded features.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    LogisticRegression or MultiLabelLogisticRegression

    Raises
    ------
    ModelFileError
        If the file can't be read, is damaged, or holds something else.

    Examples
    --------
    >>> import tempfile, os
    >>> import fastclf
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> fastclf.LogisticRegression().fit(X, y).save(path)
    >>> fastclf.load(path).predict(X[:3])
    array([0, 0, 0])
    """
    model = LinearModel.load(path)
    name = model.metadata.get("estimator")
    kind = _ESTIMATORS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ModelFileError(f"{path}: holds an unknown estimator {name!r}")
    if model.task == ("multilabel" if kind is LogisticRegression else "multiclass"):
        raise ModelFileError(f"{path}: holds a {model.task} model as a {name}")
    estimator = kind()
    estimator._store_theta(_for_raw_features(model), model.theta.dtype)
    estimator.classes_ = model.classes
    estimator.n_features_in_ = model.n_features
    if model.feature_names is not None:
        estimator.feature_names_in_ = np.array(model.feature_names, dtype=object)
    if isinstance(estimator, MultiLabelLogisticRegression):
        estimator._one_label = model.task == "binary"
        estimator.threshold_ = np.asarray(model.threshold)
        estimator.top_k = model.top_k
    return estimator


def _for_raw_features(model: LinearModel) -> np.ndarray:
    if model.preprocessing is None:
        return model.theta / model.theta.dtype.type(model.temperature)
    shift, scale = (np.asarray(a, np.float64) for a in astuple(model.preprocessing))
    theta = model.theta.astype(np.float64) / model.temperature
    theta[:-1] /= scale[:, None]
    theta[-1] -= shift @ theta[:-1]
    return theta
