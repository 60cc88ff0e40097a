"""Runs that end in the middle."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fastclf.runs.directory import RunDirectory


@contextmanager
def stopped_after(lines: int) -> Iterator[None]:
    """Check that the run which is done within stops after so many lines of metrics."""
    written, write_metrics = [], RunDirectory.write_metrics

    def stopping(self: RunDirectory, line: dict) -> None:
        write_metrics(self, line)
        written.append(line)
        if len(written) == lines:
            raise RuntimeError("stopped")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunDirectory, "write_metrics", stopping)
        with pytest.raises(RuntimeError, match="stopped"):
            yield
