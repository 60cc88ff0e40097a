"""Cross-validation of streams against that of the same rows in memory."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from row_streams import Pieces
from settled import SETTLED
from sklearn.model_selection import (
    KFold,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from fastclf import LogisticRegressionCV, MultiLabelLogisticRegressionCV
from fastclf.errors import InputError
from fastclf.estimators import folds_elsewhere
from fastclf.estimators.membership import Membership

N, D = 600, 5
TIGHT = {"tol": 1e-9, "max_iter": 1000}


def data(classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(N, D))
    logits = X @ rng.normal(size=(D, classes)) + 2 * rng.gumbel(size=(N, classes))
    return X, logits.argmax(axis=1)


def agree(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found.scores_, wanted.scores_, atol=1e-6)
    np.testing.assert_allclose(found.coefs_paths_, wanted.coefs_paths_, atol=1e-5)
    np.testing.assert_array_equal(found.C_, wanted.C_)
    np.testing.assert_array_equal(found.l1_ratio_, wanted.l1_ratio_)
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=1e-5)
    np.testing.assert_allclose(found.intercept_, wanted.intercept_, atol=1e-5)
    assert found.coefs_paths_.shape == wanted.coefs_paths_.shape


def cv(**settings: Any) -> LogisticRegressionCV:
    return LogisticRegressionCV(**{**SETTLED, "Cs": [0.01, 0.3, 10.0], **TIGHT, **settings})


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"scoring": "neg_log_loss"},
        {"class_weight": "balanced", "cv": 4},
        {"refit": False, "label_smoothing": 0.1},
        {"l1_ratios": (0, 0.5), "cv": 3},
        {"cv": StratifiedKFold(3, shuffle=True, random_state=1), "fit_intercept": False},
        {"cv": KFold(4)},
        {"cv": RepeatedStratifiedKFold(n_splits=2, n_repeats=3, random_state=0)},
        {"cv": ShuffleSplit(3, test_size=0.2, random_state=0)},
        {"cv": StratifiedShuffleSplit(2, test_size=0.1, train_size=0.3, random_state=0)},
        {"cv": PredefinedSplit(np.where(np.arange(N) % 5 == 0, 0, -1))},
    ],
    ids=str,
)
@pytest.mark.parametrize("classes", [2, 3])
def test_folds_scores_and_choice_are_those_in_memory(classes: int, settings: dict):
    X, y = data(classes)
    y = np.array(["b", "c", "a"])[y]
    weights = np.random.default_rng(1).uniform(0.2, 2, N)
    for own in (None, weights):
        found = cv(**settings).fit(Pieces(X, y, own, rows=130))
        agree(found, cv(**settings).fit(X, y, own))


@pytest.mark.parametrize("scoring", [None, "accuracy", "neg_log_loss"])
def test_distributions(scoring: str | None):
    X, _ = data()
    P = np.random.default_rng(0).dirichlet(np.ones(3), N)
    weights = np.random.default_rng(1).uniform(0.2, 2, N)
    agree(cv(scoring=scoring).fit(Pieces(X, P, weights)), cv(scoring=scoring).fit(X, P, weights))


def test_csr_rows():
    X, y = data()
    S = scipy.sparse.csr_array(np.where(X > 0, X, 0))
    agree(cv(cv=3).fit(Pieces(S, y)), cv(cv=3).fit(S, y))


def test_rows_that_are_ignored():
    X, y = data()
    y = np.where(np.arange(N) % 7 == 0, -100, y)
    agree(cv(ignore_index=-100).fit(Pieces(X, y)), cv(ignore_index=-100).fit(X, y))


def test_splits_and_groups_by_themselves():
    from sklearn import config_context
    from sklearn.model_selection import GroupKFold

    X, y = data()
    half = np.arange(N) < N // 2
    splits = [(np.flatnonzero(half), np.flatnonzero(~half)), (~half, half)]
    agree(cv(cv=splits).fit(Pieces(X, y)), cv(cv=splits).fit(X, y))
    groups = np.arange(N) // 20
    with config_context(enable_metadata_routing=True):
        splitter = GroupKFold(3).set_split_request(groups=True)
        make = lambda: cv(cv=splitter)  # noqa: E731
        agree(make().fit(Pieces(X, y), groups=groups), make().fit(X, y, groups=groups))


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"per_label": True, "scoring": "neg_log_loss"},
        {"pos_weight": "balanced", "refit": False, "cv": 3},
        {"per_label": True, "refit": False, "label_smoothing": 0.1},
        {"l1_ratios": (0.0, 0.6), "cv": KFold(3, shuffle=True, random_state=2)},
        {"cv": PredefinedSplit(np.where(np.arange(N) % 5 == 0, 0, -1))},
    ],
    ids=str,
)
def test_several_labels(settings: dict, unknown: bool):
    X, _ = data()
    rng = np.random.default_rng(2)
    Y = (X @ rng.normal(size=(D, 4)) + 2 * rng.logistic(size=(N, 4)) > 0.5) * 1.0
    if unknown:
        Y[rng.random(Y.shape) < 0.2] = np.nan
        Y[130:260, 1] = np.nan  # a whole chunk
    weights = rng.uniform(0.2, 2, N)
    make = lambda: MultiLabelLogisticRegressionCV(  # noqa: E731
        **{"Cs": [0.01, 0.3, 10.0], **TIGHT, **settings}
    )
    for own in (None, weights):
        agree(make().fit(Pieces(X, Y, own, rows=130)), make().fit(X, Y, own))


def test_passes_are_shared_by_all_folds_and_models():
    X, y = data()
    source = Pieces(X, y)
    clf = cv(cv=5, Cs=[0.1], tol=1e-4).fit(source)
    fits = clf.history_["path_passes"] + clf.history_["passes"][-1]
    # Further passes: to count, for classes, for weights of folds, for their totals, for scores.
    assert source.read <= fits + 5


def test_short_chunks_give_the_same(monkeypatch):
    X, y = data()
    wanted = cv().fit(Pieces(X, y))
    monkeypatch.setattr(folds_elsewhere, "_ENTRIES", 500)
    agree(cv().fit(Pieces(X, y)), wanted)


def test_any_number_of_threads_gives_the_same_bits():
    X, y = data()
    one, two = (cv(n_threads=k).fit(Pieces(X, y)) for k in (1, 2))
    assert (one.coefs_paths_ == two.coefs_paths_).all() and (one.scores_ == two.scores_).all()


def test_what_a_stream_is_refused_for():
    X, y = data()
    with pytest.raises(InputError, match="'roc_auc' needs all held-out rows in memory; use 'acc"):
        cv(scoring="roc_auc").fit(Pieces(X, y))
    with pytest.raises(InputError, match="use 'neg_log_loss' or None, or arrays in memory"):
        MultiLabelLogisticRegressionCV(scoring="accuracy").fit(Pieces(X, np.eye(3)[y]))
    with pytest.raises(InputError, match="includes its targets"):
        cv().fit(Pieces(X, y), y)
    with pytest.raises(InputError, match="several target columns"):
        MultiLabelLogisticRegressionCV().fit(Pieces(X, y))
    with pytest.raises(InputError, match="penalises the intercept"):
        cv(solver="liblinear").fit(Pieces(X, (y > 0) * 1))
    with pytest.raises(InputError, match="trains on minibatches"):
        cv(solver="adam").fit(Pieces(X, y))
    weights = np.ones(N)
    weights[np.arange(N) % 5 == 0] = 0
    held = PredefinedSplit(np.where(np.arange(N) % 5 == 0, 0, -1))
    with pytest.raises(InputError, match="fold 0 holds out no rows of positive weight"):
        cv(cv=held).fit(Pieces(X, y, weights))
    with pytest.raises(InputError, match="fold 0 has no training rows of positive weight"):
        cv(cv=held).fit(Pieces(X, y, 1 - weights))
    Y = np.eye(3)[y]
    Y[np.arange(N) % 5 == 0, 1] = np.nan
    with pytest.raises(InputError, match="fold 0 holds out no row where 1 is known"):
        MultiLabelLogisticRegressionCV(cv=held).fit(Pieces(X, Y))
    with pytest.raises(InputError, match="cv has no folds"):
        cv(cv=[]).fit(Pieces(X, y))


def test_rows_that_are_gone_later():
    X, y = data()
    source = Pieces(X, y)
    given = source.rows_in_order

    def fewer():
        if source.read:
            source.X, source.y = X[:500], y[:500]
        return given()

    source.rows_in_order = fewer  # type: ignore[method-assign]
    with pytest.raises(InputError, match="had 600 rows, and now have 500"):
        cv().fit(source)


def test_membership_takes_a_byte_for_each_row():
    rng = np.random.default_rng(0)
    order = rng.permutation(1000)
    folds = [(np.setdiff1d(order, part), part) for part in np.array_split(order, 10)]
    found = Membership.of(folds, 1000)
    assert found.patterns.dtype == np.uint8 and found.train.shape == (10, 10)
    drawn = [(rng.integers(0, 1000, 1000), rng.permutation(1000)[:100]) for _ in range(12)]
    for own in (folds, drawn):
        train, test = Membership.of(own, 1000).rows(slice(200, 900))
        for f, (rows, held) in enumerate(own):
            assert (train[f] == np.bincount(rows, minlength=1000)[200:900]).all()
            assert (test[f] == np.isin(np.arange(200, 900), held)).all()
