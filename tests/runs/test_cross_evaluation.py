"""``fastclf evaluate --cv``: metrics of a recipe on rows held out in turn."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastclf.cli import main
from fastclf.config import Recipe
from fastclf.errors import ConfigError, DataError
from fastclf.runs.cross_evaluation import cross_evaluate

LABELS = {"card": str(Path(__file__).parents[2] / "datasets" / "multilabel.toml")}


def recipe(**tables: Any) -> Recipe:
    return Recipe.model_validate({"name": "test", "data": {"name": "wine"}, **tables})


def test_figures_are_those_of_fits_by_hand():
    solver = {"name": "newton", "tol": 1e-9}
    wanted = recipe(data={"name": "wine", "scale": "standard"}, solver=solver)
    found = cross_evaluate(wanted, 4)
    X, y = load_wine(return_X_y=True)
    losses, shares = [], []
    for own, held_out in StratifiedKFold(4, shuffle=True, random_state=0).split(X, y):
        model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-9))
        model.fit(X[own], y[own])
        losses.append(log_loss(y[held_out], model.predict_proba(X[held_out])))
        shares.append(accuracy_score(y[held_out], model.predict(X[held_out])))
    for name, values in (("log_loss", losses), ("accuracy", shares)):
        np.testing.assert_allclose([fold[name] for fold in found.folds], values, rtol=1e-5)
        mean, error = found.figures()[name]
        assert mean == pytest.approx(np.mean(values), rel=1e-5)
        assert error == pytest.approx(np.std(values, ddof=1) / math.sqrt(4), rel=1e-4)
    assert found.n_rows == len(y)


@pytest.mark.parametrize(
    "tables",
    [
        {"calibrate": {}},
        {"distill": {"teacher": "knn"}},
        {"data": LABELS},
        {"solver": {"name": "adam", "epochs": 3}, "early_stopping": {}},
    ],
    ids=lambda tables: "-".join(tables),
)
def test_whatever_trains_can_be_evaluated(tables: dict):
    one, two = (cross_evaluate(recipe(**tables), 3) for _ in range(2))
    assert one == two
    assert len(one.folds) == 3
    for mean, error in one.figures().values():
        assert np.isfinite(mean) and error >= 0
    if "calibrate" in tables:
        assert one.folds != cross_evaluate(recipe(), 3).folds


def test_rows_to_test_on_take_no_part(tmp_path: Path):
    rng = np.random.default_rng(0)
    for name in ("train", "test"):
        X = rng.normal(size=(60, 2))
        rows = np.column_stack([X, X[:, 0] > 0])
        path = tmp_path / f"{name}.csv"
        np.savetxt(path, rows, delimiter=",", header="a,b,y", comments="", fmt="%g")
    data = {"path": str(tmp_path / "train.csv"), "target": "y"}
    with_test = recipe(data={**data, "test_path": str(tmp_path / "test.csv")})
    assert cross_evaluate(with_test, 3).folds == cross_evaluate(recipe(data=data), 3).folds
    streamed = recipe(data={**data, "stream": True})
    with pytest.raises(ConfigError, match="--cv needs the rows in memory"):
        cross_evaluate(streamed, 3)
    with pytest.raises(DataError, match="can't be split with --cv = 50"):
        cross_evaluate(recipe(data=data), 50)


def test_the_command(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("r.toml").write_text('[data]\nname = "iris"\n')
    done = CliRunner().invoke(main, ["evaluate", "r.toml", "--cv", "3"])
    assert done.exit_code == 0, done.output
    assert "150 rows, each held out once, in 3 folds" in done.stdout
    assert "fold 3 of 3" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.toml"]
    assert CliRunner().invoke(main, ["train", "--config", "r.toml", "--out", "run"]).exit_code == 0
    done = CliRunner().invoke(main, ["evaluate", "run", "--cv", "3", "--json", "-q"])
    found = json.loads(done.stdout)
    assert found["n_folds"] == 3 and len(found["metrics"]["accuracy"]["folds"]) == 3
    assert done.stderr == ""
    for wrong, message in (
        (["r.toml", "--cv", "1"], "--cv"),
        (["nope.toml", "--cv", "3"], "no such file"),
        (["r.toml", "--cv", "3", "--data", "x.csv"], "leave out --data"),
        ([".", "--cv", "3"], "isn't the directory of a run"),
    ):
        done = CliRunner().invoke(main, ["evaluate", *wrong])
        assert done.exit_code == 2 and message in done.output
