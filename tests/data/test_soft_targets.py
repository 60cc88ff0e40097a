"""Soft targets from files: probabilities, votes, logits, in columns or beside them; and weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomlkit
from scipy.special import softmax
from settled import LogisticRegressionCV

from fastclf import LogisticRegression
from fastclf.config import Recipe, load_recipe
from fastclf.data import Dataset, FileOptions, load_file
from fastclf.errors import ConfigError, DataError
from fastclf.runs.checking import check_recipe
from fastclf.runs.directory import open_run
from fastclf.runs.draft import draft_for_file
from fastclf.runs.draft_text import recipe_text
from fastclf.runs.parts import read_dataset, split_and_prepare
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import train

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
LOGITS = X @ RNG.normal(size=(4, 3)) * 2
P = softmax(LOGITS, axis=1)
VOTES = np.array([RNG.multinomial(RNG.integers(1, 9), p) for p in P])
NAMES = ("no", "maybe", "yes")
WEIGHTS = RNG.uniform(0, 3, 120).round(3)


def frame(values: np.ndarray | None = None, **more: Any) -> pd.DataFrame:
    table = pd.DataFrame(X, columns=list("abcd"))
    if values is not None:
        table = table.join(pd.DataFrame(values, columns=list(NAMES)))
    return table.assign(**more)


def recipe(path: Path, data: dict[str, Any] | None = None, **tables: Any) -> Recipe:
    options = {"path": str(path), "target": list(NAMES), **(data or {})}
    options = {key: value for key, value in options.items() if value is not None}
    return Recipe.model_validate({"name": "t", "data": options, **tables})


def load(path: Path, **options: Any) -> Dataset:
    return load_file(path, FileOptions.model_validate(options))


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    frame(VOTES, w=WEIGHTS).to_csv(tmp_path / "votes.csv", index=False)
    return tmp_path / "votes.csv"


SHARES = VOTES / VOTES.sum(axis=1, keepdims=True)


# What they mean


def test_votes_and_logits_are_distributions(votes: Path, tmp_path: Path):
    counted = load(votes, target=NAMES, target_kind="counts")
    np.testing.assert_allclose(counted.y, SHARES)
    assert counted.is_soft and counted.class_names == NAMES and counted.weights is None
    weighed = load(votes, target=NAMES, target_kind="counts", count_weights=True)
    assert weighed.weights.tolist() == VOTES.sum(axis=1).tolist()
    assert weighed.fingerprint() != counted.fingerprint()
    path = tmp_path / "z.parquet"
    frame(LOGITS).to_parquet(path)
    cold = load(path, target=NAMES, target_kind="logits", target_temperature=2.0)
    np.testing.assert_allclose(cold.y, softmax(LOGITS / 2, axis=1))
    assert cold.feature_names == ("a", "b", "c", "d")


@pytest.mark.parametrize("features", ["X.npy", "X.npz", "X.csv", "X.parquet"])
@pytest.mark.parametrize("targets", ["p.npz", "p.npy", "p.csv", "p.parquet", "all.npz"])
def test_targets_in_a_file_of_their_own(features: str, targets: str, tmp_path: Path):
    np.save(tmp_path / "X.npy", X)
    np.savez(tmp_path / "X.npz", X=X)
    frame().to_csv(tmp_path / "X.csv", index=False)
    frame().to_parquet(tmp_path / "X.parquet")
    np.savez(tmp_path / "p.npz", p=P, classes=np.array(NAMES))
    np.save(tmp_path / "p.npy", P)
    np.savez(tmp_path / "all.npz", p=P, other=X, classes=np.array(NAMES))
    pd.DataFrame(P, columns=NAMES).to_csv(tmp_path / "p.csv", index=False)
    pd.DataFrame(P, columns=NAMES).to_parquet(tmp_path / "p.parquet")
    target = {"target": "p"} if targets == "all.npz" else {}
    found = load(tmp_path / features, target_path=str(tmp_path / targets), **target)
    np.testing.assert_allclose(found.y, P)
    assert found.is_soft and found.features.shape == (120, 4)
    assert found.class_names == (("0", "1", "2") if targets == "p.npy" else NAMES)


def test_labels_in_a_file_of_their_own(tmp_path: Path):
    np.save(tmp_path / "X.npy", X)
    pd.DataFrame({"kind": np.array(NAMES)[P.argmax(axis=1)]}).to_csv(tmp_path / "y.csv")
    found = load(tmp_path / "X.npy", target_path=str(tmp_path / "y.csv"), target="kind")
    assert found.y.tolist() == np.array(NAMES)[P.argmax(axis=1)].tolist()


def test_rows_without_votes_are_dropped_with_their_weights(tmp_path: Path):
    some = VOTES.copy()
    some[[3, 8]] = 0
    frame(some, w=WEIGHTS).to_csv(tmp_path / "v.csv", index=False)
    options = {"target": NAMES, "target_kind": "counts", "missing_target": "drop"}
    kept = np.delete(np.arange(120), [3, 8])
    found = load(tmp_path / "v.csv", **options, weight="w")
    np.testing.assert_allclose(found.y, SHARES[kept])
    np.testing.assert_allclose(found.weights, WEIGHTS[kept])
    counted = load(tmp_path / "v.csv", **options, count_weights=True)
    assert counted.weights.tolist() == VOTES[kept].sum(axis=1).tolist()
    np.savez(tmp_path / "v.npz", X=X, y=some, w=WEIGHTS)
    arrays = load(tmp_path / "v.npz", **{**options, "target": "y"}, weight="w")
    np.testing.assert_allclose(arrays.weights, WEIGHTS[kept])
    np.testing.assert_allclose(arrays.y, SHARES[kept])


# Runs


@pytest.mark.parametrize("how", ["counts", "weight"])
def test_weights_count_in_the_fit_and_in_the_temperature(how: str, votes: Path, tmp_path: Path):
    data: dict[str, Any] = {"target_kind": "counts", "scale": "none"}
    data |= {"count_weights": True, "drop": ["w"]} if how == "counts" else {"weight": "w"}
    tight = {"tol": 1e-10, "max_iter": 500}
    wanted = recipe(votes, data, solver=tight, calibrate={"validation_fraction": 0.4})
    result = train(wanted, tmp_path / "run")
    parts = split_and_prepare(read_dataset(wanted.data), wanted.data, 0, wanted.calibrate)
    part = parts.train
    assert part.weights is not None and parts.held_out.weights is not None
    clf = LogisticRegression(tol=1e-10, max_iter=500)
    clf.fit(parts.prepared(part.X), part.y, part.weights)
    np.testing.assert_allclose(result.model.theta[:-1], clf.coef_.T, atol=1e-7)
    assert np.abs(clf.coef_ - clf.fit(parts.prepared(part.X), part.y).coef_).max() > 1e-3
    z = parts.prepared(parts.held_out.X) @ result.model.theta[:-1] + result.model.theta[-1]
    p = softmax(z / result.model.temperature, axis=1)
    slope = (parts.held_out.weights[:, None] * (p - parts.held_out.y) * z).sum()
    assert abs(slope) < 1e-6 * np.abs(z).sum()
    figures = result.summary["metrics"]["test"]
    of_test = result.model.predict_proba(parts.test.X)
    expected = -(parts.test.y * np.log(of_test)).sum(axis=1).mean()  # all rows count alike
    assert figures["cross_entropy"] == pytest.approx(expected)
    assert evaluate_run(open_run(tmp_path / "run")).parts["test"].metrics == figures


def test_other_files_are_judged_without_weights_or_targets_beside(votes: Path, tmp_path: Path):
    pd.DataFrame(P, columns=NAMES).to_parquet(tmp_path / "p.parquet")
    frame().to_csv(tmp_path / "X.csv", index=False)
    beside = {"target": None, "target_path": str(tmp_path / "p.parquet")}
    train(recipe(tmp_path / "X.csv", beside), tmp_path / "run")
    frame(P).to_csv(tmp_path / "later.csv", index=False)
    found = evaluate_run(open_run(tmp_path / "run"), tmp_path / "later.csv")
    assert found.parts["later"].n_rows == 120
    train(recipe(votes, {"target_kind": "counts", "weight": "w"}), tmp_path / "weighed")
    frame(VOTES).to_csv(tmp_path / "new.csv", index=False)
    found = evaluate_run(open_run(tmp_path / "weighed"), tmp_path / "new.csv")
    assert found.parts["new"].n_rows == 120


def test_class_weights_by_name_with_weights_of_rows(votes: Path, tmp_path: Path):
    tables = {
        "model": {"kind": "softmax", "class_weight": {"no": 2.0, "yes": 0.5}},
        "solver": {"tol": 1e-10, "max_iter": 500},
    }
    wanted = recipe(votes, {"target_kind": "counts", "weight": "w", "test_size": 0.0}, **tables)
    result = train(wanted, tmp_path / "run")
    parts = split_and_prepare(read_dataset(wanted.data), wanted.data, 0)
    A, c = parts.prepared(parts.train.X), np.array([2.0, 1.0, 0.5])
    # Each row once for each class, as hard labels with weights.
    of_classes = (WEIGHTS[:, None] * SHARES * c).T.ravel()
    clf = LogisticRegression(tol=1e-10, max_iter=500)
    clf.fit(np.tile(A, (3, 1)), np.repeat([0, 1, 2], 120), of_classes)
    np.testing.assert_allclose(result.model.theta[:-1], clf.coef_.T, atol=1e-7)


def test_cross_validation_of_soft_targets_with_weights():
    part = RNG.integers(3, size=120)
    folds = [(np.flatnonzero(part != f), np.flatnonzero(part == f)) for f in range(3)]
    repeated = [tuple(np.r_[rows, rows + 120, rows + 240] for rows in fold) for fold in folds]
    settings = {"Cs": [0.1, 1.0], "tol": 1e-10, "max_iter": 500, "scoring": "neg_log_loss"}
    weight = {0: 2.0, 1: 1.0, 2: 0.5}
    soft = LogisticRegressionCV(cv=folds, class_weight=weight, **settings).fit(X, SHARES, WEIGHTS)
    hard = LogisticRegressionCV(cv=repeated, class_weight=weight, **settings)
    hard.fit(np.tile(X, (3, 1)), np.repeat([0, 1, 2], 120), (WEIGHTS[:, None] * SHARES).T.ravel())
    paths = soft.coefs_paths_, hard.coefs_paths_
    paths = paths if not isinstance(paths[0], dict) else tuple(p[0] for p in paths)
    np.testing.assert_allclose(*paths, atol=1e-6)
    np.testing.assert_allclose(soft.scores_, hard.scores_, atol=1e-7)
    np.testing.assert_allclose(soft.coef_, hard.coef_, atol=1e-6)


def test_a_first_recipe_sees_votes(votes: Path, tmp_path: Path):
    draft = draft_for_file(votes, NAMES, tmp_path)
    assert draft.values["data.target_kind"] == "counts"
    (tmp_path / "r.toml").write_text(recipe_text(draft, "r.toml"))
    assert check_recipe(load_recipe(tmp_path / "r.toml")).task == "multiclass"
    assert draft_for_file(votes, ["a", "b"], tmp_path).values["data.target_kind"] == "logits"


# What can't be used


def changed(row: int, column: str, value: Any, values: np.ndarray = VOTES) -> pd.DataFrame:
    table = frame(values, w=WEIGHTS).astype(object)
    table.loc[row, column] = value
    return table


BAD: dict[str, tuple[pd.DataFrame, dict[str, Any], str]] = {
    "negative votes": (
        changed(4, "no", -1),
        {},
        "row 5: numbers of votes must be finite and not negative.*-1",
    ),
    "no votes": (frame(VOTES * 0), {}, r"row 1 has no target .*119 other rows.*\"drop\""),
    "text": (changed(4, "no", "few"), {}, "few|text"),
    "a missing vote": (changed(4, "no", None), {}, "row 5 has no target.*drop"),
    "a single column": (frame(VOTES), {"target": ["no"]}, 'target_kind = "counts" needs a column'),
    "infinite logits": (
        changed(7, "yes", np.inf, LOGITS),
        {"target_kind": "logits"},
        "row 8: logits must be finite",
    ),
    "a negative weight": (changed(4, "w", -2), {"weight": "w"}, 'row 5, column "w".* is -2;'),
    "a missing weight": (changed(4, "w", None), {"weight": "w"}, 'row 5, column "w".* is missing'),
    "no weights": (frame(VOTES, w=0), {"weight": "w"}, 'all values of column "w" are 0'),
    "weights of text": (frame(VOTES, w="x"), {"weight": "w"}, 'weight: column "w" holds text'),
    "no such weight": (frame(VOTES, w=1), {"weight": "v"}, 'weight: there is no column "v"'),
    "not normalised": (
        frame(VOTES),
        {"target_kind": "distribution"},
        "row 1: the probabilities.*sum to .*data.target_kind to counts",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str, tmp_path: Path):
    table, options, message = BAD[name]
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=f"t.csv: .*(?:{message})"):
        load(tmp_path / "t.csv", **{"target": NAMES, "target_kind": "counts", **options})


def test_bad_files_of_targets(tmp_path: Path):
    np.save(tmp_path / "X.npy", X)
    np.savez(tmp_path / "short.npz", p=P[:-1])
    np.savez(tmp_path / "two.npz", p=P, q=P)
    (tmp_path / "p.svm").write_text("1 1:2\n")
    for name, message in {
        "short.npz": "120 rows of features, but 119 targets",
        "two.npz": "two.npz: one array is needed, but there are p, q; set data.target",
        "p.svm": "p.svm: targets are read from NPY, NPZ or named columns",
        "shorts.npz": "no such file .did you mean short.npz",
    }.items():
        with pytest.raises(DataError, match=message):
            load(tmp_path / "X.npy", target_path=str(tmp_path / name))
    np.savez(tmp_path / "w.npz", X=X, y=VOTES[:, 0], w=WEIGHTS[:-1])
    with pytest.raises(DataError, match=r"w.npz: weight: w must have shape \(120,\)"):
        load(tmp_path / "w.npz", weight="w")
    with pytest.raises(DataError, match="weight is for"):
        load(tmp_path / "X.npy", target=0, weight="w")


@pytest.mark.parametrize(
    "data, message",
    [
        ({"target_temperature": 2.0}, 'target_temperature needs target_kind = "logits"'),
        ({"count_weights": True}, 'count_weights needs target_kind = "counts"'),
        (
            {"count_weights": True, "target_kind": "counts", "weight": "w"},
            "count_weights and weight both set",
        ),
        ({"target_path": "p.npz", "test_path": "t.csv"}, "a test file needs its own targets"),
        ({"target_kind": "logits", "target_temperature": 0.0}, "target_temperature"),
    ],
)
def test_bad_recipes(data: dict[str, Any], message: str, tmp_path: Path):
    text = tomlkit.dumps({"data": {"path": "t.csv", **data}})
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(ConfigError, match=f"r.toml.*{message}"):
        load_recipe(tmp_path / "r.toml")
