"""The examples run, and the benchmarks at least parse their options."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.glob("example_*.py")))
def test_example_runs(name, capsys):
    runpy.run_path(str(SCRIPTS / name), run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.glob("benchmark_*.py")))
def test_benchmark_has_help(name):
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / name), "--help"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "--out" in done.stdout
