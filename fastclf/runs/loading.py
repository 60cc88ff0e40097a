"""Loading a saved model in Python, as its estimator or as a classifier of raw columns."""

import os
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score

from fastclf.errors import InputError, ModelFileError, RunError
from fastclf.estimators.encoding import indicators, most_probable
from fastclf.estimators.labels import subset_accuracy
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.multilabel import MultiLabelLogisticRegression
from fastclf.estimators.prediction import LinearPredictor, Predictions, set_coefficients
from fastclf.linear_model import LinearModel
from fastclf.runs.unmatched import Unmatched

_ESTIMATORS: dict[str, type[LinearPredictor]] = {
    "LogisticRegression": LogisticRegression,
    "MultiLabelLogisticRegression": MultiLabelLogisticRegression,
}


def load(path: str | os.PathLike[str]) -> "LinearPredictor | LoadedClassifier":
    """Load a fitted model from a file that ``save`` wrote, or from a run of the command line.

    Predictions, ``classes_`` and dtypes are those of the saved model.

    - A run is loaded as a :class:`LoadedClassifier`. It takes the same raw columns as ``fastclf
      predict``, and its predictions are equal bit for bit. The same holds for the model file of a
      run that encodes or scales its columns, calibrates its probabilities or has a threshold.
    - Any other file is loaded as the estimator that was saved, with default parameters; for a
      distilled classifier this is the student. The coefficients include a temperature.

    Parameters
    ----------
    path : path-like
        A model file, or the directory of a run.

    Returns
    -------
    LoadedClassifier, LogisticRegression or MultiLabelLogisticRegression

    Raises
    ------
    ModelFileError
        If the file can't be read, is damaged or isn't a model file; or the directory isn't that of
        a complete run.

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
    if Path(path).is_dir():
        return LoadedClassifier(_model_of_run(Path(path)))
    model = LinearModel.load(path)
    return _as_estimator(model, path) or LoadedClassifier(model)


def _model_of_run(path: Path) -> LinearModel:
    from fastclf.runs.directory import open_run

    try:
        return open_run(path).model
    except RunError as problem:
        reason = str(problem).removeprefix(f"{path}: ")
        raise ModelFileError(f"{path}: can't be read: {reason}") from None


class LoadedClassifier(Predictions, ClassifierMixin, BaseEstimator):
    """A fitted linear model that takes raw rows: frames, dicts of columns, or matrices.

    `fastclf.load` returns it. Frames and tables of pandas, polars and pyarrow are accepted. Columns
    are found by name, in any order, and encoded as in training; other columns are ignored. A
    matrix must have the raw columns in the order of training, all of them numeric. A missing
    column, or a value that can't be encoded, raises a DataError; rows are counted from 1 there.

    Parameters
    ----------
    model : LinearModel

    Attributes
    ----------
    classes_ : ndarray of shape (K,) or (L,)
        The classes, or the labels.
    n_features_in_ : int
        The number of raw columns.
    feature_names_in_ : ndarray of str
        The names of the raw columns, if they are known.
    encoded_feature_names_ : ndarray of str of shape (d,)
        The names of the encoded features, such as ``city=Paris``, if names are known.
    coef_ : ndarray of shape (1, d), (K, d) or (L, d)
        The coefficients of the encoded features. If features are only scaled, not encoded, the
        coefficients of the raw features.
    intercept_ : ndarray of shape (1,), (K,) or (L,)
    threshold_ : ndarray of shape (L,) or (1,)
        A label, or the second of two classes, is predicted if its probability is above its
        threshold. Models of two classes have it only if it was set; otherwise it is 0.5.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf import LoadedClassifier
    >>> from fastclf.linear_model import LinearModel
    >>> from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
    >>> city = CategoricalColumn("city", ("Bonn", "Rome"))
    >>> encoder = Encoder((NumericColumn("age", fill=40.0, shift=40.0, scale=10.0), city))
    >>> theta, classes = np.array([[1.0], [2.0], [-2.0], [0.0]]), np.array(["no", "yes"])
    >>> clf = LoadedClassifier(LinearModel(theta, "binary", classes, encoder=encoder))
    >>> clf.predict({"city": ["Bonn", "Rome"], "age": [30, None], "id": [1, 2]}).tolist()
    ['yes', 'no']
    >>> clf.encoded_feature_names_.tolist()
    ['age', 'city=Bonn', 'city=Rome']
    """

    def __init__(self, model: LinearModel) -> None:
        self.model = model

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        """Return a text with the task, the number of columns and the classes."""
        names = ", ".join(map(str, self.classes_[:10].tolist()))
        more = ", ..." if len(self.classes_) > 10 else ""
        what = f"{self.model.task}, {self.n_features_in_} columns, classes {names}{more}"
        return f"<{type(self).__name__}: {what}>"

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn that it is fitted."""
        return True

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what the classifier can do."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.model.encoder is None
        tags.input_tags.string = self.model.encoder is not None
        tags.input_tags.allow_nan = self.model.encoder is not None
        tags.classifier_tags.multi_label = self.model.task == "multilabel"
        tags.classifier_tags.multi_class = self.model.task == "multiclass"
        return tags

    @property
    def classes_(self) -> np.ndarray:
        """The classes (K,), or the labels (L,)."""
        return self.model.classes

    @property
    def n_features_in_(self) -> int:
        """The number of raw columns."""
        encoder = self.model.encoder
        return self.model.n_features if encoder is None else len(encoder.column_names)

    @property
    def feature_names_in_(self) -> np.ndarray:
        """The raw columns."""
        return np.array(self._known(self.model.column_names, "names of columns"), dtype=object)

    @property
    def encoded_feature_names_(self) -> np.ndarray:
        """The names of the encoded features (d,)."""
        encoder = self.model.encoder
        names = self.model.feature_names if encoder is None else encoder.feature_names
        return np.array(self._known(names, "names of features"), dtype=object)

    @property
    def threshold_(self) -> np.ndarray:
        """The probabilities (L,) above which labels, or (1,) the second class, are predicted."""
        return self._known(self.model.threshold, "thresholds")

    @property
    def coef_(self) -> np.ndarray:
        """The coefficients (1, d), (K, d) or (L, d) of the features."""
        return np.ascontiguousarray(self._theta()[:-1].T)

    @property
    def intercept_(self) -> np.ndarray:
        """The intercepts (1,), (K,) or (L,)."""
        return self._theta()[-1]

    def fit(self, X: Any, y: Any = None) -> "LoadedClassifier":
        """Raise an error: a loaded model can't be fitted.

        Parameters
        ----------
        X, y : object
            Anything.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            "a loaded model can't be fitted again; fit a LogisticRegression, or train a new run; "
            "in scikit-learn's meta-estimators wrap it in sklearn.frozen.FrozenEstimator"
        )

    def _scored(self, X: Any) -> tuple[LinearModel, np.ndarray]:
        return self.model, self.model.decision_function(self._rows(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy; for several labels the share of rows with all labels right.

        Labels are matched by name, as in ``fastclf evaluate``; the value True matches the name
        "true". For distributions the most probable class counts as the label.

        Parameters
        ----------
        X : DataFrame, Arrow table, dict of columns, or matrix of n rows
        y : array-like of shape (n,), (n, K) or (n, L)
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        float

        Raises
        ------
        DataError
            If no label is a class of the model; if only some aren't, there is a warning.
        """
        from fastclf.data.labels import matched_labels

        predicted = self.predict(X)
        if predicted.ndim == 2:
            values = indicators(y)[0]
            if values.shape != predicted.shape:
                raise InputError(f"y must have shape {predicted.shape}, got {values.shape}")
            return subset_accuracy(values, predicted, sample_weight)
        names = self.classes_.astype(str)
        labels = np.asarray(most_probable(y, names)).ravel()
        found = matched_labels(labels, names.tolist())
        found.warn()
        return float(accuracy_score(found.y, predicted.astype(str), sample_weight=sample_weight))

    def linear_model(self) -> LinearModel:
        """Return the model as plain data.

        Returns
        -------
        LinearModel
        """
        return self.model

    def _rows(self, X: Any) -> Any:
        from fastclf.data.frames import is_frame, to_table

        names, encoder = self.model.column_names, self.model.encoder
        if names is None or not is_frame(X):
            return X
        table = to_table(X, names, {} if encoder is None else encoder.known)
        unmatched = Unmatched(encoder)
        unmatched.examine(table)
        unmatched.warn()
        return table

    def _theta(self) -> np.ndarray:
        return theta_of_features(self.model).astype(self.model.theta.dtype)

    def _known(self, value: Any, what: str) -> Any:
        if value is None:
            raise AttributeError(f"this model has no {what}")
        return value


def _as_estimator(model: LinearModel, source: Any) -> LinearPredictor | None:
    # Return the fitted estimator of a model, or None if the model needs a LoadedClassifier: if it
    # has an encoder, or two classes with a threshold, or both feature names and a scaling or
    # temperature. A model without feature names gets its scaling and temperature folded into the
    # coefficients. ``source`` is the file, for messages.
    name = model.metadata.get("estimator")
    kind = _ESTIMATORS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ModelFileError(f"{source}: holds an unknown estimator {name!r}")
    if model.task == ("multilabel" if kind is LogisticRegression else "multiclass"):
        raise ModelFileError(f"{source}: holds a {model.task} model as a {name}")
    if kind is LogisticRegression and model.threshold is not None:
        return None  # it has no threshold
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
    """Return coefficients and intercepts (d + 1, C), with temperature and scaling folded in."""
    if model.temperature == 1 and model.preprocessing is None:
        return model.theta
    theta = model.theta.astype(np.float64) / model.temperature
    if model.preprocessing is not None:
        shift, scale = (np.asarray(a, np.float64) for a in astuple(model.preprocessing))
        theta[:-1] /= scale[:, None]
        theta[-1] -= shift @ theta[:-1]
    return theta
