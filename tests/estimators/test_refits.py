"""Estimators that are used again: after loading, with other data, with other parameters."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_iris

import fastclf
from fastclf.errors import InputError
from fastclf.linear_model import Affine
from fastclf.solvers import SGD, Adam

X, y = load_breast_cancer(return_X_y=True)


@pytest.fixture
def scaled_model(tmp_path):
    shift, scale = X.mean(axis=0), X.std(axis=0)
    clf = fastclf.LogisticRegression().fit((X - shift) / scale, y)
    path = tmp_path / "model.safetensors"
    replace(clf.linear_model(), preprocessing=Affine(shift, scale)).save(path)
    return clf.predict_proba((X - shift) / scale), path


def test_a_loaded_model_takes_raw_features_and_can_be_fitted_again(scaled_model):
    expected, path = scaled_model
    loaded = fastclf.load(path)
    np.testing.assert_allclose(loaded.predict_proba(X), expected, rtol=1e-9, atol=1e-12)
    again = loaded.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(again, fastclf.LogisticRegression().fit(X, y).predict_proba(X))


def test_threshold_of_a_single_label():
    clf = fastclf.MultiLabelLogisticRegression(threshold=0.95).fit(X, y)
    np.testing.assert_array_equal(clf.predict(X), clf.predict_proba(X)[:, 1] > 0.95)


def test_a_warm_start_without_intercept_forgets_it():
    clf = fastclf.LogisticRegression(warm_start=True).fit(X, y)
    clf.set_params(fit_intercept=False).fit(X, y)
    assert clf.intercept_ == 0


def test_columns_of_a_frame_in_another_order_are_refused():
    pandas = pytest.importorskip("pandas")
    iris, species = load_iris(return_X_y=True)
    P = pandas.DataFrame(np.eye(3)[species], columns=["a", "b", "c"])
    clf = fastclf.LogisticRegression().fit(iris, P)
    assert clf.score(iris, P) > 0.9
    for use in (clf.score, lambda X, P: clf.fit(X, P[["a", "b", "c"]], X_val=X, y_val=P)):
        with pytest.raises(InputError, match="put them into that order"):
            use(iris, P[["c", "a", "b"]])


def test_parts_are_all_dense_or_all_sparse():
    clf = fastclf.LogisticRegression(solver="sgd", random_state=0)
    clf.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(InputError, match="a dense X in each call, or a sparse X"):
        clf.partial_fit(scipy.sparse.csr_matrix(X), y)


def test_a_solver_can_be_changed_between_parts():
    clf = fastclf.LogisticRegression(solver=SGD(learning_rate=1e-3), random_state=0)
    clf.partial_fit(X, y, classes=[0, 1])
    before = clf.coef_.copy()
    clf.set_params(solver__learning_rate=1e-30).partial_fit(X, y)
    np.testing.assert_allclose(clf.coef_, before, rtol=1e-9)


def test_rows_without_weight_are_not_validated_on():
    weights = np.where(np.arange(len(y)) % 2, 1.0, 0.0)
    solver = Adam(early_stopping=2)
    clf = fastclf.LogisticRegression(solver=solver, max_iter=5, random_state=0)
    weighted = clf.fit(X, y, sample_weight=weights).coef_.copy()
    removed = clf.fit(X[weights > 0], y[weights > 0]).coef_
    assert np.isfinite(clf.history_["validation_loss"]).all()
    np.testing.assert_allclose(weighted, removed, rtol=1e-6)


def test_a_malformed_sparse_matrix_is_refused():
    S = scipy.sparse.csr_matrix(X)
    S.indices[3] = 10_000
    with pytest.raises(ValueError, match="CSR|indices"):
        fastclf.LogisticRegression().fit(S, y)


def test_a_subclass_is_loaded_as_what_it_extends(tmp_path):
    class Mine(fastclf.LogisticRegression):
        pass

    Mine().fit(X, y).save(tmp_path / "m.safetensors")
    assert isinstance(fastclf.load(tmp_path / "m.safetensors"), fastclf.LogisticRegression)
