"""Every block of the README runs: Python here, commands here or, where they install, in CI."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from click.testing import CliRunner
from pyarrow import parquet
from sklearn.datasets import load_breast_cancer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline

import fastclf
from fastclf.cli import main
from fastclf.config import Recipe

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, flags=re.DOTALL)


def blocks(language):
    return [block for kind, block in BLOCKS if kind == language]


def test_every_block_is_of_a_kind_that_is_run():
    assert {kind for kind, _ in BLOCKS} <= {"sh", "python", "text"}


def test_python_blocks_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)


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
    "path": lambda: "path" in Recipe.model_fields["data"].annotation.model_fields,
    "target": lambda: "target" in Recipe.model_fields["data"].annotation.model_fields,
}
"""What stands in the tables and is no Python, and whether there is such a thing."""


@pytest.fixture(scope="module")
def names_in_tables(tmp_path_factory):
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[:120, :4], y[:120]
    folder = tmp_path_factory.mktemp("readme")
    (folder / "folder").mkdir()
    columns = dict(zip(["a", "b", "c", "d", "target"], [*X.T, y], strict=True))
    parquet.write_table(pyarrow.table(columns), folder / "folder" / "part.parquet")
    teacher = fastclf.LogisticRegression()
    P = teacher.fit(X, y).predict_proba(X)
    names = {"X": X, "y": y, "P": P, "Y": np.stack([y, 1 - y], axis=1), "Z": np.log(P)}
    names |= {name: getattr(fastclf, name) for name in fastclf.__all__ if name[0].isupper()}
    names |= {"loader": [(X, y)], "make_pipeline": make_pipeline}
    names["frame"] = {"a": X[:, 0], "b": np.where(X[:, 1] > 18, "large", "small")}
    return folder, names | {"teacher": teacher, "fastclf": fastclf, "MLPClassifier": MLPClassifier}


def test_the_tables_name_calls_of_every_estimator_of_a_fit():
    calls = " ".join(code for code in CODE_IN_TABLES if "(" in code)
    fits = set(fastclf.__all__) - {"TemperatureScaler", "MultiLabelLogisticRegressionCV"}
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
        assert np.isfinite(clf.coef_).all() and clf.coef_.any()


@pytest.mark.parametrize("code", sorted(NO_PYTHON))
def test_what_is_no_python_in_tables_is_there(code):
    assert code in CODE_IN_TABLES
    assert NO_PYTHON[code]()


@pytest.fixture
def clone(tmp_path):
    for name in ("configs", "datasets"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def commands():
    lines = "\n".join(blocks("sh")).splitlines()
    return [command.strip() for line in lines for command in line.split("&&")]


def test_installing_and_testing_is_what_ci_does():
    ci = (ROOT / ".ci" / "run").read_text()
    install_and_test = blocks("sh")[1].strip()
    for command in install_and_test.split("&&"):
        assert command.strip() in ci


def test_commands_print_what_the_readme_shows(clone):
    ours = [command for command in commands() if command.startswith("fastclf")]
    assert ours
    shown = blocks("text")
    for command, expected in zip(ours, shown, strict=True):
        words = command.split()[1:]
        done = subprocess.run(
            [sys.executable, "-m", "fastclf", *words],
            cwd=clone,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        printed = done.stdout + done.stderr
        for line in expected.splitlines():
            if " s;" not in line:  # the last line tells the time and the folder
                assert line in printed


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (ROOT / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("name", ["fastclf train", "fastclf warmup"])
def test_commands_in_the_text_exist(name):
    done = subprocess.run(
        [sys.executable, "-m", *name.split(), "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
