"""What a fit shows while it runs: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from fastclf.solvers import Progress

View = Callable[[Progress], None]

LINES = 10  # about how many plain lines a fit that runs to max_iter prints


@contextmanager
def progress_view(console: Console | None) -> Iterator[View]:
    """Give an observer that shows each step of a fit on ``console``; on None it shows nothing."""
    if console is None:
        yield lambda progress: None
    elif console.is_interactive:
        with _bar(console) as view:
            yield view
    else:
        yield lambda progress: _print_line(console, progress)


@contextmanager
def _bar(console: Console) -> Iterator[View]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("fit", total=None, figures="")  # pulses until the first step
        yield lambda progress: bar.update(
            task,
            description=_unit(progress),
            completed=progress.iteration,
            total=progress.max_iter,
            figures=_figures(progress),
        )


def _print_line(console: Console, progress: Progress) -> None:
    every = max(1, progress.max_iter // LINES)
    if progress.iteration % every == 0 or progress.iteration == progress.max_iter:
        place = f"{_unit(progress)} {progress.iteration}/{progress.max_iter}"
        console.out(f"{place}  {_figures(progress)}", highlight=False)


def _unit(progress: Progress) -> str:
    return "iteration" if progress.learning_rate is None else "epoch"


def _figures(progress: Progress) -> str:
    figures = f"objective {progress.objective:.4g}"
    if progress.validation_loss is not None:
        figures += f"  validation {progress.validation_loss:.4g}"
    return figures
