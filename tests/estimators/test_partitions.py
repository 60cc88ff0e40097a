"""Fits to rows in partitions reach the optimum of fits in memory; bad partitions are named."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from partitions import blocks, cut, fit
from sklearn.exceptions import ConvergenceWarning

from fastclf import LogisticRegression, MultiLabelLogisticRegression
from fastclf.errors import InputError
from fastclf.estimators.partitions import Reading, survey
from fastclf.estimators.tallies import DistributionTally, IndicatorTally, LabelTally

N = 600
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 8)) + 0.5
W = RNG.normal(size=(8, 3)) * [[1], [1], [1], [0], [0], [0], [0], [0.5]]
SCORES = X @ W + RNG.gumbel(size=(N, 3))
CODES = SCORES.argmax(axis=1)
LABELS = np.array(["ash", "beech", "oak"])[CODES]
WEIGHTS = RNG.uniform(0.1, 2, N)
P = RNG.dirichlet(np.ones(3), N)
Y = (SCORES > 0.5).astype(float)
S = scipy.sparse.csr_array(np.where(RNG.random(X.shape) < 0.4, X, 0))
TIGHT: dict[str, Any] = {"tol": 1e-9, "max_iter": 1000}

SINGLE = {
    "two classes": (LABELS == "oak", {}),
    "labels": (LABELS, {}),
    "distributions": (P, {}),
    "two distributions": (P[:, :2] / P[:, :2].sum(axis=1, keepdims=True), {}),
    "balanced": (LABELS, {"class_weight": "balanced"}),
    "class weights": (P, {"class_weight": {0: 2.0, 2: 0.5}}),
    "smoothing": (CODES, {"label_smoothing": 0.2}),
    "no intercept": (CODES, {"fit_intercept": False}),
    "ignored rows": (CODES, {"ignore_index": 1}),
    "no penalty": (CODES, {"C": np.inf}),
    "L1": (LABELS, {"l1_ratio": 1.0, "C": 0.1}),
    "elastic net": (CODES > 1, {"l1_ratio": 0.5, "C": 0.1}),
    "lbfgs": (CODES, {"solver": "lbfgs"}),
}


def agree(estimator: Any, other: Any, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(estimator.coef_, other.coef_, atol=atol)
    np.testing.assert_allclose(estimator.intercept_, other.intercept_, atol=atol)
    assert np.array_equal(estimator.classes_, other.classes_)
    assert estimator.n_features_in_ == other.n_features_in_
    assert np.array_equal(estimator.coef_ == 0, other.coef_ == 0)


@pytest.mark.parametrize("rows", ["dense", "sparse"])
@pytest.mark.parametrize("kind", SINGLE)
def test_the_optimum_is_that_in_memory(kind: str, rows: str):
    y, settings = SINGLE[kind]
    make = lambda: LogisticRegression(**{**TIGHT, **settings})  # noqa: E731
    features = X if rows == "dense" else S
    found = fit(make(), features, y, WEIGHTS, cut(N, 6, [0, 3]))
    agree(found, make().fit(features, y, WEIGHTS))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pos_weight": "balanced"},
        {"label_smoothing": 0.1, "C": 0.1},
        {"l1_ratio": 1.0, "C": 0.1},
        {"l1_ratio": None},
    ],
)
@pytest.mark.parametrize("weights", [None, WEIGHTS, np.stack([WEIGHTS, 1 / WEIGHTS, WEIGHTS], 1)])
def test_several_labels(settings: dict, weights: np.ndarray | None):
    known = np.where(RNG.random(Y.shape) < 0.9, Y, np.nan)
    make = lambda: MultiLabelLogisticRegression(**{**TIGHT, **settings})  # noqa: E731
    agree(fit(make(), X, known, weights), make().fit(X, known, weights))


def test_partitions_that_lack_labels_and_rows_sorted_by_class():
    order = np.argsort(LABELS, kind="stable")
    found = fit(LogisticRegression(**TIGHT), X[order], LABELS[order], None, cut(N, 9))
    agree(found, LogisticRegression(**TIGHT).fit(X, LABELS))


def test_a_label_that_only_one_row_has():
    y = CODES.copy()
    y[17] = 7
    found = fit(LogisticRegression(**TIGHT), X, y, None, cut(N, 4))
    agree(found, LogisticRegression(**TIGHT).fit(X, y))
    assert found.classes_.tolist() == [0, 1, 2, 7]


@pytest.mark.parametrize("count", [1, 2, 7, N])
def test_any_number_of_partitions(count: int):
    found = fit(LogisticRegression(**TIGHT), X, LABELS, WEIGHTS, cut(N, count))
    agree(found, LogisticRegression(**TIGHT).fit(X, LABELS, WEIGHTS))


def test_wide_problems_with_an_l1_penalty(use_costs):
    # Working sets, whose columns are copied in the partitions.
    wide = RNG.normal(size=(300, 40))
    y = (wide[:, 0] + wide[:, 1] + 0.3 * RNG.normal(size=300)) > 0
    make = lambda: LogisticRegression(l1_ratio=1.0, C=0.1, **TIGHT)  # noqa: E731
    whole = make().fit(wide, y)
    use_costs(few_features_elsewhere_l1=4, working_set=5, working_set_sparse=5)
    found = fit(make(), wide, y)
    agree(found, whole)
    assert "working set" in str(found.history_["path"])
    use_costs(matrix_room_elsewhere=600)  # all features have no room, a working set has
    agree(fit(make(), wide, y), whole)
    sparse = scipy.sparse.csr_array(np.where(RNG.random(wide.shape) < 0.5, wide, 0))
    agree(fit(make(), sparse, y), make().fit(sparse, y))


def test_an_l1_problem_that_has_no_room_is_refused(use_costs):
    use_costs(few_features_elsewhere_l1=2, matrix_room_elsewhere=4, working_set=3)
    with pytest.raises(InputError, match="aren't 0; for so many an L1 fit needs all rows"):
        fit(LogisticRegression(l1_ratio=1.0), X, LABELS)


def test_warm_starts_go_on_from_the_optimum():
    clf = fit(LogisticRegression(warm_start=True, **TIGHT), X, LABELS)
    first = clf.n_iter_[0]
    assert fit(clf, X, LABELS).n_iter_[0] < first


def test_float32_stays_float32():
    found = fit(LogisticRegression(), X.astype(np.float32), LABELS)
    assert found.coef_.dtype == np.float32


def test_without_a_penalty_and_without_error():
    with pytest.warns(UserWarning, match="there is no optimum"):
        fit(LogisticRegression(C=np.inf), X, X[:, 0] > 0.5)


def test_features_that_are_too_large():
    with pytest.warns(ConvergenceWarning, match="Its features may be too large"):
        fit(LogisticRegression(), X * 1e200, LABELS)


def broken(change: Any) -> tuple[Any, Any, Any]:
    rows, y, weights = X.copy(), LABELS.astype(object), WEIGHTS.copy()
    change(rows, y, weights)
    return rows, y, weights


def set_entry(which: int, at: Any, value: Any) -> Any:
    def change(*arrays: Any) -> None:
        arrays[which][at] = value

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (set_entry(0, (311, 3), np.nan), "partition 2: Input X contains NaN.*row 71, column 3"),
        (set_entry(0, (0, 0), np.inf), "partition 0: Input X contains infinity.*row 0, column 0"),
        (set_entry(1, 599, None), "partition 4: y has missing values.*row 119"),
        (set_entry(2, 120, -1), "partition 1: sample_weight must not be negative.*row 0 it is -1"),
        (set_entry(2, slice(None), 0), "the weights of all rows are 0"),
        (set_entry(1, slice(None), "oak"), "only one class: 'oak'"),
    ],
)
def test_bad_rows_are_named(change: Any, message: str):
    with pytest.raises(InputError, match=message):
        fit(LogisticRegression(), *broken(change), cut(N, 5))


def test_partitions_that_are_not_alike():
    parts = blocks(X, LABELS, None, cut(N, 3))
    parts.values[1] = parts.values[1]._replace(X=X[200:400, :5])
    reading = Reading("LogisticRegression", np.dtype(float), None, False)
    with pytest.raises(InputError, match="partition 1: X has 5 features, but 8 in part"):
        survey(LogisticRegression(), parts.map(reading), reading, LabelTally())
    parts.values[1] = parts.values[1]._replace(X=S[200:400])
    with pytest.raises(InputError, match="partition 1: X is sparse, but dense in partition"):
        survey(LogisticRegression(), parts.map(reading), reading, LabelTally())
    parts.values[1] = parts.values[1]._replace(y=LABELS[:3])
    with pytest.raises(InputError, match="partition 1: X has 200 rows, but y has 3; split"):
        survey(LogisticRegression(), parts.map(reading), reading, LabelTally())
    with pytest.raises(InputError, match="all partitions are empty"):
        fit(LogisticRegression(), X[:0], LABELS[:0], None, cut(0, 3))


def test_the_sample_is_spread_over_all_rows_and_has_every_class(monkeypatch):
    monkeypatch.setattr("fastclf.estimators.partitions._FEWEST", 50)
    monkeypatch.setattr("fastclf.estimators.partitions.SAMPLE_BYTES", 100 * X[0].nbytes)
    y = CODES.copy()
    y[5:8] = 9
    rows = blocks(X, y, WEIGHTS, cut(N, 5, [2]))
    reading = Reading("LogisticRegression", np.dtype(float), None, False)
    found = survey(LogisticRegression(), rows.map(reading), reading, LabelTally())
    assert found.lengths == [150, 150, 0, 150, 150] and found.extent.n_rows == N
    assert 100 <= len(found.y) <= 100 + 4 * 30 and (found.y == 9).sum() == 3
    for k in range(3):  # their weights stand for those of all rows of the class
        assert found.weights[found.y == k].sum() == pytest.approx(WEIGHTS[y == k].sum(), rel=0.2)
    again = survey(LogisticRegression(), rows.map(reading), reading, LabelTally())
    assert np.array_equal(found.X, again.X)


@pytest.mark.parametrize(
    "make, y", [(LabelTally, LABELS), (lambda: DistributionTally(None), P), (IndicatorTally, Y)]
)
def test_tallies_of_pieces_are_the_tally_of_all(make: Any, y: np.ndarray):
    whole, merged = make(), make()
    whole.add(y, WEIGHTS)
    for rows in cut(N, 4):
        part = make()
        part.add(y[rows], WEIGHTS[rows])
        merged.merge(part)
    (kinds, mass), (other_kinds, other) = whole.encoded(), merged.encoded()
    np.testing.assert_allclose(mass, other, rtol=1e-12)
    assert np.array_equal(
        getattr(kinds, "classes", kinds), getattr(other_kinds, "classes", other_kinds)
    )
    assert whole.n_outputs == merged.n_outputs
