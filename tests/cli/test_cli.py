"""The command line, through real processes where the process is the point."""

import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from fastclf import __version__, threads
from fastclf.cli import main
from fastclf.kernels.runtime import bundles, levels, obtained
from fastclf.kernels.runtime.source import package_stamp
from fastclf.linear_model import LinearModel
from fastclf.runs import warmup
from fastclf.runs.summary import print_summary

COMPILING = "compiling kernels, which usually takes 5 to 20 s; they are cached"
COMMAND = [sys.executable, "-m", "fastclf"]


@pytest.fixture
def recipe_file(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "flowers.toml"
    path.write_text('[data]\nname = "iris"\n')
    return path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_help_is_quick_and_loads_nothing_heavy():
    script = (
        "import sys; from fastclf.cli import main\n"
        "try: main(['train', '--help'])\n"
        "finally: print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0
    assert "--config" in done.stdout
    loaded = set(done.stderr.splitlines())
    assert "click" in loaded
    assert not loaded & {"numba", "numpy", "scipy", "sklearn", "pydantic", "rich", "tomlkit"}


def test_version():
    assert __version__ in invoke("--version").output


def test_train_in_a_process(recipe_file: Path):
    done = subprocess.run(
        [*COMMAND, "train", "--config", "flowers.toml", "--set", "solver.name=adam"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    first = [line for line in done.stderr.splitlines() if not line.startswith(COMPILING)][0]
    assert first.startswith("epoch ")
    (run,) = Path("runs").iterdir()
    assert run.name.startswith("flowers-")
    assert str(run) in done.stdout
    assert json.loads((run / "summary.json").read_text())["solver"] == "adam"


def test_ctrl_c_in_a_process(recipe_file: Path):
    endless = ["--set", "solver.name=sgd", "--set", "solver.epochs=100000000"]
    process = subprocess.Popen(
        [*COMMAND, "train", "--config", "flowers.toml", "--out", "run", "--set", "solver.tol=0.0"]
        + endless,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs, such as a whole test run, with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    metrics = Path("run/metrics.jsonl")
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        "fastclf: interrupted; saved in run; resume with: fastclf train --resume run"
    )
    assert "Traceback" not in errors
    assert not Path("run/summary.json").exists()


def test_quiet_prints_the_run_directory_alone(recipe_file: Path):
    result = invoke("train", "--config", "flowers.toml", "--out", "run", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "run\n", "")


def test_warnings_are_one_line_each(recipe_file: Path):
    result = invoke("train", "--config", "flowers.toml", "-q", "--set", "solver.max_iter=2")
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert line.startswith("warning: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config", "flower.toml"], "flower.toml: no such file (did you mean flowers.toml?)"),
        (["--set", "model.Cc=1"], "--set model.Cc=1: unknown key model.Cc (did you mean C?)"),
        (["--set", "data.name=irs"], 'no built-in data set "irs" (did you mean iris?)'),
        (["--set", "model.kind=logistic"], 'set model.kind to "softmax"'),
        (["--out", "flowers.toml/run"], "flowers.toml/run: can't be written: Not a directory"),
        (["--out", "."], ". exists and isn't empty"),
    ],
)
def test_mistakes_end_in_one_line_and_status_2(recipe_file: Path, arguments: list, said: str):
    result = invoke("train", "--config", "flowers.toml", "--out", "run", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("fastclf: error: ")
    assert said in line
    assert os.listdir() == ["flowers.toml"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "no such command 'trian'"),
        (["train", "--targt", "y"], "no such option '--targt'"),
        (["train", "a.csv", "b.csv"], "got unexpected extra argument (b.csv); see fastclf train "),
        (
            ["tune", "--budget", "0"],
            "invalid value for '--budget': 0.0 is not in the range x>0; see ",
        ),
        (["predict", "run"], "missing argument 'INPUT'; see fastclf predict --help"),
    ],
)
def test_mistakes_in_arguments_are_one_line_too(arguments: list, said: str):
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert said.replace("'", "") in line.replace("'", "").replace("option: ", "option ")
    assert line.startswith("fastclf: error: ") and line.endswith(" --help")


def test_commands_are_listed_in_the_order_of_work():
    text = invoke("--help").stdout
    assert text.index("  init ") < text.index("  train ") < text.index("  predict ")
    listed = re.findall(r"^  (\w+)  ", text.partition("Commands:")[2], re.MULTILINE)
    assert sorted(listed) == sorted(main.commands)
    assert "fastclf train data.csv --target COLUMN" in text


@pytest.fixture
def runs(recipe_file: Path) -> list[str]:
    for name, C in (("one", 1.0), ("two", 0.01)):
        done = invoke(
            "train", "--config", "flowers.toml", "--out", name, "-q", "--set", f"model.C={C}"
        )
        assert done.exit_code == 0, done.stderr
    return ["one", "two"]


def test_commands_that_only_read_files_load_nothing_slow(runs: list[str]):
    """The commands that a user waits for at the prompt import neither Numba nor scikit-learn."""
    script = (
        "import sys; from fastclf.cli import main\n"
        "for line in (['schema'], ['datasets'], ['report', 'one'], ['compare', *sys.argv[1:]]):\n"
        "    main(line, standalone_mode=False)\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, *runs]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "two minus one" in done.stdout
    loaded = set(done.stderr.splitlines())
    assert "numpy" in loaded
    assert not loaded & {"numba", "scipy.sparse", "sklearn", "pandas", "pyarrow"}


def test_json_is_alone_on_stdout(runs: list[str]):
    adam = ("--set", "solver.name=adam")
    trained = invoke("train", "--config", "flowers.toml", "--out", "three", "--json", *adam)
    summary = json.loads(trained.stdout)
    assert summary.pop("path") == "three"
    assert summary == json.loads(Path("three/summary.json").read_text())
    assert trained.stderr.startswith("epoch ")
    compared = json.loads(invoke("compare", "--json", *runs).stdout)
    assert compared["differences"] == {"model.C": [1.0, 0.01]}
    assert compared["best"]["test.log_loss"] == ["one"]
    listed = json.loads(invoke("datasets", "--json").stdout)
    assert "iris" in {entry["name"] for entry in listed}
    assert "data" in json.loads(invoke("schema").stdout)["required"]


def test_verbose_and_quiet(runs: list[str]):
    train = ("train", "--config", "flowers.toml")
    assert "versicolor" in invoke(*train, "--out", "three", "-v").stdout
    assert "versicolor" not in invoke(*train, "--out", "four").stdout
    assert "data.name" in invoke("compare", "-v", *runs).stdout
    assert "model.C" in invoke("compare", *runs).stdout
    assert "model.C" not in invoke("compare", "-q", *runs).stdout
    assert "iris" in invoke("datasets", "-q").stdout.splitlines()


def test_runs_on_other_data_are_compared_with_a_warning(runs: list[str]):
    set_wine = ("--set", "data.name=wine", "--out", "wine", "-q")
    invoke("train", "--config", "flowers.toml", *set_wine)
    result = invoke("compare", "one", "wine")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: the runs did not read the same rows and columns")


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_on_a_terminal_only_and_not_with_no_color(
    variables: dict, coloured: bool, recipe_file: Path
):
    master, slave = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color", **variables}
    arguments = ["train", "--config", "flowers.toml", "--set", "solver.name=adam"]
    done = subprocess.Popen([*COMMAND, *arguments], stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # which is how the end of a terminal reads
        while chunk := os.read(master, 65536):
            shown += chunk
    os.close(master)
    assert done.wait(timeout=60) == 0
    assert b"accuracy" in shown
    assert bool(re.search(rb"\x1b\[[\d;]*3[0-9]", shown)) == coloured


@pytest.fixture
def flowers(recipe_file: Path) -> Path:
    """A CSV file, and a run that was trained on it."""
    from sklearn.datasets import load_iris

    bunch = load_iris()
    lines = [",".join([*"abcd", "label"])]
    for row, code in zip(bunch.data.tolist(), bunch.target.tolist(), strict=True):
        lines.append(",".join([*map(str, row), str(bunch.target_names[code])]))
    path = Path("flowers.csv")
    path.write_text("\n".join(lines) + "\n")
    assert invoke("init", "flowers.csv", "-o", "csv.toml", "-q").output == ""
    assert invoke("train", "--config", "csv.toml", "--out", "run", "-q").exit_code == 0
    return path


def test_init_and_check_tell_what_they_see(flowers: Path):
    shown = invoke("init", "flowers.csv", "-o", "more.toml")
    assert "flowers.csv: 150 rows, 4 columns" in shown.stdout
    assert "saved in more.toml" in shown.stdout
    printed = invoke("init", "flowers.csv", "-o", "-")
    assert printed.stdout == Path("more.toml").read_text().replace("more.toml", "recipe.toml")
    again = invoke("init", "flowers.csv", "-o", "more.toml")
    assert (again.exit_code, again.stdout) == (2, "")
    assert "--force" in again.stderr
    assert (
        "--force" in invoke("init", "no such file", "-o", "more.toml").stderr
    )  # without reading it
    checked = json.loads(invoke("check", "--config", "more.toml", "--json").stdout)
    assert (checked["n_train"], checked["kind"]) == (112, "softmax")
    assert "112 training rows" in invoke("check", "--config", "more.toml").stdout
    assert invoke("check", "--config", "more.toml", "-q", "--set", "model.C=2").output == ""


def test_evaluate_prints_and_saves(flowers: Path):
    found = json.loads(invoke("evaluate", "run", "--json").stdout)
    assert found == json.loads(Path("run/evaluation.json").read_text())
    assert (
        found["test"]["metrics"]
        == json.loads(Path("run/summary.json").read_text())["metrics"]["test"]
    )
    assert invoke("evaluate", "run", "-q").stdout == "run/evaluation.json\n"
    other = invoke("evaluate", "run", "--data", "flowers.csv", "-v")
    assert "versicolor" in other.stdout
    assert other.stdout.endswith("saved in run/evaluation-flowers.json\n")
    missing = invoke("evaluate", "nowhere")
    assert missing.exit_code == 2
    assert (
        missing.stderr
        == "fastclf: error: nowhere: no such directory; name the directory of a run\n"
    )


def test_predict_in_processes(flowers: Path):
    command = " ".join([*COMMAND, "predict", "run"])

    def run(line: str) -> subprocess.CompletedProcess:
        return subprocess.run(line, shell=True, capture_output=True, text=True)

    whole = run(f"{command} flowers.csv")
    assert whole.returncode == 0
    assert whole.stdout.splitlines()[0] == (
        "label,probability_setosa,probability_versicolor,probability_virginica"
    )
    assert len(whole.stdout.splitlines()) == 151
    assert whole.stderr == "150 rows predicted\n"
    piped = run(f"cat flowers.csv | {command} - -q")
    assert (piped.stdout, piped.stderr) == (whole.stdout, "")
    predict = ("predict", "run", "flowers.csv")
    saved = invoke(*predict, "-o", "out.csv", "-q")
    assert (saved.stdout, saved.stderr) == ("", "")
    assert Path("out.csv").read_text() == whole.stdout
    lines = invoke(*predict, "--format", "jsonl", "--columns", "label", "--keep", "a")
    assert json.loads(lines.stdout.splitlines()[0]) == {"a": "5.1", "label": "setosa"}
    wrong = invoke(*predict, "-o", "out.txt")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith('fastclf: error: out.txt: the suffix ".txt" is unknown')


def test_threads_limit_every_part_of_a_command_and_change_no_bit(flowers: Path, monkeypatch):
    import pyarrow

    before, used, arrow, workers = pyarrow.cpu_count(), set(), set(), threads._workers

    def counting(*arguments: Any) -> int:
        used.add(threads.resolve_n_threads(None))
        arrow.add(pyarrow.cpu_count())
        return workers(*arguments)

    monkeypatch.setattr(threads, "_workers", counting)
    models, predictions = set(), set()
    for n in ("1", "3"):
        used.clear()
        arrow.clear()
        train = ("train", "csv.toml", "--out", n, "-q", "--threads", n)
        done = invoke(*train, "--set", "solver.name=sgd", "--set", "solver.batch_size=100")
        assert done.exit_code == 0, done.stderr
        predicted = invoke("predict", n, "flowers.csv", "--threads", n)
        assert (used, arrow, pyarrow.cpu_count()) == ({int(n)}, {int(n)}, before)
        models.add(Path(n, "model.safetensors").read_bytes())
        predictions.add(predicted.stdout)
    assert len(models) == len(predictions) == 1
    seconds = {
        json.loads(invoke("check", "csv.toml", "--threads", n, "--json").stdout)["seconds"] * int(n)
        for n in ("1", "3")
    }
    assert max(seconds) == pytest.approx(min(seconds))
    for command in (("tune", "csv.toml"), ("evaluate", "run")):
        done = invoke(*command, "--threads", "0")
        assert done.exit_code == 2 and "'--threads'" in done.stderr


def test_a_closed_pipe_is_no_error(flowers: Path):
    many = Path("many.csv")
    header, *rows = flowers.read_text().splitlines(keepends=True)
    many.write_text(header + "".join(rows) * 1000)
    command = " ".join([*COMMAND, "predict", "run", "many.csv"])
    done = subprocess.run(f"{command} | head -n 2", shell=True, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == ""


@pytest.mark.parametrize(
    "command", [("evaluate", "run"), ("predict", "run", "flowers.csv"), ("train", "--config", "r")]
)
def test_long_compilation_is_told(command: tuple[str, ...], flowers: Path, monkeypatch):
    Path("r").write_text('[data]\npath = "flowers.csv"\ntarget = "label"\n')
    told = threading.Event()
    decide = LinearModel.decide

    def after_compilation(model: LinearModel, logits: np.ndarray) -> np.ndarray:
        with obtained.telling(lambda line: told.set()), obtained.timed():
            obtained.must_compile(lambda: True)
            assert told.wait(60)
        return decide(model, logits)

    monkeypatch.setattr(LinearModel, "decide", after_compilation)
    monkeypatch.setattr(obtained, "PATIENCE", 0.0)
    result = invoke(*command)
    assert result.exit_code == 0, result.output
    assert result.stderr.count(COMPILING) == 1
    told.clear()
    assert "compiling" not in invoke(*command, "-q").stderr


def test_the_summary_tells_of_long_compilation_apart(flowers: Path):
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["fit_seconds"] > 0 and summary["compile_seconds"] >= 0
    for seconds, told in ((0.4, ""), (12.34, " after 12.3 s of compilation")):
        printed = Console(file=io.StringIO(), width=200)
        print_summary(Path("run"), summary | {"compile_seconds": seconds}, printed)
        assert re.search(rf"in \d+\.\d\d s{told}; saved in run", printed.file.getvalue())


def test_warmup_tells_what_it_compiled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(warmup, "all_tasks", lambda: [warmup.Task("functional, float32")])
    result = invoke("warmup", "--jobs", "1")
    assert result.exit_code == 0
    assert result.stderr.startswith("functional, float32: ")
    assert re.match(r"\d+ kernels compiled in [\d.]+ s", result.stdout)
    again = json.loads(invoke("warmup", "--json", "-q").stdout)
    assert (again["compiled"], again["levels"], again["jobs"]) == (0, [], 1)
    assert again["loaded"] > 20
    assert invoke("warmup", "-q").output == ""


def test_doctor_tells_where_kernels_come_from():
    printed = invoke("doctor").stdout
    found = json.loads(invoke("doctor", "--json").stdout)
    assert all(found["packages"][name] for name in ("numba", "numpy", "scikit-learn"))
    assert found["processor"] in printed and f"numba {found['packages']['numba']}" in printed
    assert found["bundle"] is None and found["cache"]["kernels"] > 0
    assert found["threads"]["available"] >= 1


@pytest.fixture
def kernels_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that FASTCLF_KERNELS names, which doesn't exist yet; doctor prints long lines."""
    monkeypatch.setenv("FASTCLF_KERNELS", str(tmp_path / "kernels"))
    monkeypatch.setenv("COLUMNS", "1000")
    bundles.serving.cache_clear()
    yield tmp_path / "kernels"
    bundles.serving.cache_clear()


def test_doctor_tells_why_no_bundle_serves(kernels_folder: Path, monkeypatch: pytest.MonkeyPatch):
    assert f"none ({kernels_folder}: No such file or directory)" in invoke("doctor").stdout
    kernels_folder.mkdir()
    assert f"none ({kernels_folder}: empty)" in invoke("doctor").stdout
    (kernels_folder / "x86-64-v3-python2.7").mkdir()
    found = invoke("doctor").stdout
    assert f"none for this processor in {kernels_folder}, which has x86-64-v3-python2.7" in found
    bundles.serving.cache_clear()
    monkeypatch.setenv("FASTCLF_KERNELS", "")
    assert "none: FASTCLF_KERNELS is empty" in invoke("doctor").stdout


@pytest.mark.skipif(not warmup.available_levels(), reason="needs a level of the instruction set")
def test_doctor_counts_kernels_of_other_versions_apart(kernels_folder: Path):
    bundle = kernels_folder / bundles.name(levels.by_name(warmup.available_levels()[0]))
    bundle.mkdir(parents=True)
    for stamp in (package_stamp()[:16], "0123456789abcdef", "fedcba9876543210"):
        (bundle / f"fastclf.kernels.name-{stamp}-0.nbc").write_bytes(b"")
    expected = f"1 kernels (and 2 of other versions of fastclf), {bundle}"
    assert expected in invoke("doctor").stdout


def test_doctor_works_without_the_compiler():
    done = subprocess.run(
        [*COMMAND, "doctor", "--json"],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["cache"]["path"] is None and found["fit"]["compiled"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--jobs", "0"), "0 is not in the range x>=1"),
        (("--config", "missing.toml"), "missing.toml"),
        (("--into", "flowers.csv/kernels"), "can't be written"),
    ],
)
def test_warmup_refuses(options: tuple[str, ...], message: str, flowers: Path):
    result = invoke("warmup", *options)
    assert result.exit_code != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr
