"""Parts that fitted linear classifiers share: predictions, and coefficients as plain data."""

import os
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fastclf.errors import InputError
from fastclf.estimators import compatibility, exported
from fastclf.estimators.encoding import most_probable, of_rows, rows_that_count
from fastclf.estimators.validation import validate_features
from fastclf.linear_model import LinearModel, Task


class Predictions:
    """Mixin of classifiers that predict by a LinearModel: its subclasses define `_scored`."""

    def _scored(self, X: Any) -> tuple[LinearModel, np.ndarray]:
        # The model, and the logits of X as its decision_function returns them.
        raise NotImplementedError

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)

        Returns
        -------
        ndarray of shape (n,) for two classes, (n, K) or (n, L) otherwise

        Raises
        ------
        ValueError
            If X isn't finite or has other features than in fit.
        """
        return self._scored(X)[1]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)

        Returns
        -------
        ndarray of shape (n, K) or (n, L)
        """
        model, logits = self._scored(X)
        return model.probabilities(logits)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return logarithms of probabilities, exact where those round to 0 or 1.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)

        Returns
        -------
        ndarray of shape (n, K) or (n, L)
        """
        model, logits = self._scored(X)
        return model.log_probabilities(logits)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row, or the indicators of the labels.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)

        Returns
        -------
        ndarray of shape (n,) or (n, L)
        """
        model, logits = self._scored(X)
        return model.predictions(logits)

    def linear_model(self) -> LinearModel:
        """Return the fitted model as plain data."""
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a file that :func:`fastclf.load` reads.

        Parameters
        ----------
        path : path-like
            Usually ends in ``.safetensors``; replaced in one step.

        Raises
        ------
        ModelFileError
            If the file can't be written.
        """
        self.linear_model().save(path)

    def to_sklearn(self) -> Any:
        """Return a fitted object of scikit-learn with the same predictions, which needs no fastclf.

        Probabilities are equal up to rounding, and so are predictions, except where a probability
        equals a threshold up to rounding.

        Returns
        -------
        LogisticRegression
            For two classes and more. A temperature is part of its coefficients.
        FixedThresholdClassifier
            Around it, for two classes with another threshold than 0.5.
        OneVsRestClassifier
            For several labels with thresholds of 0.5.
        MultiOutputClassifier
            For other thresholds, and for a single column of labels. Its ``predict_proba`` is a list
            with an array (n, 2) for each label, and the names of the labels are lost.
        Pipeline
            With one of these at its end, for a loaded model that scales its features or encodes raw
            columns. The latter takes frames of pandas; text is compared as it is, blanks included.

        Raises
        ------
        InputError
            If no class of scikit-learn does what the model does: predict a fixed number of labels
            (`top_k`), or encode dates. Or if raw columns are encoded and pandas isn't installed.

        Notes
        -----
        ``n_iter_`` is there if the estimator was fitted, not if it was loaded. Of solvers of our
        own no parameter tells; the result has "lbfgs" for them, or "saga" with an L1 penalty.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from fastclf import LogisticRegression
        >>> X, y = load_iris(return_X_y=True)
        >>> clf = LogisticRegression(C=0.5).fit(X, y).to_sklearn()
        >>> clf, clf.predict(X[:2]).tolist()
        (LogisticRegression(C=0.5), [0, 0])
        """
        return exported.as_sklearn(self.linear_model(), exported.parameters_of(self._asked()))

    def _asked(self) -> Any:
        # The estimator that has the parameters of the fit, and n_threads and ignore_index.
        return self


def _is_refused_by_onnx(estimator: Any) -> bool:
    # The converter is right for three and more classes.
    return not hasattr(estimator, "classes_") or estimator._task() != "multiclass"


class LinearPredictor(Predictions, ClassifierMixin, BaseEstimator):
    """Base of the linear classifiers; not for use by itself.

    It reads the fitted attributes ``classes_``, ``coef_`` and ``intercept_``, which users may also
    set by hand, and no parameter but ``n_threads``, for predictions.
    """

    classes_: np.ndarray
    coef_: Any
    intercept_: np.ndarray
    history_: dict[str, Any]
    n_iter_: np.ndarray
    feature_names_in_: np.ndarray
    _saved_as = "LogisticRegression"

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what the estimator can do."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _scored(self, X: Any) -> tuple[LinearModel, np.ndarray]:
        check_is_fitted(self)
        X = validate_features(self, X, reset=False)
        model = self.linear_model()
        return model, model.decision_function(X, self._asked().n_threads)

    def linear_model(self) -> LinearModel:
        """Return the fitted model as plain data."""
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        task, theta = self._task(), theta_of(self)
        columns = 1 if task == "binary" else len(self.classes_)
        if theta.shape[1] != columns:
            raise InputError(
                f"coef_ must have shape ({columns}, d) for these classes_, got "
                f"{(theta.shape[1], theta.shape[0] - 1)}"
            )
        return LinearModel(
            theta=theta,
            task=task,
            classes=np.asarray(self.classes_),
            threshold=self._threshold(),
            top_k=getattr(self, "top_k", None),
            feature_names=None if names is None else tuple(str(name) for name in names),
            metadata={"estimator": self._saved_as},
        )

    def sparsify(self) -> "LinearPredictor":
        """Turn ``coef_`` into CSR form, which takes less memory where most of it is zero.

        It is of the class that scikit-learn's own ``sparsify`` gives: a CSR matrix, or a CSR array
        where its configuration asks for arrays. Returns the estimator.
        """
        check_is_fitted(self, msg="Estimator, %(name)s, must be fitted before sparsifying.")
        self.coef_ = compatibility.align_if_sparse(scipy.sparse.csr_array(self.coef_))
        return self

    def densify(self) -> "LinearPredictor":
        """Turn ``coef_`` back into an array, and return the estimator."""
        check_is_fitted(self, msg="Estimator, %(name)s, must be fitted before densifying.")
        self.coef_ = _dense(self.coef_)
        return self

    @available_if(_is_refused_by_onnx)
    def onnx_converter(self) -> NoReturn:
        """Refuse the conversion by skl2onnx, which would give wrong probabilities.

        skl2onnx asks for this method, which is there for two classes and for several labels.
        Its converter of linear classifiers applies a sigmoid only to instances of scikit-learn's
        own class. Any other class that is registered for it gets the softmax of -z and z, which is
        σ(2z), and labels get the softmax over them: wrong probabilities without a warning. skl2onnx
        asks a model's ``onnx_converter`` before it takes a registered converter, but after
        ``custom_conversion_functions``.

        Raises
        ------
        ValueError
            That says what to convert instead.
        """
        name = type(self).__name__
        raise InputError(
            "skl2onnx's converter of linear classifiers computes a sigmoid for scikit-learn's own "
            f"class only, and would give wrong probabilities for {name}: σ(2z) for two classes, a "
            "softmax for several labels. Convert the result of to_sklearn(); or pass a converter "
            "of your own in custom_conversion_functions"
        )

    def _threshold(self) -> np.ndarray | None:
        return getattr(self, "threshold_", None)

    def _task(self) -> Task:
        return "binary" if len(self.classes_) == 2 else "multiclass"


class AccuracyScore:
    """Mixin of linear predictors for labels and distributions that are scored by their accuracy."""

    classes_: np.ndarray
    _asked: Callable[[], Any]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy; for distributions y (n, K) against their most probable class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,) or (n, K)
        sample_weight : array-like of shape (n,), optional
        """
        check_is_fitted(self)
        classes = np.asarray(self.classes_)
        rows = rows_that_count(y, self._asked().ignore_index, classes)
        X, y, sample_weight = of_rows(rows, X, y, sample_weight)
        return super().score(X, most_probable(y, classes), sample_weight)  # type: ignore[misc]


def coefficients(theta: np.ndarray, dtype: Any) -> dict[str, np.ndarray]:
    """Return the fitted attributes ``coef_`` (C, d) and ``intercept_`` (C,) of theta (d + 1, C)."""
    return {
        "coef_": np.ascontiguousarray(theta[:-1].T, dtype=dtype),
        "intercept_": theta[-1].astype(dtype),
    }


def set_coefficients(estimator: Any, theta: np.ndarray, dtype: Any) -> None:
    """Set the attributes of :func:`coefficients`."""
    for name, value in coefficients(theta, dtype).items():
        setattr(estimator, name, value)


def theta_of(estimator: Any) -> np.ndarray:
    """Return theta (d + 1, C) of ``coef_`` and ``intercept_``, which users may have set by hand."""
    coef, intercept = np.atleast_2d(_dense(estimator.coef_)), np.asarray(estimator.intercept_)
    if intercept.size not in (1, len(coef)):
        raise InputError(
            f"intercept_ must have shape ({len(coef)},) for this coef_, got {intercept.shape}"
        )
    is_single = np.result_type(coef, intercept) == np.float32
    theta = np.empty((coef.shape[1] + 1, len(coef)), np.float32 if is_single else np.float64)
    theta[:-1], theta[-1] = coef.T, intercept.reshape(-1)
    return theta


def starting_theta(estimator: Any) -> np.ndarray:
    """Return theta (d + 1, C), which must be finite, from which a warm start goes on."""
    theta = theta_of(estimator).astype(np.float64)
    if not np.isfinite(theta).all():
        raise InputError(
            "Floating-point under-/overflow: coef_ or intercept_, from which this fit would "
            "start, holds NaN or infinity; set warm_start=False, or fit a new estimator"
        )
    if not estimator.fit_intercept:
        theta[-1] = 0
    return theta


def _dense(coef: Any) -> np.ndarray:
    return coef.toarray() if scipy.sparse.issparse(coef) else np.asarray(coef)
