"""Display of a fit's progress: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from fastclf.solvers import Progress

View = Callable[[Progress], None]

LINES = 10  # approximate number of plain lines for a quick fit that runs to max_iter
SECONDS = 5.0  # most seconds between two plain lines


@contextmanager
def progress_view(console: Console | None, n_rows: int) -> Iterator[View]:
    """Yield an observer that shows each step of a fit to ``n_rows`` rows on ``console``.

    If ``console`` is None, it shows nothing.
    """
    pace = _Pace(n_rows)
    if console is None:
        yield lambda progress: None
    elif console.is_interactive:
        with _bar(console, pace) as view:
            yield view
    else:
        lines = _Lines(console, pace)
        yield lines.show


class _Pace:
    """The speed of a fit, measured from the end of its first step: what precedes it is set-up.

    Parameters
    ----------
    n_rows : int
        The number of rows in a pass.
    """

    def __init__(self, n_rows: int) -> None:
        self.n_rows = n_rows
        self.first: Progress | None = None

    def figures(self, progress: Progress) -> list[str]:
        """Return texts: rows per second; for a minibatch solver also the remaining time."""
        if self.first is None:
            self.first = progress
        first = self.first
        seconds, passes = progress.seconds - first.seconds, progress.passes - first.passes
        if not seconds > 0:
            return []
        figures = [f"{_rounded(passes * self.n_rows / seconds)} rows/s"]
        left = progress.max_iter - progress.iteration
        if left and progress.learning_rate is not None:  # exact solvers stop before max_iter
            pace = seconds / (progress.iteration - first.iteration)
            figures.append(f"{timedelta(seconds=round(left * pace))} left")
        return figures


@contextmanager
def _bar(console: Console, pace: _Pace) -> Iterator[View]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("fit", total=None, figures="")  # the bar pulses until the first step
        yield lambda progress: bar.update(
            task,
            description=_unit(progress),
            completed=progress.iteration,
            total=progress.max_iter,
            figures=_figures(progress, pace),
        )


class _Lines:
    """Plain lines: at tenths of the largest number of steps, and every few seconds."""

    def __init__(self, console: Console, pace: _Pace) -> None:
        self._console = console
        self._pace = pace
        self._shown = 0.0  # seconds of the fit at the last line

    def show(self, progress: Progress) -> None:
        figures = _figures(progress, self._pace)
        every = max(1, progress.max_iter // LINES)
        is_last = progress.iteration == progress.max_iter
        is_due = progress.seconds - self._shown >= SECONDS
        if progress.iteration % every == 0 or is_last or is_due:
            self._shown = progress.seconds
            place = f"{_unit(progress)} {progress.iteration}"
            if progress.learning_rate is not None:  # exact solvers stop before max_iter
                place += f"/{progress.max_iter}"
            self._console.out(f"{place}  {figures}", highlight=False)


def _unit(progress: Progress) -> str:
    return "iteration" if progress.learning_rate is None else "epoch"


def _figures(progress: Progress, pace: _Pace) -> str:
    figures = [f"objective {progress.objective:.4g}"]
    if progress.validation_loss is not None:
        figures.append(f"validation {progress.validation_loss:.4g}")
    if progress.gradient_norm is not None:
        figures.append(f"gradient {progress.gradient_norm:.1e}")
    return "  ".join([*figures, *pace.figures(progress)])


def _rounded(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"
