"""A limit of time: the fit saves its state and stops, and goes on with the same bits."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fastclf.cli import main
from fastclf.runs import interrupt, run
from fastclf.runs.directory import RunDirectory

ADAM = ["solver.name=adam", "solver.epochs=6", "solver.tol=0.0", "solver.batch_size=16"]
SETS = [word for assignment in ADAM for word in ("--set", assignment)]


@pytest.fixture(autouse=True)
def recipe_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.toml").write_text('[data]\nname = "iris"\n')


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_a_fit_stops_at_its_next_step_and_goes_on_with_the_same_bits(monkeypatch):
    write_metrics, written = RunDirectory.write_metrics, []

    def reaching(self: RunDirectory, line: dict) -> None:
        write_metrics(self, line)
        written.append(line)
        if len(written) in (2, 4):
            assert interrupt._limit is not None and not interrupt._limit.reach()

    monkeypatch.setattr(RunDirectory, "write_metrics", reaching)
    told = (
        "fastclf: stopped at the time limit of 1000 s; saved in run; resume with: fastclf train "
        "--resume run\n"
    )
    first = invoke("train", "r.toml", *SETS, "--out", "run", "--time-limit", "1000", "--json")
    assert (first.exit_code, first.stdout) == (interrupt.TIME_UP, "")
    assert first.stderr.endswith(told)
    second = invoke("train", "--resume", "run", "--time-limit", "1000", "-q")
    assert (second.exit_code, second.output) == (124, told)
    assert len(Path("run/metrics.jsonl").read_text().splitlines()) == 4
    third = invoke("train", "--resume", "run", "--time-limit", "1000", "-q")
    assert (third.exit_code, third.output) == (0, "run\n")
    invoke("train", "r.toml", *SETS, "--out", "whole")
    one, two = (Path(name, "model.safetensors").read_bytes() for name in ("run", "whole"))
    assert one == two


@pytest.mark.parametrize("command", ["train", "tune"])
def test_what_takes_no_checkpoint_stops_at_once(command: str, monkeypatch):
    def reading(*arguments: object) -> None:
        while True:
            time.sleep(0.01)

    monkeypatch.setattr(run, "read_dataset", reading)
    done = invoke(command, "r.toml", "--out", "run", "--time-limit", "0.1", "-q")
    assert done.exit_code == 124
    assert done.output == "fastclf: stopped at the time limit of 0.1 s; nothing was saved\n"
    assert not Path("run").exists()


def test_a_fit_without_an_end_of_a_step_stops_at_once(monkeypatch):
    monkeypatch.setattr(interrupt, "PATIENCE", 0.1)
    began = time.perf_counter()
    with pytest.raises(interrupt.TimeUp), interrupt.time_limit(0.1, began, print):
        with interrupt.deferred_interrupt() as found:
            found.can_wait = True
            while True:
                time.sleep(0.01)
    assert found.requested


def test_compiled_code_without_an_end_ends_with_the_process():
    script = (
        "import time\n"
        "from fastclf.runs import interrupt\n"
        "interrupt.REACTION = 0.1\n"
        "with interrupt.time_limit(0.1, time.perf_counter(), lambda: print('bye', flush=True)):\n"
        "    time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (124, "bye\n", "")


def test_nothing_is_left_of_a_limit_that_was_not_reached():
    with interrupt.time_limit(1000.0, time.perf_counter(), print):
        limit = interrupt._limit
    assert interrupt._limit is None
    assert limit is not None and limit._over.is_set() and not limit.reached
    with pytest.raises(KeyboardInterrupt) as raised:
        with interrupt.time_limit(1000.0, time.perf_counter(), print):
            raise KeyboardInterrupt  # Ctrl-C
    assert raised.type is KeyboardInterrupt
