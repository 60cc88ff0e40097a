"""``fastclf tune``: scores are those of fits by hand, the choice follows its rule, it resumes."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastclf.cli import main
from fastclf.config import LogRange, Range, Recipe, TuneTable, load_recipe
from fastclf.errors import ConfigError, DataError, RunError
from fastclf.runs.directory import open_run
from fastclf.runs.reporting import write_report
from fastclf.runs.run import RunResult, resume, train
from fastclf.runs.tuning.candidates import Candidate, at_ends, choose
from fastclf.runs.tuning.search import Budget, OutOfTime
from fastclf.runs.tuning.trials import Trials

CS = [0.01, 0.1, 1.0, 10.0]
BALANCED = {"kind": "logistic", "class_weight": "balanced"}
LABELS = {"card": str(Path(__file__).parents[2] / "datasets" / "multilabel.toml")}
WINE = {"name": "wine", "scale": "standard"}


def recipe(tune: dict[str, Any], **tables: Any) -> Recipe:
    tables = {"data": WINE, "solver": {"name": "newton", "tol": 1e-9}, **tables}
    return Recipe.model_validate({"name": "test", "tune": {"C": CS, **tune}, **tables})


def tuned(tune: dict[str, Any], out: Path, **tables: Any) -> RunResult:
    return train(recipe(tune, **tables), out, budget=Budget())


def scores(result: RunResult) -> np.ndarray:
    """The scores (candidates, folds)."""
    return np.array([one["scores"] for one in result.summary["tune"]["results"]])


def by_hand(Cs: list[float], n_folds: int) -> np.ndarray:
    """The log-loss (C, folds) of scikit-learn's fits, scaled by the rows of each fold."""
    X, y = load_wine(return_X_y=True)
    rows, _ = train_test_split(np.arange(len(y)), test_size=0.25, stratify=y, random_state=0)
    X, y = X[np.sort(rows)], y[np.sort(rows)]
    folds = [*StratifiedKFold(n_folds, shuffle=True, random_state=0).split(X, y)]
    found = np.empty((len(Cs), n_folds))
    for c, C in enumerate(Cs):
        for f, (own, held_out) in enumerate(folds):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=C, tol=1e-9))
            model.fit(X[own], y[own])
            found[c, f] = log_loss(y[held_out], model.predict_proba(X[held_out]))
    return found


def test_scores_are_those_of_fits_by_hand(tmp_path: Path):
    result = tuned({"folds": 4}, tmp_path / "run")
    wanted = by_hand(CS, 4)
    np.testing.assert_allclose(scores(result), wanted, rtol=1e-4)
    found = result.summary["tune"]
    best = int(wanted.mean(axis=1).argmin())
    assert found["best"] == {"model.C": CS[best]}
    assert found["score"] == pytest.approx(wanted[best].mean(), rel=1e-4)
    error = wanted[best].std(ddof=1) / math.sqrt(4)
    assert found["standard_error"] == pytest.approx(error, rel=1e-3)
    assert found["is_whole"] and found["n_folds"] == 4
    lines = [json.loads(line) for line in (result.path / "tune.jsonl").read_text().splitlines()]
    assert [line["fold"] for line in lines] == [0, 1, 2, 3]


def test_the_model_is_that_of_a_run_with_the_best_keys(tmp_path: Path):
    result = tuned({"folds": 3}, tmp_path / "run")
    best = result.summary["tune"]["best"]
    alone = train(recipe({}).with_keys(best), tmp_path / "alone")
    assert (alone.model.theta == result.model.theta).all()
    assert alone.summary["metrics"] == result.summary["metrics"]
    again = train(open_run(result.path).recipe, tmp_path / "again")  # from its config.toml
    assert (again.model.theta == result.model.theta).all()


@pytest.mark.parametrize(
    "data",
    [
        {"name": "iris", "scale": "none"},
        {"name": "iris", "scale": "none", "dtype": "float32"},
        {"name": "breast_cancer", "scale": "none"},
    ],
)
def test_folds_without_preparation_are_fitted_together(tmp_path: Path, data: dict, monkeypatch):
    one = tuned({"folds": 3}, tmp_path / "one", data=data, solver={"name": "auto", "tol": 1e-8})
    monkeypatch.setattr("fastclf.runs.tuning.fits.Fits._together", lambda *_: None)
    two = tuned({"folds": 3}, tmp_path / "two", data=data, solver={"name": "auto", "tol": 1e-8})
    np.testing.assert_allclose(scores(one), scores(two), rtol=1e-3)
    assert one.summary["tune"]["best"] == two.summary["tune"]["best"]


def soft(path: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 4))
    p = rng.dirichlet(np.ones(3), size=150) * np.exp(X[:, :3])
    rows = np.column_stack([X, p / p.sum(axis=1, keepdims=True)])
    header = "a,b,c,d,red,green,blue"
    np.savetxt(path, rows, delimiter=",", header=header, comments="", fmt="%.17g")
    names = ["red", "green", "blue"]
    return {"path": str(path), "target": names, "target_kind": "distribution"}


@pytest.mark.parametrize("tune", [{"folds": 3}, {"holdout": 0.3}])
@pytest.mark.parametrize(
    "tables",
    [
        {"data": LABELS, "tune": {"l1_ratio": [0.0, 0.5]}},
        {"data": {"name": "breast_cancer"}, "model": BALANCED},
        {"data": LABELS, "model": {"kind": "multilabel", "pos_weight": "balanced"}},
        {"solver": {"name": "adam", "epochs": 3}, "early_stopping": {}, "tune": {"C": [0.1, 1.0]}},
        {"distill": {"teacher": "knn"}, "tune": {"C": [0.1, 1.0]}},
        {"calibrate": {}},
        {"tune": {"scoring": "roc_auc_ovr"}},
        {"tune": {"scoring": "macro_f1"}},
        {"data": "soft"},
        {"data": "soft", "tune": {"scoring": "accuracy"}},
    ],
    ids=lambda tables: "-".join(map(str, tables)),
)  # fmt: skip
def test_whatever_trains_can_be_tuned(tmp_path: Path, tables: dict, tune: dict):
    tables = {"solver": {"name": "auto"}, **tables}
    if tables.get("data") == "soft":
        tables["data"] = soft(tmp_path / "soft.csv")
    result = tuned({**tune, **tables.pop("tune", {})}, tmp_path / "run", **tables)
    found = result.summary["tune"]
    values = [one["mean"] for one in found["results"]]
    assert found["score"] == (min(values) if found["lower_is_better"] else max(values))
    assert np.isfinite(scores(result)).all()
    assert scores(result).shape[1] == (1 if "holdout" in tune else 3)
    assert found["standard_error"] is None or "folds" in tune
    page = (result.path / "report.html").read_text()
    assert 'id="search"' in page
    open_run(result.path)


class Killed(Exception):
    """Takes the place of a signal that can't be caught."""


def failing(after: int, error: type[Exception]) -> Callable[[Budget, float], None]:
    """Return a ``Budget.check`` that raises an error after so many fits."""
    fits = 0

    def check(self: Budget, seconds: float) -> None:
        nonlocal fits
        fits += seconds > 0
        if fits == after:
            raise error

    return check


@pytest.mark.parametrize("after", [1, 4, 6, 11, 12])
def test_a_killed_search_goes_on_with_the_same_bits(tmp_path: Path, after: int, monkeypatch):
    wanted = tuned({"folds": 3}, tmp_path / "whole")
    check = failing(after, Killed)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Budget, "check", check)
        tuned({"folds": 3}, tmp_path / "run")
    if after < 4:  # no fold was complete
        assert not (tmp_path / "run").exists()
        return
    with open(tmp_path / "run" / "tune.jsonl", "ab") as file:
        file.write(b'{"trial": 0, "fo')  # a line that wasn't written to its end
    found = resume(recipe({"folds": 3}), tmp_path / "run", budget=Budget())
    assert (found.model.theta == wanted.model.theta).all()
    assert (scores(found) == scores(wanted)).all()
    assert found.summary["tune"]["best"] == wanted.summary["tune"]["best"]
    assert found.summary["metrics"] == wanted.summary["metrics"]


def test_a_search_that_was_killed_in_its_last_fit(tmp_path: Path, monkeypatch):
    wanted = tuned({"folds": 3}, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("fastclf.runs.run._fit_in_memory", lambda *_: (_ for _ in ()).throw(Killed))
        tuned({"folds": 3}, tmp_path / "run")
    with pytest.raises(RunError, match="resume the run with: fastclf tune --resume"):
        resume(recipe({"folds": 3}), tmp_path / "run")
    with pytest.raises(RunError, match=r"tune.folds was 3 and is 4"):
        resume(recipe({"folds": 4}), tmp_path / "run", budget=Budget())
    found = resume(load_recipe(tmp_path / "run" / "config.toml"), tmp_path / "run", budget=Budget())
    assert (found.model.theta == wanted.model.theta).all()


def test_a_run_without_search_is_not_resumed_as_one(tmp_path: Path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("fastclf.runs.run._evaluated", lambda *_: (_ for _ in ()).throw(Killed))
        train(recipe({}, checkpoint={"every_seconds": 0.0}), tmp_path / "run")
    with pytest.raises(RunError, match="resume the run with: fastclf train --resume"):
        resume(recipe({}), tmp_path / "run", budget=Budget())
    train(recipe({}), tmp_path / "complete")
    with pytest.raises(RunError, match="resume the run with: fastclf train --resume"):
        resume(recipe({}), tmp_path / "complete", budget=Budget())


def test_time_that_runs_out(tmp_path: Path, monkeypatch):
    check = failing(6, OutOfTime)
    monkeypatch.setattr(Budget, "check", check)
    result = tuned({"folds": 3}, tmp_path / "run")
    found = result.summary["tune"]
    assert not found["is_whole"]
    assert [len(one["scores"]) for one in found["results"]] == [1, 1, 1, 1]  # of the whole fold
    (warning,) = result.summary["warnings"]  # nothing about the ends of the range
    assert "the budget ended the search" in warning
    (line,) = (tmp_path / "run" / "tune.jsonl").read_text().splitlines()[1:]
    assert [score is None for score in json.loads(line)["scores"][0]] == [False, False, True, True]


def test_time_that_runs_out_in_the_first_fold(tmp_path: Path, monkeypatch):
    check = failing(2, OutOfTime)
    monkeypatch.setattr(Budget, "check", check)
    found = tuned({"folds": 3}, tmp_path / "run").summary["tune"]
    assert [one["keys"]["model.C"] for one in found["results"]] == CS[:2]


def test_a_budget_that_is_too_short(tmp_path: Path):
    with pytest.raises(ConfigError, match="too short for a single fit"):
        train(recipe({}), tmp_path / "run", budget=Budget(1e-9))
    assert not (tmp_path / "run").exists()


def candidates(means: list[float], error: float, **keys: Any) -> list[Candidate]:
    return [
        Candidate({"model.C": C, **keys}, (mean - error, mean + error))
        for C, mean in zip((0.1, 1.0, 10.0), means, strict=True)
    ]


def test_rules():
    some = candidates([0.7, 0.8, 0.8], 0.01)
    assert choose(some, "best", lower_is_better=False) is some[1]
    assert choose(some, "one_se", lower_is_better=False) is some[1]
    wide = candidates([0.7, 0.75, 0.8], 0.06)
    assert choose(wide, "one_se", lower_is_better=False) is wide[1]
    assert choose(wide, "best", lower_is_better=True) is wide[0]
    wide = candidates([0.8, 0.75, 0.7], 0.06)
    assert choose(wide, "one_se", lower_is_better=True) is wide[1]
    other = candidates([0.7, 0.79, 0.7], 0.06, ratio=1.0)
    assert choose([*some, *other], "one_se", lower_is_better=False) is some[1]  # its own ratio
    less = Candidate({"model.C": 5.0}, (0.9,))
    assert choose([*some, less], "best", lower_is_better=False) is some[1]


def test_the_best_at_an_end_of_its_range():
    table = TuneTable(C=LogRange(low=0.01, high=100.0, n=5))
    assert not [*at_ends(table, {"model.C": 1.0})]
    (line,) = at_ends(table, {"model.C": 100.0})
    assert "upper end of its range; try tune.C = {low = 0.01, high = 100000, n = 5}" in line
    (line,) = at_ends(table, {"model.C": 0.01})
    assert "lower end of its range; try tune.C = {low = 1e-05, high = 100, n = 5}" in line
    table = TuneTable.model_validate(
        {"C": [1.0], "solver.learning_rate": {"low": 1e-3, "high": 0.1, "log": True}}
    )
    assert not [*at_ends(table, {"model.C": 1.0, "solver.learning_rate": 0.01})]
    (line,) = at_ends(table, {"model.C": 1.0, "solver.learning_rate": 0.0999})
    assert 'try tune."solver.learning_rate" = {low = 0.001, high = 10, log = true}' in line


def test_other_keys_by_optuna(tmp_path: Path, monkeypatch):
    pytest.importorskip("optuna")
    keys = {
        "solver.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
        "solver.batch_size": [16, 64],
        "data.scale": ["standard", "minmax"],
    }
    tune = {"C": [1.0], "holdout": 0.3, "trials": 5, **keys}
    adam = {"solver": {"name": "adam", "epochs": 2}}
    wanted = tuned(tune, tmp_path / "whole", **adam)
    found = wanted.summary["tune"]
    assert set(found["best"]) == {"model.C", *keys}
    assert len(found["results"]) == 5
    chosen = open_run(wanted.path).recipe
    assert chosen.solver.batch_size == found["best"]["solver.batch_size"]  # type: ignore[union-attr]
    assert chosen.data.scale == found["best"]["data.scale"]
    write_report(open_run(wanted.path))

    check = failing(3, Killed)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Budget, "check", check)
        tuned(tune, tmp_path / "run", **adam)
    again = resume(load_recipe(tmp_path / "run" / "config.toml"), tmp_path / "run", budget=Budget())
    assert again.summary["tune"]["results"] == found["results"]
    assert (again.model.theta == wanted.model.theta).all()


def test_equal_combinations_are_fitted_once(tmp_path: Path):
    pytest.importorskip("optuna")
    tune = {"C": [1.0], "holdout": 0.3, "trials": 6, "data.scale": ["standard", "minmax"]}
    result = tuned(tune, tmp_path / "run")
    assert len((tmp_path / "run" / "tune.jsonl").read_text().splitlines()) <= 2
    assert len(result.summary["tune"]["results"]) <= 2


def test_whole_numbers_and_choices():
    pytest.importorskip("optuna")
    table = TuneTable.model_validate(
        {
            "trials": 8,
            "solver.epochs": {"low": 1, "high": 3},
            "solver.tol": {"low": 0.5, "high": 1},
            "solver.average": [True, False],
        }
    )
    trials = Trials(table, 0)
    seen = []
    for keys in trials:
        seen.append(keys)
        trials.tell(0.0)
    assert len(seen) == 8
    assert all(type(one["solver.epochs"]) is int for one in seen)
    assert all(0.5 <= one["solver.tol"] <= 1 for one in seen)
    assert {one["solver.average"] for one in seen} == {True, False}
    assert isinstance(table.others["solver.epochs"], Range)


def test_groups_and_times_are_kept_apart(tmp_path: Path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    rows = np.column_stack([X, np.repeat(np.arange(24), 5), X[:, 0] + rng.normal(size=120) > 0])
    path = tmp_path / "rows.csv"
    np.savetxt(path, rows, delimiter=",", header="a,b,who,y", comments="", fmt="%.17g")
    for kind in ("group", "time"):
        data = {"path": str(path), "target": "y", "split_by": "who", "split_kind": kind}
        for tune in ({"folds": 3}, {"holdout": 0.3}):
            result = tuned(tune, tmp_path / f"{kind}{len(tune)}{'folds' in tune}", data=data)
            assert np.isfinite(scores(result)).all()


def test_a_stream(tmp_path: Path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3))
    y = X @ [2.0, -1.0, 0.0] + rng.logistic(size=3000) > 0
    path = tmp_path / "rows.csv"
    rows = np.column_stack([X, y])
    np.savetxt(path, rows, delimiter=",", header="a,b,c,y", comments="", fmt="%.17g")
    data = {"path": str(path), "target": "y", "stream": True}
    result = tuned({"holdout": 0.3}, tmp_path / "run", data=data, solver={"name": "auto"})
    memory = {"path": str(path), "target": "y"}
    wanted = tuned({"holdout": 0.3}, tmp_path / "memory", data=memory, solver={"name": "auto"})
    np.testing.assert_allclose(scores(result), scores(wanted), rtol=0.1)  # other rows are held out
    assert result.summary["tune"]["score"] == scores(result).min()
    with pytest.raises(ValueError, match="set tune.holdout"):
        recipe({"folds": 3}, data=data)


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ({"scoring": "acuracy"}, "must be a metric, which are accuracy.*did you mean accuracy"),
        ({"scoring": "roc_auc"}, None),
        ({"scoring": "precision"}, 'tune.scoring = "precision": '),
        ({"folds": 60}, "can't be split with tune.folds = 60"),
    ],
)
def test_what_cannot_be_scored(tmp_path: Path, tune: dict, message: str | None):
    if message is None:
        tuned(tune, tmp_path / "run")
        return
    with pytest.raises((ConfigError, DataError), match=message):
        tuned(tune, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_command(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("r.toml").write_text('[data]\nname = "iris"\n[tune]\nC = [0.1, 1.0, 10.0]\nfolds = 3\n')
    done = CliRunner().invoke(main, ["tune", "--config", "r.toml", "--out", "run"])
    assert done.exit_code == 0, done.output
    assert "chosen" in done.stdout and "fold 3 of 3: best log_loss" in done.stderr
    assert "9 fits in " in done.stdout
    assert "of 3 results are within one standard error of the best" in done.stdout
    assert "fitting to all training rows with model.C = 10" in done.stderr
    assert "the best model.C, 10, is at the upper end" in done.stderr
    done = CliRunner().invoke(main, ["tune", "--config", "r.toml", "--out", "two", "--json"])
    found = json.loads(done.stdout)
    assert found["tune"]["best"] == {"model.C": 10.0} and found["path"] == "two"
    done = CliRunner().invoke(main, ["tune", "--resume", "run", "-q"])
    assert done.exit_code == 0 and done.stdout.strip() == "run"
    done = CliRunner().invoke(main, ["tune", "--config", "r.toml", "--budget", "0"])
    assert done.exit_code == 2 and "--budget" in done.output
    done = CliRunner().invoke(main, ["tune", "--config", "r.toml", "--set", "tune.rule=worst"])
    assert done.exit_code == 2 and "'best' or 'one_se'" in done.output
    Path("plain.toml").write_text('[data]\nname = "iris"\n')
    done = CliRunner().invoke(main, ["tune", "--config", "plain.toml", "--set", "tune.folds=2"])
    assert done.exit_code == 0, done.output
