"""Fitted linear models as fitted objects of scikit-learn, which need no fastclf to predict."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler

from fastclf.errors import InputError
from fastclf.estimators import compatibility
from fastclf.estimators.exported_columns import without_encoder
from fastclf.linear_model import Affine, LinearModel

_SAME_MEANING = ("tol", "max_iter", "fit_intercept", "class_weight", "intercept_scaling")
_SOLVERS = ("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")


def parameters_of(estimator: Any) -> dict[str, Any]:
    """Return the parameters of scikit-learn's `LogisticRegression` for a fitted estimator.

    C and l1_ratio are those that a cross-validation has chosen. Either may be an array (L,), with
    a value for each label.
    """
    given = estimator.get_params(deep=False)
    if not hasattr(estimator, "C_") and "C" not in given:
        return {}  # a loaded model doesn't know how it was fitted
    found = {name: given[name] for name in _SAME_MEANING if name in given}
    C, share = (np.ravel(getattr(estimator, f"{n}_", given.get(n))) for n in ("C", "l1_ratio"))
    # The legacy attributes of a cross-validation have an entry for each class; all are equal.
    shares = [0.0 if value is None else float(value) for value in share.tolist()]
    penalty = given.get("penalty", compatibility.UNSET)
    n = max(len(C), len(shares))
    pairs = [
        compatibility.strength_and_share(penalty, float(c), r)
        for c, r in zip(np.resize(C, n), np.resize(shares, n), strict=True)
    ]
    found["C"], found["l1_ratio"] = ([pair[i] for pair in pairs] for i in range(2))
    solver = given.get("solver")
    if isinstance(solver, str) and solver in _SOLVERS:
        found["solver"] = solver
    if hasattr(estimator, "n_iter_"):
        found["n_iter_"] = np.array([np.max(estimator.n_iter_)], dtype=np.int32)
    return found


def as_sklearn(
    model: LinearModel,
    parameters: Mapping[str, Any] | None = None,
    *,
    decide: bool = True,
    text_only: bool = False,
) -> Any:
    """Return a fitted object of scikit-learn with the probabilities of a model.

    Parameters
    ----------
    model : LinearModel
        A temperature becomes part of the coefficients, a scaling a `StandardScaler`, and an encoder
        a `ColumnTransformer` that takes frames of the raw columns.
    parameters : mapping, optional
        The result of :func:`parameters_of`.
    decide : bool
        Whether predictions are those of the model, too. Otherwise thresholds and top_k are left
        out, and several labels are always a `OneVsRestClassifier`.
    text_only : bool
        Whether the categories of an encoder come as text, where "" is a missing value.

    Returns
    -------
    LogisticRegression, FixedThresholdClassifier, OneVsRestClassifier, MultiOutputClassifier or \
Pipeline

    Raises
    ------
    InputError
        If no class of scikit-learn does what the model does: predict a fixed number of labels
        (`top_k`) where ``decide`` is true, or encode dates; or if pandas isn't installed, which
        encoders need.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.estimators.exported import as_sklearn
    >>> from fastclf.linear_model import LinearModel
    >>> theta = np.array([[2.0], [0.5]])
    >>> clf = as_sklearn(LinearModel(theta, "binary", np.array(["no", "yes"]), temperature=2.0))
    >>> clf, clf.coef_.tolist(), clf.predict([[1.0]]).tolist()
    (LogisticRegression(), [[1.0]], ['yes'])
    """
    steps: list[tuple[str, Any]] = []
    if model.encoder is not None:
        encode, model = without_encoder(model, text_only)
        steps = [("encode", encode)]
    elif model.preprocessing is not None:
        steps = [("scale", _scaler(model.preprocessing, model.feature_names))]
    names = None if steps else model.feature_names
    classifier = _classifier(model, dict(parameters or {}), names, decide)
    return Pipeline([*steps, ("classify", classifier)]) if steps else classifier


def _scaler(affine: Affine, names: tuple[str, ...] | None) -> StandardScaler:
    shift = np.asarray(affine.shift, np.float64)
    # Without a shift it takes sparse rows, too.
    found = StandardScaler(with_mean=bool(shift.any()))
    found.mean_, found.scale_ = shift, np.asarray(affine.scale, np.float64)
    found.var_ = found.scale_**2
    found.n_samples_seen_ = 1
    return _for_features(found, len(shift), names)


def _classifier(
    model: LinearModel, parameters: dict[str, Any], names: tuple[str, ...] | None, decide: bool
) -> Any:
    theta = model.theta
    if model.temperature != 1:
        theta = theta.astype(np.float64) / model.temperature
    coef, intercept = np.array(theta[:-1].T, order="C"), theta[-1].copy()
    if model.task != "multilabel":
        found = _fitted(coef, intercept, model.classes, parameters, names)
        if not decide or model.threshold is None or model.threshold[0] == 0.5:
            return found
        return _with_threshold(found, model.threshold[0])
    if decide and model.top_k is not None:
        raise InputError(
            f"this model predicts the {model.top_k} most probable labels of each row (top_k), "
            "for which scikit-learn has no class; set top_k to None to use thresholds instead"
        )
    indicators, parts = np.array([0, 1]), []
    for k in range(len(coef)):
        own = {
            n: v[k : k + 1] if n in ("C", "l1_ratio") and len(v) > 1 else v
            for n, v in parameters.items()
            if n != "class_weight"
        }
        parts.append(_fitted(coef[k : k + 1], intercept[k : k + 1], indicators, own, names))
    thresholds = np.full(len(coef), 0.5) if model.threshold is None else model.threshold
    if decide and ((thresholds != 0.5).any() or len(parts) == 1):
        return _with_thresholds(parts, thresholds, names)
    return _one_vs_rest(parts, model.classes, names)


def _fitted(
    coef: np.ndarray,
    intercept: np.ndarray,
    classes: np.ndarray,
    parameters: dict[str, Any],
    names: tuple[str, ...] | None,
) -> LogisticRegression:
    arguments = {name: value for name, value in parameters.items() if name != "n_iter_"}
    for name in ("C", "l1_ratio"):
        if name in arguments:
            arguments[name] = float(arguments[name][0])
    if arguments.get("l1_ratio", 0) > 0:
        arguments.setdefault("solver", "saga")  # the one that takes every l1_ratio
    found = LogisticRegression(**arguments)
    found.classes_, found.coef_, found.intercept_ = np.array(classes), coef, intercept
    if "n_iter_" in parameters:
        found.n_iter_ = parameters["n_iter_"]
    return _for_features(found, coef.shape[1], names)


def _with_threshold(classifier: Any, threshold: float) -> FixedThresholdClassifier:
    # Scikit-learn predicts the second class from the threshold on, fastclf above it.
    above = float(np.nextafter(threshold, 2.0))
    found = FixedThresholdClassifier(classifier, threshold=above, response_method="predict_proba")
    found.estimator_ = classifier
    return _for_features(found, classifier.n_features_in_, getattr(classifier, _NAMES, None))


def _with_thresholds(
    parts: list[LogisticRegression], thresholds: np.ndarray, names: tuple[str, ...] | None
) -> MultiOutputClassifier:
    found = MultiOutputClassifier(LogisticRegression())
    found.estimators_ = [_with_threshold(p, t) for p, t in zip(parts, thresholds, strict=True)]
    found.classes_ = [part.classes_ for part in parts]
    return _for_features(found, parts[0].n_features_in_, names)


def _one_vs_rest(
    parts: list[LogisticRegression], labels: np.ndarray, names: tuple[str, ...] | None
) -> OneVsRestClassifier:
    found = OneVsRestClassifier(LogisticRegression())
    binarizer = LabelBinarizer(sparse_output=True)
    binarizer.y_type_, binarizer.sparse_input_ = "multilabel-indicator", False
    binarizer.classes_ = found.classes_ = np.array(labels)
    found.estimators_, found.label_binarizer_ = parts, binarizer
    return _for_features(found, parts[0].n_features_in_, names)


_NAMES = "feature_names_in_"


def _for_features(found: Any, n_features: int, names: Any) -> Any:
    found.n_features_in_ = n_features
    if names is not None:
        found.feature_names_in_ = np.array(names, dtype=object)
    return found
