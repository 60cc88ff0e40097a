"""Runs that are stopped, killed, spoilt or starved go on with the same bits, or say why not."""

import errno
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_digits

from fastclf.cli import main
from fastclf.config import Recipe, load_recipe
from fastclf.errors import DataError, RunError
from fastclf.runs.checkpoint import Checkpoints
from fastclf.runs.directory import new_run, reopened_run
from fastclf.runs.keeper import RunKeeper
from fastclf.runs.lock import locked
from fastclf.runs.run import resume, train

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "fastclf"]

OFTEN = {"checkpoint": {"every_seconds": 0.0}}
ADAM = {"solver": {"name": "adam", "epochs": 6, "tol": 0.0, "batch_size": 64}, **OFTEN}


def recipe(**tables: Any) -> Recipe:
    return Recipe.model_validate({"name": "test", "data": {"name": "digits"}, **tables})


@contextmanager
def stopping(after: int) -> Iterator[None]:
    """Have Ctrl-C come after so many slices of a fit."""
    look, looks = RunKeeper.look, 0

    def counting(self: RunKeeper, *arguments: Any) -> None:
        nonlocal looks
        looks += 1
        self.interrupt.requested = looks == after
        look(self, *arguments)

    RunKeeper.look = counting  # type: ignore[method-assign]
    try:
        yield
    finally:
        RunKeeper.look = look  # type: ignore[method-assign]


def stopped(wanted: Recipe, out: Path, after: int = 3) -> Path:
    """Return a run that was stopped."""
    with stopping(after), pytest.raises(KeyboardInterrupt):
        train(wanted, out)
    return out


def history(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "seconds" not in key} for line in lines]


def assert_same(run: Path, other: Path) -> None:
    """Check that two complete runs have the same bits in all but times."""
    assert (run / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    assert history(run) == history(other)
    one, two = (json.loads((path / "summary.json").read_text()) for path in (run, other))
    for summary in (one, two):
        for key in ("fit_seconds", "compile_seconds", "finished"):
            del summary[key]
    assert one == two
    assert (run / "evaluation.json").read_bytes() == (other / "evaluation.json").read_bytes()
    assert (run / "config.toml").read_bytes() == (other / "config.toml").read_bytes()


RECIPES = {
    "adam, early stopping": recipe(
        solver={"name": "adam", "epochs": 12, "average": True, "schedule": "cosine"},
        early_stopping={"patience": 2},
        **OFTEN,
    ),
    "sgd that explodes": recipe(
        solver={"name": "sgd", "epochs": 5, "tol": 0.0, "learning_rate": 1e5}, **OFTEN
    ),
    "newton": recipe(solver={"name": "newton"}, model={"C": 1e4}, **OFTEN),
    "small newton": recipe(data={"name": "iris"}, solver={"tol": 1e-9}, **OFTEN),
    "lbfgs": recipe(solver={"name": "lbfgs", "tol": 1e-9}, **OFTEN),
    "l1": recipe(model={"l1_ratio": 0.5, "C": 0.1}, **OFTEN),
    "labels": recipe(data={"card": str(ROOT / "datasets" / "multilabel.toml")}, **OFTEN),
    "sparse": recipe(data={"path": str(ROOT / "datasets" / "topics.svm")}, **OFTEN),
    "distilled": recipe(
        distill={"teacher": "knn"}, solver={"name": "adam", "epochs": 4, "tol": 0.0}, **OFTEN
    ),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_that_was_stopped_twice_has_the_same_bits(name: str, tmp_path: Path):
    wanted = RECIPES[name]
    whole = train(wanted, tmp_path / "whole").path
    run = stopped(wanted, tmp_path / "run", after=2)
    assert not (run / "summary.json").exists()
    with stopping(after=1), pytest.raises(KeyboardInterrupt):
        resume(wanted, run)
    assert len(history(run)) < len(history(whole))
    result = resume(wanted, run)
    assert_same(run, whole)
    assert ("diverged" in "".join(result.summary["warnings"])) == ("explodes" in name)


def test_a_run_that_was_stopped_within_its_first_epoch(tmp_path: Path, use_costs):
    use_costs(slice_work=1.0)
    wanted = recipe(**{**ADAM, "checkpoint": {}})
    run = stopped(wanted, tmp_path / "run", after=3)
    assert (run / "metrics.jsonl").read_text() == ""
    assert Checkpoints(run / "checkpoint", 1).numbers() == [1]
    resume(wanted, run)
    assert_same(run, train(wanted, tmp_path / "whole").path)


def test_a_run_without_a_checkpoint_starts_again(tmp_path: Path):
    wanted = recipe(**ADAM)
    run = stopped(wanted, tmp_path / "run")
    for path in (run / "checkpoint").glob("0*"):
        path.unlink()
    resume(wanted, run)
    assert_same(run, train(wanted, tmp_path / "whole").path)


def test_a_run_that_was_killed_before_its_data_were_read(tmp_path: Path):
    wanted = recipe(**ADAM)
    run = stopped(wanted, tmp_path / "run")
    shutil.rmtree(run / "checkpoint")
    (run / "metrics.jsonl").unlink()
    resume(wanted, run)
    assert_same(run, train(wanted, tmp_path / "whole").path)


def test_a_run_that_was_killed_after_its_fit(tmp_path: Path):
    wanted = recipe(**ADAM)
    whole = train(wanted, tmp_path / "whole").path
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "summary.json").unlink()
    resume(wanted, run)
    assert_same(run, whole)


def spoil_arrays(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


SPOILT: dict[str, Callable[[Path, list[int]], object]] = {
    "a bit": lambda folder, last: spoil_arrays(folder / f"{last[-1]:08d}.safetensors"),
    "truncated": lambda folder, last: os.truncate(folder / f"{last[-1]:08d}.json", 100),
    "arrays are gone": lambda folder, last: (folder / f"{last[-1]:08d}.safetensors").unlink(),
    "all": lambda folder, last: [os.truncate(folder / f"{i:08d}.json", 9) for i in last],
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_checkpoint_is_passed_over_with_a_warning(how: str, tmp_path: Path):
    wanted = recipe(**ADAM)
    run = stopped(wanted, tmp_path / "run")
    numbers = Checkpoints(run / "checkpoint", 1).numbers()
    assert len(numbers) >= 2
    SPOILT[how](run / "checkpoint", numbers)
    warnings = resume(wanted, run).summary["warnings"]
    assert f"{numbers[-1]:08d}.json: " in warnings[0]
    assert "this checkpoint is skipped" in warnings[0]
    if how == "all":
        assert len(warnings) == len(numbers) + 1
        assert "no usable checkpoint, so the fit restarts" in warnings[-1]
    else:
        assert len(warnings) == 1
    whole = train(wanted, tmp_path / "whole").path
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert history(run) == history(whole)


def test_a_checkpoint_of_another_run_is_passed_over(tmp_path: Path):
    wanted = recipe(**ADAM)
    run = stopped(wanted, tmp_path / "run")
    other = stopped(recipe(data={"name": "wine"}, **ADAM), tmp_path / "other")
    shutil.rmtree(run / "checkpoint")
    shutil.copytree(other / "checkpoint", run / "checkpoint")
    (run / "checkpoint" / "origin.json").unlink()
    warnings = resume(wanted, run).summary["warnings"]
    assert warnings and all("shape" in line or "no usable checkpoint" in line for line in warnings)
    assert_same_model(run, train(wanted, tmp_path / "whole").path)


def assert_same_model(run: Path, other: Path) -> None:
    assert (run / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": {"C": 2.0}}, "model.C was 1.0 and is now 2.0; change it back"),
        ({"seed": 1}, "seed was 0 and is now 1"),
        ({"early_stopping": {}}, "early_stopping.patience was not there and is now 5"),
        (
            {"solver": {"name": "sgd"}},
            'solver.name was "adam" and is now "sgd", solver.tol was 0.0 and is now 0.0001',
        ),
    ],
)
def test_a_changed_recipe_is_refused_with_the_difference(change: dict, said: str, tmp_path: Path):
    run = stopped(recipe(**ADAM), tmp_path / "run")
    before = tree(run)
    with pytest.raises(RunError, match="the recipe has changed since the run began") as refused:
        resume(recipe(**{**ADAM, **change}), run)
    assert said in str(refused.value)
    assert tree(run) == before


def test_a_key_that_an_earlier_version_did_not_have_has_its_default(tmp_path: Path):
    run = stopped(recipe(**ADAM), tmp_path / "run")
    path = run / "checkpoint" / "origin.json"
    origin = json.loads(path.read_text())
    del origin["recipe"]["model.l1_ratio"], origin["recipe"]["solver.beta2"]
    path.write_text(json.dumps(origin))
    other = {**ADAM, "model": {**ADAM.get("model", {}), "label_smoothing": 0.1}}
    with pytest.raises(RunError, match="model.label_smoothing was 0.0 and is now 0.1"):
        resume(recipe(**other), run)
    resume(recipe(**ADAM), run)
    assert_same_model(run, train(recipe(**ADAM), tmp_path / "whole").path)


def test_how_often_checkpoints_are_written_may_change(tmp_path: Path):
    run = stopped(recipe(**ADAM), tmp_path / "run")
    resume(recipe(**{**ADAM, "checkpoint": {"keep": 1, "every_epochs": 2}}), run)
    assert_same_model(run, train(recipe(**ADAM), tmp_path / "whole").path)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    X, y = load_digits(return_X_y=True)
    path = tmp_path / "digits.npz"
    np.savez(path, X=X, y=y)
    return path


def change_a_value(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    X[5, 5] += 1
    return X, y


CHANGES: dict[str, tuple[Callable, str]] = {
    "a value": (
        change_a_value,
        r"changed since the run began: sha256 was \w{12}... and is now \w{12}",
    ),
    "rows": (lambda X, y: (X[:-1], y[:-1]), "began: rows were 1797 and are now 1796, sha256 was"),
    "columns": (lambda X, y: (X[:, 1:], y), "columns were 64 and are now 63"),
    "classes": (lambda X, y: (X, np.minimum(y, 8)), r'classes were \["0", .* and are now \["0"'),
}


@pytest.mark.parametrize("what", CHANGES)
def test_changed_data_are_refused_with_the_difference(what: str, table: Path, tmp_path: Path):
    wanted = recipe(data={"path": str(table)}, **ADAM)
    run = stopped(wanted, tmp_path / "run")
    before = tree(run)
    change, said = CHANGES[what]
    X, y = load_digits(return_X_y=True)
    X, y = change(X, y)
    np.savez(table, X=X, y=y)
    with pytest.raises(RunError, match=said) as refused:
        resume(wanted, run)
    assert "\n" not in str(refused.value)
    assert tree(run) == before


def test_a_changed_teacher_is_refused(tmp_path: Path):
    teacher = train(recipe(), tmp_path / "teacher").path
    wanted = recipe(distill={"teacher_run": str(teacher)}, **ADAM)
    run = stopped(wanted, tmp_path / "run")
    model = train(recipe(model={"C": 0.1}), tmp_path / "another").path / "model.safetensors"
    shutil.copy(model, teacher)
    with pytest.raises(RunError, match=r"teacher_sha256 was \w{12}... and is now \w{12}"):
        resume(wanted, run)


def test_other_versions_get_a_warning(tmp_path: Path):
    wanted = recipe(**ADAM)
    run = stopped(wanted, tmp_path / "run")
    origin = run / "checkpoint" / "origin.json"
    values = json.loads(origin.read_text())
    values["versions"]["numpy"] = "1.0"
    origin.write_text(json.dumps(values))
    (line,) = resume(wanted, run).summary["warnings"]
    assert line.startswith("the run began with numpy 1.0 and is resumed with")


@pytest.mark.parametrize("text", ["", "[]", '{"recipe": 1}', "[" * 100_000])
def test_a_damaged_origin_is_an_error(text: str, tmp_path: Path):
    run = stopped(recipe(**ADAM), tmp_path / "run")
    (run / "checkpoint" / "origin.json").write_text(text)
    with pytest.raises(RunError, match="origin.json: is damaged"):
        resume(recipe(**ADAM), run)


def test_a_file_that_changes_while_it_is_read(table: Path, tmp_path: Path, monkeypatch):
    from fastclf.runs import run as module

    read = module.read_dataset

    def read_while_somebody_writes(*arguments: Any) -> Any:
        dataset = read(*arguments)
        os.utime(table, ns=(1, 1))
        return dataset

    monkeypatch.setattr(module, "read_dataset", read_while_somebody_writes)
    with pytest.raises(DataError, match="digits.npz: changed while it was read"):
        train(recipe(data={"path": str(table)}, **ADAM), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_two_runs_in_one_directory_are_refused(tmp_path: Path):
    wanted = recipe(**ADAM)
    run = stopped(wanted, tmp_path / "run")
    with locked(run):
        for start in (train, resume):
            with pytest.raises(RunError, match=f"run: in use by process {os.getpid()}"):
                start(wanted, run)
    with new_run(tmp_path / "new"), pytest.raises(RunError, match="new: in use by process"):
        train(wanted, tmp_path / "new")
    with pytest.raises(RunError, match="run exists and isn't empty; resume that run with"):
        train(wanted, run)
    resume(wanted, run)
    with pytest.raises(RunError, match="isn't empty; name another directory"):
        train(wanted, run)


def test_metrics_end_where_a_fit_goes_on(tmp_path: Path):
    lines = [{"iteration": i, "objective": 1 / i, "seconds": 0.1 * i} for i in range(1, 6)]
    with new_run(tmp_path / "run") as run:
        run.write_config("")
        path = run.path / "metrics.jsonl"
        for line in lines:
            run.write_metrics(line)
        whole = path.read_bytes()
        assert whole.count(b"\n") == 5  # each can be read at once
    cut = whole[:-20]  # a crash of the system may lose lines
    for before in (whole, cut, b"", b"\xff\n\n{}\n", whole + b"{"):
        for count in (0, 3, 5):
            path.write_bytes(before)
            with reopened_run(tmp_path / "run") as run:
                run.rewind_metrics(lines[:count])
                run.write_metrics({"iteration": count + 1})
            expected = b"".join(whole.splitlines(keepends=True)[:count])
            assert path.read_bytes() == expected + b'{"iteration": %d}\n' % (count + 1)


def test_metrics_are_the_same_file_after_going_on(tmp_path: Path):
    """So that what follows it goes on, too."""
    wanted = recipe(**ADAM)
    run = stopped(wanted, tmp_path / "run")
    before = (run / "metrics.jsonl").stat().st_ino
    resume(wanted, run)
    assert (run / "metrics.jsonl").stat().st_ino == before


@pytest.mark.parametrize("name", ["write_file", "metrics"])
def test_a_full_disk_is_one_error_and_loses_nothing(name: str, tmp_path: Path, monkeypatch):
    wanted = recipe(**ADAM)
    whole = train(wanted, tmp_path / "whole").path

    def fail(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    look, looks = RunKeeper.look, 0

    with monkeypatch.context() as patch:

        def fill_the_disk(self: RunKeeper, *arguments: Any) -> None:
            nonlocal looks
            look(self, *arguments)
            looks += 1
            if looks == 3:
                target = "os.fsync" if name == "write_file" else "fastclf.runs.directory.json.dumps"
                patch.setattr(target, fail)

        patch.setattr(RunKeeper, "look", fill_the_disk)
        with pytest.raises(RunError, match="can't be written: No space left.*make room") as refused:
            train(wanted, tmp_path / "run")
    assert "\n" not in str(refused.value)
    assert len(history(tmp_path / "run")) >= 3
    resume(wanted, tmp_path / "run")
    assert_same(tmp_path / "run", whole)


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, **options)


@pytest.fixture
def digits(tmp_path: Path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("digits.toml").write_text(
        '[data]\nname = "digits"\n'
        '[solver]\nname = "adam"\nepochs = 40\nbatch_size = 16\ntol = 0.0\n'
        "[early_stopping]\npatience = 40\n"
        "[checkpoint]\nevery_seconds = 0.0\n"
    )
    return "digits.toml"


def test_a_file_that_may_not_grow_in_a_process(digits: str):
    """As on a full disk: the system refuses to write more than a few lines of metrics."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))  # noqa: E731
    more = ("--set", "solver.epochs=2000")
    done = command("train", "--config", digits, "--out", "run", "-q", *more, preexec_fn=limit)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("fastclf: error: run/") and "File too large" in line


def test_a_directory_that_cannot_be_written(tmp_path: Path):
    wanted = recipe(**ADAM)
    folder = Path("/tmp") / f"fastclf-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        run = stopped(wanted, folder / "run")
        before = tree(run)
        for path in (run / "checkpoint", run, folder):
            path.chmod(0o555)
        with _as_nobody():
            for start, where in ((train, folder / "new"), (resume, run)):
                with pytest.raises(RunError, match="can't be written: Permission denied"):
                    start(wanted, where)
        assert tree(run) == before
    finally:
        for path in (folder, folder / "run", folder / "run" / "checkpoint"):
            path.chmod(0o755)
        shutil.rmtree(folder)


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Give up the rights of root, who may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_resuming_at_the_prompt(digits: str):
    run, train_it = Path("run"), ["train", "--config", digits, "-q", "--out"]
    assert CliRunner().invoke(main, [*train_it, "whole"]).exit_code == 0
    process = start(*train_it, "run")
    wait_for_lines(run, 3, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "fastclf: interrupted; saved in run; resume with: fastclf train --resume run\n"
    assert Checkpoints(run / "checkpoint", 2).numbers()
    changed = CliRunner().invoke(main, ["train", "--resume", "run", "--set", "model.C=2.0"])
    assert (changed.exit_code, changed.stdout) == (2, "")
    assert "model.C was 1.0 and is now 2.0" in changed.stderr
    done = command("train", "--resume", "run", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "run\n", "")
    assert_same(run, Path("whole"))
    before = tree(run)
    again = CliRunner().invoke(main, ["train", "--resume", "run", "--json"])
    assert again.exit_code == 0
    assert again.stderr == "run: the run is already complete\n"
    assert json.loads(again.stdout)["n_iter"] == 40
    assert tree(run) == before
    other = CliRunner().invoke(main, ["train", "--resume", "run", "--set", "model.C=2.0"])
    assert (other.exit_code, other.stdout) == (2, "")
    (line,) = other.stderr.splitlines()
    assert "model.C was 1.0 and is now 2.0" in line
    (run / "checkpoint" / "origin.json").write_text("{}")  # a complete run doesn't need it
    assert CliRunner().invoke(main, ["train", "--resume", "run", "-q"]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a recipe or a data file, or a stopped run with --resume"),
        (["--resume", "nowhere"], "nowhere: no such directory; name the directory of a run"),
        (["--resume", "."], ".: isn't the directory of a run, because it has no config.toml"),
        (["--resume", "run", "--out", "other"], "leave out --out"),
    ],
)
def test_mistakes_in_resuming(arguments: list, said: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["train", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("fastclf: error: ") and said in line


def test_a_recipe_whose_kind_follows_from_the_data_is_the_same(digits: str, tmp_path: Path):
    wanted = load_recipe(Path(digits))
    assert wanted.model.kind == "auto"
    run = stopped(wanted, Path("run"))
    resume(wanted, run)
    assert (run / "summary.json").exists()


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # A shell starts background jobs, such as a whole test run, with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def lines(run: Path) -> int:
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for_lines(run: Path, count: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while lines(run) < count and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def kill_and_go_on(config: str, run: Path, kills: int, seed: int, options: list[str]) -> int:
    """Kill a run again and again, at random moments, and let it end; return how often."""
    rng = random.Random(seed)
    killed = 0
    while True:
        is_new = not (run / "config.toml").exists()
        if is_new:
            shutil.rmtree(run, ignore_errors=True)
        where = ["--config", config, "--out", str(run), *options] if is_new else []
        process = start("train", "-q", *(where or ["--resume", str(run)]))
        if killed < kills:
            if rng.random() < 0.2:
                time.sleep(rng.uniform(0.2, 2.0))  # while it imports, reads or starts
            else:
                wait_for_lines(run, lines(run) + 1, process)
                time.sleep(rng.uniform(0, 0.1))
            if process.poll() is None:
                process.kill()
                killed += 1
        _, errors = process.communicate(timeout=300)
        if process.returncode == 0:
            return killed
        assert process.returncode == -signal.SIGKILL, errors


def test_killed_at_random_moments(digits: str):
    train(load_recipe(Path(digits)), Path("whole"))
    assert kill_and_go_on(digits, Path("run"), kills=2, seed=0, options=[]) >= 1
    assert_same(Path("run"), Path("whole"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["solver={name='adam',epochs=2000,tol=0.0}", "checkpoint.every_seconds=0.05"],
        ["solver={name='lbfgs',tol=1e-14,max_iter=2000}", "model.C=1e8"],
        ["solver={name='proximal',tol=1e-14,max_iter=500}", "model.l1_ratio=1.0", "model.C=100"],
    ],
    ids=["adam", "lbfgs", "l1"],
)
def test_ten_kills_in_a_row(options: list[str], digits: str):
    text = Path(digits).read_text()  # without early stopping, for a run that is long enough
    Path(digits).write_text(text.replace("[early_stopping]\npatience = 40\n", ""))
    assignments = [word for option in options for word in ("--set", option)]
    train(load_recipe(Path(digits), options), Path("whole"))
    killed = kill_and_go_on(digits, Path("run"), kills=10, seed=1, options=assignments)
    assert killed == 10
    assert_same(Path("run"), Path("whole"))


def test_a_truncated_parquet_file_is_one_line(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = (ROOT / "datasets" / "flights.parquet").read_bytes()
    Path("flights.toml").write_text('[data]\npath = "flights.parquet"\ntarget = "delayed"\n')
    for length in (0, 4, 100, len(content) // 2, len(content) - 1):
        Path("flights.parquet").write_bytes(content[:length])
        done = CliRunner().invoke(main, ["train", "--config", "flights.toml", "--out", "run"])
        assert (done.exit_code, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("fastclf: error: ") and "flights.parquet" in line
        assert not Path("run").exists()


HOSTILE = {
    "huge header": (2**62).to_bytes(8, "little") + b"{}",
    "header beyond the end": (10**6).to_bytes(8, "little") + b"{}" * 10,
    "path trick": b"\x40\x00\x00\x00\x00\x00\x00\x00"
    + b'{"../../etc/passwd":{"dtype":"F64","shape":[],"data_offsets":[0,8'.ljust(56)[:56]
    + b"]}}     "
    + bytes(8),
    "shape that overflows": b"\x4f\x00\x00\x00\x00\x00\x00\x00"
    + b'{"theta":{"dtype":"F64","shape":[4611686018427387904,8],"data_offsets":[0,8]}} '
    + bytes(8),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_model_file_is_one_line(name: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.safetensors").write_bytes(HOSTILE[name])
    Path("rows.csv").write_text("a,b\n1,2\n")
    arguments = ["predict", "model.safetensors", "rows.csv", "-o", "out.csv"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("fastclf: error: model.safetensors: not a model file of fastclf")
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_checkpoint_is_passed_over(name: str, tmp_path: Path):
    """Even one whose checksums are right: nothing of it is used."""
    wanted = recipe(**ADAM)
    run = stopped(wanted, tmp_path / "run")
    number = Checkpoints(run / "checkpoint", 1).numbers()[-1]
    text = json.loads((run / "checkpoint" / f"{number:08d}.json").read_text())
    text["content"]["arrays_sha256"] = hashlib.sha256(HOSTILE[name]).hexdigest()
    canonical = json.dumps(text["content"], sort_keys=True).encode()
    text["sha256"] = hashlib.sha256(canonical).hexdigest()
    (run / "checkpoint" / f"{number:08d}.json").write_text(json.dumps(text))
    (run / "checkpoint" / f"{number:08d}.safetensors").write_bytes(HOSTILE[name])
    (line,) = resume(wanted, run).summary["warnings"]
    assert "isn't a checkpoint" in line or "not the parts of a state" in line
    assert_same_model(run, train(wanted, tmp_path / "whole").path)
