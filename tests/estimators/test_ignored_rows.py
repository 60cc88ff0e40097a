"""Rows whose label says that they don't count, and label smoothing beside them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit
from settled import LogisticRegressionCV
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import scale

from fastclf import (
    DistilledClassifier,
    LogisticRegression,
    TemperatureScaler,
)
from fastclf.config import Recipe, load_recipe
from fastclf.errors import ConfigError, DataError, FastclfError
from fastclf.runs.directory import open_run
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import train
from fastclf.solvers import Adam

X, Y = load_iris(return_X_y=True)
X = scale(X)
RNG = np.random.default_rng(0)
GONE = RNG.random(150) < 0.3
WEIGHTS = RNG.uniform(0.5, 2, 150)


def exact(**arguments: Any) -> LogisticRegression:
    return LogisticRegression(**{"tol": 1e-10, "max_iter": 1000, **arguments})


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weight", [None, "balanced", {0: 2.0, 1: 1.0, 2: 0.3}])
@pytest.mark.parametrize("K", [2, 3])
def test_it_is_as_if_the_rows_were_not_there(K: int, weight: Any, smoothing: float):
    rows = Y < K
    A, y, w, gone = X[rows], Y[rows], WEIGHTS[rows], GONE[rows]
    if isinstance(weight, dict):
        weight = {k: v for k, v in weight.items() if k < K}
    settings = {"class_weight": weight, "label_smoothing": smoothing, "C": 0.3}
    clf = exact(ignore_index=-100, **settings).fit(A, np.where(gone, -100, y), w)
    plain = exact(**settings).fit(A[~gone], y[~gone], w[~gone])
    assert clf.classes_.tolist() == list(range(K))
    np.testing.assert_allclose(clf.coef_, plain.coef_, atol=1e-7)
    np.testing.assert_allclose(clf.intercept_, plain.intercept_, atol=1e-7)
    assert clf.score(A, np.where(gone, -100, y), w) == pytest.approx(
        plain.score(A[~gone], y[~gone], w[~gone])
    )


@pytest.mark.parametrize("ignored", ["b", "z"])
def test_labels_of_text(ignored: str):
    names = np.array(["a", "c", "d"])[Y]
    y = np.where(GONE, ignored, names)
    clf = exact(ignore_index=ignored).fit(X, y)
    assert clf.classes_.tolist() == ["a", "c", "d"]
    np.testing.assert_allclose(clf.coef_, exact().fit(X[~GONE], names[~GONE]).coef_, atol=1e-7)
    assert exact(ignore_index="absent").fit(X, names).classes_.tolist() == ["a", "c", "d"]


@pytest.mark.filterwarnings("ignore:X_val and y_val have no influence")
def test_minibatches_skip_what_is_ignored():
    y = np.where(GONE, -1, Y)
    solver = Adam(batch_size=8)
    clf = LogisticRegression(solver=solver, max_iter=50, random_state=0, ignore_index=-1)
    clf.fit(X, y, X_val=X, y_val=y)
    assert clf.score(X[~GONE], Y[~GONE]) > 0.9
    in_parts = LogisticRegression(solver=solver, random_state=0, ignore_index=-1)
    in_parts.partial_fit(X[:9], np.full(9, -1), classes=[0, 1, 2])
    assert in_parts.coef_.shape == (3, 4) and not in_parts.coef_.any()
    in_parts.partial_fit(X, y)
    before = in_parts.coef_.copy()
    in_parts.partial_fit(X[:20], np.full(20, -1))
    assert np.array_equal(in_parts.coef_, before) and before.any()
    in_parts.partial_fit(X, y)
    assert np.isfinite(in_parts.coef_).all()


def test_what_cannot_be_ignored():
    clf = exact(ignore_index=-1)
    with pytest.raises(FastclfError, match="all of y is ignore_index=-1"):
        clf.fit(X, np.full(150, -1))
    with pytest.raises(FastclfError, match="goes with labels, and y holds distributions"):
        clf.fit(X, np.eye(3)[Y])
    with pytest.raises(FastclfError, match="only one class"):
        clf.fit(X, np.where(Y == 0, 0, -1))
    clf.fit(X, np.where(GONE, -1, Y))
    with pytest.raises(FastclfError, match="no row is left to score"):
        clf.score(X, np.full(150, -1))
    with pytest.raises(FastclfError, match="unknown label 7"):
        clf.score(X, np.full(150, 7))
    with pytest.raises(FastclfError, match="goes with labels, and y holds distributions"):
        DistilledClassifier(FrozenEstimator(clf), student=clf).fit(X, np.eye(3)[Y])


@pytest.mark.parametrize("given", ["teacher", "folds", "logits"])
@pytest.mark.parametrize("weighted", [False, True])
def test_neither_teacher_nor_student_sees_them(given: str, weighted: bool):
    y, weights = np.where(GONE, -1, Y), WEIGHTS if weighted else None
    own = WEIGHTS[~GONE] if weighted else None
    logits = 3 * RNG.normal(size=(150, 3)) if given == "logits" else None
    arguments = {"hard_weight": 0.4, "cv": 3 if given == "folds" else None}
    teacher = None if given == "logits" else GaussianNB()
    clf = DistilledClassifier(teacher, student=exact(ignore_index=-1), **arguments)
    clf.fit(X, y, weights, teacher_logits=logits)
    without = DistilledClassifier(teacher, student=exact(), **arguments)
    kept = None if logits is None else logits[~GONE]
    without.fit(X[~GONE], Y[~GONE], own, teacher_logits=kept)
    assert clf.classes_.tolist() == [0, 1, 2]
    np.testing.assert_allclose(clf.coef_, without.coef_, atol=1e-7)
    assert clf.score(X, y) == without.score(X[~GONE], Y[~GONE])


@pytest.mark.parametrize("fitted", [False, True])
def test_neither_does_a_temperature(fitted: bool):
    y = np.where(GONE, -1, Y)
    clf, without = exact(ignore_index=-1, C=0.1), exact(C=0.1)
    if fitted:
        clf, without = clf.fit(X, y), without.fit(X[~GONE], Y[~GONE])
    scaler = TemperatureScaler(clf).fit(X, y, WEIGHTS)
    expected = TemperatureScaler(without).fit(X[~GONE], Y[~GONE], WEIGHTS[~GONE])
    assert scaler.temperature_ == pytest.approx(expected.temperature_, rel=1e-6)
    assert scaler.score(X, y, WEIGHTS) == expected.score(X[~GONE], Y[~GONE], WEIGHTS[~GONE])


def saved(path: Path, y: np.ndarray) -> Path:
    lines = ["a,b,c,d,kind"]
    lines += [",".join([*map(repr, x), str(label)]) for x, label in zip(X.tolist(), y, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("ignored", [-100, "unknown"])
def test_runs_leave_them_out(ignored: Any, tmp_path: Path):
    names = np.array(["a", "b", "c"])[Y] if isinstance(ignored, str) else Y
    path = saved(tmp_path / "t.csv", np.where(GONE, ignored, names))
    data = {"path": str(path), "target": "kind"}
    wanted = {"name": "t", "data": {**data, "ignore_index": ignored}}
    wanted["model"] = {"kind": "softmax", "label_smoothing": 0.1}
    result = train(Recipe.model_validate(wanted), tmp_path / "run")
    assert result.summary["n_train"] + result.summary["n_test"] == (~GONE).sum()
    assert len(result.model.classes) == 3
    run = open_run(tmp_path / "run")
    assert evaluate_run(run).parts["test"].metrics == result.summary["metrics"]["test"]
    assert evaluate_run(run, path).parts["t"].n_rows == (~GONE).sum()


def test_bad_recipes(tmp_path: Path):
    votes = {"card": str(Path(__file__).parents[2] / "datasets/votes.toml"), "ignore_index": "a"}
    with pytest.raises(DataError, match="ignore_index needs one label per row.*distributions"):
        train(Recipe.model_validate({"name": "t", "data": votes}), tmp_path / "votes")
    path = saved(tmp_path / "t.csv", Y)
    data = {"path": str(path), "target": "kind", "ignore_index": -100}
    with pytest.raises(
        DataError, match='data.ignore_index: t has no label "-100".*labels are 0, 1'
    ):
        train(Recipe.model_validate({"name": "t", "data": data}), tmp_path / "run")
    text = tomlkit.dumps({"data": {**data, "classes": [0, 1]}})
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(ConfigError, match="both choose the rows to leave out"):
        load_recipe(tmp_path / "r.toml")


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "f1_macro"])
def test_cross_validation_is_as_if_the_rows_were_not_there(scoring: Any):
    part = RNG.integers(3, size=150)
    folds = [(np.flatnonzero(part != f), np.flatnonzero(part == f)) for f in range(3)]
    place = np.cumsum(~GONE) - 1
    fewer = [tuple(place[rows[~GONE[rows]]] for rows in fold) for fold in folds]
    settings = {"Cs": [0.01, 1.0], "scoring": scoring, "tol": 1e-10, "max_iter": 500}
    clf = LogisticRegressionCV(cv=folds, ignore_index=-1, **settings)
    clf.fit(X, np.where(GONE, -1, Y), WEIGHTS)
    plain = LogisticRegressionCV(cv=fewer, **settings).fit(X[~GONE], Y[~GONE], WEIGHTS[~GONE])
    assert clf.classes_.tolist() == [0, 1, 2]
    np.testing.assert_allclose(clf.scores_, plain.scores_, atol=1e-7)
    np.testing.assert_allclose(clf.coefs_paths_, plain.coefs_paths_, atol=1e-6)
    np.testing.assert_allclose(clf.coef_, plain.coef_, atol=1e-6)
    score = clf.score(X, np.where(GONE, -1, Y), sample_weight=WEIGHTS)
    alone = plain.score(X[~GONE], Y[~GONE], sample_weight=WEIGHTS[~GONE])
    assert score == pytest.approx(alone)
    with pytest.raises(FastclfError, match="no row is left to score"):
        clf.score(X, np.full(150, -1))


def test_folds_of_an_integer_spread_what_is_ignored():
    y = np.sort(np.where(GONE, -1, Y))
    clf = LogisticRegressionCV(Cs=[1.0], cv=5, ignore_index=-1).fit(X, y)
    assert clf.scores_.shape == (5, 1, 1)
    blocks = [(np.arange(20, 150), np.arange(20)), (np.arange(100), np.arange(100, 150))]
    with pytest.raises(FastclfError, match="fold 0 holds out ignored rows alone"):
        LogisticRegressionCV(Cs=[1.0], cv=blocks, ignore_index=-1).fit(X, y)
