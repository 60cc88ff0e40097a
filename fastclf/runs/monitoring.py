"""Monitoring of a run in progress: its warnings, the steps of its fit, and Ctrl-C."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console

from fastclf.config import CheckpointTable
from fastclf.kernels.runtime import obtained
from fastclf.runs.directory import RunDirectory
from fastclf.runs.interrupt import deferred_interrupt
from fastclf.runs.keeper import RunKeeper
from fastclf.runs.progress import progress_view
from fastclf.solvers import Progress, keeping, observing


class RunMonitor:
    """Records the steps of a run's fit, its checkpoints, its time and its warnings.

    Parameters
    ----------
    directory : RunDirectory
        Where metrics and checkpoints are written.
    table : CheckpointTable
        How often checkpoints are written.
    console : rich.console.Console, optional
        Where progress is shown.
    caught : list of warnings.WarningMessage
        The warnings of the run so far; the list grows.

    Attributes
    ----------
    observers : list of callable
        Are called with each step of the fit.
    fit_seconds, compile_seconds : float
        The time of the fit and that of obtaining its kernels, including the time before the run
        was stopped and resumed.
    """

    def __init__(
        self,
        directory: RunDirectory,
        table: CheckpointTable,
        console: Console | None,
        caught: list[warnings.WarningMessage],
    ) -> None:
        self.directory = directory
        self.table = table
        self.console = console
        self.caught = caught
        self.observers: list[Callable[[Progress], None]] = []
        self.fit_seconds = 0.0
        self.compile_seconds = 0.0
        self._earlier_warnings: list[str] = []

    @contextmanager
    def fit(self, n_rows: int) -> Iterator[None]:
        """Let the fit in the block write metrics and checkpoints, and show its progress.

        The fit resumes from a checkpoint if there is one. Ctrl-C waits for the end of its step; one
        that comes after the last step is raised at the end of the block.
        """

        def observe(progress: Progress) -> None:
            self.directory.write_metrics(progress._asdict())
            show(progress)
            for tell in self.observers:
                tell(progress)

        with (
            progress_view(self.console, n_rows) as show,
            observing(observe),
            self._checkpoints() as keeper,
        ):
            watch = obtained.Stopwatch()
            yield
            seconds, compile_seconds = watch.read()
            self.fit_seconds = seconds + keeper.earlier_seconds
            self.compile_seconds = compile_seconds + keeper.earlier_compile_seconds
            self._earlier_warnings = keeper.earlier_warnings

    def print_lines(self, lines: Iterable[str]) -> None:
        """Print lines to the console that shows progress, if any."""
        for line in lines:
            if self.console is not None:
                self.console.out(line, highlight=False)

    def warnings(self) -> list[str]:
        """Return each warning once, as one line, including those before the run was stopped."""
        return list(dict.fromkeys([*self._earlier_warnings, *self._new_warnings()]))

    @contextmanager
    def _checkpoints(self) -> Iterator[RunKeeper]:
        with deferred_interrupt() as interrupt:
            keeper = RunKeeper(
                self.directory.checkpoints(self.table.keep),
                self.table,
                interrupt,
                current_warnings=self._new_warnings,
                on_start=self._rewind,
                on_damaged=self._warn_damaged,
            )
            with keeping(keeper):
                yield keeper
        if interrupt.requested:
            raise KeyboardInterrupt

    def _rewind(self, steps: list[Progress]) -> None:
        self.directory.rewind_metrics([progress._asdict() for progress in steps])

    def _warn_damaged(self, message: str) -> None:
        self.print_lines([f"warning: {message}"])  # now, because hours of the fit may be lost
        warnings.warn(message, stacklevel=1)

    def _new_warnings(self) -> list[str]:
        return list(dict.fromkeys(" ".join(str(one.message).split()) for one in self.caught))


@contextmanager
def monitored_run(
    directory: RunDirectory, table: CheckpointTable, console: Console | None
) -> Iterator[RunMonitor]:
    """Yield the monitor of the run in the block; it records all warnings meant for users."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        for category in (UserWarning, RuntimeWarning, FutureWarning):
            warnings.simplefilter("always", category)
        monitor = RunMonitor(directory, table, console, caught)
        with obtained.telling(lambda line: monitor.print_lines([line])):
            yield monitor
