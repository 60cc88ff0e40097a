"""The examples run, benchmarks and experiments at least parse their options."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from fastclf import functional as F

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.glob("example_*.py")))
def test_example_runs(name, capsys):
    runpy.run_path(str(SCRIPTS / name), run_name="__main__")
    assert capsys.readouterr().out


WITH_OPTIONS = sorted(
    p.name for kind in ("benchmark", "experiment") for p in SCRIPTS.glob(f"{kind}*.py")
)
HELP = """
import contextlib, io, json, pathlib, runpy, sys, traceback

found = {}
sys.path[0] = str(pathlib.Path(sys.argv[1]).parent)  # where each script finds its helpers
for path in sys.argv[1:]:
    sys.argv = [path, "--help"]
    said, status = io.StringIO(), "no exit"
    with contextlib.redirect_stdout(said):
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            status = traceback.format_exc()
    found[path] = status, said.getvalue()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def help_texts():
    """Return the exit status and the help of each script, all asked in one process."""
    command = [sys.executable, "-c", HELP, *(str(SCRIPTS / name) for name in WITH_OPTIONS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", WITH_OPTIONS)
def test_benchmark_has_help(name, help_texts):
    status, said = help_texts[str(SCRIPTS / name)]
    assert status == 0, status
    assert "--out" in said


@pytest.mark.parametrize("name", ["breast_cancer_scaled", "iris"])
def test_oracle_agrees_with_log_loss(name):
    problems = runpy.run_path(str(SCRIPTS / "_problems.py"))
    problem = problems["PROBLEMS"][name](name)
    clf = LogisticRegression(C=0.1, max_iter=1000).fit(problem.X, problem.y)
    penalty = np.sum(clf.coef_**2) / (2 * 0.1 * len(problem.y))
    value = problems["objective"](problem.X, problem.y, clf.coef_, clf.intercept_, C=0.1)
    assert value == pytest.approx(log_loss(problem.y, clf.predict_proba(problem.X)) + penalty)


def test_benchmark_lists_its_problems():
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "benchmark.py"), "--list", "--problems", "iris", "digits"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [
        "iris n 150 d 4 K 3".split(),
        "digits n 1797 d 64 K 10".split(),
    ]


@pytest.fixture
def helper(monkeypatch):
    """Return a function that runs a script and returns its names."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return lambda name: runpy.run_path(str(SCRIPTS / name))


def test_problems_have_a_scaled_and_a_raw_form(helper, tmp_path):
    script = helper("_problems.py")
    pixels = np.array([[0, 255], [51, 102]], np.uint8)
    np.savez(tmp_path / "mnist.npz", X=pixels, y=[0, 1])
    parts = {"X_data": [1.0], "X_indices": [0], "X_indptr": [0, 1], "X_shape": [1, 1]}
    np.savez(tmp_path / "text.npz", y=[0], **parts)
    names = ["iris", "digits_scaled", "tall_7", "mnist", "text"]
    scaled, raw = script["forms"](script["find"](tmp_path, names))
    assert list(scaled) == ["iris", "digits", "tall_7", "mnist"]
    assert list(raw) == ["iris", "mnist", "text"]
    iris, mnist = (scaled[name](name) for name in ("iris", "mnist"))
    assert iris.name == "iris" and np.allclose([iris.X.mean(), iris.X.std()], [0, 1])
    assert np.array_equal(mnist.X, pixels / 255)
    assert np.array_equal(raw["mnist"]("mnist").X, pixels)
    named = script["find"](tmp_path, ["mnist_255"])["mnist_255"]("mnist_255")
    assert named.name == "mnist_255" and np.array_equal(named.X, mnist.X)


def test_single_calls_alternate(helper):
    calls: list[str] = []
    contenders = {name: lambda name=name: calls.append(name) for name in ("ours", "theirs")}
    single = helper("_benchmark.py")["single"]
    assert set(single(contenders, 3)) == {"ours", "theirs"}
    assert calls == ["ours", *["theirs", "ours"] * 3]
    calls.clear()
    single(contenders, 3, budget=1e-9)  # of which the first call takes more
    assert calls == ["ours", "theirs", "ours"]


def test_amdahls_law(helper):
    script = helper("benchmark_cores.py")
    assert [script["serial_share"](ratio) for ratio in (0.45, 0.5, 0.75, 1, 1.1)] == [
        0,
        0,
        0.5,
        1,
        1,
    ]
    assert [script["times_faster"](share, 8) for share in (0, 1)] == [8, 1]
    assert script["times_faster"](0.3, 2) == pytest.approx(1 / 0.65)
    assert script["serial_share"](0.65) == pytest.approx(0.3)


@pytest.fixture
def votes(tmp_path):
    """Return a folder with a set of rows that 50 people voted on, by a softmax of their logits."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    P = F.softmax(X @ rng.normal(size=(4, 3)))
    counts = rng.multinomial(50, P)
    arrays = {"X": X.astype(np.float32), "y": counts / 50, "y_counts": counts.astype(np.uint8)}
    np.savez(tmp_path / "soft_people.npz", **arrays)
    return tmp_path


def run_on(name, folder, *options):
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / name), "--data", folder, "--out", folder, *options],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_soft_targets_have_the_optimum_of_expanded_rows(votes):
    run_on("benchmark_soft.py", votes, "--repeats", "1", "--budget", "10")
    (row,) = json.loads((votes / "soft.json").read_text())["rows"]
    assert row["n"] == 300 and row["copies"] <= 900
    assert abs(row["difference"]) <= 1e-8 and -1e-12 <= row["fastclf excess"] < 1e-4


def test_default_fits_are_reported_by_form(tmp_path):
    options = "--mode", "default", "--problems", "iris", "--repeats", "1"
    run_on("benchmark.py", tmp_path, *options)
    for name in ("default", "default_raw"):
        (row,) = json.loads((tmp_path / f"{name}.json").read_text())["rows"]
        assert row["problem"] == "iris" and row["objective excess"] < 1e-6
        for how in ("", " in a row"):
            ratio = row[f"scikit-learn ms{how}"] / row[f"fastclf ms{how}"]
            assert row[f"times faster{how}"] == pytest.approx(ratio)
        assert "smallest" in (tmp_path / f"{name}.md").read_text()


def test_distributions_teach_more_than_their_majority(votes):
    run_on("experiment_soft_labels.py", votes, "--seeds", "3")
    found = json.loads((votes / "soft_labels.json").read_text())
    assert list(found["details"]) == ["people, all", "people, 3", "people, 10"]
    for split in found["details"]["people, all"]:
        assert split["distributions"]["loss"] < split["majority"]["loss"]
        assert split["distributions"]["ece"] < split["majority"]["ece"]
    assert len(found["rows"]) == 15
    assert "± " in (votes / "soft_labels.md").read_text()


def test_figures_of_the_experiments(rng):
    script = runpy.run_path(str(SCRIPTS / "_experiments.py"))
    p, y = F.softmax(rng.normal(size=(200, 4))), rng.integers(0, 4, 200)
    error = script["calibration_error"](p, np.eye(4)[y])
    assert error == pytest.approx(F.expected_calibration_error(p, y))
    assert script["calibration_error"](p, p) == pytest.approx(0, abs=1e-12)
    loss = script["cross_entropy"](np.log(p), np.eye(4)[y])
    assert loss == pytest.approx(F.cross_entropy(np.log(p), y))
    mean, error = script["mean_and_error"]([1.0, 2.0, 3.0])
    assert mean == 2 and error == pytest.approx(np.sqrt(1 / 3 + 1 / 4))
    parts = script["split"](100, rng)
    assert [len(part) for part in parts] == [64, 16, 20]
    assert sorted(np.concatenate(parts)) == list(range(100))


def test_the_figures_of_the_theory_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "theory_figures.py"), "--out", tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    committed = {path.name for path in (SCRIPTS.parent / "docs" / "figures").iterdir()}
    drawn = set(done.stdout.split())
    assert drawn <= committed and all((tmp_path / name).stat().st_size > 1000 for name in drawn)


@pytest.mark.slow
def test_scikit_learns_own_tests_pass():
    """Those that apply: the others are listed in conformance.toml."""
    pytest.importorskip("sklearn", "1.9", reason="the list is of that version's tests")
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "conformance.py")],
        env=os.environ | {"SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "100.0 % of those that apply" in done.stdout


def test_the_list_of_tests_that_do_not_apply_is_held_against_the_tests():
    script = runpy.run_path(str(SCRIPTS / "conformance.py"))
    entry, plugin = script["Entry"], script["Conformance"]
    listed = entry(["test_a", "test_b[*-x]", "test_c[y*"], "no reason")
    covered = ["test_a", "test_a[1]", "test_b[1-x]", "test_c[y-2]"]
    assert all(map(listed.covers, covered))
    assert not any(map(listed.covers, ["test_ab", "test_b", "test_b[x]", "test_c", "test_b[1-x2]"]))
    run = plugin([listed], also_deselected=True)
    listed.found += covered[:2]
    run.outcomes.update({"test_a": "passed", "test_a[1]": "failed", "test_d": "failed"})
    assert script["needless"](run) == ["passes, but is deselected: test_a"]
    assert script["problems"](run, whole=True) == [
        "failed: test_d",
        "conformance.toml: test_b[*-x]: there is no such test",
        "conformance.toml: test_c[y*: there is no such test",
    ]
    assert script["problems"](plugin([], False), whole=True) == [
        "sklearn/linear_model/tests/test_logistic.py: no test was run"
    ]


def test_differences_of_other_test_files_need_a_reason():
    script = runpy.run_path(str(SCRIPTS / "conformance.py"))
    entry, outcome = script["Entry"], script["Outcome"]
    listed = entry(["a.py::test_a", "a.py::test_gone"], "a reason")
    ours = {
        "a.py::test_a[1]": outcome("failed", "why"),
        "a.py::test_b": outcome("failed", "why"),
        "a.py::test_c": outcome("failed", "why"),
        "a.py::test_d": outcome("passed"),
    }
    theirs = {"a.py::test_b": outcome("passed"), "a.py::test_c": outcome("failed")}
    assert script["differences"](ours, theirs, [listed]) == ["differs: a.py::test_b: why"]
    assert listed.found == ["a.py::test_a[1]"]
    assert script["unknown"]([listed], "there is no such difference") == [
        "conformance.toml: a.py::test_gone: there is no such difference"
    ]


def test_words_are_collected_with_their_places():
    command = [
        sys.executable,
        str(SCRIPTS / "collect_words"),
        "help",
        "messages",
        "texts",
        "recipe",
    ]
    done = subprocess.run([*command, "docs"], capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    groups = {line for line in lines if line.startswith("# ")}
    assert groups == {"# help", "# messages", "# texts", "# recipe", "# docs"}
    known = {
        "fastclf evaluate": "Usage: fastclf evaluate [OPTIONS] RUN",
        "recipe.seed: ": "The seed",
        "fastclf/estimators/validation.py:": "X_val and y_val must be given together",
        "fastclf/runs/tables.py:": "baseline: always predicts {predicts}, the most frequent class",
        "fastclf/functional/losses.py:": "cross_entropy: Return the softmax",
    }
    for place, text in known.items():
        assert any(line.startswith(place) for line in lines), place
        assert text in done.stdout
