"""The code in the table of the user guide's first page runs."""

import re
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from click.testing import CliRunner
from pyarrow import parquet
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import Pipeline, make_pipeline

import fastclf
from fastclf.cli import main
from fastclf.config import Recipe

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guide" / "index.md").read_text(encoding="utf-8")
TABLES = [line for line in TEXT.splitlines() if line.startswith("|")]
CODE_IN_TABLES = sorted({code for line in TABLES for code in re.findall(r"`([^`]+)`", line)})
NO_PYTHON = {
    "configs/": lambda: (ROOT / "configs").is_dir(),
    "fastclf train --config FILE": lambda: (
        "--config" in CliRunner().invoke(main, ["train", "--help"]).output
    ),
    "fastclf tune --config FILE": lambda: (
        "--config" in CliRunner().invoke(main, ["tune", "--help"]).output
    ),
    "fastclf warmup --portable": lambda: (
        "--portable" in CliRunner().invoke(main, ["warmup", "--help"]).output
    ),
    "path": lambda: "path" in Recipe.model_fields["data"].annotation.model_fields,
    "target": lambda: "target" in Recipe.model_fields["data"].annotation.model_fields,
}
"""What stands in the tables and is no Python, and whether there is such a thing."""


@pytest.fixture(scope="module")
def names_in_tables(tmp_path_factory):
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[:120, :4], y[:120]
    folder = tmp_path_factory.mktemp("guide")
    (folder / "folder").mkdir()
    columns = dict(zip(["a", "b", "c", "d", "target"], [*X.T, y], strict=True))
    parquet.write_table(pyarrow.table(columns), folder / "folder" / "part.parquet")
    teacher = fastclf.LogisticRegression()
    P = teacher.fit(X, y).predict_proba(X)
    names = {"X": X, "y": y, "P": P, "Y": np.stack([y, 1 - y], axis=1), "Z": np.log(P)}
    names |= {name: getattr(fastclf, name) for name in fastclf.__all__ if name[0].isupper()}
    names |= {"loader": [(X, y)], "make_pipeline": make_pipeline}
    names["frame"] = {"a": X[:, 0], "b": np.where(X[:, 1] > 18, "large", "small")}
    return folder, names | {"teacher": teacher, "fastclf": fastclf}


def test_the_tables_name_calls_of_every_estimator_of_a_fit():
    calls = " ".join(code for code in CODE_IN_TABLES if "(" in code)
    fits = set(fastclf.__all__) - {"LoadedClassifier", "MultiLabelLogisticRegressionCV"}
    assert all(f"{name}(" in calls for name in fits if name[0].isupper())


@pytest.mark.filterwarnings("ignore:The (default|fitted):FutureWarning")
@pytest.mark.parametrize("code", [code for code in CODE_IN_TABLES if code not in NO_PYTHON])
def test_python_in_tables_runs(code, names_in_tables, monkeypatch):
    folder, names = names_in_tables
    monkeypatch.chdir(folder)
    value = eval(code, dict(names))
    assert value is not None
    if ".fit(" in code or ".partial_fit(" in code:
        clf = value[-1] if isinstance(value, Pipeline) else value
        coefficients = getattr(clf, "temperature_", None) or clf.coef_
        assert np.isfinite(coefficients).all() and np.any(coefficients)


@pytest.mark.parametrize("code", sorted(NO_PYTHON))
def test_what_is_no_python_in_tables_is_there(code):
    assert code in CODE_IN_TABLES
    assert NO_PYTHON[code]()
