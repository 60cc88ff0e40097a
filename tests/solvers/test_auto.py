"""Which solver a problem gets, what a fit says of it, and that the default is as good as any."""

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from scipy.special import logsumexp
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.preprocessing import scale

import fastclf
from fastclf import LogisticRegression, MultiLabelLogisticRegression, solvers
from fastclf.plan import MEASURED, Shape
from fastclf.solvers import LBFGS, SGD, Newton

MB = 1 << 20


def shape(n: int, d: int, K: int = 1, M: int = 1, sparse: bool = False, dtype: Any = np.float64):
    entries = n * d // 10 if sparse else n * d
    return Shape(n, d, M, K, entries, np.dtype(dtype), sparse, has_narrow_pass=False)


def choose(problem: Shape) -> Any:
    return solvers.choose(SimpleNamespace(shape=problem, costs=MEASURED))


VARIANCES = {
    "sparse": shape(10_000, 5000, sparse=True),
    "sparse, many labels": shape(10_000, 500, M=100, sparse=True),
    "sparse softmax": shape(1000, 50, K=3, sparse=True),
    "very many features": shape(1_000_000, 4097),
    "very many features of a softmax": shape(1_000_000, 4097, K=10),
    "more features than rows": shape(299, 300, K=3),
    "more features than rows, many labels": shape(299, 300, M=50),
}
WHOLE = {
    "sparse": shape(100_000, 200, sparse=True),
    "sparse labels": shape(100_000, 50, M=10, sparse=True),
    "binary": shape(1000, 30),
    "tiny": shape(20, 2),
    "more features than rows, but few": shape(100, 255),
    "softmax": shape(1000, 30, K=3),
    "200 coefficients": shape(1000, 19, K=10),
    "labels": shape(1000, 30, M=20),
    "a matrix of 16 MB": shape(4000, 2047),  # in float32
    "a matrix of a tenth of X": shape(400_000, 3000),
    "float32": shape(1000, 30, K=3, dtype=np.float32),
}
BLOCKS = {
    "210 coefficients": shape(1000, 20, K=10),
    "digits": shape(1797, 64, K=10),
    "many features": shape(60_000, 784, K=3),
    "several softmaxes": shape(10_000, 50, K=10, M=5),
}
COVARIANCE = {
    "no room for a matrix": shape(4000, 3000),
    "no room for a matrix of each label": shape(1000, 100, M=1000),
    "no room for a matrix of each class": shape(3000, 784, K=100),
}


@pytest.mark.parametrize("name", VARIANCES)
def test_where_variances_are_enough(name: str):
    assert type(choose(VARIANCES[name])) is LBFGS
    assert "variances" in LBFGS().plan(VARIANCES[name]).sentence()


@pytest.mark.parametrize("name", WHOLE)
def test_where_whole_hessians_pay(name: str):
    solver = choose(WHOLE[name])
    assert type(solver) is Newton
    plan = solver.plan(WHOLE[name])
    assert plan.is_exact and plan.sentence().startswith("Newton with the Hessian,")


@pytest.mark.parametrize("name", BLOCKS)
def test_where_a_block_for_each_class_pays(name: str):
    solver = choose(BLOCKS[name])
    assert type(solver) is Newton and solver.whole is False
    sentence = solver.plan(BLOCKS[name]).sentence()
    assert sentence.startswith("Newton with a block of the Hessian for each class,")


@pytest.mark.parametrize(
    ("problem", "is_late"),
    [
        (shape(2000, 2000), True),
        (shape(5000, 1000), True),
        (shape(1000, 1000, K=5), True),
        (shape(1000, 30), False),
        (shape(5000, 1000, sparse=True), False),
        (shape(60_000, 784), False),  # few of the rows are enough for a matrix
    ],
)
@pytest.mark.parametrize("solver", [Newton(), LBFGS()], ids=repr)
def test_where_a_matrix_must_wait_until_it_pays(problem: Shape, is_late: bool, solver: Any):
    plan = solver.plan(problem)
    assert (plan.price >= MEASURED.late_matrix) == is_late
    assert ("if its variances aren't enough" in plan.sentence()) == is_late


@pytest.mark.parametrize("name", COVARIANCE)
def test_where_matrices_have_no_room(name: str):
    solver = choose(COVARIANCE[name])
    assert type(solver) is LBFGS
    sentence = solver.plan(COVARIANCE[name]).sentence()
    assert sentence.startswith("L-BFGS with the covariance of the features,")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_room_for_matrices_is_16_mb_and_a_tenth_of_x(dtype: type):
    size = np.dtype(dtype).itemsize
    for n in (3000, 300_000):
        room = 16 * MB + 0.1 * n * 100 * size
        most = int(room / (101**2 * 8))  # of labels
        for M, solver in ((most, Newton), (most + 1, LBFGS)):
            assert type(choose(shape(n, 100, M=M, dtype=dtype))) is solver
        most = int(room / (101**2 * 8))  # of classes, a block for each
        for K, solver in ((most, Newton), (most + 1, LBFGS)):
            assert type(choose(shape(n, 100, K=K, dtype=dtype))) is solver


@pytest.mark.parametrize(
    "problem, rows",
    [
        (shape(1000, 30), 0),  # a pass is nothing
        (shape(1000, 100), 0),
        (shape(1001, 100), 100),  # a tenth, which has too few rows for a start
        (shape(5000, 30), 500),
        (shape(1_000_000, 30), 15_500),  # 500 rows for each of 31 coefficients
        (shape(1_000_000, 9, K=3), 15_000),
        (shape(1_000_000, 99, K=10), 100_000),
        (shape(1_000_000, 9, M=5), 5000),
    ],
)
def test_a_start_on_a_tenth_of_the_rows_but_not_on_too_many(problem: Any, rows: int):
    solver = choose(problem)
    enough = rows >= 5 * problem.n_coefficients > 0
    assert solver.sample == (rows if enough else 0)
    assert ("started on" in solver.plan(problem).sentence()) == enough


def test_neither_dtype_nor_strength_nor_tolerance_matter():
    X, y = datasets.load_iris(return_X_y=True)
    paths = {
        str(LogisticRegression(C=C, tol=tol).fit(X.astype(dtype), y).history_["path"])
        for dtype in (np.float32, np.float64)
        for C in (0.01, 100.0)
        for tol in (1e-2, 1e-6)
    }
    assert paths == {"Newton with the Hessian, compiled steps, passes by loops over rows"}


# What a fit says


RNG = np.random.default_rng(0)
MANY = RNG.normal(size=(4000, 40))
CLASSES = (MANY[:, :10] + RNG.gumbel(size=(4000, 10))).argmax(axis=1)
WIDE = RNG.normal(size=(20, 400))
SMALL = "Newton with the Hessian, compiled steps, passes by loops over rows"
LARGE = "Newton with the Hessian, steps in Python, passes by tiles of rows"
FITS = {
    "binary": (LogisticRegression(), MANY[:500], CLASSES[:500] > 4, SMALL),
    "few classes": (LogisticRegression(), MANY[:500], CLASSES[:500] % 3, SMALL),
    "many classes": (
        LogisticRegression(),
        MANY[:500],
        CLASSES[:500],
        "Newton with a block of the Hessian for each class, steps in Python, "
        "passes by loops over rows",
    ),
    "many rows": (
        LogisticRegression(),
        np.tile(MANY, (3, 1)),
        np.tile(CLASSES, 3) > 4,
        f"{SMALL}, started on 1200 rows",
    ),
    "sparse": (
        LogisticRegression(),
        scipy.sparse.csr_array(np.tile(MANY, 2)),
        CLASSES,
        "L-BFGS with the variances of the features, steps in Python, passes by CSR rows",
    ),
    "small and sparse": (
        LogisticRegression(),
        scipy.sparse.csr_array(MANY),
        CLASSES > 4,
        SMALL + ", started on 400 rows",
    ),
    "few rows": (
        LogisticRegression(),
        WIDE,
        np.arange(20) % 2,
        f"{SMALL}, in the span of 20 rows",
    ),
    "few rows of three classes": (
        LogisticRegression(),
        WIDE,
        np.arange(20) % 3,
        f"{SMALL}, in the span of 20 rows",
    ),
    "labels": (
        MultiLabelLogisticRegression(),
        MANY[:500],
        np.eye(10)[CLASSES[:500]],
        "L-BFGS with the covariance of the features, labels in blocks",
    ),
    "lbfgs": (
        LogisticRegression(solver="lbfgs"),
        MANY[:500],
        CLASSES[:500],
        "L-BFGS with the covariance of the features, steps in Python, passes by loops over rows",
    ),
    "newton": (
        LogisticRegression(solver="newton"),
        WIDE,
        np.arange(20) % 2,
        LARGE.replace("the Hessian,", "the Hessian, if its variances aren't enough,"),
    ),
    "scikit-learn's name": (
        LogisticRegression(solver="saga"),
        MANY[:500],
        CLASSES[:500] > 4,
        SMALL,
    ),
    "minibatch": (
        LogisticRegression(solver=SGD(batch_size=64), random_state=0),
        MANY[:500],
        CLASSES[:500] > 4,
        "SGD on batches of 64 rows",
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_the_path_is_told(name: str):
    clf, X, y, path = FITS[name]
    assert str(clf.fit(X, y).history_["path"]) == path


def test_where_there_is_nothing_to_fit():
    weights = np.array([1.0, 1.0, 0.0, 0.0])
    with pytest.warns(UserWarning, match="nothing can be learned"):
        clf = LogisticRegression().fit(np.eye(4), [0, 0, 1, 1], weights)
    assert str(clf.history_["path"]) == "nothing to fit"
    assert clf.n_iter_.tolist() == [0]


@pytest.mark.parametrize("name", [name for name in FITS if name != "minibatch"])
def test_the_history_is_one_of_iterations(name: str):
    clf, X, y, _ = FITS[name]
    history = clf.fit(X, y).history_
    columns = {"iteration", "objective", "gradient_norm", "seconds", "compile_seconds", "passes"}
    assert set(history) == columns | {"path", "status", "solver"}
    n_iter = clf.n_iter_[0]
    assert clf.n_iter_.shape == (1,) and clf.n_iter_.dtype == np.int32 and n_iter > 0
    if name == "labels":  # which take several iterations at once
        assert history["iteration"][-1] == n_iter
        assert (np.diff(history["iteration"]) >= 0).all()
    else:
        assert history["iteration"].tolist() == list(range(1, n_iter + 1))
    assert all(history[name].shape == history["iteration"].shape for name in columns)
    assert history["status"] == "converged"
    assert history["solver"] == ("lbfgs" if "L-BFGS" in str(history["path"]) else "newton")
    assert history["gradient_norm"][-1] <= clf.tol
    for name in ("seconds", "passes"):
        assert history[name][0] > 0 and (np.diff(history[name]) > 0).all()
    # Every step leads down, rounding aside.
    assert (np.diff(history["objective"]) <= 1e-12).all()


# The default, on real data


def objective(clf: Any, X: np.ndarray, y: np.ndarray) -> float:
    """The documented objective at C = 1, by SciPy."""
    z = X @ clf.coef_.T + clf.intercept_
    if len(clf.coef_) == 1:
        loss = np.logaddexp(0, (1 - 2 * y) * z[:, 0]).mean()
    else:
        loss = (logsumexp(z, axis=1) - z[np.arange(len(y)), y]).mean()
    return loss + (clf.coef_**2).sum() / (2 * len(y))


@pytest.mark.parametrize("scaled", [False, True], ids=["raw", "scaled"])
@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_the_default_is_no_worse_than_that_of_scikit_learn(name: str, scaled: bool):
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X = scale(X) if scaled else X
    ours = LogisticRegression().fit(X, y)  # a warning would be an error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = ScikitLearn().fit(X, y)
    assert ours.history_["status"] == "converged"
    assert objective(ours, X, y) <= objective(theirs, X, y) * (1 + 1e-6)
    np.testing.assert_allclose(ours.history_["objective"][-1], objective(ours, X, y), rtol=1e-10)


@pytest.mark.parametrize("n", [1000, 40_000])
@pytest.mark.parametrize("K", [2, 5])
def test_the_default_is_no_worse_where_it_starts_on_a_sample(n: int, K: int):
    rng = np.random.default_rng(K)
    X = rng.normal(size=(n, 10)) * np.geomspace(0.01, 100, 10)
    y = (scale(X) @ rng.normal(size=(10, K)) + rng.gumbel(size=(n, K))).argmax(axis=1)
    ours = LogisticRegression().fit(X, y)
    assert ("started on" in str(ours.history_["path"])) == (n == 40_000)
    theirs = ScikitLearn(solver="newton-cholesky", tol=1e-8, max_iter=1000).fit(X, y)
    assert objective(ours, X, y) <= objective(theirs, X, y) * (1 + 1e-6)


def test_the_default_of_the_package_is_auto():
    for estimator in (fastclf.LogisticRegression, fastclf.MultiLabelLogisticRegression):
        assert estimator().solver == "auto"


def test_many_classes_keep_as_many_pairs_as_a_fifth_of_X_has_room_for():
    assert choose(shape(60_000, 784, K=20)).memory == 20
    assert choose(shape(100_000, 768, K=700, dtype=np.float32)).memory == 14
    assert choose(shape(100_000, 768, K=1000, dtype=np.float32)).memory == 10
