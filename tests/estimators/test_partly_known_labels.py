"""Labels of which not all are known, weights of labels, thresholds and the most probable labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from click.testing import CliRunner
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import f1_score, get_scorer

import fastclf
from fastclf import (
    LogisticRegression,
    MultiLabelLogisticRegression,
    MultiLabelLogisticRegressionCV,
)
from fastclf.cli import main
from fastclf.config import Recipe, load_recipe
from fastclf.data import FileOptions, load_file
from fastclf.errors import ConfigError, FastclfError, ModelFileError
from fastclf.estimators.labels import best_thresholds
from fastclf.linear_model import LinearModel
from fastclf.losses import Sigmoid
from fastclf.objective import InMemoryObjective
from fastclf.penalties import L2
from fastclf.runs.checking import check_recipe
from fastclf.runs.directory import open_run
from fastclf.runs.draft import draft_for_file
from fastclf.runs.draft_text import recipe_text
from fastclf.runs.parts import split_and_prepare
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import train
from fastclf.solvers import SGD, Adam
from fastclf.targets import Target


def data(
    n: int = 400, d: int = 6, L: int = 4, seed: int = 0, soft: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and labels of which a third isn't known."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    p = expit(X @ rng.normal(size=(d, L)) + rng.normal(size=L))
    Y = p if soft else (rng.random((n, L)) < p).astype(float)
    Y[rng.random((n, L)) < 0.33] = np.nan
    Y[7] = np.nan
    return X, Y


def exact(**arguments: Any) -> MultiLabelLogisticRegression:
    return MultiLabelLogisticRegression(**{"tol": 1e-11, "max_iter": 2000, **arguments})


def one_by_one(
    X: Any, Y: np.ndarray, weights: np.ndarray | None = None, C: float = 1.0, **arguments: Any
) -> np.ndarray:
    """The coefficients of a binary fit for each label, to the rows in which it is known."""
    fits = []
    for k in range(Y.shape[1]):
        rows = np.flatnonzero(~np.isnan(Y[:, k]))
        own = None if weights is None else weights[rows]
        if own is not None and own.ndim == 2:
            own = own[:, k]
        y = Y[rows, k]
        clf = LogisticRegression(C=C, tol=1e-11, max_iter=2000, **arguments)
        clf.fit(X[rows], np.stack([1 - y, y], axis=1), own)
        fits.append(np.append(clf.coef_[0], clf.intercept_))
    return np.array(fits)


def coefficients(clf: Any) -> np.ndarray:
    return np.column_stack([clf.coef_, clf.intercept_])


def close(one: np.ndarray, other: np.ndarray, rtol: float = 1e-8) -> None:
    assert np.abs(one - other).max() <= rtol * np.abs(other).max()


@pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("C", [0.05, 1.0, 50.0])
def test_the_optimum_is_that_of_one_fit_a_label(C: float, soft: bool, solver: str):
    X, Y = data(soft=soft)
    for targets in (Y, np.nan_to_num(Y)):
        clf = exact(C=C, solver=solver).fit(X, targets)
        close(coefficients(clf), one_by_one(X, targets, C=C))


@pytest.mark.parametrize("n, d", [(400, 60), (300, 300), (80, 400)])
def test_wide_rows(n: int, d: int):
    X, Y = data(n=n, d=d)
    close(coefficients(exact(C=0.1).fit(X, Y)), one_by_one(X, Y, C=0.1), rtol=1e-7)


def test_sparse_rows_float32_and_sparse_targets():
    X, Y = data()
    X[np.abs(X) < 0.7] = 0
    close(coefficients(exact().fit(scipy.sparse.csr_array(X), Y)), one_by_one(X, Y))
    single = exact(tol=1e-4).fit(X.astype(np.float32), Y)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(coefficients(single), one_by_one(X, Y), atol=2e-2)
    close(coefficients(exact().fit(X, scipy.sparse.csr_array(Y))), coefficients(exact().fit(X, Y)))


def test_an_l1_penalty():
    X, Y = data()
    clf = exact(C=0.05, l1_ratio=1.0, tol=1e-9).fit(X, Y)
    close(coefficients(clf), one_by_one(X, Y, C=0.05, l1_ratio=1.0), rtol=1e-6)
    sparse = exact(C=0.05, l1_ratio=1.0, tol=1e-9).fit(scipy.sparse.csr_array(X), Y)
    close(coefficients(sparse), coefficients(clf), rtol=1e-6)


@pytest.mark.parametrize("shape", [(400,), (400, 4)], ids=["rows", "labels"])
def test_weights_of_rows_and_of_labels(shape: tuple[int, ...]):
    X, Y = data()
    weights = np.random.default_rng(1).uniform(0, 3, shape)
    before = weights.copy()
    close(coefficients(exact().fit(X, Y, weights)), one_by_one(X, Y, weights))
    full = np.nan_to_num(Y)
    close(coefficients(exact().fit(X, full, weights)), one_by_one(X, full, weights))
    assert np.array_equal(weights, before)


def test_a_weight_of_zero_is_a_label_that_is_not_known():
    X, Y = data()
    weights = (~np.isnan(Y)).astype(float)
    np.testing.assert_allclose(
        coefficients(exact().fit(X, np.nan_to_num(Y), weights)),
        coefficients(exact().fit(X, Y)),
        rtol=1e-9,
    )


def test_a_row_without_labels_is_no_row():
    X, Y = data()
    rows = ~np.isnan(Y).all(axis=1)
    assert not rows.all()
    close(coefficients(exact().fit(X, Y)), coefficients(exact().fit(X[rows], Y[rows])))


def test_pos_weight_and_smoothing_count_what_is_known():
    X, Y = data()
    on = np.nansum(Y, axis=0)
    odds = (np.sum(~np.isnan(Y), axis=0) - on) / on
    balanced = exact(pos_weight="balanced", label_smoothing=0.1).fit(X, Y)
    np.testing.assert_allclose(
        balanced.coef_, exact(pos_weight=odds, label_smoothing=0.1).fit(X, Y).coef_, rtol=1e-9
    )
    repeated = exact(pos_weight=[1.0, 2.0, 3.0, 1.0]).fit(X, Y)
    for k, p in enumerate((1, 2, 3, 1)):
        rows = np.flatnonzero(~np.isnan(Y[:, k]))
        rows = np.repeat(rows, np.where(Y[rows, k] == 1, p, 1))
        clf = LogisticRegression(tol=1e-11).fit(X[rows], Y[rows, k])
        np.testing.assert_allclose(repeated.coef_[k], clf.coef_[0], rtol=1e-7)


def test_the_hessian_is_that_of_the_known_labels():
    X, Y = data(n=60, d=3)
    known = ~np.isnan(Y)
    target = Target(np.ascontiguousarray(known.T.astype(float)), soft=np.nan_to_num(Y))
    objective = InMemoryObjective(X, target, Sigmoid(), 4, L2(np.full(4, 0.1)))
    theta = np.random.default_rng(3).normal(size=(4, 4))
    hessian = objective.hessian(theta, whole=True)
    moved = np.eye(4)  # the blocks are about a center
    moved[:3, 3] = hessian.center
    for k in range(4):
        block = moved @ hessian.blocks[k] @ moved.T
        numeric = np.zeros((4, 4))
        for j in range(4):
            step = np.zeros((4, 4))
            step[j, k] = 1e-5
            up, down = (objective.value_and_grad(theta + s * step)[1][:, k] for s in (1, -1))
            numeric[:, j] = (up - down) / 2e-5
        numeric[np.arange(3), np.arange(3)] -= 0.1
        np.testing.assert_allclose(block, numeric, atol=1e-8)


def test_a_label_of_which_nothing_is_known():
    X, Y = data()
    Y[:, 2] = np.nan
    with pytest.warns(UserWarning, match="no weight .* negative rows of 2"):
        clf = exact().fit(X, Y)
    assert not clf.coef_[2].any() and clf.intercept_[2] == 0
    others = [0, 1, 3]
    close(coefficients(clf)[others], one_by_one(X, Y[:, others]))
    for arguments in ({"fit_intercept": False}, {"label_smoothing": 0.1}):
        with pytest.warns(UserWarning, match="no weight"):
            clf = exact(**arguments).fit(X, Y)
        assert np.isfinite(clf.coef_).all() and not clf.coef_[2].any()


def test_labels_that_are_seldom_known_in_many_rows():
    X, Y = data(n=30_000, d=5)
    Y[50:, 1] = np.nan  # a sample of the rows knows nothing of it
    clf = exact().fit(X, Y)
    close(coefficients(clf), one_by_one(X, Y))


@pytest.mark.parametrize("C", [1.0, np.inf])
def test_a_separable_label_is_noticed_among_others(C: float):
    X, Y = data()
    Y[:, 0] = np.where(np.isnan(Y[:, 0]), np.nan, X[:, 0] > 0)
    Y[3, 0] = np.nan
    if C == 1:
        exact(C=C).fit(X, Y)
        return
    with pytest.warns(Warning, match="the rows with and without 0"):
        exact(C=C, tol=1e-4).fit(X, Y)


@pytest.mark.parametrize("solver", [SGD(), Adam(early_stopping=3)], ids=["sgd", "adam"])
def test_minibatch_solvers_learn_from_what_is_known(solver: Any):
    X, Y = data(n=2000)
    clf = MultiLabelLogisticRegression(solver=solver, max_iter=60, random_state=0).fit(X, Y)
    best = one_by_one(X, Y)
    assert np.abs(coefficients(clf) - best).max() < 0.5
    assert clf.score(X, Y) > 0.9 * exact().fit(X, Y).score(X, Y)


def test_scores_count_what_is_known():
    X, Y = data()
    clf = exact().fit(X, Y)
    predicted = clf.predict(X)
    right = [(Y[i] == predicted[i])[~np.isnan(Y[i])].all() for i in range(400) if i != 7]
    empty = np.isnan(Y).all(axis=1)
    right = [(Y[i] == predicted[i])[~np.isnan(Y[i])].all() for i in np.flatnonzero(~empty).tolist()]
    assert clf.score(X, Y) == pytest.approx(np.mean(right))
    assert clf.score(X, predicted) == 1
    assert clf.score(X, scipy.sparse.csr_array(predicted)) == 1
    with pytest.raises(FastclfError, match="no known label"):
        clf.score(X, np.full(Y.shape, np.nan))
    with pytest.raises(FastclfError, match="has 3 labels, but the estimator was fitted to 4"):
        clf.score(X, Y[:, :3])


# Cross-validation


def test_folds_are_fits_of_what_they_know():
    X, Y = data(n=300)
    rng = np.random.default_rng(2)
    part = rng.integers(3, size=300)
    folds = [(np.flatnonzero(part != f), np.flatnonzero(part == f)) for f in range(3)]
    weights = rng.uniform(0.5, 2, 300)
    for per_label in (False, True):
        clf = MultiLabelLogisticRegressionCV(
            Cs=[0.01, 0.3], cv=folds, per_label=per_label, tol=1e-10, max_iter=1000
        ).fit(X, Y, weights)
        for f, (rows, test) in enumerate(folds):
            for c, C in enumerate((0.01, 0.3)):
                alone = one_by_one(X[rows], Y[rows], weights[rows], C=C)
                close(clf.coefs_paths_[f, 0, c], alone, rtol=1e-6)
                z = X[test] @ alone[:, :-1].T + alone[:, -1]
                scores = []
                for k in range(4):
                    known = ~np.isnan(Y[test, k])
                    y, own = Y[test][known, k], z[known, k]
                    losses = np.logaddexp(0, own) - y * own
                    scores.append(-np.average(losses, weights=weights[test][known]))
                expected = scores if per_label else np.mean(scores)
                np.testing.assert_allclose(clf.scores_[f, 0, c], expected, rtol=1e-5)
        C = np.broadcast_to(clf.C_, 4)
        refitted = [one_by_one(X, Y[:, [k]], weights, C=C[k])[0] for k in range(4)]
        close(coefficients(clf), np.array(refitted), rtol=1e-6)
        assert clf.score(X, Y) < 0


@pytest.mark.parametrize("scoring", ["f1", "average_precision", "accuracy"])
def test_scorers_see_each_label_where_it_is_known(scoring: str):
    X, Y = data(n=300)
    weights = np.random.default_rng(2).uniform(0.5, 2, 300)
    part = np.arange(300) % 3
    folds = [(np.flatnonzero(part != f), np.flatnonzero(part == f)) for f in range(3)]
    clf = MultiLabelLogisticRegressionCV(
        [0.01, 0.3], cv=folds, scoring=scoring, per_label=True, threshold=[0.3, 0.5, 0.6, 0.4]
    ).fit(X, Y, weights)
    scorer = get_scorer(scoring)
    for f, (rows, test) in enumerate(folds):
        for k in range(4):
            fitted, known = (part[~np.isnan(Y[part, k])] for part in (rows, test))
            alone = exact(C=0.3, threshold=clf.threshold_[k])
            alone.fit(X[fitted], Y[fitted, k], weights[fitted])
            expected = scorer(alone, X[known], Y[known, k], sample_weight=weights[known])
            assert clf.scores_[f, 0, 1, k] == pytest.approx(expected, abs=0.02)
    whole = [
        scorer(OneLabel(clf, k), X[known], Y[known, k], sample_weight=weights[known])
        for k in range(4)
        for known in [np.flatnonzero(~np.isnan(Y[:, k]))]
    ]
    assert clf.score(X, Y, sample_weight=weights) == pytest.approx(np.mean(whole))


class OneLabel(ClassifierMixin, BaseEstimator):
    """One label of a fitted classifier."""

    def __init__(self, clf: Any, k: int) -> None:
        self.clf, self.k, self.classes_ = clf, k, np.array([0, 1])

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return self.clf.decision_function(X)[:, self.k]

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.clf.predict(X)[:, self.k]


def test_cross_validation_says_what_it_cannot_score():
    X, Y = data(n=60)
    with pytest.raises(FastclfError, match="scoring='f1_macro' can't skip unknown.*per_label=True"):
        MultiLabelLogisticRegressionCV(scoring="f1_macro").fit(X, Y)
    Y[:30, 1] = np.nan
    halves = [(np.arange(30, 60), np.arange(30)), (np.arange(30), np.arange(30, 60))]
    with pytest.raises(FastclfError, match="fold 0 holds out no row where 1 is known"):
        MultiLabelLogisticRegressionCV(cv=halves).fit(X, Y)


# Thresholds


def test_thresholds_have_the_highest_f1():
    rng = np.random.default_rng(4)
    p = rng.random((50, 5)).round(2)  # with ties
    y = (rng.random((50, 5)) < p).astype(float)
    y[rng.random((50, 5)) < 0.2] = np.nan
    y[:, 3] = 0
    y[:, 4] = np.nan
    found = best_thresholds(p, y, np.full(5, 0.4))
    assert found[3] == found[4] == 0.4
    for k in range(3):
        known = ~np.isnan(y[:, k])
        truth, score = y[known, k], p[known, k]

        def f1(t: float, truth: np.ndarray = truth, score: np.ndarray = score) -> float:
            return float(f1_score(truth, score > t, zero_division=0))

        assert f1(found[k]) == pytest.approx(max(f1(t) for t in [0.0, *np.unique(score)]))
    counts = rng.integers(0, 3, 50)
    rows = np.repeat(np.arange(50), counts)
    weighted = best_thresholds(p, y, np.full(5, 0.5), counts.astype(float))
    repeated = best_thresholds(p[rows], y[rows], np.full(5, 0.5))
    for k in range(3):
        scores = [
            f1_score(y[rows, k] == 1, p[rows, k] > t[k], sample_weight=~np.isnan(y[rows, k]))
            for t in (weighted, repeated)
        ]
        assert scores[0] == pytest.approx(scores[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbouring_probabilities_are_told_apart(dtype: type):
    low = dtype(0.3)
    p = np.array([low, np.nextafter(low, dtype(1))], dtype)[:, None]
    found = best_thresholds(p, np.array([[0.0], [1.0]]), np.array([0.5]))
    assert (p > found).ravel().tolist() == [False, True]


def test_tuned_thresholds_predict_and_are_saved(tmp_path: Path):
    X, Y = data(n=800)
    clf = exact(threshold=0.9).fit(X[:400], Y[:400])
    before = clf.threshold_.copy()
    assert clf.tune_thresholds(X[400:], Y[400:]) is clf
    assert clf.threshold == 0.9 and (clf.threshold_ != before).any()
    p = clf.predict_proba(X)
    assert np.array_equal(clf.predict(X), p > clf.threshold_)
    clf.save(tmp_path / "m.safetensors")
    loaded = fastclf.load(tmp_path / "m.safetensors")
    assert np.array_equal(loaded.threshold_, clf.threshold_)
    assert np.array_equal(loaded.predict(X), clf.predict(X))
    one = (
        exact()
        .fit(X[:400], np.nan_to_num(Y[:400, 0]))
        .tune_thresholds(X[400:], np.nan_to_num(Y[400:, 0]))
    )
    assert one.threshold_.shape == (1,)
    with pytest.raises(FastclfError, match="metric must be 'f1'"):
        clf.tune_thresholds(X, Y, metric="f2")


def test_the_most_probable_labels(tmp_path: Path):
    X, Y = data()
    clf = exact(top_k=2).fit(X, Y)
    p, predicted = clf.predict_proba(X), clf.predict(X)
    assert (predicted.sum(axis=1) == 2).all()
    assert np.array_equal(np.sort(p * predicted, axis=1)[:, 2:], np.sort(p, axis=1)[:, 2:])
    clf.save(tmp_path / "m.safetensors")
    assert np.array_equal(fastclf.load(tmp_path / "m.safetensors").predict(X), predicted)
    tied = LinearModel(np.zeros((3, 3)), "multilabel", np.arange(3), np.full(3, 0.5), top_k=2)
    assert tied.predict(np.ones((1, 2))).tolist() == [[1, 1, 0]]
    content = (tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "bad").write_bytes(content.replace(b'\\"top_k\\": 2', b'\\"top_k\\": 9'))
    with pytest.raises(ModelFileError, match="top_k of 9"):
        LinearModel.load(tmp_path / "bad")
    with pytest.raises(FastclfError, match="leaves thresholds without effect"):
        clf.tune_thresholds(X, Y)
    for top_k in (0, 5, 1.5):
        with pytest.raises(FastclfError, match="top_k must be"):
            exact(top_k=top_k).fit(X, Y)
    with pytest.raises(FastclfError, match="needs several labels"):
        exact(top_k=1).fit(X, X[:, 0] > 0)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_bad_weights_of_labels(value: float):
    X, Y = data()
    weights = np.ones(Y.shape)
    weights[5, 2] = value
    with pytest.raises(FastclfError, match=r"sample_weight\[5, 2\] is"):
        exact().fit(X, Y, weights)


# From files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three labels with empty cells; the seventh row has none, and two more are probabilities."""
    X, Y = data(L=3)
    lines = ["a,b,c,d,e,f,red,green,blue"]
    for x, y in zip(X, Y, strict=True):
        labels = ["" if np.isnan(value) else f"{value:g}" for value in y]
        lines.append(",".join([*(repr(value) for value in x.tolist()), *labels]))
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "t.csv"


def recipe(path: Path, data: dict[str, Any] | None = None, **tables: Any) -> Recipe:
    options = {"path": str(path), "target": ["red", "green", "blue"], "missing_target": "keep"}
    return Recipe.model_validate({"name": "t", "data": {**options, **(data or {})}, **tables})


def test_empty_cells_are_labels_that_are_not_known(file: Path, tmp_path: Path):
    X, Y = data(L=3)
    rows = ~np.isnan(Y).all(axis=1)
    dataset = load_file(file, recipe(file).data)
    np.testing.assert_array_equal(dataset.y, Y[rows])
    assert dataset.class_names == ("red", "green", "blue") and dataset.task == "multilabel"
    np.savez(tmp_path / "t.npz", X=X, y=Y, classes=np.array(["red", "green", "blue"]))
    options = FileOptions.model_validate({"missing_target": "keep"})
    arrays = load_file(tmp_path / "t.npz", options)
    np.testing.assert_array_equal(arrays.y, Y[rows])
    np.testing.assert_array_equal(arrays.features, X[rows])
    tight = {"tol": 1e-11, "max_iter": 1000}
    result = train(recipe(file, {"scale": "none"}, solver=tight), tmp_path / "run")
    parts = split_and_prepare(dataset, recipe(file, {"scale": "none"}).data, 0)
    table = parts.prepared(parts.train.X)
    close(result.model.theta.T, one_by_one(table, parts.train.y), rtol=1e-7)
    figures = result.summary["metrics"]["test"]
    y, p = parts.test.y, result.model.predict_proba(parts.test.X)
    known = ~np.isnan(y)
    assert figures["brier"] == pytest.approx(np.mean((y - p)[known] ** 2))
    assert evaluate_run(open_run(tmp_path / "run")).parts["test"].metrics == figures


def test_thresholds_are_tuned_on_rows_that_never_train(file: Path, tmp_path: Path):
    wanted = recipe(file, model={"C": 10.0}, calibrate={"thresholds": "f1", "temperature": False})
    result = train(wanted, tmp_path / "run")
    facts = result.summary["calibration"]
    assert list(facts["thresholds"]) == ["red", "green", "blue"] and "temperature" not in facts
    assert result.model.threshold.tolist() == list(facts["thresholds"].values())
    assert facts["after"]["macro_f1"] > facts["before"]["macro_f1"]
    parts = split_and_prepare(load_file(file, wanted.data), wanted.data, 0, wanted.calibrate)
    held_out = parts.held_out
    expected = best_thresholds(result.model.predict_proba(held_out.X), held_out.y, np.full(3, 0.5))
    assert np.array_equal(expected, result.model.threshold)
    assert np.array_equal(open_run(tmp_path / "run").model.threshold, expected)


def test_numbers_by_label_in_a_recipe(file: Path, tmp_path: Path):
    model = {"kind": "multilabel", "threshold": {"blue": 0.25}, "pos_weight": {"green": 2.0}}
    result = train(recipe(file, model=model), tmp_path / "run")
    assert result.model.threshold.tolist() == [0.5, 0.5, 0.25]
    listed = {"kind": "multilabel", "threshold": [0.5, 0.5, 0.25], "pos_weight": [1.0, 2.0, 1.0]}
    same = train(recipe(file, model=listed), tmp_path / "same")
    assert np.array_equal(result.model.theta, same.model.theta)
    again = train(load_recipe(tmp_path / "run" / "config.toml"), tmp_path / "again")
    assert np.array_equal(result.model.theta, again.model.theta)
    for key in ("threshold", "pos_weight"):
        wrong = recipe(file, model={"kind": "multilabel", key: {"blu": 0.5}})
        with pytest.raises(
            ConfigError, match=rf"model.{key}.blu: .*no such label \(did you mean blue"
        ):
            train(wrong, tmp_path / "wrong")


def test_the_most_probable_labels_of_a_run(file: Path, tmp_path: Path):
    model = {"kind": "multilabel", "top_k": 2, "pos_weight": "balanced"}
    result = train(recipe(file, model=model), tmp_path / "run")
    shell = CliRunner()
    told = shell.invoke(main, ["predict", str(tmp_path / "run"), str(file), "-q"]).output
    labels = [line.split(",")[0] for line in told.splitlines()[1:]]
    assert len(labels) == 400 and all(len(row.split(";")) == 2 for row in labels)
    assert result.model.top_k == 2


def test_soft_labels_of_a_file(file: Path, tmp_path: Path):
    X, Y = data(L=3, soft=True)
    rows = np.column_stack([X, np.nan_to_num(Y)])
    np.savetxt(file, rows, delimiter=",", header="a,b,c,d,e,f,red,green,blue", comments="")
    wanted = recipe(file, {"missing_target": "error", "target_kind": "indicators"})
    np.testing.assert_allclose(load_file(file, wanted.data).y, np.nan_to_num(Y))
    assert train(wanted, tmp_path / "run").summary["task"] == "multilabel"


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "an empty cell": ({"missing_target": "error"}, {}, r"t.csv: row \d+ has no target.*\"keep\""),
    "one column": ({"target": ["red"]}, {}, 't.csv: missing_target = "keep" needs a column'),
    "no indicator": ({"target": ["red", "a"]}, {}, r't.csv: row \d, column "a": indicators are'),
    "too many": ({}, {"model": {"kind": "multilabel", "top_k": 4}}, "top_k must be from 1 to 3"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_recipes(name: str, file: Path, tmp_path: Path):
    options, tables, message = BAD[name]
    with pytest.raises(FastclfError, match=message):
        train(recipe(file, options, **tables), tmp_path / "run")


def test_tables_that_do_not_go_with_several_labels(file: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"t: \[distill\] needs one label per row"):
        train(recipe(file, distill={"teacher": "svc"}), tmp_path / "run")
    with pytest.raises(ConfigError, match="t: calibrate.thresholds needs several labels"):
        calibrate = {"thresholds": "f1"}
        iris = {"name": "t", "data": {"name": "iris"}, "calibrate": calibrate}
        train(Recipe.model_validate(iris), tmp_path / "run")
    both = {"model": {"kind": "multilabel", "top_k": 1}, "calibrate": calibrate}
    with pytest.raises(ValueError, match="both choose the predicted labels"):
        recipe(file, **both)


def test_a_first_recipe_keeps_what_is_known(file: Path, tmp_path: Path):
    draft = draft_for_file(file, ["red", "green", "blue"], tmp_path)
    assert draft.values["data.missing_target"] == "keep"
    (tmp_path / "r.toml").write_text(recipe_text(draft, "r.toml"))
    plan = check_recipe(load_recipe(tmp_path / "r.toml"))
    known = np.nansum(data(L=3)[1], axis=0)
    assert {name: sum(rows) for name, rows in plan.classes.items()} == dict(
        zip(("red", "green", "blue"), known.tolist(), strict=True)
    )
    file.write_text(file.read_text().replace(",", ";;", 1))
    with pytest.raises(FastclfError):
        draft_for_file(file, ["red", "green"], tmp_path)
