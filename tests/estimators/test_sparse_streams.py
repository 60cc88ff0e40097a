"""Fits to streams of CSR rows against fits to the same CSR matrix in memory."""

import numpy as np
import pytest
import scipy.sparse
from row_streams import Pieces

from fastclf import LogisticRegression, MultiLabelLogisticRegression
from fastclf.errors import InputError
from fastclf.estimators import streams
from fastclf.solvers import Adam

N, D = 1500, 700


def data(classes: int = 3, dtype: type = np.float64) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    rng = np.random.default_rng(4)
    X = scipy.sparse.random_array(
        (N, D), density=0.02, format="csr", random_state=rng, dtype=np.float64
    )
    X.data = rng.normal(size=X.nnz) + 1
    X.sum_duplicates()
    logits = X @ rng.normal(size=(D, classes)) + rng.gumbel(size=(N, classes))
    return X.astype(dtype), logits.argmax(axis=1)


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"class_weight": "balanced", "C": 3.0},
        {"fit_intercept": False, "solver": "lbfgs"},
        {"solver": "newton-cg", "label_smoothing": 0.1},
        {"l1_ratio": 1.0, "C": 0.5, "max_iter": 1000},
        {"l1_ratio": 0.4, "C": 0.5, "max_iter": 1000},
    ],
    ids=str,
)
@pytest.mark.parametrize("classes", [2, 3])
def test_the_optimum_is_that_in_memory(classes: int, settings: dict, kind: type):
    X, y = data(classes)
    weights = np.random.default_rng(0).uniform(0.5, 2, N)
    weights[200:300] = 0  # a whole chunk
    make = lambda: LogisticRegression(tol=1e-9, **settings)  # noqa: E731
    found = make().fit(Pieces(kind(X), y, weights))
    wanted = make().fit(X, y, weights)
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=2e-6)
    np.testing.assert_allclose(found.intercept_, wanted.intercept_, atol=2e-6)
    assert ((found.coef_ == 0) == (wanted.coef_ == 0)).all()
    assert found.n_features_in_ == D


@pytest.mark.parametrize("l1_ratio", [0.0, 0.8])
def test_several_labels(l1_ratio: float):
    X, y = data(5)
    Y = (y[:, None] == np.arange(5)).astype(float)
    Y[::9, 2] = np.nan
    make = lambda: MultiLabelLogisticRegression(  # noqa: E731
        tol=1e-9, C=0.7, l1_ratio=l1_ratio, max_iter=1000
    )
    found, wanted = make().fit(Pieces(X, Y)), make().fit(X, Y)
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=2e-6)


def test_single_precision_stays():
    X, y = data(dtype=np.float32)
    found, wanted = LogisticRegression().fit(Pieces(X, y)), LogisticRegression().fit(X, y)
    assert found.coef_.dtype == wanted.coef_.dtype == np.float32
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=1e-3)


def test_without_an_optimum_there_is_a_warning():
    X, y = data()
    X = scipy.sparse.hstack([X, scipy.sparse.csr_array((y > 1)[:, None] * 2.0 - 1)], format="csr")
    with pytest.warns(Warning, match="optimum"):
        LogisticRegression(C=np.inf, max_iter=300).fit(Pieces(X, (y > 1) * 1))


@pytest.mark.parametrize("labels", [False, True])
def test_minibatches(labels: bool):
    X, y = data()
    kind, y = (
        (MultiLabelLogisticRegression, (y[:, None] == np.arange(3)) * 1.0)
        if labels
        else (LogisticRegression, y)
    )
    settings = {"solver": Adam(batch_size=32, schedule="cosine"), "max_iter": 30, "tol": 0}
    found = kind(random_state=0, n_threads=1, **settings).fit(Pieces(X, y))
    best = kind().fit(X, y)
    assert found.history_["objective"][-1] < best.history_["objective"][-1] + 0.02
    again = kind(random_state=0, n_threads=2, **settings).fit(Pieces(X, y))
    assert (found.coef_ == again.coef_).all()
    other = kind(random_state=1, **settings).fit(Pieces(X, y))
    assert (found.coef_ != other.coef_).any()


def test_resident_rows_are_few_and_of_each_class(monkeypatch):
    monkeypatch.setattr(streams, "RESIDENT_BYTES", 20_000)
    X, y = data(2)
    y[1490:] = 2  # a class that is rare and comes last
    source = Pieces(X, y)
    clf = LogisticRegression(tol=1e-8)
    rows, _ = clf._survey(source)
    kept = rows.found.kept
    assert kept.X.format == "csr" and kept.X.shape[0] < 300
    assert (np.bincount(kept.y) > 5).all()
    np.testing.assert_allclose(np.bincount(kept.y, kept.weights), np.bincount(y))
    np.testing.assert_allclose(
        clf.fit(source).coef_, LogisticRegression(tol=1e-8).fit(X, y).coef_, atol=2e-6
    )


def test_any_number_of_threads_gives_the_same_bits():
    X, y = data()
    one, two = (LogisticRegression(n_threads=k).fit(Pieces(X, y)) for k in (1, 2))
    assert (one.coef_ == two.coef_).all()


def test_rows_that_are_not_alike_or_not_finite():
    X, y = data()

    def fit(*changed) -> None:
        source = Pieces(X, y)
        given = source.cut
        source.cut = lambda start: (  # type: ignore[method-assign]
            given(start)._replace(X=changed[0]) if start == 200 else given(start)
        )
        LogisticRegression().fit(source)

    with pytest.raises(InputError, match="after row 200 of the stream X is dense, but sparse"):
        fit(X[200:300].toarray())
    with pytest.raises(InputError, match="X has 699 features, but 700 before"):
        fit(X[200:300, 1:])
    unsorted = X[200:300]
    unsorted.indices = unsorted.indices[::-1].copy()
    with pytest.raises(InputError, match="isn't a canonical CSR matrix; call"):
        fit(scipy.sparse.csr_array((unsorted.data, unsorted.indices, unsorted.indptr), (100, D)))
    bad = X[200:300]
    bad.data[bad.indptr[7]] = np.nan
    column = bad.indices[bad.indptr[7]]
    with pytest.raises(InputError, match=f"row 208, column {column}: a missing value"):
        fit(bad)
