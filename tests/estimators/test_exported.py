"""Fitted estimators as scikit-learn's objects: the same probabilities and predictions."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import scale

import fastclf
from fastclf import LoadedClassifier
from fastclf.errors import InputError
from fastclf.estimators.exported import as_sklearn
from fastclf.linear_model import Affine, LinearModel
from fastclf.preprocessing import (
    MISSING,
    CategoricalColumn,
    DateColumn,
    Encoder,
    NumericColumn,
)

X, y = load_iris(return_X_y=True)
X = scale(X)
NAMES = np.array(["setosa", "versicolor", "virginica"])[y]
BINARY = np.where(y == 1, "yes", "no")
LABELS_X, LABELS = make_multilabel_classification(n_classes=4, random_state=0)


def same(ours: Any, theirs: Any, rows: Any, atol: float = 1e-12) -> None:
    p = theirs.predict_proba(rows)
    if isinstance(p, list):
        p = np.stack([one[:, 1] for one in p], axis=1)
    np.testing.assert_allclose(p, ours.predict_proba(rows), rtol=0, atol=atol)
    assert np.array_equal(theirs.predict(rows), ours.predict(rows))


@pytest.mark.parametrize("target", [NAMES, BINARY, y, y == 1], ids=["3", "2", "int", "bool"])
def test_classes(target: np.ndarray):
    clf = fastclf.LogisticRegression(C=0.3, tol=1e-6, class_weight="balanced").fit(X, target)
    found = clf.to_sklearn()
    assert type(found) is ScikitLearn
    same(clf, found, X)
    same(clf, found, scipy.sparse.csr_array(X))
    assert found.get_params()["C"] == 0.3 and found.tol == 1e-6
    assert found.class_weight == "balanced"
    assert np.array_equal(found.classes_, clf.classes_)
    assert np.array_equal(found.coef_, clf.coef_)
    assert found.n_features_in_ == 4 and found.n_iter_.tolist() == clf.n_iter_.tolist()
    assert found.fit(X, target).score(X, target) > 0.6  # it is an estimator like any other


def test_names_of_features_and_penalties():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    clf = fastclf.LogisticRegression(0.1, l1_ratio=1.0, solver="proximal").fit(frame, NAMES)
    found = clf.to_sklearn()
    same(clf, found, frame)
    assert found.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert (found.l1_ratio, found.solver) == (1.0, "saga")
    named = fastclf.LogisticRegression(solver="newton-cg").fit(X, y).to_sklearn()
    assert named.solver == "newton-cg"


def test_single_precision():
    rows = X.astype(np.float32)
    clf = fastclf.LogisticRegression().fit(rows, NAMES)
    same(clf, clf.to_sklearn(), rows, 1e-6)


@pytest.mark.filterwarnings("ignore:The (default|fitted):FutureWarning")
def test_cross_validated_ones_have_the_chosen_penalty():
    clf = fastclf.LogisticRegressionCV(Cs=[0.01, 1.0], cv=3).fit(X, NAMES)
    found = clf.to_sklearn()
    same(clf, found, X)
    assert np.isclose(found.C, np.ravel(clf.C_)[0])
    each = fastclf.MultiLabelLogisticRegressionCV(Cs=[0.01, 1.0], cv=3, per_label=True)
    found = each.fit(LABELS_X, LABELS).to_sklearn()
    same(each, found, LABELS_X)
    assert [one.C for one in found.estimators_] == np.ravel(each.C_).tolist()


def test_a_student():
    clf = fastclf.DistilledClassifier(ScikitLearn(), student=fastclf.LogisticRegression(0.5))
    found = clf.fit(X, NAMES).to_sklearn()
    same(clf, found, X)
    assert type(found) is ScikitLearn and found.C == 0.5


def test_temperatures():
    clf = fastclf.LogisticRegression(C=10.0).fit(X[::2], NAMES[::2])
    for estimator in (clf, FrozenEstimator(clf)):
        scaler = fastclf.TemperatureScaler(estimator).fit(X[1::2], NAMES[1::2])
        found = scaler.to_sklearn()
        same(scaler, found, X)
        np.testing.assert_allclose(found.coef_, clf.coef_ / scaler.temperature_)
        assert found.C == 10.0
    of_others = fastclf.TemperatureScaler(ScikitLearn().fit(X, y)).fit(X, y)
    assert not hasattr(of_others, "to_sklearn")


def test_several_labels():
    clf = fastclf.MultiLabelLogisticRegression(C=2.0).fit(LABELS_X, LABELS)
    found = clf.to_sklearn()
    assert type(found) is OneVsRestClassifier
    same(clf, found, LABELS_X)
    assert np.array_equal(found.classes_, clf.classes_) and found.multilabel_
    assert all(type(one) is ScikitLearn and one.C == 2.0 for one in found.estimators_)


def test_thresholds_of_labels():
    clf = fastclf.MultiLabelLogisticRegression(threshold=[0.2, 0.5, 0.7, 1.0])
    found = clf.fit(LABELS_X, LABELS).to_sklearn()
    assert type(found) is MultiOutputClassifier
    same(clf, found, LABELS_X)
    assert not found.predict(LABELS_X)[:, 3].any()


def test_a_single_label_with_a_threshold():
    clf = fastclf.MultiLabelLogisticRegression(threshold=0.2).fit(X, BINARY)
    found = clf.to_sklearn()
    assert type(found) is FixedThresholdClassifier
    same(clf, found, X)
    plain = clf.set_params(threshold=0.5).fit(X, BINARY).to_sklearn()
    assert type(plain) is ScikitLearn
    same(clf, plain, X)


def test_a_probability_at_the_threshold_is_below_it():
    model = LinearModel(
        np.array([[1.0], [0.0]]), "binary", np.array([3, 8]), threshold=np.array([0.75])
    )
    at = np.log(3)
    rows = np.array([[at]])
    threshold = LoadedClassifier(model).predict_proba(rows)[0, 1]
    clf = LoadedClassifier(
        LinearModel(model.theta, "binary", model.classes, threshold=np.array([threshold]))
    )
    rows = np.array([[at - 1e-9], [at + 1e-9], [at]])
    assert clf.predict(rows).tolist() == [3, 8, 3]
    assert clf.to_sklearn().predict(rows).tolist() == [3, 8, 3]


def test_a_fixed_number_of_labels_is_refused():
    clf = fastclf.MultiLabelLogisticRegression(top_k=2).fit(LABELS_X, LABELS)
    with pytest.raises(InputError, match="2 most probable labels.*set top_k to None"):
        clf.to_sklearn()


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_scaled_features(shift: float):
    rng = np.random.default_rng(0)
    affine = Affine(np.full(4, shift), rng.uniform(0.5, 2, 4))
    theta, names = rng.normal(size=(5, 3)), ("a", "b", "c", "d")
    model = LinearModel(
        theta, "multiclass", np.arange(3), preprocessing=affine, feature_names=names
    )
    clf = LoadedClassifier(model)
    found = clf.to_sklearn()
    assert type(found) is Pipeline
    same(clf, found, pd.DataFrame(X, columns=names))
    if not shift:
        unnamed = LoadedClassifier(LinearModel(theta, "multiclass", np.arange(3), None, affine))
        same(unnamed, unnamed.to_sklearn(), scipy.sparse.csr_array(X))


COLUMNS = (
    CategoricalColumn("city", ("Bonn", "Rome", MISSING), other=True),
    NumericColumn("age", fill=40.0, shift=35.0, scale=7.0),
    CategoricalColumn("grade", ("1", "2", "0.5")),
    NumericColumn("income", shift=2.0),
    CategoricalColumn("member", ("false", "true"), fill="true"),
    CategoricalColumn("unused", ()),
    CategoricalColumn("answer", ("NA", "yes"), other=True),
)


def encoded(columns: Any = COLUMNS, sparse: bool = False, task: Any = "binary") -> LoadedClassifier:
    encoder = Encoder(columns, sparse=sparse)
    K = 3 if task == "multiclass" else 1
    theta = np.random.default_rng(1).normal(size=(encoder.n_features + 1, K))
    classes = np.array(["no", "yes", "perhaps"])[: max(K, 2)]
    return LoadedClassifier(LinearModel(theta, task, classes, encoder=encoder))


FRAME = pd.DataFrame(
    {
        "id": range(6),
        "member": [True, False, True, True, False, False],
        "city": ["Bonn", None, "Oslo", "Rome", np.nan, "?"],
        "age": [20, np.nan, 40.5, 1e3, -3, 0],
        "unused": ["x", "y", None, "x", "z", ""],
        "grade": [1, 2, 3, 1, 2, 0.5],
        "answer": ["NA", "yes", "no", None, "N/A", ""],
        "income": [1, 2, 3, 4, 5, 6],
    }
)


@pytest.mark.filterwarnings("ignore:column:UserWarning")
@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("sparse", [False, True])
def test_raw_columns(sparse: bool, task: str):
    clf = encoded(sparse=sparse, task=task)
    found = clf.to_sklearn()
    variants = [
        FRAME,
        FRAME[FRAME.columns[::-1]],
        FRAME.convert_dtypes(),
        FRAME.astype(object),
        FRAME.assign(grade=[1, 2, 3, 1, 2, 2]),
        FRAME.assign(member=["TRUE", "False", "true", "1", None, "0"]),
        FRAME.assign(member=[1, 0, 1, np.nan, 0, 1]),
        FRAME.assign(city=pd.Categorical(FRAME.city)),
        FRAME.iloc[:1],
    ]
    for frame in variants:
        same(clf, found, frame)
    assert scipy.sparse.issparse(found[0].transform(FRAME)) == sparse


def test_what_the_model_refuses_is_refused():
    found = encoded().to_sklearn()
    with pytest.raises(ValueError, match="NaN"):
        found.predict(FRAME.assign(income=np.nan))  # it has no replacement
    with pytest.raises(ValueError, match="income"):
        found.predict(FRAME.drop(columns="income"))


def test_nothing_is_shared_with_the_model():
    model = LinearModel(np.ones((3, 1)), "binary", np.array([0, 1]))
    found = LoadedClassifier(model).to_sklearn()
    found.coef_ *= 2
    found.intercept_ += 1
    found.classes_ += 1
    assert (model.theta == 1).all() and model.classes.tolist() == [0, 1]


def test_text_alone():
    clf = encoded()
    texts = FRAME.assign(
        city=["Bonn", "", "Oslo", "Rome", "(missing)", "NA"],
        member=["true", "false", "1", "True", "", "0"],
        grade=["1", "2", "3", "1", "2", "0.5"],
        answer=["NA", "yes", "no", "", "N/A", ""],
        unused="x",
    )
    found = as_sklearn(clf.model, text_only=True)
    same(clf, found, texts)


@pytest.mark.parametrize(
    "column, reason",
    [
        (DateColumn("day", (NumericColumn("year"),)), '"day".*parts of dates.*train without'),
        (CategoricalColumn("day", ("2024-02-29", MISSING)), '"day".*dates.*train without'),
        (CategoricalColumn("day", ()), "this model has no features"),
    ],
)
def test_what_scikit_learn_cannot_do_is_refused(column: Any, reason: str):
    model = LinearModel(
        np.zeros((column.width + 1, 1)), "binary", np.arange(2), encoder=Encoder((column,))
    )
    with pytest.raises(InputError, match=reason):
        LoadedClassifier(model).to_sklearn()


def test_pandas_is_needed_for_raw_columns(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(InputError, match="frames of pandas; install it"):
        encoded().to_sklearn()


def test_a_calibrated_model_of_raw_columns():
    scaler = fastclf.TemperatureScaler(FrozenEstimator(encoded()))
    rows = FRAME.assign(grade=[1, 2, 1, 1, 2, 2])
    scaler.fit(rows, np.array(["no", "yes", "no", "yes", "yes", "no"]))
    same(scaler, scaler.to_sklearn(), rows)
