"""What hears a run while it goes on: its warnings, the steps of its fit, and Ctrl-C."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from time import perf_counter

from rich.console import Console

from fastclf.config import CheckpointTable
from fastclf.runs.directory import RunDirectory
from fastclf.runs.interrupt import deferred_interrupt
from fastclf.runs.keeper import RunKeeper
from fastclf.runs.progress import progress_view
from fastclf.solvers import Progress, keeping, observing


class Watch:
    """Hears the fit of a run, and knows the warnings of the whole run.

    Parameters
    ----------
    directory : RunDirectory
        Where metrics and checkpoints are kept.
    table : CheckpointTable
        How often there is a checkpoint.
    console : rich.console.Console, optional
        Where progress is shown.
    caught : list of warnings.WarningMessage
        Grows with each warning.

    Attributes
    ----------
    fit_seconds : float
        What the fit took, with its time before the run was stopped.
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
        self.fit_seconds = 0.0
        self._earlier_warnings: list[str] = []

    @contextmanager
    def fit(self, n_rows: int) -> Iterator[None]:
        """Have the fit in the block write metrics and checkpoints, and show progress.

        It goes on from a checkpoint if there is one, and Ctrl-C waits for its step. One that has
        come too late for the fit is raised at the end.
        """

        def observe(progress: Progress) -> None:
            self.directory.write_metrics(asdict(progress))
            show(progress)

        with (
            progress_view(self.console, n_rows) as show,
            observing(observe),
            self._checkpoints() as keeper,
        ):
            start = perf_counter()
            yield
            self.fit_seconds = perf_counter() - start + keeper.earlier_seconds
            self._earlier_warnings = keeper.earlier_warnings

    def tell(self, lines: Iterable[str]) -> None:
        """Show lines where progress is shown."""
        for line in lines:
            if self.console is not None:
                self.console.out(line, highlight=False)

    def warnings(self) -> list[str]:
        """Return each warning once, on one line, with those before the run was stopped."""
        return list(dict.fromkeys([*self._earlier_warnings, *self._new_warnings()]))

    @contextmanager
    def _checkpoints(self) -> Iterator[RunKeeper]:
        with deferred_interrupt() as interrupt:
            keeper = RunKeeper(
                self.directory.checkpoints(self.table.keep),
                self.table,
                interrupt,
                warned=self._new_warnings,
                go_on=self._rewind,
                damaged=self._tell_damaged,
            )
            with keeping(keeper):
                yield keeper
        if interrupt.requested:
            raise KeyboardInterrupt

    def _rewind(self, heard: list[Progress]) -> None:
        self.directory.rewind_metrics([asdict(progress) for progress in heard])

    def _tell_damaged(self, what: str) -> None:
        self.tell([f"warning: {what}"])  # at once, because it may cost hours
        warnings.warn(what, stacklevel=1)

    def _new_warnings(self) -> list[str]:
        return list(dict.fromkeys(" ".join(str(one.message).split()) for one in self.caught))


@contextmanager
def watching(
    directory: RunDirectory, table: CheckpointTable, console: Console | None
) -> Iterator[Watch]:
    """Give what hears the fit of a run, which is in the block, and its warnings for users."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        for category in (UserWarning, RuntimeWarning, FutureWarning):
            warnings.simplefilter("always", category)
        yield Watch(directory, table, console, caught)
