"""Temperatures: the best one, around classifiers, in files and in runs."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import tomlkit
from click.testing import CliRunner
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits, make_multilabel_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

import fastclf
from fastclf import LogisticRegression, MultiLabelLogisticRegression, TemperatureScaler
from fastclf.cli import main
from fastclf.config import Recipe, load_recipe
from fastclf.errors import ConfigError, DataError, FastclfError, ModelFileError
from fastclf.estimators.temperature import best_temperature
from fastclf.linear_model import LinearModel
from fastclf.runs.directory import open_run
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import train

X, Y = load_digits(return_X_y=True)


def problem(rng: np.random.Generator, K: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are ``scale`` times too large for labels drawn from them."""
    z = rng.normal(size=(400, K)) * 1.5
    p = softmax(z, axis=1)
    y = np.array([rng.choice(K, p=row) for row in p])
    return scale * z, y


def loss(T: float, z: np.ndarray, q: np.ndarray, w: np.ndarray) -> float:
    return -(w @ (q * log_softmax(z / T, axis=1)).sum(axis=1)) / w.sum()


def best_by_scipy(z: np.ndarray, q: np.ndarray, w: np.ndarray) -> float:
    """Golden section in log T can't tell differences of 1e-8 in it: the slope's zero can."""
    around = minimize_scalar(
        lambda u: loss(np.exp(u), z, q, w), bounds=(-12, 12), method="bounded"
    ).x

    def slope(u: float) -> float:
        z_ = z.astype(np.longdouble) * np.exp(np.longdouble(-u))
        e = np.exp(z_ - z_.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return float((w[:, None] * (p - q) * z_).sum())

    low, high = around - 0.1, around + 0.1
    assert slope(low) > 0 > slope(high)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return float(np.exp(low))


# The temperature


@pytest.mark.parametrize("scale", [1e-3, 0.2, 1.0, 7.0, 1e4])
@pytest.mark.parametrize("K", [2, 3, 10])
def test_it_is_the_best(K: int, scale: float, rng: np.random.Generator):
    z, y = problem(rng, K, scale)
    w = rng.uniform(0, 3, len(y))
    q = np.eye(K)[y]
    T = best_temperature(z, q, w)
    assert T is not None
    if 1e-2 < scale < 1e3:
        assert T == pytest.approx(best_by_scipy(z, q, w), rel=1e-7)
    assert T == pytest.approx(scale * best_temperature(z / scale, q, w), rel=1e-9)
    soft = rng.dirichlet(np.ones(K), len(y)) * 0.3 + 0.7 * q
    assert best_temperature(z, soft, w) > T  # less sure


def test_scalers_of_logits(rng: np.random.Generator):
    z, y = problem(rng, 3, 4.0)
    scaler = TemperatureScaler().fit(z, y)
    assert scaler.temperature_ == pytest.approx(
        best_by_scipy(z, np.eye(3)[y], np.ones(len(y))), rel=1e-6
    )
    np.testing.assert_allclose(
        scaler.predict_proba(z), softmax(z / scaler.temperature_, axis=1), rtol=1e-12
    )
    np.testing.assert_allclose(np.exp(scaler.predict_log_proba(z)), scaler.predict_proba(z))
    assert np.array_equal(scaler.predict(z), z.argmax(axis=1))
    names = np.array(["a", "b", "c"])
    named = TemperatureScaler().fit(z, names[y])
    assert named.temperature_ == scaler.temperature_
    assert np.array_equal(named.predict(z), names[z.argmax(axis=1)])
    few = y < 2
    assert TemperatureScaler().fit(z[few], y[few]).classes_.tolist() == [0, 1, 2]
    soft = TemperatureScaler().fit(z, np.eye(3)[y])
    assert soft.temperature_ == scaler.temperature_


def test_two_classes_have_logits_zero_and_z(rng: np.random.Generator):
    z, y = problem(rng, 2, 3.0)
    second = z[:, 1] - z[:, 0]
    one, two = TemperatureScaler().fit(second, y), TemperatureScaler().fit(z, y)
    assert one.temperature_ == pytest.approx(two.temperature_, rel=1e-9)
    np.testing.assert_allclose(one.predict_proba(second), two.predict_proba(z))
    assert one.decision_function(second).shape == (400,)
    assert one.predict(np.zeros(1)).tolist() == [0]


def test_integer_weight_is_a_repeated_row_and_weight_zero_a_removed_one(rng):
    z, y = problem(rng, 3, 2.0)
    counts = rng.integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), counts)
    one = TemperatureScaler().fit(z, y, counts)
    other = TemperatureScaler().fit(z[rows], y[rows])
    assert one.temperature_ == pytest.approx(other.temperature_, rel=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
def test_where_none_is_the_best_it_stays_one(sign: int, rng: np.random.Generator):
    z = rng.normal(size=(30, 3))
    with pytest.warns(UserWarning, match="there is no best temperature.*more rows"):
        scaler = TemperatureScaler().fit(sign * z, z.argmax(axis=1))
    assert scaler.temperature_ == 1


# Around classifiers


def test_a_fitted_classifier_is_as_scikit_learn_calibrates_it():
    X2, y2 = load_breast_cancer(return_X_y=True)
    clf = GaussianNB().fit(X2[:300], y2[:300])
    for data, labels, model in (
        (X2, y2, SVC().fit(X2[:300], y2[:300])),
        (X2, y2, clf),
        (X, Y, SVC().fit(X[:300], Y[:300])),
    ):
        rows = slice(300, 500)
        scaler = TemperatureScaler(model).fit(data[rows], labels[rows])
        theirs = CalibratedClassifierCV(FrozenEstimator(model), method="temperature")
        theirs.fit(data[rows], labels[rows])
        assert scaler.estimator_ is model
        if hasattr(model, "decision_function"):  # they take probabilities for logits otherwise
            np.testing.assert_allclose(
                scaler.predict_proba(data[rows]), theirs.predict_proba(data[rows]), atol=1e-3
            )
        if labels is y2:  # an SVC of more classes predicts by votes, not by its largest margin
            assert np.array_equal(scaler.predict(data[rows]), model.predict(data[rows]))


def test_probabilities_of_zero_are_no_obstacle():
    forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(X[:500], Y[:500])
    scaler = TemperatureScaler(forest).fit(X[500:900], Y[500:900])
    p = scaler.predict_proba(X[900:])
    np.testing.assert_allclose(p.sum(axis=1), 1)
    q = forest.predict_proba(X[500:900])
    assert (q == 0).any()
    z = np.log(np.maximum(q, np.finfo(float).eps))
    expected = best_by_scipy(z, np.eye(10)[Y[500:900]], np.ones(400))
    assert scaler.temperature_ == pytest.approx(expected, rel=1e-6)
    assert log_loss(Y[900:], p) < log_loss(Y[900:], forest.predict_proba(X[900:]))
    # Margins aren't probabilities, and stay as large as they are.
    far = TemperatureScaler().fit(1e3 * z, Y[500:900])
    assert far.temperature_ == pytest.approx(1e3 * expected, rel=1e-6)


def test_scores_are_those_of_the_classifiers():
    clf = LogisticRegression().fit(X[:500], Y[:500])
    scaler = TemperatureScaler(clf).fit(X[500:900], np.eye(10)[Y[500:900]])
    assert scaler.score(X[900:], np.eye(10)[Y[900:]]) == clf.score(X[900:], Y[900:])
    with pytest.raises(FastclfError, match="y has 9 columns, but there are 10 classes"):
        scaler.score(X[900:], np.eye(10)[Y[900:]][:, 1:])
    A, B = make_multilabel_classification(n_samples=300, n_labels=3, random_state=0)
    B = np.where(np.arange(300)[:, None] % 3 == np.arange(5) % 3, np.nan, B)
    several = MultiLabelLogisticRegression().fit(A[:100], B[:100])
    scaler = TemperatureScaler(several).fit(A[100:200], B[100:200])
    assert scaler.score(A[200:], B[200:]) == several.score(A[200:], B[200:])
    with pytest.raises(FastclfError, match="y must have shape"):
        scaler.score(A[200:], B[200:, 1:])


def test_one_that_is_not_fitted_is_calibrated_on_rows_that_were_held_out():
    clf = LogisticRegression(C=10.0)
    scaler = TemperatureScaler(clf, cv=4).fit(X[:600], Y[:600])
    assert not hasattr(clf, "coef_")
    logits = cross_val_predict(clf, X[:600], Y[:600], cv=4, method="decision_function")
    expected = TemperatureScaler().fit(logits, Y[:600]).temperature_
    assert scaler.temperature_ == pytest.approx(expected, rel=1e-9)
    np.testing.assert_array_equal(scaler.estimator_.coef_, clone(clf).fit(X[:600], Y[:600]).coef_)
    soft = TemperatureScaler(clf, cv=4).fit(X[:600], np.eye(10)[Y[:600]])
    assert soft.temperature_ == pytest.approx(expected, rel=1e-2)  # tol


def test_rows_may_be_lists():
    scaler = TemperatureScaler(GaussianNB(var_smoothing=0.1), cv=3).fit(X[:300], Y[:300])
    again = clone(scaler).fit(X[:300].tolist(), Y[:300])
    assert again.temperature_ == scaler.temperature_


def test_several_labels_have_one_temperature():
    A, B = make_multilabel_classification(n_samples=300, n_labels=3, random_state=0)
    clf = MultiLabelLogisticRegression(C=100.0).fit(A[:100], B[:100])
    scaler = TemperatureScaler(clf).fit(A[100:200], B[100:200])
    z, y = clf.decision_function(A[100:200]).ravel(), B[100:200].ravel()
    q = np.stack([1 - y, y], axis=1)
    two = np.stack([np.zeros_like(z), z], axis=1)
    assert scaler.temperature_ == pytest.approx(best_by_scipy(two, q, np.ones(len(y))), rel=1e-6)
    p = scaler.predict_proba(A[200:])
    np.testing.assert_allclose(
        p, 1 / (1 + np.exp(-clf.decision_function(A[200:]) / scaler.temperature_))
    )
    assert np.array_equal(scaler.predict(A[200:]), p > 0.5)
    with pytest.raises(FastclfError, match="must be fitted before"):
        TemperatureScaler(MultiLabelLogisticRegression()).fit(A, B)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 10])
def test_files_pickles_and_sparse_rows(classes: int, dtype: type, tmp_path: Path):
    rows = Y < classes
    A, y = X[rows].astype(dtype), Y[rows]
    clf = LogisticRegression(C=1e4).fit(A[:150], y[:150])
    if classes == 2:
        clf.coef_ = -clf.coef_  # wrong, so that there is something to be calibrated
        y = np.where(np.arange(len(y)) % 3, y, 1 - y)
        y = 1 - y
    scaler = TemperatureScaler(clf).fit(A[150:], y[150:])
    assert scaler.temperature_ != 1
    scaler.save(tmp_path / "model.safetensors")
    model = LinearModel.load(tmp_path / "model.safetensors")
    assert model.temperature == scaler.temperature_
    np.testing.assert_allclose(model.predict_proba(A), scaler.predict_proba(A), rtol=1e-4)
    loaded = fastclf.load(tmp_path / "model.safetensors")
    assert loaded.coef_.dtype == dtype
    np.testing.assert_allclose(
        loaded.predict_proba(A), scaler.predict_proba(A), rtol=1e-3, atol=1e-6
    )
    again = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(again.predict_proba(A), scaler.predict_proba(A))
    sparse = scaler.predict_proba(scipy.sparse.csr_array(A))
    np.testing.assert_allclose(sparse, scaler.predict_proba(A), rtol=1e-4, atol=1e-7)
    assert not hasattr(TemperatureScaler(GaussianNB()), "save")


def test_a_model_without_a_temperature_is_saved_as_before(tmp_path: Path):
    clf = LogisticRegression().fit(X[:300], Y[:300])
    clf.save(tmp_path / "m.safetensors")
    assert b'\\"format\\": 2' in (tmp_path / "m.safetensors").read_bytes()
    TemperatureScaler(clf).fit(X[300:], Y[300:]).save(tmp_path / "m.safetensors")
    content = (tmp_path / "m.safetensors").read_bytes()
    assert b'\\"format\\": 3' in content
    start = content.index(b'\\"temperature\\": ') + len(b'\\"temperature\\": ')
    for text in (b"-1.0000", b'\\"none'):
        (tmp_path / "bad").write_bytes(content[:start] + text + content[start + len(text) :])
        with pytest.raises(ModelFileError):
            LinearModel.load(tmp_path / "bad")


Z = np.random.default_rng(1).normal(size=(20, 3))
LABELS = np.arange(20) % 3
BAD: dict[str, tuple[Any, ...]] = {
    "no targets": (None, Z, None, "y"),
    "NaN": (None, np.where(np.arange(20)[:, None] == 4, np.nan, Z), LABELS, "row 4"),
    "too many classes": (None, Z, np.arange(20) % 4, "4 classes.*3 columns"),
    "too few names": (None, Z, np.array(["a", "b"])[LABELS % 2], "2 classes.*3 columns"),
    "another length": (None, Z, LABELS[:-1], "inconsistent"),
    "three dimensions": (None, Z[None], LABELS, "dim"),
    "an unknown class": (GaussianNB().fit(Z, LABELS), Z, LABELS + 1, "unknown label"),
    "few of a class": (GaussianNB(), Z, np.r_[3, LABELS[1:]], "fold|least populated"),
    "mute": (SVC(decision_function_shape="ovo").fit(X, Y), X, Y, "45 columns for 10 classes"),
}


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str):
    estimator, logits, y, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        TemperatureScaler(estimator).fit(logits, y)


def test_columns_must_stay_as_they_were(rng: np.random.Generator):
    z, y = problem(rng, 3, 2.0)
    scaler = TemperatureScaler().fit(z, y)
    with pytest.raises(FastclfError, match="2 columns of logits.*3 classes"):
        scaler.predict(z[:, :2])


# In runs


def recipe(**tables: Any) -> Recipe:
    return Recipe.model_validate({"name": "t", "data": {"name": "digits"}, **tables})


def test_a_run_calibrates_on_rows_that_never_train(tmp_path: Path):
    calibrated = recipe(model={"kind": "softmax", "C": 1e3}, calibrate={})
    result = train(calibrated, tmp_path / "run")
    facts = result.summary["calibration"]
    assert result.summary["n_train"] + facts["n_rows"] + result.summary["n_test"] == 1797
    assert result.model.temperature == facts["temperature"] > 1
    assert facts["after"]["log_loss"] < facts["before"]["log_loss"]
    figures = result.summary["metrics"]
    assert figures["test"]["log_loss"] < figures["uncalibrated"]["log_loss"]
    assert figures["test"]["ece"] < figures["uncalibrated"]["ece"]
    assert figures["test"]["accuracy"] == figures["uncalibrated"]["accuracy"]
    run = open_run(tmp_path / "run")
    assert run.model.temperature == result.model.temperature
    again = evaluate_run(run)
    assert again.parts["test"].metrics == figures["test"]
    unchanged = recipe(model={"kind": "softmax", "C": 1e3}, calibrate={"temperature": False})
    plain = train(unchanged, tmp_path / "plain")
    assert plain.model.temperature == 1
    np.testing.assert_array_equal(plain.model.theta, result.model.theta)
    assert plain.summary["calibration"]["before"] == plain.summary["calibration"]["after"]


@pytest.mark.parametrize("card", ["breast_cancer", "votes", "multilabel", "films", "loans"])
def test_every_task_can_be_calibrated(card: str, tmp_path: Path):
    path = Path(__file__).parents[2] / "datasets" / f"{card}.toml"
    wanted = recipe(data={"card": str(path)}, model={"C": 1e3}, calibrate={})
    facts = train(wanted, tmp_path / "run").summary["calibration"]
    loss = "cross_entropy" if card == "votes" else "log_loss"
    assert facts["after"][loss] <= facts["before"][loss]
    assert evaluate_run(open_run(tmp_path / "run")).parts["test"].n_rows > 0


def test_a_student_can_be_calibrated(tmp_path: Path):
    distill = {"teacher": "random_forest", "temperature": 3.0}
    result = train(recipe(distill=distill, calibrate={}), tmp_path / "run")
    assert result.model.temperature == result.summary["calibration"]["temperature"]
    assert "kl_to_teacher" in result.summary["metrics"]["student"]


def test_from_the_command_line(tmp_path: Path):
    (tmp_path / "r.toml").write_text('[data]\nname = "wine"\n[calibrate]\n')
    shell, config = CliRunner(), str(tmp_path / "r.toml")
    planned = shell.invoke(main, ["check", "--config", config])
    assert "106 training rows + 27 calibration rows + 45 test rows" in planned.output
    out = str(tmp_path / "run")
    done = shell.invoke(main, ["train", "--config", config, "--set", "model.C=1e4", "--out", out])
    assert done.exit_code == 0
    assert "calibrated on 27 rows: temperature" in done.output
    np.savetxt(tmp_path / "rows.csv", np.zeros((3, 13)), delimiter=",", fmt="%g")
    model = open_run(Path(out)).model
    names = ",".join(model.feature_names or ())
    (tmp_path / "rows.csv").write_text(f"{names}\n" + ",".join(["3.5"] * 13) + "\n")
    predicted = shell.invoke(main, ["predict", out, str(tmp_path / "rows.csv"), "-q"])
    told = [float(cell) for cell in predicted.output.splitlines()[1].split(",")[1:]]
    np.testing.assert_allclose(told, model.predict_proba(np.full((1, 13), 3.5))[0], rtol=1e-6)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["calibration"]["temperature"] == model.temperature


@pytest.mark.parametrize(
    "table, message",
    [
        ({"validation_fraction": 0.0}, "validation_fraction"),
        ({"temprature": True}, "temprature.*temperature"),
    ],
)
def test_bad_tables(table: dict[str, Any], message: str, tmp_path: Path):
    text = tomlkit.dumps({"data": {"name": "iris"}, "calibrate": table})
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_recipe(tmp_path / "r.toml")


def test_too_few_rows_to_calibrate_on(tmp_path: Path):
    with pytest.raises(DataError, match=r"calibrate.validation_fraction = 0.001"):
        train(recipe(calibrate={"validation_fraction": 0.001}), tmp_path / "run")
