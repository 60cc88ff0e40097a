"""The Python of pages with examples runs as one script, and prints what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", flags=re.DOTALL)
PRINTS = ("python", "text")


@pytest.mark.parametrize(
    ("page", "needed", "written"),
    [("dask", "distributed", "model.safetensors"), ("streams", "pyarrow", "rows.parquet")],
)
def test_the_examples_run_as_a_script(tmp_path: Path, page: str, needed: str, written: str):
    pytest.importorskip(needed)
    blocks = BLOCK.findall((ROOT / "docs" / "guide" / f"{page}.md").read_text())
    pairs = zip(blocks[:-1], blocks[1:], strict=True)
    some = [(code, out) for (kind, code), (other, out) in pairs if (kind, other) == PRINTS]
    program, shown = ("\n".join(texts) for texts in zip(*some, strict=True))
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
    assert done.stdout == shown.replace("\n\n", "\n")
    assert (tmp_path / written).stat().st_size > 0
