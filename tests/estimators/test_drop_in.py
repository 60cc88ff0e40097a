"""What changes nothing when scikit-learn's import becomes ours: penalties, attributes, messages."""

import inspect
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from settled import SETTLED
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.linear_model import LogisticRegressionCV as ScikitLearnCV
from sklearn.linear_model import _logistic
from sklearn.model_selection import KFold
from sklearn.preprocessing import scale
from sklearn.utils.estimator_checks import _NotAnArray

from fastclf import (
    DistilledClassifier,
    LogisticRegression,
    LogisticRegressionCV,
    MultiLabelLogisticRegression,
    MultiLabelLogisticRegressionCV,
    TemperatureScaler,
    load,
)
from fastclf.data import Stream
from fastclf.errors import FastclfError, InputError
from fastclf.estimators import compatibility

X, y = load_iris(return_X_y=True)
X = scale(X) + 0.5
BINARY = (y == 1).astype(int)  # not separable
WEIGHTS = np.random.default_rng(0).uniform(0.1, 3, len(y))
TIGHT = {"tol": 1e-10, "max_iter": 10_000}


# Liblinear


def liblinear(l1_ratio: float, **arguments: Any) -> ScikitLearn:
    given = {"l1_ratio": l1_ratio, **TIGHT, **arguments}
    return ScikitLearn(solver="liblinear", random_state=0, **given)


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array], ids=["dense", "CSR"])
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
@pytest.mark.parametrize("scaling", [1.0, 7.0])
def test_liblinear_penalises_its_intercept(kind: Any, l1_ratio: float, scaling: float):
    arguments = {"intercept_scaling": scaling, "class_weight": {0: 1.0, 1: 3.0}}
    rows, before = kind(X), X.copy()
    for C in (0.05, 1.0):
        theirs = liblinear(l1_ratio, C=C, **arguments).fit(rows, BINARY, WEIGHTS)
        ours = LogisticRegression(C, solver="liblinear", l1_ratio=l1_ratio, **TIGHT, **arguments)
        ours.fit(rows, BINARY, WEIGHTS)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
        np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)
        assert abs(ours.predict_proba(X) - theirs.predict_proba(X)).max() < 1e-5
    assert np.array_equal(X, before) and ours.n_features_in_ == 4


def test_liblinear_without_intercept_and_with_one_class_alone():
    theirs = liblinear(0.0, fit_intercept=False).fit(X, BINARY)
    ours = LogisticRegression(solver="liblinear", fit_intercept=False, **TIGHT).fit(X, BINARY)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    # A penalised intercept has an optimum even where one class has no weight.
    theirs = liblinear(0.0).fit(X, BINARY, (BINARY + 1e-300).astype(float))
    ours = LogisticRegression(solver="liblinear", **TIGHT).fit(X, BINARY, BINARY)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-4)


def test_liblinear_computes_in_double_precision_and_starts_warm():
    clf = LogisticRegression(solver="liblinear", warm_start=True).fit(X.astype("f4"), BINARY)
    assert clf.coef_.dtype == clf.intercept_.dtype == np.float64
    assert clf.fit(X.astype("f4"), BINARY).n_iter_[0] <= 1


def test_liblinear_in_the_span_of_few_rows():
    wide = np.random.default_rng(0).normal(size=(30, 400)) + 1
    labels = np.arange(30) % 3 > 0
    theirs = liblinear(0.0).fit(wide, labels)
    ours = LogisticRegression(solver="liblinear", **TIGHT).fit(wide, labels)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_liblinear_cross_validated():
    arguments = {**SETTLED, "Cs": [0.01, 1.0], "cv": 3, "solver": "liblinear", **TIGHT}
    arguments["intercept_scaling"] = 3.0
    ours = LogisticRegressionCV(**arguments).fit(X, BINARY, WEIGHTS)
    theirs = ScikitLearnCV(**arguments).fit(X, BINARY, WEIGHTS)
    np.testing.assert_allclose(ours.coefs_paths_, theirs.coefs_paths_, atol=1e-5)
    np.testing.assert_allclose(ours.scores_, theirs.scores_)
    # The last fit has the scaling, too, which scikit-learn's forgets.
    last = liblinear(0.0, C=ours.C_, intercept_scaling=3.0).fit(X, BINARY, WEIGHTS)
    np.testing.assert_allclose(ours.coef_, last.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, last.intercept_, atol=1e-5)
    assert not ours.__sklearn_tags__().classifier_tags.multi_class


def test_liblinear_of_labels_and_of_a_student():
    single = liblinear(0.0).fit(X, BINARY)
    several = MultiLabelLogisticRegression(solver="liblinear", **TIGHT)
    several.fit(X, np.column_stack([BINARY, 1 - BINARY]))
    np.testing.assert_allclose(several.intercept_[:1], single.intercept_, atol=1e-5)
    student = LogisticRegression(solver="liblinear", **TIGHT)
    taught = DistilledClassifier(None, student=student, hard_weight=1.0)
    taught.fit(X, BINARY, teacher_logits=np.zeros(len(X)))
    np.testing.assert_allclose(taught.intercept_, single.intercept_, atol=1e-5)


def test_liblinear_does_not_take_a_stream(tmp_path: Any):
    np.savetxt(tmp_path / "rows.csv", np.column_stack([X, BINARY]), "%g", ",", header="a,b,c,d,t")
    with pytest.raises(InputError, match="penalises the intercept.*use solver='auto'"):
        LogisticRegression(solver="liblinear").fit(Stream(tmp_path / "rows.csv", "t"))


# Attributes set by hand


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("kind", [LogisticRegression, LogisticRegressionCV])
def test_coefficients_set_by_hand_predict(kind: Any, K: int, tmp_path: Any):
    fitted = LogisticRegression().fit(X, y % K)
    clf = kind()
    clf.classes_, clf.coef_, clf.intercept_ = fitted.classes_, fitted.coef_, fitted.intercept_
    for rows in (X, X.tolist(), scipy.sparse.csr_array(X), X.astype("f4"), np.asfortranarray(X)):
        for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
            found = getattr(clf, method)(rows)
            np.testing.assert_allclose(found, getattr(fitted, method)(X), rtol=1e-4)
    assert clf.score(X, y % K) == fitted.score(X, y % K)
    clf.save(tmp_path / "model.safetensors")
    expected = fitted.predict_proba(X)
    assert np.array_equal(load(tmp_path / "model.safetensors").predict_proba(X), expected)
    assert np.array_equal(clf.sparsify().predict_proba(X), expected)
    with pytest.raises(InputError, match=r"X must have shape \(n, 4\)"):
        clf.predict(X[:, :2])


def test_lists_set_by_hand():
    fitted = LogisticRegression().fit(X, y)
    clf = LogisticRegression(solver="sgd", ignore_index=-1)
    clf.classes_, clf.coef_ = fitted.classes_.tolist(), fitted.coef_.tolist()
    clf.intercept_ = fitted.intercept_.tolist()
    assert np.array_equal(clf.predict(X), fitted.predict(X))
    assert clf.score(X, y) == fitted.score(X, y)
    assert clf.partial_fit(X, y).coef_.shape == (3, 4)
    clf.coef_ = np.zeros((3, 4), int)  # which are no floats to be rounded to
    assert 0 < abs(clf.partial_fit(X, y).coef_).max() != 1
    clf.coef_ = fitted.coef_.tolist()[:1]
    with pytest.raises(InputError, match=r"intercept_ must have shape \(1,\).*got \(3,\)"):
        clf.predict(X)
    clf.intercept_ = 0.0
    with pytest.raises(InputError, match=r"coef_ must have shape \(3, d\).*got \(1, 4\)"):
        clf.predict(X)


def test_the_pattern_of_federated_learning():
    clf = LogisticRegression(max_iter=1, warm_start=True)
    clf.classes_, clf.coef_, clf.intercept_ = np.arange(3), np.zeros((3, 4)), np.zeros(3)
    assert (clf.predict_proba(X) == 1 / 3).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf.fit(X, y)
    clf.coef_, clf.intercept_ = [part / 2 for part in (clf.coef_, clf.intercept_)]
    assert clf.score(X, y) > 0.7


def test_coefficients_of_other_shapes_and_dtypes():
    clf = LogisticRegression()
    clf.classes_, clf.coef_, clf.intercept_ = np.array([0, 1]), np.arange(4), 1
    np.testing.assert_allclose(clf.decision_function(X), X @ np.arange(4.0) + 1, rtol=1e-13)
    clf.coef_, clf.intercept_ = np.zeros((2, 4)), np.zeros(2)
    with pytest.raises(InputError, match=r"coef_ must have shape \(1, d\)"):
        clf.predict(X)


def test_parts_go_on_from_coefficients_set_by_hand():
    clf = LogisticRegression(solver="sgd", random_state=0)
    clf.classes_, clf.coef_, clf.intercept_ = np.arange(3), np.zeros((3, 4)), np.zeros(3)
    with pytest.raises(InputError, match="X has 2 features, but coef_ has 4"):
        clf.partial_fit(X[:, :2], y)
    clf = LogisticRegression(solver="sgd", random_state=0)
    clf.classes_, clf.coef_, clf.intercept_ = np.arange(3), np.zeros((3, 4)), np.zeros(3)
    other = LogisticRegression(solver="sgd", random_state=0).partial_fit(X, y, [0, 1, 2])
    assert np.array_equal(clf.partial_fit(X, y).coef_, other.coef_)


@pytest.mark.parametrize("solver", ["auto", "adam"])
def test_nothing_begins_at_what_is_not_finite(solver: str):
    clf = LogisticRegression(solver=solver, random_state=0, warm_start=True).fit(X, y)
    clf.coef_[0, 0] = np.nan
    for method in (clf.fit, *([clf.partial_fit] if solver == "adam" else [])):
        with pytest.raises(InputError, match="holds NaN or infinity; set warm_start=False"):
            method(X, y)


def test_labels_set_by_hand():
    fitted = MultiLabelLogisticRegression().fit(X, np.eye(3)[y])
    for kind in (MultiLabelLogisticRegression, MultiLabelLogisticRegressionCV):
        clf = kind()
        clf.classes_, clf.coef_, clf.intercept_ = fitted.classes_, fitted.coef_, fitted.intercept_
        assert np.array_equal(clf.predict_proba(X), fitted.predict_proba(X))
        assert np.array_equal(clf.sparsify().predict(X), fitted.predict(X))
        assert np.array_equal(clf.predict(X), fitted.predict(X))
        clf.score(X, np.eye(3)[y])


# Array-likes that NumPy's functions refuse


@pytest.mark.parametrize(
    "clf, target",
    [
        (LogisticRegression(), y),
        (LogisticRegression(ignore_index=2), y),
        (LogisticRegression(), np.eye(3)[y]),
        (LogisticRegressionCV(_NotAnArray([0.1, 1.0]), cv=2, **SETTLED), y),
        (MultiLabelLogisticRegression(), np.eye(3)[y]),
        (MultiLabelLogisticRegression(), BINARY),
        (
            MultiLabelLogisticRegressionCV(Cs=[1.0], cv=KFold(2, shuffle=True, random_state=0)),
            np.eye(3)[y],
        ),
        (TemperatureScaler(LogisticRegression(), cv=2), y),
        (DistilledClassifier(LogisticRegression()), y),
    ],
    ids=lambda value: type(value).__name__,
)
def test_array_likes_without_array_functions(clf: Any, target: np.ndarray):
    rows, labels, weights = _NotAnArray(X), _NotAnArray(target), _NotAnArray(WEIGHTS)
    clf.fit(rows, labels, weights)
    found = clf.score(rows, labels, sample_weight=weights)
    assert found == clf.fit(X, target, WEIGHTS).score(X, target, sample_weight=WEIGHTS)


# The attributes of a search


def shapes(clf: Any) -> dict[str, Any]:
    """The kinds, shapes and dtypes of fitted attributes."""

    def of(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: of(one) for key, one in value.items()}
        return type(value), getattr(value, "shape", None), getattr(value, "dtype", None)

    names = ("C_", "l1_ratio_", "Cs_", "l1_ratios_", "scores_", "coefs_paths_", "n_iter_")
    names += ("coef_", "intercept_", "classes_")
    return {name: of(getattr(clf, name)) for name in names}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("l1_ratios", [{}, {"l1_ratios": None}, {"l1_ratios": [0.0]}])
@pytest.mark.parametrize("legacy", [{}, {"use_legacy_attributes": False}])
def test_attributes_are_those_of_scikit_learn(K: int, refit: bool, l1_ratios: Any, legacy: Any):
    pytest.importorskip("sklearn", "1.9", reason="before, l1_ratio_ holds None without refit")
    arguments = {"Cs": [0.1, 1.0], "cv": 2, "refit": refit, **l1_ratios, **legacy}
    ours = LogisticRegressionCV(**arguments).fit(X, y % K)
    theirs = ScikitLearnCV(**arguments).fit(X, y % K)
    assert shapes(ours) == shapes(theirs)
    assert np.array_equal(ours.C_, theirs.C_) and np.array_equal(ours.l1_ratio_, theirs.l1_ratio_)


def test_announced_defaults_are_announced_as_scikit_learn_does():
    messages = []
    for kind in (LogisticRegressionCV, ScikitLearnCV):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            kind(Cs=[0.1], cv=2).fit(X, y)
        assert {warning.category for warning in caught} == {FutureWarning}
        messages.append(sorted(str(warning.message)[:60] for warning in caught))
        if kind is LogisticRegressionCV:
            assert {warning.filename for warning in caught} == {__file__}
    assert messages[0] == messages[1]
    # The likelihood of distributions is what they are scored by, now and later.
    settled = {"l1_ratios": (0.0,), "use_legacy_attributes": False}
    LogisticRegressionCV(Cs=[0.1], cv=2, **settled).fit(X, np.eye(3)[y])


@pytest.mark.parametrize(
    "defaults, legacy, ratios, scoring",
    [
        ({"l1_ratios": None, "scoring": None, "use_legacy_attributes": True}, True, None, None),
        (
            {"l1_ratios": (0.0,), "scoring": "neg_log_loss", "use_legacy_attributes": False},
            False,
            (0.0,),
            "neg_log_loss",
        ),
    ],
    ids=["old", "new"],
)
def test_defaults_are_those_of_the_installed_scikit_learn(
    monkeypatch: Any, defaults: Any, legacy: bool, ratios: Any, scoring: Any
):
    kind = inspect.Parameter.KEYWORD_ONLY
    given = [inspect.Parameter(name, kind, default=value) for name, value in defaults.items()]

    class Other:
        __signature__ = inspect.Signature(given)

    monkeypatch.setattr(_logistic, "LogisticRegressionCV", Other)
    compatibility._defaults_of_scikit_learn.cache_clear()
    try:
        clf = LogisticRegressionCV(Cs=[0.1], cv=2).fit(X, y)  # without a warning
        left_out = {"l1_ratios": ratios, "scoring": scoring}
        assert {name: compatibility.stands_for(name, "warn") for name in left_out} == left_out
        assert (clf.score(X, y) < 0) == (scoring is not None)
    finally:  # other tests need those of the real class again
        compatibility._defaults_of_scikit_learn.cache_clear()
    assert isinstance(clf.scores_, dict) == legacy
    assert (clf.l1_ratios_[0] is None) == (ratios is None)


def test_a_word_for_legacy_attributes_is_refused():
    with pytest.raises(FastclfError, match="use_legacy_attributes must be True or False"):
        LogisticRegressionCV(**{**SETTLED, "use_legacy_attributes": "no"}).fit(X, y)


# Messages, and what other libraries ask


@pytest.mark.parametrize("kind", [LogisticRegression, LogisticRegressionCV])
def test_one_class_is_refused_in_scikit_learns_words(kind: Any):
    settled = SETTLED if kind is LogisticRegressionCV else {}
    with pytest.raises(InputError) as ours:
        kind(**settled).fit(X, np.ones(len(X), dtype=int))
    with pytest.raises(ValueError, match="one class") as theirs:
        ScikitLearn().fit(X, np.ones(len(X), dtype=int))
    begin = str(theirs.value).partition(":")[0]
    assert str(ours.value).startswith(f"{begin}: 1;")


def test_sparse_coefficients_are_of_scikit_learns_class():
    ours, theirs = (kind().fit(X, y).sparsify() for kind in (LogisticRegression, ScikitLearn))
    assert type(ours.coef_) is type(theirs.coef_)


def test_what_an_exact_solver_lacks_is_no_attribute():
    for kind, reason in ((ScikitLearn, ""), (LogisticRegression, ".*minibatch solver.*'auto'")):
        begin = "'LogisticRegression' object has no attribute 'partial_fit'"
        with pytest.raises(AttributeError, match=begin + reason):
            kind().partial_fit(X, y)
    assert not hasattr(LogisticRegression(), "partial_fit")
    assert LogisticRegression.partial_fit.__doc__ and hasattr(LogisticRegression, "partial_fit")
    assert hasattr(LogisticRegression(solver="adam"), "partial_fit")


@pytest.mark.parametrize("name", ["fit_intercept", "warm_start"])
def test_words_are_no_booleans(name: str):
    for value in ("False", 1, None):
        with pytest.raises(InputError, match=f"{name} must be True or False"):
            LogisticRegression(**{name: value}).fit(X, y)
    LogisticRegression(**{name: np.bool_(True)}).fit(X, y)


def test_negative_weights_are_refused():
    with pytest.raises(ValueError, match="Negative values.*sample_weight"):
        LogisticRegression().fit(X, y, np.where(y == 0, -1.0, 1.0))


def test_onnx_conversion_is_refused_where_it_would_be_wrong():
    taught = DistilledClassifier(LogisticRegression())
    labels = MultiLabelLogisticRegression().fit(X, np.eye(3)[y])
    wrong = [LogisticRegression().fit(X, BINARY), taught.fit(X, BINARY), labels]
    for clf in wrong:
        with pytest.raises(InputError, match="skl2onnx.*would give wrong probabilities"):
            clf.onnx_converter()
    # Of three classes the converter's softmax is right.
    assert not hasattr(LogisticRegression().fit(X, y), "onnx_converter")
    assert not hasattr(taught.fit(X, y), "onnx_converter")
