"""The example of docs/dask.md runs as it is, and prints what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dask.md").read_text()
BLOCK = re.compile(r"```(\w+)\n(.*?)```", flags=re.DOTALL)


def test_the_example_runs_as_a_script(tmp_path: Path):
    pytest.importorskip("distributed")
    blocks = BLOCK.findall(PAGE)
    place = next(i for i, (kind, _) in enumerate(blocks) if kind == "python")
    (_, program), (kind, shown) = blocks[place : place + 2]
    assert kind == "text"
    script = tmp_path / "example.py"
    script.write_text(program)
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == shown
    assert (tmp_path / "model.safetensors").stat().st_size > 0
