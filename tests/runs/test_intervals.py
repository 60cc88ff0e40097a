"""Intervals of metrics: a plain loop over the same draws is the oracle."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats
from sklearn import metrics

from fastclf.cli import main
from fastclf.config import Recipe
from fastclf.errors import RunError
from fastclf.runs.bootstrap import MOST_ROWS, Ratio, paired_differences
from fastclf.runs.comparison import compare_runs
from fastclf.runs.directory import open_run
from fastclf.runs.evaluation import evaluate_predictions
from fastclf.runs.intervals import intervals_of, row_terms
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import train

SEED = 7
PERCENTILES = [2.5, 97.5]


def some(rng: np.random.Generator, n: int, n_classes: int, ties: bool = False) -> tuple:
    """Return labels, predictions, probabilities and classes of a model that is mostly right."""
    y = rng.integers(n_classes, size=n)
    p = rng.dirichlet(np.ones(n_classes), size=n) + 0.4 * np.eye(n_classes)[y]
    p = np.round(8 * p) + 1 if ties else p
    p /= p.sum(axis=1, keepdims=True)
    return y, p.argmax(axis=1), p, np.arange(n_classes)


def some_labels(rng: np.random.Generator, n: int) -> tuple:
    y = (rng.random((n, 3)) < 0.4).astype(float)
    y[rng.random((n, 3)) < 0.2] = np.nan
    p = np.clip(np.where(y > 0, 0.6, 0.3) + rng.normal(scale=0.2, size=(n, 3)), 0.01, 0.99)
    return y, (p > 0.5).astype(int), p, np.array(["a", "b", "c"])


def looped(n: int, n_draws: int, metric: Callable[[np.ndarray], float]) -> list[float]:
    """Return the interval of a metric of drawn rows, without the draws where it is NaN."""
    values = []
    for rows in np.random.default_rng(SEED).integers(n, size=(n_draws, n)):
        value = metric(rows)
        if not np.isnan(value):
            values.append(value)
    return np.percentile(values, PERCENTILES).tolist()


@pytest.mark.parametrize(("n", "n_classes", "n_draws"), [(30, 2, 200), (3001, 2, 200), (90, 4, 60)])
@pytest.mark.parametrize("ties", [False, True])
def test_intervals_are_those_of_a_loop_over_the_draws(
    n: int, n_classes: int, n_draws: int, ties: bool, rng
):
    y, predicted, p, classes = some(rng, n, n_classes, ties)
    found = intervals_of(y, predicted, p, classes, SEED, n_draws)

    def area(rows: np.ndarray) -> float:
        if len(np.unique(y[rows])) < n_classes:
            return np.nan
        scores = p[rows, 1] if n_classes == 2 else p[rows]
        return metrics.roc_auc_score(y[rows], scores, multi_class="ovr")

    wanted = {
        "accuracy": looped(n, n_draws, lambda rows: np.mean(y[rows] == predicted[rows])),
        "log_loss": looped(
            n, n_draws, lambda rows: metrics.log_loss(y[rows], p[rows], labels=classes)
        ),
        "roc_auc": looped(n, n_draws, area),
    }
    assert found.keys() == wanted.keys()
    for name, ends in wanted.items():
        assert found[name] == pytest.approx(ends, rel=1e-10), name


def some_distributions(rng: np.random.Generator, n: int) -> tuple:
    _, predicted, p, classes = some(rng, n, 3)
    return rng.dirichlet(np.ones(3), size=n), predicted, p, classes


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (some_labels, {"subset_accuracy", "micro_f1", "log_loss"}),
        (some_distributions, {"accuracy", "cross_entropy"}),
    ],
)
def test_intervals_for_other_targets(make: Callable, names: set[str], rng):
    y, predicted, p, classes = make(rng, 60)
    if y.dtype == float and np.isnan(y).any():
        y[:5] = np.nan
    found = intervals_of(y, predicted, p, classes, SEED, 40)
    assert set(found) == names
    for name, ends in found.items():

        def metric(rows: np.ndarray, name: str = name) -> float:
            return evaluate_predictions(y[rows], predicted[rows], p[rows], classes).metrics[name]

        assert ends == pytest.approx(looped(60, 40, metric), rel=1e-10), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_terms_sum_to_the_metrics(dtype: type, rng):
    sets = [some(rng, 50, 2), some(rng, 50, 3), some_labels(rng, 50)]
    y, predicted, p, classes = some(rng, 50, 3)
    p[0] = [0.0, 0.0, 1.0]  # the log-loss stays finite
    y[0] = 0
    names = np.array(["x", "y", "z"])
    sets += [(names[y], names[predicted], p, names), (np.eye(3)[y], predicted, p, classes)]
    for y, predicted, p, classes in sets:
        p = p.astype(dtype)
        found = evaluate_predictions(y, predicted, p, classes).metrics
        for name, ratio in row_terms(y, predicted, p, classes).items():
            assert ratio.above.sum() / ratio.below.sum() == pytest.approx(found[name], rel=1e-5)


def test_a_class_that_the_model_lacks_leaves_accuracy_alone(rng):
    y, predicted, p, classes = some(rng, 50, 2)
    names = np.array(["a", "b"])
    texts = np.array(["a", "b", "c"])[np.where(np.arange(50) < 2, 2, y)].astype(object)
    found = intervals_of(texts, names[predicted], p, names, SEED)
    assert set(found) == {"accuracy"}
    low, high = found["accuracy"]
    assert low < np.mean(texts == names[predicted]) < high


def test_no_area_without_a_class_or_without_enough_draws(rng):
    _, predicted, p, classes = some(rng, 40, 2)
    never = np.zeros(40, int)
    assert set(intervals_of(never, predicted, p, classes, SEED)) == {"accuracy", "log_loss"}
    _, predicted, p, classes = some(rng, 40, 6)
    rare = np.where(np.arange(40) < 6, np.arange(40), 0)  # few draws have all six classes
    assert "roc_auc" not in intervals_of(rare, predicted, p, classes, SEED)
    many = some(rng, 3000, 4)
    assert "roc_auc" not in intervals_of(*many, SEED)


def test_a_single_row():
    found = intervals_of(np.array([1]), np.array([1]), np.array([[0.25, 0.75]]), np.arange(2), 0)
    assert found["accuracy"] == (1.0, 1.0)
    assert found["log_loss"] == pytest.approx([-np.log(0.75)] * 2)


def test_the_same_seed_gives_the_same_bits(rng):
    data = some(rng, 200, 2)
    first = intervals_of(*data, SEED)
    assert first == intervals_of(*data, SEED)
    assert first != intervals_of(*data, SEED + 1)


def test_scipy_finds_similar_intervals(rng):
    y, predicted, p, classes = some(rng, 300, 3)
    found = intervals_of(y, predicted, p, classes, SEED)
    for name, ratio in row_terms(y, predicted, p, classes).items():
        theirs = stats.bootstrap(
            (ratio.above,), np.mean, method="percentile", n_resamples=2000, random_state=rng
        ).confidence_interval
        width = theirs.high - theirs.low
        assert found[name] == pytest.approx(tuple(theirs), abs=0.1 * width)


def test_most_intervals_contain_the_true_accuracy(rng):
    hits = 0
    classes = np.arange(2)
    for _ in range(200):
        predicted = (rng.random(100) < 0.3).astype(int)
        low, high = intervals_of(
            np.zeros(100, int), predicted, np.full((100, 2), 0.5), classes, SEED, 200
        )["accuracy"]
        hits += low <= 0.7 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_many_rows_have_standard_errors_in_place_of_draws(rng):
    n = MOST_ROWS + 1
    y, predicted, p, classes = some(rng, n, 2)
    found = intervals_of(y, predicted, p, classes, SEED)
    accuracy = np.mean(y == predicted)
    error = 1.96 * np.sqrt(accuracy * (1 - accuracy) / n)
    assert found["accuracy"] == pytest.approx([accuracy - error, accuracy + error], abs=1e-6)
    losses = -np.log(p[np.arange(n), y])
    error = 1.96 * losses.std() / np.sqrt(n)
    ends = [losses.mean() - error, losses.mean() + error]
    assert found["log_loss"] == pytest.approx(ends, abs=1e-5)
    assert "roc_auc" not in found
    most = tuple(part[:MOST_ROWS] for part in (y, predicted, p)) + (classes,)
    drawn = intervals_of(*most, SEED)
    assert drawn["roc_auc"][0] < metrics.roc_auc_score(y, p[:, 1]) < drawn["roc_auc"][1]
    width = found["log_loss"][1] - found["log_loss"][0]
    assert drawn["log_loss"] == pytest.approx(found["log_loss"], abs=0.15 * width)


def test_standard_errors_of_a_ratio(rng):
    n = MOST_ROWS + 1
    y, predicted, p, classes = some_labels(rng, n)
    found = intervals_of(y, predicted, p, classes, SEED)
    ratio = row_terms(y, predicted, p, classes)["micro_f1"]
    drawn = []
    for _ in range(100):
        rows = rng.integers(n, size=n)
        drawn.append(ratio.above[rows].sum() / ratio.below[rows].sum())
    low, high = found["micro_f1"]
    assert (high - low) / 2 / 1.96 == pytest.approx(np.std(drawn), rel=0.3)
    assert (high + low) / 2 == pytest.approx(ratio.above.sum() / ratio.below.sum())


def test_paired_differences_are_those_of_a_loop_over_the_draws(rng):
    y, predicted, p, classes = some(rng, 70, 3)
    other = some(rng, 70, 3)[2] + p
    other /= other.sum(axis=1, keepdims=True)
    first = row_terms(y, predicted, p, classes)
    second = row_terms(y, other.argmax(axis=1), other, classes)
    found = paired_differences(first, second, SEED, 300)
    assert set(found) == {"accuracy", "log_loss"}
    for name, one in found.items():
        rows = second[name].above - first[name].above
        assert one.value == pytest.approx(rows.mean())
        wanted = looped(70, 300, lambda drawn, rows=rows: rows[drawn].mean())
        assert one.interval == pytest.approx(wanted, rel=1e-10, abs=1e-12)
        assert one.exceeds_noise == (wanted[0] > 0 or wanted[1] < 0)


@pytest.mark.parametrize("n", [1000, MOST_ROWS + 1])
def test_pairs_see_what_single_intervals_hide(n: int, rng):
    hard = rng.exponential(size=n)
    each = np.ones(n)
    better = paired_differences(
        {"log_loss": Ratio(hard, each)}, {"log_loss": Ratio(0.99 * hard, each)}, SEED
    )["log_loss"]
    assert better.exceeds_noise
    assert better.value == pytest.approx(-0.01 * hard.mean())
    width = better.interval[1] - better.interval[0]
    assert width == pytest.approx(2 * 1.96 * 0.01 * hard.std() / np.sqrt(n), rel=0.15)
    same = paired_differences(
        {"log_loss": Ratio(hard, each)}, {"log_loss": Ratio(hard, each)}, SEED
    )["log_loss"]
    assert not same.exceeds_noise and same.value == 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_run_has_intervals_of_its_test_rows(stream: bool, tmp_path: Path, rng):
    path = tmp_path / "rows.csv"
    lines = [f"{x:.3f},{'ab'[int(x + noise > 0)]}" for x, noise in rng.normal(size=(200, 2))]
    path.write_text("\n".join(["x,y", *lines]))
    data = {"path": str(path), "target": "y", "stream": stream}
    result = train(
        Recipe.model_validate({"name": "test", "data": data, "seed": 3}), tmp_path / "run"
    )
    found = result.summary["intervals"]
    assert set(found) == {"test"} and set(found["test"]) == {"accuracy", "log_loss", "roc_auc"}
    for name, (low, high) in found["test"].items():
        assert low < result.summary["metrics"]["test"][name] < high
    saved = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert saved["test"]["intervals"] == found["test"]
    assert "intervals" not in saved["train"]
    assert "95 % interval" in (tmp_path / "run" / "report.html").read_text()
    again = evaluate_run(open_run(tmp_path / "run"))
    assert again.as_json()["test"]["intervals"] == found["test"]
    other = evaluate_run(open_run(tmp_path / "run"), path)
    low, high = other.parts["rows"].intervals["accuracy"]
    assert low < other.parts["rows"].metrics["accuracy"] < high
    low, high = found["test"]["log_loss"]
    for arguments in (
        ["evaluate", str(tmp_path / "run")],
        ["train", "--resume", str(tmp_path / "run")],
    ):
        printed = CliRunner().invoke(main, arguments)
        assert f"{low:.4f} to {high:.4f}" in printed.stdout


def test_intervals_in_a_damaged_summary_are_refused(tmp_path: Path):
    train(Recipe.model_validate({"name": "test", "data": {"name": "iris"}}), tmp_path / "run")
    path = tmp_path / "run" / "summary.json"
    summary = json.loads(path.read_text())
    summary["intervals"]["test"]["accuracy"] = [0.5]
    path.write_text(json.dumps(summary))
    with pytest.raises(RunError, match="intervals.test.accuracy: .* train the run again"):
        open_run(tmp_path / "run")
    del summary["intervals"]  # as in a run of an older version
    path.write_text(json.dumps(summary))
    assert compare_runs([tmp_path / "run"] * 2).intervals == {}
