"""DistilledClassifier: a student of a teacher's probabilities, and of labels."""

import pickle
from typing import Any

import numpy as np
import oracles
import pytest
import scipy.sparse
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.ensemble import AdaBoostClassifier
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.model_selection import ShuffleSplit, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier

import fastclf
from fastclf import DistilledClassifier, LogisticRegression
from fastclf.errors import FastclfError
from fastclf.estimators.distilled import distilled_problem, teacher_probabilities
from fastclf.estimators.encoding import encode
from fastclf.losses import Distillation
from fastclf.objective import InMemoryObjective
from fastclf.penalties import L2
from fastclf.solvers import SGD, Adam, Newton

X, Y3 = load_iris(return_X_y=True)
X = scale(X)
Y2 = (Y3 == 1).astype(int)
N = len(X)
RNG = np.random.default_rng(0)
LOGITS = 3 * RNG.normal(size=(N, 3))
WEIGHTS = RNG.uniform(0.1, 3, N)
STUDENT = LogisticRegression(tol=1e-10, max_iter=1000)


def distilled(teacher: Any = None, **arguments: Any) -> DistilledClassifier:
    return DistilledClassifier(teacher, **{"student": STUDENT, **arguments})


def gradient(
    clf: DistilledClassifier,
    y: np.ndarray,
    teacher_logits: np.ndarray,
    weights: np.ndarray,
    C: float = 1.0,
    smoothing: float = 0.0,
) -> np.ndarray:
    """The gradient of ``a CE(y, z) + (1 - a) T² CE(q_T, z / T)`` and the penalty, by NumPy."""
    a, T = clf.hard_weight, clf.temperature
    z = X @ clf.coef_.T + clf.intercept_
    if z.shape[1] == 1:
        hard = expit(z) - ((1 - smoothing) * y[:, None] + smoothing / 2)
        soft = expit(z / T) - expit(teacher_logits.reshape(N, 1) / T)
    else:
        K = z.shape[1]
        hard = softmax(z, axis=1) - ((1 - smoothing) * np.eye(K)[y] + smoothing / K)
        soft = softmax(z / T, axis=1) - softmax(teacher_logits / T, axis=1)
    slope = (a * hard + (1 - a) * T * soft) * weights[:, None]
    total = weights.sum()
    return np.vstack([X.T @ slope / total + clf.coef_.T / (C * total), slope.sum(0) / total])


# The loss


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("hard_weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("K", [2, 3])
def test_the_mixed_loss_is_at_its_optimum(K: int, hard_weight: float, temperature: float):
    y = Y2 if K == 2 else Y3
    logits = LOGITS[:, 0] if K == 2 else LOGITS
    clf = distilled(temperature=temperature, hard_weight=hard_weight)
    clf.fit(X, y, WEIGHTS, teacher_logits=logits)
    assert np.abs(gradient(clf, y, logits, WEIGHTS)).max() < 1e-9


def test_with_the_students_parameters():
    student = clone(STUDENT).set_params(
        C=0.2, class_weight={0: 1.0, 1: 2.0, 2: 0.5}, label_smoothing=0.1
    )
    clf = distilled(student=student, temperature=3.0, hard_weight=0.6)
    clf.fit(X, Y3, WEIGHTS, teacher_logits=LOGITS)
    weights = WEIGHTS * np.array([1.0, 2.0, 0.5])[Y3]
    assert np.abs(gradient(clf, Y3, LOGITS, weights, C=0.2, smoothing=0.1)).max() < 1e-9
    assert not hasattr(student, "coef_")


@pytest.mark.parametrize("y, logits", [(Y2, LOGITS[:, 0]), (Y3, LOGITS)], ids=["2", "3"])
def test_labels_alone_are_the_plain_student(y: np.ndarray, logits: np.ndarray):
    for student in (STUDENT, clone(STUDENT).set_params(class_weight="balanced", C=0.1)):
        clf = distilled(student=student, hard_weight=1.0)
        clf.fit(X, y, WEIGHTS, teacher_logits=logits)
        plain = clone(student).fit(X, y, WEIGHTS)
        np.testing.assert_allclose(clf.coef_, plain.coef_, atol=1e-7)
        np.testing.assert_allclose(clf.intercept_, plain.intercept_, atol=1e-7)


def test_the_teacher_alone_at_temperature_one_is_a_fit_to_its_probabilities():
    clf = distilled(temperature=1.0).fit(X, Y3, WEIGHTS, teacher_logits=LOGITS)
    plain = clone(STUDENT).fit(X, softmax(LOGITS, axis=1), WEIGHTS)
    np.testing.assert_allclose(clf.coef_, plain.coef_, atol=1e-7)
    without_labels = distilled(temperature=1.0).fit(X, sample_weight=WEIGHTS, teacher_logits=LOGITS)
    np.testing.assert_allclose(without_labels.coef_, clf.coef_, atol=1e-9)


@pytest.mark.parametrize("hard_weight", [0.0, 0.4])
def test_distributions_as_targets(hard_weight: float):
    one_hot = distilled(hard_weight=hard_weight).fit(X, np.eye(3)[Y3], teacher_logits=LOGITS)
    labels = distilled(hard_weight=hard_weight).fit(X, Y3, teacher_logits=LOGITS)
    np.testing.assert_allclose(one_hot.coef_, labels.coef_, atol=1e-7)
    two = distilled(hard_weight=hard_weight).fit(X, np.eye(2)[Y2], teacher_logits=LOGITS[:, 0])
    plain = distilled(hard_weight=hard_weight).fit(X, Y2, teacher_logits=LOGITS[:, 0])
    np.testing.assert_allclose(two.coef_, plain.coef_, atol=1e-7)


def test_integer_weight_is_a_repeated_row():
    counts = RNG.integers(0, 3, N)
    rows = np.repeat(np.arange(N), counts)
    for y, logits in ((Y2, LOGITS[:, 0]), (Y3, LOGITS)):
        one = distilled(hard_weight=0.3).fit(X, y, counts, teacher_logits=logits)
        other = distilled(hard_weight=0.3).fit(X[rows], y[rows], teacher_logits=logits[rows])
        np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-7)


# Teachers


def test_a_linear_teacher_without_penalty_is_reproduced():
    for y in (Y2, Y3):
        teacher = ScikitLearn(C=0.1).fit(X, y)
        free = clone(STUDENT).set_params(C=np.inf)
        for T in (1.0, 4.0):
            clf = distilled(FrozenEstimator(teacher), student=free, temperature=T).fit(X)
            np.testing.assert_allclose(clf.predict_proba(X), teacher.predict_proba(X), atol=1e-4)


def test_a_teacher_is_cloned_and_fitted():
    teacher = ScikitLearn(C=3.0)
    clf = distilled(teacher).fit(X, Y3, WEIGHTS)
    assert not hasattr(teacher, "coef_") and clf.teacher is teacher
    fitted = ScikitLearn(C=3.0).fit(X, Y3, WEIGHTS)
    assert np.array_equal(clf.teacher_.coef_, fitted.coef_)
    given = distilled().fit(X, Y3, WEIGHTS, teacher_logits=fitted.decision_function(X))
    assert np.array_equal(clf.coef_, given.coef_) and given.teacher_ is None


def test_a_frozen_teacher_is_not_fitted_again():
    teacher = ScikitLearn().fit(X[:100:3], Y3[:100:3] % 2)
    before = teacher.coef_.copy()
    clf = distilled(FrozenEstimator(teacher)).fit(X)
    assert np.array_equal(teacher.coef_, before)
    assert clf.classes_.tolist() == [0, 1] and clf.teacher_.estimator is teacher


def test_a_teacher_that_takes_no_weights_is_fitted_without():
    class Unweighted(ClassifierMixin, BaseEstimator):
        def fit(self, X: Any, y: Any) -> "Unweighted":
            self.classes_ = np.unique(y)
            return self

        def predict_proba(self, X: Any) -> np.ndarray:
            return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    clf = distilled(Unweighted()).fit(X, Y3, WEIGHTS)
    np.testing.assert_allclose(clf.coef_, 0, atol=1e-7)
    pipeline = make_pipeline(StandardScaler(), GaussianNB())
    assert distilled(pipeline).fit(X, Y3, WEIGHTS).score(X, Y3) > 0.9


@pytest.mark.parametrize("T", [1.0, 2.0])
def test_logits_come_from_the_decision_function_else_from_probabilities(T: float):
    svc = LinearSVC(random_state=0).fit(X, Y3)
    clf = distilled(FrozenEstimator(svc), temperature=T).fit(X)
    given = distilled(temperature=T).fit(X, teacher_logits=svc.decision_function(X))
    assert np.array_equal(clf.coef_, given.coef_)
    bayes = GaussianNB().fit(X, Y3)
    clf = distilled(FrozenEstimator(bayes), temperature=T).fit(X)
    q = bayes.predict_proba(X) ** (1 / T)
    logits = T * np.log(np.maximum(q / q.sum(axis=1, keepdims=True), 1e-300))
    given = distilled(temperature=T).fit(X, teacher_logits=logits)
    np.testing.assert_allclose(clf.coef_, given.coef_, atol=1e-6)


def test_two_classes_with_a_one_dimensional_decision_function():
    names = np.array(["no", "yes"])[Y2]
    teacher = ScikitLearn().fit(X, names)
    z = teacher.decision_function(X)
    assert z.ndim == 1
    fits = [
        distilled(FrozenEstimator(teacher), hard_weight=0.3, temperature=3.0).fit(X, names),
        *(
            distilled(hard_weight=0.3, temperature=3.0).fit(X, names, teacher_logits=logits)
            for logits in (z, z[:, None], np.column_stack([0 * z, z]), np.column_stack([-z, 0 * z]))
        ),
    ]
    for fit in fits:
        assert fit.coef_.shape == (1, 4) and fit.classes_.tolist() == ["no", "yes"]
        assert fit.decision_function(X).shape == (N,)
        np.testing.assert_allclose(fit.coef_, fits[0].coef_, atol=1e-7)
    assert np.abs(gradient(fits[0], Y2, z, np.ones(N))).max() < 1e-9


def test_classes_are_aligned_by_name():
    class Backwards(ClassifierMixin, BaseEstimator):
        def fit(self, X: Any, y: Any) -> "Backwards":
            self.inner_ = GaussianNB().fit(X, y)
            self.classes_ = self.inner_.classes_[::-1]
            return self

        def predict_proba(self, X: Any) -> np.ndarray:
            return self.inner_.predict_proba(X)[:, ::-1]

    names = np.array(["a", "b", "c"])[Y3]
    one = distilled(Backwards(), hard_weight=0.2).fit(X, names)
    other = distilled(GaussianNB(), hard_weight=0.2).fit(X, names)
    assert one.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-8)
    # Without labels the teacher's order is the student's.
    frozen = FrozenEstimator(Backwards().fit(X, names))
    alone = distilled(frozen).fit(X)
    assert alone.classes_.tolist() == ["c", "b", "a"]
    assert np.array_equal(alone.predict(X), distilled(frozen).fit(X, names).predict(X))


def test_classes_without_labels_or_teacher_are_numbers():
    assert distilled().fit(X, teacher_logits=LOGITS).classes_.tolist() == [0, 1, 2]
    assert distilled().fit(X, teacher_logits=LOGITS[:, 0]).classes_.tolist() == [0, 1]


def test_given_logits_take_precedence():
    clf = distilled(GaussianNB()).fit(X, Y3, teacher_logits=LOGITS)
    assert np.array_equal(clf.coef_, distilled().fit(X, Y3, teacher_logits=LOGITS).coef_)
    assert clf.teacher_ is None


def test_a_class_that_the_teacher_excludes():
    teacher = FrozenEstimator(
        DecisionTreeClassifier(random_state=0).fit(
            np.vstack([X[Y3 > 0], [[100.0] * 4]]), [*Y3[Y3 > 0], 0]
        )
    )
    with pytest.warns(UserWarning, match="no weight.*of 0,"):
        clf = distilled(teacher).fit(X)
    assert (clf.coef_[0] == 0).all() and np.isfinite(clf.predict_log_proba(X)).all()
    both = distilled(teacher, hard_weight=0.2).fit(X, Y3)  # labels give the class its mass
    assert (both.coef_[0] != 0).all()


# The estimator


def test_attributes_predictions_and_files(tmp_path: Any):
    clf = DistilledClassifier(GaussianNB()).fit(X, np.array(["a", "b", "c"])[Y3])
    assert isinstance(clf.student_, LogisticRegression)
    for name in ("coef_", "intercept_", "classes_", "n_iter_", "history_", "n_features_in_"):
        assert getattr(clf, name) is getattr(clf.student_, name)
    clf.save(tmp_path / "m")
    for other in (clf.student_, fastclf.load(tmp_path / "m"), pickle.loads(pickle.dumps(clf))):
        for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
            assert np.array_equal(getattr(clf, method)(X), getattr(other, method)(X))
    with pytest.raises(NotFittedError):
        DistilledClassifier(GaussianNB()).predict(X)


def test_nested_parameters_and_clones():
    clf = DistilledClassifier(ScikitLearn(), student=LogisticRegression(solver=Adam()))
    clf.set_params(teacher__C=0.5, student__C=2.0, student__solver__batch_size=16, temperature=5.0)
    assert clf.teacher.C == 0.5 and clf.student.C == 2.0 and clf.student.solver.batch_size == 16
    assert clf.get_params()["student__solver__batch_size"] == 16
    copy = clone(clf)
    assert copy.teacher is not clf.teacher and copy.temperature == 5.0
    assert copy.student.solver == clf.student.solver


@pytest.mark.parametrize("solver", ["sgd", "adam", SGD(early_stopping=2, max_iter=500)], ids=str)
def test_minibatch_students(solver: Any):
    student = LogisticRegression(solver=solver, random_state=0)
    for y in (Y2, Y3):
        clf = DistilledClassifier(GaussianNB(), student=student, hard_weight=0.5).fit(X, y)
        again = clone(clf).fit(X, y)
        assert np.array_equal(again.coef_, clf.coef_)
    assert clf.score(X, Y3) > 0.85
    if not isinstance(solver, str):
        assert clf.history_["status"] == "early_stopping"


def test_sparse_rows_and_float32():
    rows = np.where(np.abs(X) > 0.5, X, 0)
    sparse = distilled(ScikitLearn(), hard_weight=0.5).fit(scipy.sparse.csr_array(rows), Y3)
    dense = distilled(ScikitLearn(), hard_weight=0.5).fit(rows, Y3)
    np.testing.assert_allclose(sparse.coef_, dense.coef_, atol=1e-4)
    single = DistilledClassifier(ScikitLearn(), hard_weight=0.5).fit(X.astype(np.float32), Y3)
    assert single.coef_.dtype == np.float32
    double = DistilledClassifier(ScikitLearn(), hard_weight=0.5).fit(X, Y3)
    np.testing.assert_allclose(single.predict_proba(X), double.predict_proba(X), atol=2e-3)


def test_a_column_of_labels_is_ravelled_once():
    with pytest.warns(DataConversionWarning) as caught:
        clf = distilled(ScikitLearn()).fit(X, Y3[:, None])
    assert len(caught) == 1
    assert np.array_equal(clf.coef_, distilled(ScikitLearn()).fit(X, Y3).coef_)


def test_feature_names():
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("abcd"))
    clf = distilled(ScikitLearn()).fit(frame, Y3)
    assert clf.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="feature names"):
        clf.predict(frame[list("dcba")])


def broken(value: float) -> np.ndarray:
    logits = LOGITS.copy()
    logits[7, 1] = value
    return logits


class Mute(ClassifierMixin, BaseEstimator):
    def fit(self, X: Any, y: Any) -> "Mute":
        self.classes_ = np.unique(y)
        return self


FROZEN = FrozenEstimator(ScikitLearn().fit(X, Y3))
BAD_FITS: dict[str, tuple[DistilledClassifier, tuple, dict[str, Any], str]] = {
    "no y for a teacher": (distilled(GaussianNB()), (X,), {}, "requires y to be passed"),
    "no y for labels": (distilled(FROZEN, hard_weight=0.1), (X,), {}, "requires y.*hard_weight"),
    "no y for labels, with logits": (
        distilled(hard_weight=1.0),
        (X,),
        {"teacher_logits": LOGITS},
        "requires y",
    ),
    "no teacher": (distilled(), (X, Y3), {}, "teacher is None"),
    "distributions for a teacher": (distilled(GaussianNB()), (X, np.eye(3)[Y3]), {}, "FrozenEst"),
    "other classes": (distilled(FROZEN), (X, Y3 + 1), {}, r"\[0, 1, 2\].*differ in \[0, 3\]"),
    "fewer classes": (distilled(FROZEN), (X, Y2), {}, "differ in"),
    "other columns": (distilled(), (X, Y2), {"teacher_logits": LOGITS}, "3 columns.*2 classes"),
    "short logits": (distilled(), (X, Y3), {"teacher_logits": LOGITS[:-1]}, r"\(150, K\)"),
    "cubic logits": (distilled(), (X, Y3), {"teacher_logits": LOGITS[None]}, r"\(150, K\)"),
    "NaN logits": (distilled(), (X, Y3), {"teacher_logits": broken(np.nan)}, "row 7"),
    "infinite logits": (distilled(), (X, Y3), {"teacher_logits": broken(-np.inf)}, "row 7"),
    "mute teacher": (distilled(Mute()), (X, Y3), {}, "Mute has neither"),
    "one class": (distilled(GaussianNB()), (X, np.ones(N)), {}, "one class"),
    "short y": (distilled(GaussianNB()), (X, Y3[:-1]), {}, "inconsistent"),
    "NaN in X": (distilled(GaussianNB()), (broken(np.nan), Y3), {}, "row 7, column 1"),
    "zero temperature": (distilled(FROZEN, temperature=0), (X,), {}, "temperature"),
    "infinite temperature": (distilled(FROZEN, temperature=np.inf), (X,), {}, "temperature"),
    "large hard_weight": (distilled(FROZEN, hard_weight=1.1), (X, Y3), {}, "hard_weight"),
    "other student": (distilled(FROZEN, student=GaussianNB()), (X,), {}, "student.*GaussianNB"),
    "student's C": (distilled(FROZEN, student=LogisticRegression(C=-1)), (X,), {}, "C must"),
    "student's smoothing": (
        distilled(FROZEN, student=LogisticRegression(label_smoothing=2.0)),
        (X,),
        {},
        "label_smoo",
    ),
}


@pytest.mark.parametrize("name", BAD_FITS)
def test_bad_input(name: str):
    clf, data, arguments, message = BAD_FITS[name]
    error = ValueError if name == "short y" else FastclfError
    with pytest.raises(error, match=f"(?s){message}"):
        clone(clf).fit(*data, **arguments)


# Logits that match probabilities, several teachers, and folds


def test_logits_are_matched_to_probabilities():
    q = {}
    for name, teacher in {
        "margins": SVC(random_state=0),
        "matching": ScikitLearn(),
        "normalised": OneVsRestClassifier(ScikitLearn()),
        "boosted": AdaBoostClassifier(random_state=0),
    }.items():
        teacher.fit(X, Y3)
        q[name], _ = teacher_probabilities(teacher, X, 2.0)
        if name in ("margins", "matching"):
            expected = softmax(teacher.decision_function(X) / 2, axis=1)
        else:
            p = teacher.predict_proba(X) ** 0.5
            expected = p / p.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(q[name], expected, rtol=1e-6)
    two, classes = teacher_probabilities(SVC().fit(X, Y2), X)
    np.testing.assert_allclose(two[:, 1], expit(SVC().fit(X, Y2).decision_function(X)))
    assert classes.tolist() == [0, 1]


def test_several_teachers_are_averaged():
    teachers = [ScikitLearn(), GaussianNB(), FrozenEstimator(LinearSVC().fit(X, Y3))]
    clf = distilled(teachers, temperature=3.0, hard_weight=0.3).fit(X, Y3, WEIGHTS)
    each = [
        teacher_probabilities(teacher, X, 3.0)[0]
        for teacher in (*(clone(t).fit(X, Y3, WEIGHTS) for t in teachers[:2]), teachers[2])
    ]
    logits = 3 * np.log(np.maximum(np.mean(each, axis=0), 1e-300))
    assert np.abs(gradient(clf, Y3, logits, WEIGHTS)).max() < 1e-8
    assert isinstance(clf.teacher_, list) and not hasattr(teachers[0], "coef_")
    p, _ = teacher_probabilities(clf.teacher_, X, 3.0)
    np.testing.assert_allclose(p, np.mean(each, axis=0))
    assert isinstance(clone(clf).teacher[1], GaussianNB)


def test_folds_keep_a_teacher_from_telling_of_its_own_rows():
    tree = DecisionTreeClassifier(max_depth=4, random_state=0)
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, Y3))
    clf = distilled(tree, cv=folds, temperature=1.5, hard_weight=0.2).fit(X, Y3, WEIGHTS)
    p = np.empty((N, 3))
    for train, test in folds:
        own = clone(tree).fit(X[train], Y3[train], WEIGHTS[train])
        p[test] = own.predict_proba(X[test])
    q = p ** (1 / 1.5)
    logits = 1.5 * np.log(np.maximum(q / q.sum(axis=1, keepdims=True), 1e-300))
    assert np.abs(gradient(clf, Y3, logits, WEIGHTS)).max() < 1e-8
    assert clf.teacher_.tree_.n_node_samples[0] == N  # and it is fitted to all rows
    names = np.array(["c", "a", "b"])[Y3]
    mixed = distilled([tree, FrozenEstimator(GaussianNB().fit(X, names))], cv=3).fit(X, names)
    assert mixed.classes_.tolist() == ["a", "b", "c"] and mixed.score(X, names) > 0.9


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("temperature, hard_weight", [(0.5, 0.3), (3.0, 0.7), (2.0, 0.0)])
def test_the_hessian_of_the_mixed_loss(K: int, temperature: float, hard_weight: float):
    y = Y2 if K == 2 else Y3
    mixture = Distillation(temperature, hard_weight)
    encoded = encode(y)
    student = clone(STUDENT)
    student.classes_ = encoded.classes
    q = softmax(LOGITS[:, :K] / temperature, axis=1)
    found = distilled_problem(student, encoded, WEIGHTS, q, mixture, X.dtype)
    penalty = L2(np.zeros(1))
    objective = InMemoryObjective(X, found.target, found.loss, found.n_columns, penalty)
    theta = RNG.normal(size=(5, found.n_columns))
    size, C = theta.size, found.n_columns
    numeric = np.zeros((size, size))
    for j in range(size):
        step = np.zeros((C, 5))
        step.ravel()[j] = 1e-5
        up, down = (objective.value_and_grad(theta + s * step.T)[1].T for s in (1, -1))
        numeric[:, j] = ((up - down) / 2e-5).ravel()
    hessian = objective.hessian(theta, whole=True)
    moved = np.eye(5)  # the features of the blocks are about a center
    moved[:4, 4] = hessian.center
    moved = np.kron(np.eye(C), moved)
    np.testing.assert_allclose(moved @ hessian.blocks[0] @ moved.T, numeric, atol=1e-8)
    direction = RNG.normal(size=theta.shape)
    product = oracles.hessian_product(objective, theta, direction)
    np.testing.assert_allclose(product.T.ravel(), numeric @ direction.T.ravel(), atol=1e-8)


@pytest.mark.parametrize("solver", ["newton", "lbfgs", Newton(whole=False)])
def test_exact_solvers_reach_the_optimum_of_the_mixed_loss(solver: Any):
    student = clone(STUDENT).set_params(solver=solver, C=3.0)
    for y, logits in ((Y2, LOGITS[:, 0]), (Y3, LOGITS)):
        clf = distilled(student=student, temperature=4.0, hard_weight=0.4)
        clf.fit(X, y, WEIGHTS, teacher_logits=logits)
        assert np.abs(gradient(clf, y, logits, WEIGHTS, C=3.0)).max() < 1e-9


BAD_TEACHERS: dict[str, tuple[DistilledClassifier, str]] = {
    "none": (distilled([]), "empty list"),
    "None in a list": (distilled([GaussianNB(), None]), "teacher is None"),
    "folds of a frozen one": (distilled(FROZEN, cv=3), "cv=3 fits teachers.*frozen"),
    "folds that overlap": (
        distilled(GaussianNB(), cv=ShuffleSplit(3, random_state=0)),
        r"hold out each row once, and row \d+ is held out",
    ),
    "a fold without a class": (
        distilled(
            GaussianNB(),
            cv=[(np.arange(100), np.arange(100, 150)), (np.arange(50, 150), np.arange(100))],
        ),
        r"fold 0 of cv has no training rows of \[2\]",
    ),
    "one against one": (
        distilled(
            FrozenEstimator(
                SVC(decision_function_shape="ovo").fit(np.vstack([X, X]), np.r_[Y3, Y3 + 3])
            )
        ),
        "15 columns for 6 classes; set decision_function_shape",
    ),
}


@pytest.mark.parametrize("name", BAD_TEACHERS)
def test_bad_teachers(name: str):
    clf, message = BAD_TEACHERS[name]
    with pytest.raises(FastclfError, match=message):
        clf.fit(X, Y3)


def test_distributions_are_scored_by_their_most_probable_class():
    clf = distilled(None).fit(X, teacher_logits=LOGITS)
    assert clf.score(X, np.eye(3)[Y3], WEIGHTS) == clf.score(X, Y3, WEIGHTS)


@pytest.mark.parametrize("teacher", ["forest", LinearRegression(), [GaussianNB(), SVR()]])
def test_a_teacher_is_a_classifier(teacher: Any):
    with pytest.raises(FastclfError, match="teacher must be a classifier"):
        distilled(teacher).fit(X, Y3)
