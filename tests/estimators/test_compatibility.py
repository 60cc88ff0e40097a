"""What scikit-learn's LogisticRegression takes and does, and fastclf's needn't: all of it works."""

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from settled import SETTLED
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.linear_model import LogisticRegressionCV as ScikitLearnCV
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from fastclf import (
    DistilledClassifier,
    LogisticRegression,
    LogisticRegressionCV,
    MultiLabelLogisticRegression,
    load,
)
from fastclf.errors import FastclfError
from fastclf.estimators.compatibility import stands_for

X, y = load_iris(return_X_y=True)
X = scale(X)
BINARY = (y == 1).astype(int)  # not separable
WEIGHTS = np.random.default_rng(0).uniform(0.1, 3, len(y))


def warned(clf: Any, *data: Any) -> list[tuple[type, str]]:
    """The warnings of a fit, all of which point to its caller."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(*data)
    assert all(warning.filename == __file__ for warning in caught)
    return [(warning.category, str(warning.message)) for warning in caught]


# Parameters


def test_every_parameter_of_scikit_learn_is_taken():
    ours = LogisticRegression().get_params(deep=False)
    theirs = ScikitLearn().get_params()
    assert set(theirs) <= set(ours)
    for name in set(theirs) - {"solver"}:
        assert ours[name] == theirs[name], name


@pytest.mark.parametrize(
    "penalty, C, equal",
    [("l2", 0.5, {"C": 0.5}), (None, 1.0, {"C": np.inf}), ("elasticnet", 0.5, {"C": 0.5})],
)
def test_penalty_is_told_by_c_and_l1_ratio(penalty: Any, C: float, equal: dict[str, float]):
    clf = LogisticRegression(penalty=penalty, C=C)
    ((category, message),) = warned(clf, X, BINARY)
    assert category is FutureWarning and "'penalty' was deprecated" in message
    assert np.array_equal(clf.coef_, LogisticRegression(**equal).fit(X, BINARY).coef_)


def test_penalty_none_ignores_c_and_says_so():
    clf = LogisticRegression(penalty=None, C=0.01)
    messages = [message for _, message in warned(clf, X, BINARY)]
    assert len(messages) == 2 and "will ignore the C and l1_ratio" in messages[1]
    assert np.array_equal(clf.coef_, LogisticRegression(C=np.inf).fit(X, BINARY).coef_)


def test_penalty_against_l1_ratio():
    messages = [
        message for _, message in warned(LogisticRegression(penalty="l2", l1_ratio=1), X, y)
    ]
    assert any("Inconsistent values: penalty=l2 with l1_ratio=1" in text for text in messages)
    messages = [
        message for _, message in warned(LogisticRegression(penalty="l2", l1_ratio=0.5), X, y)
    ]
    assert any("only used when penalty is 'elasticnet'" in text for text in messages)


def test_the_penalty_of_parts_is_that_of_a_fit():
    clf = LogisticRegression(penalty="l2", solver="sgd", random_state=0)
    with pytest.warns(FutureWarning, match="'penalty' was deprecated") as caught:
        clf.partial_fit(X, y, [0, 1, 2])
    assert caught[0].filename == __file__
    other = LogisticRegression(solver="sgd", random_state=0).partial_fit(X, y, [0, 1, 2])
    assert np.array_equal(clf.coef_, other.coef_)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"n_jobs": 2}, "'n_jobs' has no effect.*n_threads"),
        ({"l1_ratio": None}, "'l1_ratio=None' was deprecated"),
    ],
)
def test_what_is_deprecated_has_no_effect_and_says_so(arguments: dict[str, Any], message: str):
    clf = LogisticRegression(**arguments)
    with pytest.warns(FutureWarning, match=message):
        clf.fit(X, y)
    assert np.array_equal(clf.coef_, LogisticRegression().fit(X, y).coef_)


def test_the_dual_problem_has_the_same_solution():
    arguments = {"solver": "liblinear", "intercept_scaling": 100.0}
    clf = LogisticRegression(dual=True, **arguments).fit(X, BINARY)
    assert np.array_equal(clf.coef_, LogisticRegression(**arguments).fit(X, BINARY).coef_)


REFUSED = [
    ({"penalty": "l3"}, "penalty must be.*'l3'"),
    ({"penalty": 2}, "penalty must be"),
    ({"penalty": "elasticnet", "l1_ratio": None}, "l1_ratio must be specified"),
    ({"l1_ratio": 2}, "l1_ratio must be in"),
    ({"dual": "yes"}, "dual must be"),
    ({"dual": True}, "Solver auto supports only dual=False"),
    ({"dual": True, "solver": "lbfgs"}, "Solver lbfgs supports only dual=False.*leave dual out"),
    ({"dual": True, "solver": "liblinear", "l1_ratio": 1.0}, "dual=True needs l1_ratio=0"),
    ({"l1_ratio": 1.0, "solver": "sag"}, "sag supports only 'l2'.*use solver='auto' or 'saga'"),
    ({"l1_ratio": 0.5, "solver": "liblinear"}, "Only 'saga' solver supports elasticnet.*'auto'"),
    ({"C": np.inf, "solver": "liblinear"}, "not supported for the liblinear.*use solver='auto'"),
    ({"intercept_scaling": 0}, "intercept_scaling must be a positive"),
    ({"n_jobs": 1.5}, "n_jobs must be an integer"),
    ({"n_jobs": True}, "n_jobs must be an integer"),
]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("arguments, message", REFUSED)
def test_what_scikit_learn_refuses_is_refused_with_a_remedy(
    arguments: dict[str, Any], message: str
):
    with pytest.raises(FastclfError, match=message):
        LogisticRegression(**arguments).fit(X, BINARY)


@pytest.mark.parametrize("target", [y, np.eye(3)[y]], ids=["labels", "distributions"])
def test_liblinear_fits_two_classes_only(target: np.ndarray):
    with pytest.raises(FastclfError, match="does not support multiclass.*use solver='auto'"):
        LogisticRegression(solver="liblinear").fit(X, target)
    student = LogisticRegression(solver="liblinear")
    with pytest.raises(FastclfError, match="does not support multiclass"):
        DistilledClassifier(None, student=student).fit(X, teacher_logits=np.eye(3)[y])
    LogisticRegression(solver="liblinear").fit(X, BINARY)
    MultiLabelLogisticRegression(solver="liblinear").fit(X, np.eye(3)[y])


# Cross-validated


def test_every_parameter_of_scikit_learns_search_is_taken():
    ours = LogisticRegressionCV().get_params(deep=False)
    theirs = ScikitLearnCV().get_params()
    assert set(theirs) <= set(ours)
    for name in SETTLED:
        assert stands_for(name, ours[name]) == stands_for(name, theirs.get(name, ours[name]))


def test_a_search_with_deprecated_parameters_is_the_same():
    settled = {**SETTLED, "Cs": 3, "cv": 2}
    expected = LogisticRegressionCV(**settled).fit(X, y)
    for arguments, message in (
        ({"penalty": "l2"}, "'penalty' was deprecated"),
        ({"l1_ratios": None}, "'l1_ratios=None' was deprecated"),
    ):
        clf = LogisticRegressionCV(**{**settled, **arguments})
        ((category, text),) = warned(clf, X, y)
        assert category is FutureWarning and message in text
        assert np.array_equal(clf.coef_, expected.coef_)
        assert np.array_equal(clf.scores_, expected.scores_)
    harmless = LogisticRegressionCV(**settled, n_jobs=2, intercept_scaling=2.0)
    assert np.array_equal(harmless.fit(X, y).coef_, expected.coef_)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"penalty": None}, "penalty must be 'l1', 'l2' or 'elasticnet'"),
        ({"penalty": "elasticnet", "l1_ratios": None}, "l1_ratios must be specified"),
        ({"dual": True}, "Solver auto supports only dual=False"),
        ({"solver": "sag", "l1_ratios": (1,)}, "Solver sag supports only 'l2'"),
        ({"solver": "sag", "penalty": "l1"}, "Solver sag supports only 'l2'"),
        ({"solver": "liblinear", "l1_ratios": (0.5,)}, "Only 'saga' solver supports"),
        ({"solver": "liblinear", "Cs": [1.0, np.inf]}, "not supported for the liblinear"),
        ({"intercept_scaling": 0}, "intercept_scaling must be"),
    ],
)
def test_what_scikit_learns_search_refuses_is_refused(arguments: dict[str, Any], message: str):
    with pytest.raises(FastclfError, match=message):
        LogisticRegressionCV(**arguments).fit(X, BINARY)


# Warnings


@pytest.mark.parametrize(
    "solver, beginning",
    [
        ("auto", "LogisticRegression stopped after 1 iterations"),
        ("newton", "LogisticRegression stopped after 1 iterations"),
        ("lbfgs", "lbfgs failed to converge"),
        ("newton-cg", "newton-cg failed to converge"),
        ("newton-cholesky", "Newton solver did not converge after 1 iterations"),
        ("liblinear", "Liblinear failed to converge, increase the number of iterations."),
        ("sag", "The max_iter was reached which means the coef_ did not converge"),
        ("saga", "The max_iter was reached which means the coef_ did not converge"),
    ],
)
def test_filters_of_scikit_learns_warnings_hold(solver: str, beginning: str):
    clf = LogisticRegression(solver=solver, max_iter=1, tol=1e-12)
    ((category, message),) = warned(clf, X, BINARY)
    assert category is ConvergenceWarning and "increase max_iter" in message
    assert message.startswith(beginning)


# Callbacks


class Record:
    """A callback that writes down what is called, and stops the fit where it is told to."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.calls: list[tuple[str, str, int]] = []
        self.fitted: list[Any] = []
        self.seen: list[Any] = []
        self.stop_at = stop_at

    def setup(self, estimator: Any, context: Any) -> None:
        self.calls.append(("setup", context.task_name, context.task_id))

    def on_fit_task_begin(self, estimator: Any, context: Any, *, X: Any, y: Any) -> None:
        self.calls.append(("begin", context.task_name, context.task_id))
        self.seen.append((X, y))

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> bool:
        self.calls.append(("end", context.task_name, context.task_id))
        if context.task_name.endswith("-iter"):
            self.fitted.append(fitted_estimator)
        return context.task_name.endswith("-iter") and context.task_id == self.stop_at

    def teardown(self, estimator: Any, context: Any) -> None:
        self.calls.append(("teardown", context.task_name, context.task_id))


needs_callbacks = pytest.mark.skipif(
    not hasattr(ScikitLearn, "set_callbacks"), reason="no callbacks in this scikit-learn"
)
WIDE = np.random.default_rng(1).normal(size=(30, 400))


@needs_callbacks
@pytest.mark.parametrize("solver", ["auto", "lbfgs", "newton", "adam"])
@pytest.mark.parametrize("K", [2, 3])
def test_callbacks_follow_each_iteration(solver: str, K: int):
    record = Record()
    arguments = {"solver": solver, "random_state": 0, "tol": 1e-6}
    if solver == "adam":
        arguments["max_iter"] = 4
    clf = LogisticRegression(**arguments).set_callbacks(record)
    assert clf.fit(X, y % K) is clf
    n = int(clf.n_iter_[0])
    name = f"{solver}-iter" if solver in ("newton", "adam") else "lbfgs-iter"
    expected = [("setup", "fit", 0), ("begin", "fit", 0), ("begin", name, 0)]
    for i in range(n):
        expected += [("end", name, i), ("begin", name, i + 1)]
    expected += [("end", name, n), ("end", "fit", 0), ("teardown", "fit", 0)]
    assert record.calls == expected
    assert all(np.array_equal(rows, X) and labels is not None for rows, labels in record.seen)
    assert record.fitted[-1] is None
    np.testing.assert_allclose(record.fitted[-2].coef_, clf.coef_, rtol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        first = LogisticRegression(**{**arguments, "max_iter": 1}).fit(X, y % K)
    np.testing.assert_allclose(record.fitted[0].coef_, first.coef_, rtol=1e-12)
    assert np.array_equal(record.fitted[0].predict(X), first.predict(X))
    assert np.array_equal(clf.coef_, LogisticRegression(**arguments).fit(X, y % K).coef_)


@needs_callbacks
def test_callbacks_see_all_features_of_wide_data_and_classes_without_weight():
    record = Record()
    labels = np.arange(30) % 4
    clf = LogisticRegression().set_callbacks(record)
    with pytest.warns(UserWarning, match="no weight"):
        clf.fit(WIDE, labels, (labels > 0).astype(float))
    assert record.fitted[-2].coef_.shape == (4, 400)
    assert np.array_equal(record.fitted[-2].coef_, clf.coef_)


@needs_callbacks
def test_a_callback_can_stop_a_fit():
    record = Record(stop_at=1)
    clf = LogisticRegression(tol=1e-10).set_callbacks(record).fit(X, y)
    assert clf.n_iter_[0] == 2 and clf.history_["status"] == "stopped"
    clf.set_callbacks().fit(X, y)
    assert clf.n_iter_[0] > 2 and clf.history_["status"] == "converged"


@needs_callbacks
def test_callbacks_are_torn_down_after_an_error():
    class Broken(Record):
        def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
            raise RuntimeError("broken")

    record = Broken()
    clf = LogisticRegression().set_callbacks(record)
    with pytest.raises(RuntimeError, match="broken"):
        clf.fit(X, y)
    assert record.calls[-1] == ("teardown", "fit", 0)


@needs_callbacks
def test_labels_a_clone_and_the_progress_bar(capsys: pytest.CaptureFixture):
    from sklearn.callback import ProgressBar

    record = Record()
    clone(MultiLabelLogisticRegression().set_callbacks(record)).fit(X, np.eye(3)[y])
    assert record.calls[-1] == ("teardown", "fit", 0)
    assert record.fitted[-2].predict_proba(X).shape == (150, 3)
    LogisticRegression().set_callbacks(ProgressBar()).fit(X, y)
    capsys.readouterr()


@needs_callbacks
def test_callbacks_of_a_search_reach_its_fits():
    class Everywhere(Record):
        max_propagation_depth = None

    record = Everywhere()
    clf = LogisticRegression()
    search = GridSearchCV(clf, {"C": [0.1, 1.0]}, cv=2)
    if not hasattr(search, "set_callbacks"):
        pytest.skip("this search has no callbacks")
    search.set_callbacks(record).fit(X, y)
    assert any(name == "lbfgs-iter" for _, name, _ in record.calls)


# Sparse coefficients


@pytest.mark.parametrize("target", [BINARY, y], ids=["binary", "multiclass"])
def test_sparse_coefficients_predict_and_are_saved_alike(target: np.ndarray, tmp_path: Any):
    clf = LogisticRegression(warm_start=True).fit(X, target)
    expected, coef = clf.predict_proba(X), clf.coef_
    assert clf.sparsify() is clf and scipy.sparse.issparse(clf.coef_)
    assert np.array_equal(clf.predict_proba(X), expected)
    assert np.array_equal(
        clf.decision_function(scipy.sparse.csr_array(X)).shape,
        expected.shape[: 1 if clf.coef_.shape[0] == 1 else 2],
    )
    clf.save(tmp_path / "model.safetensors")
    assert np.array_equal(load(tmp_path / "model.safetensors").predict_proba(X), expected)
    assert clf.densify() is clf and np.array_equal(clf.coef_, coef)
    clf.sparsify().fit(X, target)  # starts warm from the sparse ones
    assert clf.n_iter_[0] <= 1 and isinstance(clf.coef_, np.ndarray)


def test_sparse_coefficients_go_on_with_parts_and_labels():
    clf = LogisticRegression(solver="adam", random_state=0).partial_fit(X, y, [0, 1, 2])
    other = pickle.loads(pickle.dumps(clf)).sparsify().partial_fit(X, y)
    assert np.array_equal(other.coef_, clf.partial_fit(X, y).coef_)
    labels = MultiLabelLogisticRegression().fit(X, np.eye(3)[y])
    assert np.array_equal(labels.predict(X), labels.sparsify().predict(X))
    for method in ("sparsify", "densify"):
        with pytest.raises(NotFittedError):
            getattr(LogisticRegression(), method)()


# Metadata, names, representation


def test_weights_are_routed_through_pipelines_and_searches():
    expected = LogisticRegression().fit(X, y, WEIGHTS).coef_
    with config_context(enable_metadata_routing=True):
        clf = LogisticRegression().set_fit_request(sample_weight=True)
        clf.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipe = make_pipeline(scaler, clf).fit(X, y, sample_weight=WEIGHTS)
        np.testing.assert_allclose(pipe[-1].coef_, expected, rtol=1e-6)
        search = GridSearchCV(clf, {"C": [1.0]}, cv=3).fit(X, y, sample_weight=WEIGHTS)
        assert np.array_equal(search.best_estimator_.coef_, expected)
        scores = cross_validate(clf, X, y, params={"sample_weight": WEIGHTS}, cv=3)
        assert np.isclose(scores["test_score"].mean(), search.best_score_)
        with pytest.raises(ValueError, match="sample_weight"):
            GridSearchCV(LogisticRegression(), {"C": [1.0]}).fit(X, y, sample_weight=WEIGHTS)


@pytest.mark.filterwarnings("ignore:X_val and y_val have no influence")
def test_validation_rows_are_routed():
    with config_context(enable_metadata_routing=True):
        clf = LogisticRegression().set_fit_request(X_val=True, y_val=True)
        pipe = make_pipeline(StandardScaler(), clf).fit(X, y, X_val=X, y_val=y)
    assert "validation_loss" in pipe[-1].history_


def test_html_and_text():
    clf = LogisticRegression(C=2.0, solver="adam")
    assert "LogisticRegression" in clf._repr_html_()
    assert repr(clf) == "LogisticRegression(C=2.0, solver='adam')"
    assert "C" in clf.fit(X, y)._repr_html_()


def test_coefficients_can_be_written():
    clf = LogisticRegression().fit(X, y)
    clf.coef_[:] = 0
    clf.intercept_[:] = 0
    assert (clf.decision_function(X) == 0).all()
